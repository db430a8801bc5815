"""Nothing is written or read through what a run directory holds instead of files."""

import os
import shutil
import signal
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import torch

from jepa_compare.checks import ConfigError
from jepa_compare.export import load_run
from jepa_compare.report import write_comparison
from jepa_compare.runs import layout
from jepa_compare.runs.lock import DirectoryLock
from jepa_compare.sweep import preflight
from jepa_compare.sweep.commands.evaluate import evaluate_run, settings_with
from jepa_compare.sweep.directory import announced
from jepa_compare.sweep.plan import parse_command_line
from jepa_compare.sweep.run_job import NOT_STARTED
from jepa_compare.system import files
from jepa_compare.training import checkpoint
from tests.support.runs import TINY, command, job, runs_of, train

FOLDERS = (layout.EVALUATIONS, layout.FIGURES, layout.FLOORS, layout.WANDB)
NAMES = [name for name in layout.WRITTEN if "/" not in name]


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("links") / "run"
    train(directory, "training.steps=2")
    return directory


@pytest.fixture
def copy(finished: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(finished, tmp_path / "run"))


@contextmanager
def within(seconds: int) -> Iterator[None]:
    """Whatever waits longer is ended."""

    def ring(*_: object) -> None:
        raise AssertionError("it waits")

    before = signal.signal(signal.SIGALRM, ring)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def put_link(run: Path, name: str) -> dict[Path, bytes]:
    """What was at `name` moves outside, a link to it takes its place; the content outside."""
    outside = run.parent / "outside"
    outside.mkdir()
    target = outside / name
    if (run / name).exists():
        shutil.move(run / name, target)
    elif name in FOLDERS:
        target.mkdir()
        (target / "mine.json").write_text("mine")
    else:
        target.write_text("mine")
    (run / name).symlink_to(target)
    return content(outside)


