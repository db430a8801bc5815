"""What may be configured, and how `conf/` and a command line become a typed configuration."""
