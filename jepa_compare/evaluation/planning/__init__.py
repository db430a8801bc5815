"""Planning tasks: planners, what they plan in, and the episodes that are played."""
