"""Two rooms joined by a door: the default world and the published one with a random wall."""
