"""From run directories to records: what is found, checked against itself, and left out."""
