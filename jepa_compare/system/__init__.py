"""The machine: files, signals, memory, and what a run ran on."""
