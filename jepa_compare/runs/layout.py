"""The names of the files and folders of a run directory and of a sweep: nobody else spells one."""

from jepa_compare.runs.records import SCHEMA_VERSION, State, Status

__all__ = ["SCHEMA_VERSION", "State", "Status"]

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
