"""A run that was killed, wherever it was, ends as one that was not: bit for bit."""

import json
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from jepa_compare.config.compose import CONF_DIR
from jepa_compare.runs import layout
from jepa_compare.runs.codec import encode
from jepa_compare.sweep.job import Job
from jepa_compare.training.run import attempt, opened
from jepa_compare.training.state import TrainingState
from tests.support.faults import Disk, Killed
from tests.support.resume import UndisturbedRuns, assert_same, start
from tests.support.runs import read_status

LOSSES = sorted(p.stem for p in (CONF_DIR / "aux_loss").glob("*.yaml") if p.stem != "barlow")
# Of the others, with or without state of their own, in the slow suite.
QUICK = [
    loss if loss in ("vicreg", "dino_paper") else pytest.param(loss, marks=pytest.mark.slow)
    for loss in LOSSES
]
KILLS = 20


@pytest.fixture(scope="module")
def undisturbed_runs(tmp_path_factory: pytest.TempPathFactory) -> UndisturbedRuns:
    return UndisturbedRuns(tmp_path_factory.mktemp("undisturbed"))


def run_to_event(job: Job, directory: Path, at: int) -> tuple[bool, list[tuple[str, str]]]:
    """Whether a run in `directory` is killed, at its `at`-th event; and its events."""
    with pytest.MonkeyPatch.context() as patch:
        disk = Disk(patch, at)
        try:
            with opened(job.config, job.identity, directory) as context:
                state = TrainingState.build(job.config)
                state.objective.register_forward_pre_hook(lambda *_: disk.event("step", ""))
                attempt(state, context)
        except Killed:
            return True, disk.events
        return False, disk.events


@pytest.mark.parametrize("loss", QUICK)
def test_killed_at_random_it_ends_bit_equal(
    tmp_path: Path, undisturbed_runs: UndisturbedRuns, loss: str
) -> None:
    """Twenty kills at random events (steps, writes, fsyncs, renames) of one run after another."""
    job, undisturbed = undisturbed_runs[loss]
    draw, kills, round_ = random.Random(loss), 0, 0
    (tmp_path / layout.FLOORS).mkdir()
    while kills < KILLS or read_status(tmp_path / str(round_)).get("state") != "completed":
        killed, _ = run_to_event(job, tmp_path / str(round_), at=draw.randint(0, 45))
        kills += killed
        if not killed:
            assert_same(tmp_path / str(round_), undisturbed, job)
            round_ += kills < KILLS
    assert kills >= KILLS


def disk_events(events: list[tuple[str, str]]) -> list[int]:
    """The events of a run that touch its disk."""
    return [number for number, (operation, _) in enumerate(events) if operation != "step"]


def kill_at_each(job: Job, undisturbed: Path, root: Path, events: list[int]) -> None:
    for number in events:
        directory = root / str(number)
        assert run_to_event(job, directory, at=number)[0]
        start(job, directory)
        assert_same(directory, undisturbed, job)
        shutil.rmtree(directory)


def test_killed_anywhere_in_a_checkpoint_it_ends_bit_equal(
    tmp_path: Path, undisturbed_runs: UndisturbedRuns
) -> None:
    """Every write, fsync and rename from the sync of the metrics to the last rename."""
    job, undisturbed = undisturbed_runs["dino"]
    (tmp_path / layout.FLOORS).mkdir()
    _, events = run_to_event(job, tmp_path / "counted", at=-1)
    last = max(n for n, (_, name) in enumerate(events) if layout.CHECKPOINT in name)
    first = max(n for n in range(last) if events[n] == ("fsync", layout.METRICS))
    operations = [operation for operation, _ in events[first : last + 2]]
    assert " ".join(operations) == "fsync write fsync replace fsync replace replace fsync"
    kill_at_each(job, undisturbed, tmp_path, list(range(first, last + 2)))


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_killed_at_any_event_it_ends_bit_equal(
    tmp_path: Path, undisturbed_runs: UndisturbedRuns
) -> None:
    """Every write, fsync, rename, truncation and removal of a whole run, each in its turn."""
    job, undisturbed = undisturbed_runs["dino"]
    _, events = run_to_event(job, tmp_path / "counted", at=-1)
    operations = {operation for operation, _ in events}
    assert operations >= {"write", "fsync", "replace", "truncate", "pwrite", "ftruncate"}
    kill_at_each(job, undisturbed, tmp_path, disk_events(events))


@pytest.mark.slow
def test_three_real_kills_of_the_command_line(
    tmp_path: Path, undisturbed_runs: UndisturbedRuns
) -> None:
    """SIGKILL to the program as a user starts it, at three moments; the same command continues."""
    job, undisturbed = undisturbed_runs["sigreg"]
    arguments = [*job.identity.overrides, f"hydra.run.dir={tmp_path / 'run'}"]
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
    assert_same(tmp_path / "run", undisturbed, job)


ZYGOTE = """
import json, os, random, signal, sys, time
from jepa_compare.training import run
from jepa_compare.config.schema import Config
from jepa_compare.config.typed import from_plain
from jepa_compare.runs.codec import decode
from jepa_compare.runs.records import ConfigFile
from tests.support.runs import read_status
from pathlib import Path

identity = decode(ConfigFile, json.loads(sys.argv[1]), "config.json")
directory, kills = Path(sys.argv[2]), int(sys.argv[3])
config, draw = from_plain(Config, identity.config), random.Random(identity.hash)
killed, longest = 0, 0.5
while read_status(directory).get("state") != "completed":
    started = time.monotonic()
    child = os.fork()  # a fresh process, without the seconds that importing takes
    if child == 0:
        run(config, identity, directory)
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
def test_real_kills_at_random_moments(
    tmp_path: Path, undisturbed_runs: UndisturbedRuns, loss: str
) -> None:
    job, undisturbed = undisturbed_runs[loss]
    kills, round_ = 0, 0
    while kills < KILLS:
        line = [sys.executable, "-c", ZYGOTE, json.dumps(encode(job.identity))]
        line += [str(tmp_path / str(round_)), str(KILLS - kills)]
        killed = subprocess.run(line, check=True, stdout=subprocess.PIPE, text=True)
        kills += int(killed.stdout)
        assert_same(tmp_path / str(round_), undisturbed, job)
        round_ += 1
