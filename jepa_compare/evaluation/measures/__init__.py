"""What is measured of a model: one file per measure, and the contract that they share."""
