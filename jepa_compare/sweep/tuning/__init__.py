"""`hydra/sweeper=tune`: every loss tuned with the same budget, compared on fresh seeds and tasks.

A study has three stages of ordinary runs in one sweep. `trials`: settings from a Sobol sequence,
one seed each. `confirm`: the best of them on further seeds, whose mean selects. `report`: the
selected settings on fresh seeds and tasks, beside the loss as it is shipped. A stage is planned
when the one before is complete; what was selected follows from the run directories alone.
"""
