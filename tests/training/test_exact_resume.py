"""A run that was killed, wherever it was, ends as one that was not: bit for bit."""

import json
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import torch

from jepa_compare.config.compose import CONF_DIR
from jepa_compare.runs import layout
from jepa_compare.runs.writer import read_status
from jepa_compare.sweep.job import Job
from jepa_compare.system import files
from jepa_compare.training import checkpoint
from jepa_compare.training.run import run
from tests.support.faults import Disk, Killed
from tests.support.runs import job

LOSSES = sorted(p.stem for p in (CONF_DIR / "aux_loss").glob("*.yaml") if p.stem != "barlow")
KILLS = 20


def made(loss: str, *overrides: str) -> Job:
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


class Reference:
    """The undisturbed run of each loss, made when first asked for."""

    def __init__(self, root: Path) -> None:
        (root / layout.FLOORS).mkdir()
        self.root = root
        self.jobs: dict[str, Job] = {}

    def __getitem__(self, loss: str) -> tuple[Job, Path]:
        if loss not in self.jobs:
            self.jobs[loss] = made(loss)
            start(self.jobs[loss], self.root / loss)
        return self.jobs[loss], self.root / loss


@pytest.fixture(scope="module")
def reference(tmp_path_factory: pytest.TempPathFactory) -> Reference:
    return Reference(tmp_path_factory.mktemp("reference"))


def start(made: Job, directory: Path) -> None:
    run(made.config, made.identity, directory)


def dies(made: Job, directory: Path, at: int) -> tuple[bool, list[tuple[str, str]]]:
    """Whether a run in `directory` dies at its `at`-th event; and its events."""
    with pytest.MonkeyPatch.context() as patch:
        disk = Disk(patch, at)
        try:
            start(made, directory)
        except Killed:
            return True, disk.events
        return False, disk.events


def evaluations(directory: Path) -> dict[str, Any]:
    found = {}
    for path in (directory / layout.EVALUATIONS).iterdir():
        found[path.name] = files.read_json(path) | {"seconds": None}
    return found


def assert_same(one: Path, other: Path, made: Job) -> None:
    """Rows, weights, evaluations, status, and every tensor that a next step would start from."""
    for name in (layout.METRICS, layout.EXPORT):
        assert (one / name).read_bytes() == (other / name).read_bytes(), name
    assert evaluations(one) == evaluations(other)
    summaries = [files.read_json(path / layout.SUMMARY) for path in (one, other)]
    for key in ("status", "metrics", "alarms", "collapsed_at", "floors", "untrained", "steps"):
        assert summaries[0][key] == summaries[1][key], key
    states = [checkpoint.load(p, made.identity["hash"], torch.device("cpu")) for p in (one, other)]
    leaves = [dict(leaves_of(state)) for state in states]
    assert {k for k in leaves[0] if k[:12] != ".provenance."} <= leaves[1].keys()
    for key, value in leaves[0].items():
        if key not in (".seconds", ".interim_seconds") and not key.startswith(".provenance"):
            same = torch.equal(value, leaves[1][key]) if torch.is_tensor(value) else None
            assert value == leaves[1][key] if same is None else same, key


def leaves_of(node: Any, path: str = "") -> list[tuple[str, Any]]:
    if isinstance(node, dict):
        return [leaf for key, item in node.items() for leaf in leaves_of(item, f"{path}.{key}")]
    if isinstance(node, list):
        return [leaf for i, item in enumerate(node) for leaf in leaves_of(item, f"{path}[{i}]")]
    return [(path, node)]


@pytest.mark.parametrize("loss", LOSSES)
def test_killed_at_random_it_ends_bit_equal(
    tmp_path: Path, reference: Reference, loss: str
) -> None:
    """Twenty deaths at random events (steps, writes, fsyncs, renames) of one run after another."""
    made, undisturbed = reference[loss]
    draw, kills, round_ = random.Random(loss), 0, 0
    (tmp_path / layout.FLOORS).mkdir()
    while kills < KILLS or read_status(tmp_path / str(round_)).get("state") != "completed":
        died, _ = dies(made, tmp_path / str(round_), at=draw.randint(0, 45))
        kills += died
        if not died:
            assert_same(tmp_path / str(round_), undisturbed, made)
            round_ += kills < KILLS
    assert kills >= KILLS


