"""The run directory: names, contents, writing, locking, and reading what nobody vouches for."""
