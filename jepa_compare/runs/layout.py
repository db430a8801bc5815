"""The names of the files and folders of a run directory and of a sweep: nobody else spells one."""

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
STUDY = "study.json"
LOG = "train.log"
CONSOLE = "console.log"
WANDB = "wandb"
_OF_HYDRA = tuple(f".hydra/{name}.yaml" for name in ("config", "hydra", "overrides"))
WRITTEN = (
    *(CONFIG, STATUS, METRICS, CHECKPOINT, CHECKPOINT_PREVIOUS, EXPORT, SUMMARY, LOCK, SWEEP, LOG),
    *(STUDY, CONSOLE, EVALUATIONS, FIGURES, FLOORS, COMPARISON, WANDB, "multirun.yaml", *_OF_HYDRA),
)
"""What this package, Hydra and Weights & Biases write into a run's or a sweep's directory."""
