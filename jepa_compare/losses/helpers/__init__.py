"""One helper term per file; `base` holds their contract."""
