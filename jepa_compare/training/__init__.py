"""The wing's door: one run, and what can go wrong with it that a caller has to tell apart."""

from jepa_compare.training.checkpoint import ForeignCheckpoint
from jepa_compare.training.finite import Diverged
from jepa_compare.training.run import run

__all__ = ["Diverged", "ForeignCheckpoint", "run"]
