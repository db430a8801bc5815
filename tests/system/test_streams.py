"""Streams that are closed, full or ASCII lose text, and nothing else."""

import subprocess
import sys
from pathlib import Path

import pytest

from jepa_compare.runs import layout
from tests.support.runs import TINY
from tests.support.synthetic import DEFAULT_LOSSES, Sweep

ROOT = Path(__file__).resolve().parents[2]
FULL = "standard output cannot be written (No space left on device); what it had to say is lost"


def shell(line: str, cwd: Path, *arguments: str) -> "subprocess.CompletedProcess[bytes]":
    """What a shell does with `line`, in which "$@" is the interpreter and the arguments."""
    script = ["sh", "-c", f"export PYTHONPATH={ROOT}; {line}", "sh", sys.executable, *arguments]
    return subprocess.run(script, cwd=cwd, capture_output=True, check=False, timeout=200)


SPEAKS = """
import os, sys
from jepa_compare.system.streams import lost_output, steady_streams
steady_streams()
with open("a file", "w") as file:
    print("0.90 ± 0.06 – α ↑")
    os.system("echo a child; echo its error >&2")
    print("error: x²", file=sys.stderr)
    sys.stdout.flush()
    file.write(repr(lost_output()))
print("after it")
"""


@pytest.mark.parametrize(
    ("line", "out", "err", "lost"),
    [
        ('"$@"', "0.90 ± 0.06 – α ↑\na child\nafter it\n", "its error\nerror: x²\n", None),
        ('PYTHONIOENCODING=ascii "$@"', "0.90 ~ 0.06 - ? ^\na child\nafter it\n", None, None),
        (
            'LC_ALL=C PYTHONCOERCECLOCALE=0 PYTHONUTF8=0 "$@"',
            "0.90 ~ 0.06 - ? ^\na child\nafter it\n",
            "its error\nerror: x2\n",
            None,
        ),
        ('"$@" >&-', "", None, None),
        ('"$@" <&- >&- 2>&-', "", "", None),
        ('"$@" > /dev/full', "", None, FULL),
        ('"$@" > /dev/full 2>&1', "", "", FULL),
        ('"$@" 2> /dev/full', None, "", None),
        ('{ "$@" || echo "$?" >&2; } | head -n 0', "", None, None),
    ],
)
def test_nothing_is_lost_but_what_cannot_be_shown(
    tmp_path: Path, line: str, out: str | None, err: str | None, lost: str | None
) -> None:
    (tmp_path / "speaks.py").write_text(SPEAKS, "utf-8")
    result = shell(line, tmp_path, "speaks.py")
    assert result.returncode == 0
    if out is not None and ">" not in line.split('"$@"')[1]:
        # The child writes while ours is still in the buffer.
        assert sorted(result.stdout.decode().splitlines()) == sorted(out.splitlines())
    elif out is not None:
        assert result.stdout.decode() == out
    if err is not None:
        assert result.stderr.decode() == err
    assert b"Traceback" not in result.stderr and b"Exception" not in result.stderr
    assert (tmp_path / "a file").read_text() == repr(lost)


@pytest.fixture(scope="module")
def sweep(tmp_path_factory: pytest.TempPathFactory) -> Path:
    losses = {name: DEFAULT_LOSSES[name] for name in ("vicreg", "dino")}
    return Sweep(path=tmp_path_factory.mktemp("sweep"), losses=losses, seeds=range(2)).write()


CASES = [
    ('"$@" >&-', 0, b""),
    ('"$@" > /dev/full', 1, f"jepa-compare: {FULL}\n".encode()),
    ('PYTHONIOENCODING=ascii "$@"', 0, b""),
    ('LC_ALL=C PYTHONCOERCECLOCALE=0 PYTHONUTF8=0 "$@"', 0, b""),
]


@pytest.mark.parametrize(
    ("program", "line", "status", "error"),
    [
        *((("-m", "jepa_compare.cli", "report"), *case) for case in CASES),
        ((f"{ROOT}/scripts/aggregate.py",), *CASES[1]),
    ],
)
def test_a_report_is_written_whatever_its_streams_are(
    tmp_path: Path, sweep: Path, program: tuple[str, ...], line: str, status: int, error: bytes
) -> None:
    out = tmp_path / "out"
    result = shell(line, tmp_path, *program, str(sweep), f"--out={out}", "--no-figures")
    assert (result.returncode, result.stderr) == (status, error)
    assert "±" in (out / "comparison.md").read_text("utf-8") and (out / "report.html").exists()
    if "LC" in line or "ascii" in line:
        assert "0.9" in result.stdout.decode("ascii") and " ~ 0." in result.stdout.decode()


@pytest.mark.parametrize(
    ("line", "status"),
    [
        ('"$@" > /dev/full', 0),
        pytest.param('"$@" >&-', 0, marks=pytest.mark.slow),
        pytest.param('"$@" > /dev/full 2>&1', 0, marks=pytest.mark.slow),
        pytest.param(f"{CASES[3][0]}", 0, marks=pytest.mark.slow),
        pytest.param(
            '"$@" hydra/launcher=process training.lr=1e-3,1e-4 > /dev/full',
            0,
            marks=pytest.mark.slow,
        ),
    ],
)
def test_a_sweep_is_trained_and_compared_whatever_its_streams_are(
    tmp_path: Path, line: str, status: int
) -> None:
    arguments = ("-m", "jepa_compare.train", "-m", "sweep=s", *TINY, "training.steps=3")
    result = shell(line, tmp_path, *arguments)
    assert result.returncode == status
    error = result.stderr.decode("ascii")
    assert "Traceback" not in error and "Exception" not in error and "error" not in error
    assert (f"jepa_compare: {FULL}; it is in multirun/s/comparison\n" in error) == (
        "full" in line and "2>&1" not in line
    )
    sweep = tmp_path / "multirun" / "s"
    assert (sweep / layout.COMPARISON / "report.html").exists()
    assert list(sweep.glob(f"*/{layout.SUMMARY}"))
