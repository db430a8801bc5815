"""The names of the files and folders of a run directory and of a sweep: nobody else spells one."""

from typing import Literal

SCHEMA_VERSION = 1

CONFIG = "config.json"
STATUS = "status.json"
METRICS = "metrics.jsonl"
CHECKPOINT = "checkpoint.pt"
CHECKPOINT_PREVIOUS = "checkpoint.prev.pt"
EXPORT = "encoder.safetensors"
SUMMARY = "summary.json"
EVALUATIONS = "evaluations"
FIGURES = "figures"
FLOORS = "floors"
COMPARISON = "comparison"
LOCK = "lock.json"
SWEEP = "sweep.json"
LOG = "train.log"
CONSOLE = "console.log"

State = Literal["queued", "running", "completed", "failed", "interrupted"]
Status = Literal["healthy", "dimensional_collapse", "complete_collapse", "diverged"]
