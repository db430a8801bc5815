"""Full, small and read-only disks: said clearly, and the last checkpoint is as it was."""

import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch

from jepa_compare.runs import layout
from jepa_compare.system import files
from jepa_compare.training import checkpoint
from tests.support.faults import Disk
from tests.support.resume import UndisturbedRuns, assert_same, start
from tests.support.runs import command, read_status

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def undisturbed_runs(tmp_path_factory: pytest.TempPathFactory) -> UndisturbedRuns:
    return UndisturbedRuns(tmp_path_factory.mktemp("undisturbed"))


@pytest.mark.parametrize(
    "name", [layout.METRICS, f".{layout.CHECKPOINT}.new", layout.EXPORT, layout.SUMMARY]
)
def test_a_full_disk_is_named_and_the_run_continues_later(
    tmp_path: Path, undisturbed_runs: UndisturbedRuns, name: str
) -> None:
    job, undisturbed = undisturbed_runs["vicreg"]
    with pytest.MonkeyPatch.context() as patch:
        counted = Disk(patch)
        start(job, tmp_path / "counted")
    # The last write of that name: a checkpoint is there to be kept.
    last = max(number for number, event in enumerate(counted.events) if event == ("write", name))
    with pytest.MonkeyPatch.context() as patch:
        Disk(patch, last, full=True)
        with pytest.raises(OSError, match=f"No space left on device.*{name.removesuffix('.new')}"):
            start(job, tmp_path / "run")
    status = read_status(tmp_path / "run")
    assert status["state"] == "failed" and status["exception"]["resumable"]
    assert "No space left on device" in status["exception"]["message"]
    state = checkpoint.load(tmp_path / "run", job.identity.hash, CPU)
    assert state is not None and state["step"] == (10 if ".new" in name else 12)
    start(job, tmp_path / "run")
    assert_same(tmp_path / "run", undisturbed, job)


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Callable[[str], Path]]:
    """Mounts a small file system, or mounts it again with other options."""
    place = tmp_path / "disk"
    place.mkdir()
    mounted = False

    def mount(options: str) -> Path:
        nonlocal mounted
        line = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(place)]
        if subprocess.run(line, capture_output=True, check=False).returncode:
            pytest.skip("needs the right to mount a file system")
        mounted = True
        return place

    yield mount
    if mounted:
        subprocess.run(["umount", str(place)], check=True)


def test_a_disk_that_fills_up(
    disk: Callable[[str], Path], undisturbed_runs: UndisturbedRuns
) -> None:
    """A real one, with room for two checkpoints of 3.5 MB and not for the third beside them."""
    job, undisturbed = undisturbed_runs["vicreg"]
    place = disk("size=8m")
    with pytest.raises(OSError, match="No space left on device"):
        start(job, place / "run")
    status = read_status(place / "run")
    assert status["state"] == "failed" and status["exception"]["resumable"]
    state = checkpoint.load(place / "run", job.identity.hash, CPU)
    assert state is not None and state["step"] == 4
    disk("remount,size=32m")
    start(job, place / "run")
    assert_same(place / "run", undisturbed, job)


@pytest.mark.slow
def test_too_little_space_and_a_read_only_disk_are_said_first(
    disk: Callable[[str], Path], tmp_path: Path
) -> None:
    place = disk("size=4m")
    arguments = ("-m", "seed=0,1", "sweep=s", f"hydra.sweep.dir={place}/s")
    result = command(*arguments, cwd=tmp_path, check=False)
    assert result.returncode == 2 and result.stderr.count("\n") == 1
    assert "GB free, the checkpoints of 2 runs need" in result.stderr
    assert list(place.iterdir()) == []
    disk("remount,size=64m")
    command(*arguments, cwd=tmp_path)
    disk("remount,size=18m")  # enough for what is there: it needs no more
    assert command(*arguments, cwd=tmp_path).stdout.count("skipped") == 2
    disk("remount,ro,size=64m")
    for more in ((), ("training.steps=3",)):
        result = command(*arguments, *more, cwd=tmp_path, check=False)
        assert result.returncode == 2 and result.stderr.count("\n") == 1
        assert "cannot be written (Read-only file system)" in result.stderr


def test_a_full_disk_names_its_file(tmp_path: Path) -> None:
    with pytest.raises(OSError) as caught, files.naming(tmp_path / "metrics.jsonl"):
        raise OSError(28, "No space left on device")
    assert str(caught.value) == f"[Errno 28] No space left on device: '{tmp_path}/metrics.jsonl'"
