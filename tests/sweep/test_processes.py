"""Processes for jobs, without training: slots, deaths, and that no process is left behind."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from jepa_compare.evaluation.stored import evaluation_path
from jepa_compare.runs import layout
from jepa_compare.runs.codec import encode
from jepa_compare.runs.writer import write_queued
from jepa_compare.sweep import processes
from jepa_compare.sweep.commands.evaluate import settings_in
from jepa_compare.sweep.directory import announce
from jepa_compare.sweep.processes import WATCH, Launched, Pool, command, gpu_slots, next_job
from jepa_compare.system import files
from tests.support.records import IDENTITY, finished_summary
from tests.support.runs import job as tiny_job
from tests.support.runs import read_status


def test_slots_follow_the_visible_devices(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3, 5")
    assert gpu_slots("auto", 2) == ["3", "5", "3", "5"]
    assert gpu_slots("cpu", 2) == []
    assert gpu_slots("cuda:1", 2) == [None, None]
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    assert gpu_slots("auto", 2) == []


def test_slots_are_all_devices_where_none_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 3)
    assert gpu_slots("cuda", 1) == ["0", "1", "2"]


def test_a_job_is_its_run_then_what_is_missing_of_its_evaluations(tmp_path: Path) -> None:
    job = replace(tiny_job("evaluation.seed=3"), directory=tmp_path / "it's a run")
    announce(job)
    line = [sys.executable, "-m", "jepa_compare.train", "--run", str(job.directory)]
    assert command(job) == line
    status = read_status(job.directory) | {"state": "completed"}
    files.write_json(job.directory / layout.STATUS, status)
    files.write_json(job.directory / layout.SUMMARY, encode(finished_summary()))
    line = command(job) or []
    assert line[1:3] == ["-m", "jepa_compare.evaluate"] and line[-1] == str(job.directory)
    settings = settings_in(line[line.index("--settings") + 1])
    assert settings == job.config.evaluation
    files.write_json(evaluation_path(job.directory, settings), {})
    assert command(job) is None


def jobs_of(root: Path, script: str, number: int) -> list[Launched]:
    """Jobs that are a few lines of Python, each in its own directory, complete at their end."""
    script += "\nimport sys; open(sys.argv[1] + '/done', 'w').close()"
    return [
        python_job(i, root / str(i), [sys.executable, "-c", script, str(root / str(i))])
        for i in range(number)
    ]


def python_job(index: int, directory: Path, line: list[str]) -> Launched:
    return Launched(
        index=index,
        label="",
        directory=directory,
        command=lambda: None if (directory / "done").exists() else line,
    )


NOTES_ITS_SLOT = """
import json, os, sys, time
began = time.time()
time.sleep(0.15)
with open(sys.argv[1] + "/slot.json", "w") as file:
    json.dump([os.environ["CUDA_VISIBLE_DEVICES"], began, time.time()], file)
"""


def test_a_slot_has_one_job_at_a_time(tmp_path: Path) -> None:
    slots: list[str | None] = ["3", "5", "5"]  # jobs_per_gpu=2 would give 3 twice as well
    assert Pool(jobs_of(tmp_path, NOTES_ITS_SLOT, 8), slots).run() == {}
    spans = [json.loads(path.read_text()) for path in tmp_path.glob("*/slot.json")]
    assert len(spans) == 8 and {span[0] for span in spans} == {"3", "5"}
    for device, allowed in (("3", 1), ("5", 2)):
        own = [span for span in spans if span[0] == device]
        for _, began, _ in own:
            assert sum(start <= began < end for _, start, end in own) <= allowed


DIES = """
import os, signal, sys
from pathlib import Path
from jepa_compare.runs.writer import RunWriter
from tests.support.records import IDENTITY
if sys.argv[1].endswith("1"):
    with RunWriter(Path(sys.argv[1]), IDENTITY, 10):
        os.kill(os.getpid(), signal.SIGKILL)
