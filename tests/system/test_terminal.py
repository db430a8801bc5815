"""Nothing that a file or an exception holds moves a cursor."""

import re
import subprocess
import sys
import threading
import traceback
from pathlib import Path

import pytest

from jepa_compare.checks import exit_with_error
from jepa_compare.sweep.commands.reproduce import reproduce
from jepa_compare.sweep.commands.status import show_status
from jepa_compare.system import files
from jepa_compare.system.terminal import escape_tracebacks, one_line, printable, raise_printable
from tests.support.runs import command, job, train

RAW = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
EVIL = "bad \x1b[2J \x9b31m \u202e \udc9b end"
LOSS = ("aux_loss=none", "aux_loss._target_=tests.support.hostile_loss.ClearsTheScreen")
ROOT = Path(__file__).resolve().parents[2]


def test_what_cannot_be_seen_is_escaped() -> None:
    assert printable(EVIL) == r"bad \x1b[2J \x9b31m \u202e \udc9b end"
    assert printable("α – ok") == "α – ok"
    assert one_line("two\nlines\r") == r"two lines\r"
    assert printable("a\n\tb", keep="\n\t") == "a\n\tb"


def test_an_error_is_escaped(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        exit_with_error(EVIL)
    assert capsys.readouterr().err == f"jepa_compare: {printable(EVIL)}\n"


def test_an_exception_is_kept_if_it_can_be_shown_and_else_renamed_to_itself() -> None:
    plain = ValueError("plain")
    with pytest.raises(ValueError) as caught:
        raise_printable(plain)
    assert caught.value is plain
    hidden = KeyError("shown by repr")
    hidden.__cause__ = RuntimeError(EVIL)
    with pytest.raises(Exception, match="shown by repr") as caught:
        raise_printable(hidden)
    assert type(caught.value).__name__ == "KeyError"
    assert not RAW.search("".join(traceback.format_exception(caught.value)))


def test_tracebacks_of_threads_too(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "excepthook", sys.excepthook)
    monkeypatch.setattr(threading, "excepthook", threading.excepthook)
    escape_tracebacks()

    def fail() -> None:
        raise RuntimeError(EVIL)

    thread = threading.Thread(target=fail)
    thread.start()
    thread.join()
    error = capsys.readouterr().err
    assert r"RuntimeError: bad \x1b[2J" in error and not RAW.search(error)


@pytest.mark.parametrize("options", [(), ("-m",), ("-m", "hydra/launcher=process")])
def test_a_loss_cannot_clear_the_terminal(tmp_path: Path, options: tuple[str, ...]) -> None:
    path = f"{ROOT}"
    result = command(*options, *LOSS, "sweep=s", cwd=tmp_path, check=False, PYTHONPATH=path)
    assert result.returncode != 0
    assert r"bad \x1b[2J" in result.stderr
    assert not RAW.search(result.stdout + result.stderr)
    logs = [*tmp_path.glob("*/s/*/train.log"), *tmp_path.glob("*/s/*/console.log")]
    assert logs and not any(RAW.search(log.read_text()) for log in logs)


def test_a_run_of_a_directory_too(tmp_path: Path) -> None:
    made = job(*LOSS)
    (tmp_path / "run").mkdir()
    from jepa_compare.runs.codec import encode

    files.write_json(tmp_path / "run" / "config.json", encode(made.identity))
    line = [sys.executable, "-m", "jepa_compare.train", "--run", "run", "--trust"]
    result = subprocess.run(line, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert result.returncode == 1
    assert r"bad \x1b[2J" in result.stderr and not RAW.search(result.stdout + result.stderr)


def test_files_cannot_either(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = tmp_path / "run"
    train(run, "training.steps=2")
    summary = files.read_json(run / "summary.json")
    summary["versions"]["torch"] = "2 \x1b[2J"
    summary["hardware"]["name"] = "\x1b]0;mine\x07"
    files.write_json(run / "summary.json", summary)
    status = files.read_json(run / "status.json")
    failure = {"type": "\x1b[2J", "message": EVIL[:-8], "traceback": "", "resumable": False}
    reproduce(run)
    output = capsys.readouterr()
    assert r"2 \x1b[2J" in output.out and not RAW.search(output.out + output.err)
    (run / "summary.json").unlink()
    files.write_json(run / "status.json", status | {"state": "failed", "exception": failure})
    show_status([run], None)
    output = capsys.readouterr()
    assert "bad" in output.out and not RAW.search(output.out + output.err)
