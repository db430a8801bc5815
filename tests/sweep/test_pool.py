"""Processes of a launcher: one per slot, deaths noted, overdue ones ended, none left behind."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from jepa_compare.runs import layout
from jepa_compare.sweep import pool as pool_module
from jepa_compare.sweep.pool import Launched, Pool, next_job
from jepa_compare.sweep.run_status import write_queued
from tests.support.records import IDENTITY
from tests.support.runs import read_status


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
    monkeypatch.setattr(pool_module, "EXIT_SECONDS", 0.2)
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
from jepa_compare.sweep.pool import Launched, Pool
job = '''
import os, subprocess, sys, time
from jepa_compare.sweep.launched import launched
from jepa_compare.system.interrupts import Interrupts
with Interrupts() as interrupts, launched():
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


LATE = """
import ctypes, sys, time
from pathlib import Path
from jepa_compare.runs import lock
from jepa_compare.runs.writer import RunWriter
from tests.support.records import IDENTITY
lock.HEARTBEAT_SECONDS = 0.2
if not sys.argv[1].endswith("0"):
    with RunWriter(Path(sys.argv[1]), IDENTITY, 10):
        time.sleep(1)
        if sys.argv[1].endswith("1"):
            ctypes.PyDLL(None).sleep(60)  # holds Python's lock: no heartbeat, no watch
        time.sleep(60)
"""


def test_a_job_without_progress_or_out_of_time_is_ended_and_the_others_run_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pool_module, "EXIT_SECONDS", 1.0)
    jobs = jobs_of(tmp_path, LATE, 3)
    jobs[1].stall_timeout = 2.0
    failed = Pool(jobs, [None], job_timeout=10.0).run()
    for number, how in (
        (1, "was ended: no progress for training.stall_timeout=2 s; its output is in"),
        (2, "was ended after hydra.launcher.job_timeout=10 s; its output is in"),
    ):
        assert how in failed[number]
        status = read_status(jobs[number].directory)
        assert status["state"] == "failed" and how in status["exception"]["message"]
    assert failed.keys() == {1, 2}