if sys.argv[1].endswith("2"):
    sys.exit("no such module")
if sys.argv[1].endswith("3"):
    open(sys.argv[1] + "/done", "w").close()
    sys.exit(3)
if sys.argv[1].endswith("4"):
    with RunWriter(Path(sys.argv[1]), IDENTITY, 10):
        os._exit(0)
"""


def test_a_job_that_is_killed_takes_nothing_with_it(tmp_path: Path) -> None:
    jobs = jobs_of(tmp_path, DIES, 5)
    write_queued(jobs[2].directory, IDENTITY, steps=10)
    failed = Pool(jobs, [None, None]).run()
    assert failed.keys() == {1, 2, 4}  # what is complete counts, not the exit status
    assert "was killed by SIGKILL; its output is in" in failed[1]
    for number, how in (
        (1, "was killed by SIGKILL"),
        (2, "ended with exit status 1;"),
        (4, "ended with exit status 0 before the run was complete"),
    ):
        status = read_status(jobs[number].directory)
        assert status["state"] == "failed" and how in status["exception"]["message"]
        assert status["exception"]["resumable"]
    assert "no such module" in (jobs[2].directory / layout.CONSOLE).read_text()


def test_a_job_that_is_done_starts_no_process(tmp_path: Path) -> None:
    (job,) = jobs_of(tmp_path, "", 1)
    job.command = lambda: None
    assert Pool([job], [None]).run() == {} and job.process is None


NOTES_ITS_LIFE = """
import os, sys, time
name = f"{sys.argv[1]}/{os.getpid()}"
with open(name, "w") as file:
    file.write(f"{time.time()} ")
    time.sleep(0.3)
    file.write(f"{time.time()}")
"""


def test_jobs_of_one_directory_wait_for_each_other(tmp_path: Path) -> None:
    """And what one of them has done is not done again; other directories do not wait."""
    jobs = jobs_of(tmp_path, NOTES_ITS_LIFE, 4)
    shared = jobs[0].directory
    line = jobs[0].command()

    def until(lives: int) -> Callable[[], list[str] | None]:
        return lambda: (
            line if len([p for p in shared.glob("*") if p.name.isdigit()]) < lives else None
        )

    for job, lives in zip(jobs[:3], (1, 2, 2), strict=True):
        job.directory, job.command = shared, until(lives)
    assert Pool(jobs, [None] * 4).run() == {}
    assert jobs[2].process is None
    assert jobs[0].process is not None and jobs[1].process is not None
    first, second = (
        [float(at) for at in (shared / str(process.pid)).read_text().split()]
        for process in (jobs[0].process, jobs[1].process)
    )
    assert first[1] <= second[0]
    assert next_job(jobs[1:], [jobs[0]]) is jobs[3]
    assert next_job(jobs[1:3], [jobs[0]]) is None


DOES_NOT_LEAVE = """
import signal, sys, time
from pathlib import Path
from jepa_compare.runs.writer import RunWriter
from tests.support.records import IDENTITY
signal.signal(signal.SIGTERM, signal.SIG_IGN)
with RunWriter(Path(sys.argv[1]), IDENTITY, 10):
    time.sleep(120)
