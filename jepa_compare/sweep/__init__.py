"""What users start on a command line: runs and sweeps, and what is asked of them afterwards."""
