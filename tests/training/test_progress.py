"""The bar of a run, as a terminal of a given width would show it."""

import io
import logging
import re
import sys

import pytest
from rich.console import Console

from jepa_compare.training.progress import RunProgress

TERMS = {
    "train/loss": 1.06,
    "train/prediction": 0.41,
    "aux/similarity": 0.41,
    "aux/variance": 0.643,
    "aux/covariance": 0.337,
    "eval/spread": 0.312,
    "eval/rankme": 64.4,
}
CONTROL = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


class Terminal(io.StringIO):
    """A stream that says that it is one, and remembers what was written."""

    def isatty(self) -> bool:
        return True


def lines(terminal: Terminal) -> list[str]:
    """What is seen line by line: what stands after the last erasure of each, without colours."""
    written = re.split(r"[\r\n]", terminal.getvalue())
    return [CONTROL.sub("", line.rpartition("\x1b[2K")[2]) for line in written]


@pytest.mark.parametrize(("width", "seen"), [(80, "loss 1.06"), (120, "similarity 0.41")])
@pytest.mark.parametrize("name", ["vicreg_s0_cef921f5", "barlow_twins_s12_cef921f5"])
def test_bar_and_step_are_whole_at_every_width(width: int, seen: str, name: str) -> None:
    terminal = Terminal()
    console = Console(file=terminal, force_terminal=True, width=width, _environ={})
    with RunProgress(name, 12000, 0, console) as progress:
        progress.update(6000, TERMS)
    last = [line for line in lines(terminal) if name in line][-1]
    assert len(last) <= width
    assert last.startswith(f"{name} " + "━" * 10)
    assert len(re.findall("[━╸╺]", last)) == 20
    assert " 6000/12000 " in last
    assert seen in last and "…" not in last


def test_log_lines_stand_above_the_bar(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal()
    monkeypatch.setattr(sys, "stdout", terminal)
    monkeypatch.setattr(sys, "stderr", terminal)
    handler = logging.StreamHandler(terminal)  # as Hydra's: it keeps the stream that it was given
    logger = logging.getLogger()
    logger.addHandler(handler)
    try:
        console = Console(file=terminal, force_terminal=True, width=80, _environ={})
        with RunProgress("vicreg_s0", 600, 0, console) as progress:
            progress.update(300)
            logging.getLogger("a.loss").warning("the latents collapse")
            progress.update(301)
        assert handler.stream is terminal
    finally:
        logger.removeHandler(handler)
    shown = [line for line in lines(terminal) if "the latents collapse" in line]
    assert [line.strip() for line in shown] == ["the latents collapse"]
    assert " 301/600 " in next(line for line in reversed(lines(terminal)) if "vicreg_s0" in line)


def test_logs_that_go_to_a_file_stay_there(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal, file = Terminal(), io.StringIO()
    monkeypatch.setattr(sys, "stdout", file)
    monkeypatch.setattr(sys, "stderr", terminal)
    handler = logging.StreamHandler(file)
    logger = logging.getLogger()
    logger.addHandler(handler)
    try:
        console = Console(file=terminal, force_terminal=True, width=80, _environ={})
        with RunProgress("vicreg_s0", 600, 0, console):
            logging.getLogger("a.loss").warning("the latents collapse")
            print("printed by a loss")
    finally:
        logger.removeHandler(handler)
    assert file.getvalue() == "the latents collapse\nprinted by a loss\n"
    assert "collapse" not in terminal.getvalue()


def test_without_a_terminal_there_are_plain_lines(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("jepa_compare.training.progress.PLAIN_SECONDS", 0.0)
    caplog.set_level(logging.INFO)
    with RunProgress("vicreg_s0", 600, 0, Console(file=io.StringIO(), _environ={})) as progress:
        progress.update(5)
        progress.update(6, TERMS)
    (message,) = caplog.messages
    assert message.startswith("vicreg_s0 6/600 loss 1.06 prediction 0.41 ")