def content(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


@pytest.mark.parametrize("name", NAMES)
def test_no_run_goes_on_through_a_link(copy: Path, name: str) -> None:
    made = job("training.steps=2")
    outside = put_link(copy, name)
    (copy / layout.STATUS).unlink(missing_ok=True)  # not complete: it would be trained again
    if name == layout.STATUS:
        (copy / name).symlink_to(copy.parent / "outside" / name)
    from jepa_compare.training import run

    with pytest.raises(NOT_STARTED, match="is a link, which is not followed"):
        run(made.config, made.identity, copy)
    assert content(copy.parent / "outside") == outside


@pytest.mark.parametrize("name", [layout.LOCK, layout.SWEEP, layout.FLOORS, layout.COMPARISON])
def test_no_sweep_does(tmp_path: Path, name: str) -> None:
    arguments = ["aux_loss=none", f"hydra.sweep.dir={tmp_path}/sweep", *TINY]
    line = parse_command_line(arguments, multirun=True)
    (tmp_path / "sweep").mkdir()
    outside = put_link(tmp_path / "sweep", name)
    with pytest.raises(files.Refused, match="is a link"), announced(line):
        raise AssertionError("entered")
    assert content(tmp_path / "outside") == outside


def test_a_run_that_is_a_link_in_its_sweep_is_refused(tmp_path: Path) -> None:
    arguments = ["aux_loss=none", f"hydra.sweep.dir={tmp_path}/sweep", *TINY]
    line = parse_command_line(arguments, multirun=True)
    (tmp_path / "sweep").mkdir()
    (tmp_path / "elsewhere").mkdir()
    line.jobs[0].directory.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(files.Refused, match="is a link"), announced(line):
        raise AssertionError("entered")
    assert not list((tmp_path / "elsewhere").iterdir())


@pytest.mark.slow
def test_a_sweep_that_is_itself_a_link_works(tmp_path: Path) -> None:
    (tmp_path / "scratch").mkdir()
    (tmp_path / "multirun").symlink_to(tmp_path / "scratch")
    (tmp_path / "scratch" / "disk").mkdir()
    (tmp_path / "scratch" / "s").symlink_to(tmp_path / "scratch" / "disk")
    command("-m", "aux_loss=none", "sweep=s", "training.steps=2", cwd=tmp_path)
    (run,) = runs_of(tmp_path / "scratch" / "disk")
    assert (run / layout.SUMMARY).exists()
    assert (tmp_path / "scratch" / "disk" / layout.COMPARISON / "comparison.json").exists()


@pytest.mark.parametrize("name", [layout.EVALUATIONS, layout.FLOORS])
def test_a_later_evaluation_is_not_written_through_one(copy: Path, name: str) -> None:
    outside = put_link(copy, name)
    with pytest.raises(files.Refused, match="is a link"):
        evaluate_run(copy, settings_with(job().config, ["evaluation.seed=5"]), "cpu")
    assert content(copy.parent / "outside") == outside


def test_a_comparison_is_not_written_through_one(copy: Path, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (copy / layout.COMPARISON).symlink_to(tmp_path / "elsewhere")
    with pytest.raises(files.Refused, match="is a link"):
        write_comparison([copy], html=False, figures=False)
    assert not list((tmp_path / "elsewhere").iterdir())


def test_a_hard_link_is_not_written_through(tmp_path: Path) -> None:
    (tmp_path / "theirs").write_text("mine")
    run = tmp_path / "run"
    run.mkdir()
    os.link(tmp_path / "theirs", run / layout.LOCK)
    with pytest.raises(files.Refused, match="has a second name"), DirectoryLock(run):
        raise AssertionError("entered")
    assert (tmp_path / "theirs").read_text() == "mine"


@pytest.mark.parametrize(
    "name", [n for n in NAMES if n not in FOLDERS and n not in (layout.COMPARISON, "multirun.yaml")]
)
def test_a_pipe_stops_nothing(copy: Path, name: str) -> None:
    """Every reader and a resume end, whatever file is a pipe that nobody writes into."""
    made = job("training.steps=2")
    (copy / name).unlink(missing_ok=True)
    os.mkfifo(copy / name)
    with within(60):
        for read in (
            lambda: load_run(copy),
            lambda: write_comparison([copy], html=False, figures=False),
            lambda: evaluate_run(copy, settings_with(job().config, ["evaluation.seed=5"]), "cpu"),
            lambda: checkpoint.load(copy, made.identity.hash, torch.device("cpu")),
        ):
            try:
                read()
            except (RuntimeError, ValueError, OSError) as error:
                assert "\n" not in str(error)
        if name != layout.STATUS:
            (copy / layout.STATUS).unlink()
        from jepa_compare.training import run

        try:
            run(made.config, made.identity, copy)
        except NOT_STARTED as error:
            assert "\n" not in str(error)


def test_a_device_is_refused(tmp_path: Path) -> None:
    for read in (files.read_json, files.open_to_append):
        with pytest.raises(files.Refused, match="not a regular file"):
            read(Path("/dev/zero"))


def test_a_file_beyond_its_limit_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "large.json"
    with path.open("wb") as file:
        file.truncate(1 << 40)  # no block of it on the disk
    with within(20), pytest.raises(files.Refused, match="is larger than 16 MiB"):
        files.read_json(path)
    deep = tmp_path / "deep.json"
    deep.write_text("[" * 100_000)
    with pytest.raises(ValueError, match="nested too deeply"):
        files.read_json(deep)


def bomb(path: Path, kind: str) -> None:
    """A checkpoint that is small on disk and large in memory."""
    if kind == "compressed":
        torch.save({"format": checkpoint.FORMAT, "hash": "0123abcd"}, path)
        with zipfile.ZipFile(path, "a", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("archive/data/9", bytes(1 << 26))
    elif kind == "repeated":
        large = torch.zeros(1).expand(1 << 40)
        torch.save({"format": checkpoint.FORMAT, "hash": "0123abcd", "weights": large}, path)
    else:
        with path.open("wb") as file:
            file.truncate(1 << 42)


@pytest.mark.parametrize("kind", ["compressed", "repeated", "sparse"])
def test_a_checkpoint_cannot_grow(tmp_path: Path, kind: str) -> None:
    bomb(tmp_path / layout.CHECKPOINT, kind)
    with within(20):
        try:
            loaded = checkpoint.load(tmp_path, "0123abcd", torch.device("cpu"))
            assert loaded is None and kind == "compressed"
        except checkpoint.ForeignCheckpoint as error:
            assert "remove it" in str(error) or "is larger than" in str(error)


def test_weights_cannot_grow(copy: Path) -> None:
    with (copy / layout.EXPORT).open("wb") as file:
        file.truncate(1 << 40)
    with within(20), pytest.raises(files.Refused, match="is larger than"):
        load_run(copy)


def test_the_check_before_a_run_names_the_link(copy: Path) -> None:
    from dataclasses import replace

    made = replace(job("training.steps=2"), directory=copy)
    (copy / layout.STATUS).unlink()
    put_link(copy, layout.METRICS)
    with pytest.raises(ConfigError, match=r"metrics\.jsonl is a link, which is not followed"):
        preflight.check([made])
