"""The code behind the doors: train, evaluate, reproduce, status."""