def deaths(events: list[tuple[str, str]]) -> list[int]:
    """The events of a run that touch its disk."""
    return [number for number, (operation, _) in enumerate(events) if operation != "step"]


def kill_at_each(made: Job, undisturbed: Path, root: Path, events: list[int]) -> None:
    for number in events:
        directory = root / str(number)
        assert dies(made, directory, at=number)[0]
        start(made, directory)
        assert_same(directory, undisturbed, made)
        shutil.rmtree(directory)


def test_killed_anywhere_in_a_checkpoint_it_ends_bit_equal(
    tmp_path: Path, reference: Reference
) -> None:
    """Every write, fsync and rename from the sync of the metrics to the last rename."""
    made, undisturbed = reference["dino"]
    (tmp_path / layout.FLOORS).mkdir()
    _, events = dies(made, tmp_path / "counted", at=-1)
    last = max(n for n, (_, name) in enumerate(events) if layout.CHECKPOINT in name)
    first = max(n for n in range(last) if events[n] == ("fsync", layout.METRICS))
    operations = [operation for operation, _ in events[first : last + 2]]
    assert " ".join(operations) == "fsync write fsync replace fsync replace replace fsync"
    kill_at_each(made, undisturbed, tmp_path, list(range(first, last + 2)))


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_killed_at_any_event_it_ends_bit_equal(tmp_path: Path, reference: Reference) -> None:
    """Every write, fsync, rename, truncation and removal of a whole run, each in its turn."""
    made, undisturbed = reference["dino"]
    _, events = dies(made, tmp_path / "counted", at=-1)
    operations = {operation for operation, _ in events}
    assert operations >= {"write", "fsync", "replace", "truncate", "pwrite", "ftruncate"}
    kill_at_each(made, undisturbed, tmp_path, deaths(events))


def test_three_real_kills_of_the_command_line(tmp_path: Path, reference: Reference) -> None:
    """SIGKILL to the program as a user starts it, at three moments; the same command continues."""
    made, undisturbed = reference["sigreg"]
    arguments = [*made.identity["overrides"], f"hydra.run.dir={tmp_path / 'run'}"]
    line = [sys.executable, "-m", "jepa_compare.train", *arguments]
    metrics = tmp_path / "run" / layout.METRICS
    for rows_before in (1, 3, 5):
        with subprocess.Popen(line, cwd=tmp_path, stderr=subprocess.DEVNULL) as process:
            while process.poll() is None:
                if metrics.exists() and metrics.read_bytes().count(b"\n") >= rows_before:
                    process.kill()
                time.sleep(0.005)
        assert process.returncode == -signal.SIGKILL
        assert read_status(tmp_path / "run")["state"] == "running"
    subprocess.run(line, cwd=tmp_path, check=True, capture_output=True)
    assert_same(tmp_path / "run", undisturbed, made)


ZYGOTE = """
import json, os, random, signal, sys, time
import jepa_compare.training.run as train
from jepa_compare.config.schema import Config
from jepa_compare.config.typed import from_plain
from jepa_compare.runs.writer import read_status
from pathlib import Path

identity, directory, kills = json.loads(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])
config, draw = from_plain(Config, identity["config"]), random.Random(identity["hash"])
killed, longest = 0, 0.5
while read_status(directory).get("state") != "completed":
    started = time.monotonic()
    child = os.fork()  # a fresh process, without the seconds that importing takes
    if child == 0:
        train.run(config, identity, directory)
        os._exit(0)
    if killed < kills:
        time.sleep(draw.uniform(0, longest))
        os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    killed += os.WIFSIGNALED(status)
    if not os.WIFSIGNALED(status):
        assert status == 0
print(killed)
"""


@pytest.mark.slow
@pytest.mark.parametrize("loss", LOSSES)
def test_real_kills_at_random_moments(tmp_path: Path, reference: Reference, loss: str) -> None:
    made, undisturbed = reference[loss]
    kills, round_ = 0, 0
    while kills < KILLS:
        line = [sys.executable, "-c", ZYGOTE, json.dumps(made.identity)]
        line += [str(tmp_path / str(round_)), str(KILLS - kills)]
        killed = subprocess.run(line, check=True, stdout=subprocess.PIPE, text=True)
        kills += int(killed.stdout)
        assert_same(tmp_path / str(round_), undisturbed, made)
        round_ += 1
