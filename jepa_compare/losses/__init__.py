"""One auxiliary loss per file; `base` holds their contract."""
