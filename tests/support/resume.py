"""Short runs that are cut and continued, and what must then equal the undisturbed run."""

from pathlib import Path
from typing import Any

import torch

from jepa_compare.runs import layout
from jepa_compare.sweep.job import Job
from jepa_compare.system import files
from jepa_compare.training import checkpoint, run
from tests.support.runs import job


def short_job(loss: str, *overrides: str) -> Job:
    """A short run of `loss` with checkpoints, rows and evaluations at odds with each other."""
    return job(
        f"aux_loss={loss}",
        "aux_loss.target=ema",
        "aux_loss.allow_inert_target=true",
        "training.steps=12",
        "training.checkpoint_interval=2",
        "training.log_interval=3",
        "evaluation.planning.kinds=[same]",
        *overrides,
    )


class UndisturbedRuns:
    """One of each loss, trained when first asked for."""

    def __init__(self, root: Path) -> None:
        (root / layout.FLOORS).mkdir()
        self.root = root
        self.jobs: dict[str, Job] = {}

    def __getitem__(self, loss: str) -> tuple[Job, Path]:
        if loss not in self.jobs:
            self.jobs[loss] = short_job(loss)
            start(self.jobs[loss], self.root / loss)
        return self.jobs[loss], self.root / loss


def start(job: Job, directory: Path) -> None:
    """Run it, or continue it."""
    run(job.config, job.identity, directory)


def evaluations(directory: Path) -> dict[str, Any]:
    """All evaluations of a run by file name, without their seconds."""
    paths = (directory / layout.EVALUATIONS).iterdir()
    return {path.name: files.read_json(path) | {"seconds": None} for path in paths}


def assert_same(one: Path, other: Path, job: Job) -> None:
    """Rows, weights, evaluations, status, and every tensor that a next step would start from."""
    for name in (layout.METRICS, layout.EXPORT):
        assert (one / name).read_bytes() == (other / name).read_bytes(), name
    assert evaluations(one) == evaluations(other)
    summaries = [files.read_json(path / layout.SUMMARY) for path in (one, other)]
    same = ("status", "metrics", "alarms", "collapsed_at", "floors", "untrained", "steps")
    for key in (*same, "clipped_steps_share", "aux_to_prediction_gradient"):
        assert summaries[0][key] == summaries[1][key], key
    states = [checkpoint.load(p, job.identity.hash, torch.device("cpu")) for p in (one, other)]
    leaves = [dict(leaves_of(state)) for state in states]
    assert {k for k in leaves[0] if k[:12] != ".provenance."} <= leaves[1].keys()
    for key, value in leaves[0].items():
        if key not in (".seconds", ".interim_seconds") and not key.startswith(".provenance"):
            same = torch.equal(value, leaves[1][key]) if torch.is_tensor(value) else None
            assert value == leaves[1][key] if same is None else same, key


def leaves_of(node: Any, path: str = "") -> list[tuple[str, Any]]:
    """(path, value) of everything in a nest of dicts and lists."""
    if isinstance(node, dict):
        return [leaf for key, item in node.items() for leaf in leaves_of(item, f"{path}.{key}")]
    if isinstance(node, list):
        return [leaf for i, item in enumerate(node) for leaf in leaves_of(item, f"{path}[{i}]")]
    return [(path, node)]