"""


def test_a_job_that_must_be_killed_does_not_stay_running(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(processes, "EXIT_SECONDS", 0.2)
    deaf, early = jobs_of(tmp_path, DOES_NOT_LEAVE, 2)
    early.command = lambda: [sys.executable, "-c", "import time; time.sleep(120)"]
    write_queued(early.directory, IDENTITY, steps=10)
    pool = Pool([deaf, early], [])
    for job in (deaf, early):
        pool.start(job, job.command() or [], None)
    wait_for(lambda: read_status(deaf.directory).get("state") == "running")
    pool.stop([deaf, early])
    status = read_status(deaf.directory)
    assert status["state"] == "failed" and status["exception"]["resumable"]
    assert "was killed by SIGKILL" in status["exception"]["message"]
    assert read_status(early.directory)["state"] == "queued"


LAUNCHER = """
import sys
from pathlib import Path
from jepa_compare.sweep.processes import Launched, Pool
job = '''
import os, subprocess, sys, time
from jepa_compare.sweep.processes import exit_with_parent
from jepa_compare.system.interrupts import Interrupts
with Interrupts() as interrupts:
    exit_with_parent()
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(120)"])
    os.rename(sys.argv[1] + "/console.log", sys.argv[1] + "/up")
    with open(sys.argv[1] + "/pids", "w") as file:
        file.write(f"{os.getpid()} {child.pid}\\\\n")
    if STUBBORN:
        time.sleep(120)
    with interrupts.at_once():
        time.sleep(120)
'''.replace("STUBBORN", sys.argv[2])
root = Path(sys.argv[1])
jobs = [
    Launched(
        index=i,
        label="",
        directory=root / str(i),
        command=lambda i=i: [sys.executable, "-c", job, str(root / str(i))],
    )
    for i in range(3)
]
Pool(jobs, [None, None]).run()
"""


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


def wait_for(condition: Callable[[], bool], seconds: float = 40.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


@contextmanager
def launched(root: Path, *, stubborn: bool = False) -> Iterator[tuple[subprocess.Popen, list[int]]]:
    """A launcher in its own process group with two running jobs; its and their processes."""
    line = [sys.executable, "-c", LAUNCHER, str(root), str(stubborn)]
    environment = dict(os.environ)
    launcher = subprocess.Popen(line, start_new_session=True, env=environment)
    pids: list[int] = []
    try:
        wait_for(lambda: len([p for p in root.glob("*/pids") if p.read_text().endswith("\n")]) == 2)
        pids = [int(pid) for path in root.glob("*/pids") for pid in path.read_text().split()]
        assert len(pids) == 4 and all(alive(pid) for pid in pids)
        yield launcher, pids
    finally:
        for pid in (launcher.pid, *pids):
            if alive(pid):
                os.kill(pid, signal.SIGKILL)
        launcher.wait()


def test_ctrl_c_leaves_no_process_behind(tmp_path: Path) -> None:
    with launched(tmp_path) as (launcher, pids):
        os.killpg(launcher.pid, signal.SIGINT)  # as a terminal does
        launcher.wait(20)
        assert not [pid for pid in pids if alive(pid)]
    assert len(list(tmp_path.glob("*/pids"))) == 2  # the third was not started


def test_jobs_leave_when_their_launcher_is_killed(tmp_path: Path) -> None:
    with launched(tmp_path) as (launcher, pids):
        launcher.kill()
        launcher.wait()
        wait_for(lambda: not [pid for pid in pids if alive(pid)])


@pytest.mark.slow
def test_stubborn_jobs_are_killed(tmp_path: Path) -> None:
    with launched(tmp_path / "a", stubborn=True) as (launcher, pids):
        launcher.terminate()
        launcher.wait(40)
        assert not [pid for pid in pids if alive(pid)]
    with launched(tmp_path / "b", stubborn=True) as (launcher, pids):
        launcher.kill()
        wait_for(lambda: not [pid for pid in pids if alive(pid)])


def test_a_process_that_was_not_launched_ignores_its_input() -> None:
    script = (
        "from jepa_compare.sweep.processes import exit_with_parent; exit_with_parent();"
        "print('ready', flush=True); import time; time.sleep(60)"
    )
    environment = {name: value for name, value in os.environ.items() if name != WATCH}
    line = [sys.executable, "-c", script]
    pipe = subprocess.PIPE
    with subprocess.Popen(line, stdin=pipe, stdout=pipe, env=environment) as child:
        assert child.stdin is not None and child.stdout is not None
        child.stdout.readline()
        child.stdin.close()  # what the kernel does for a parent that was killed
        time.sleep(0.3)
        assert child.poll() is None
        child.kill()
