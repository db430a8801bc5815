"""What README and docs tell to type works, and what they link to is there."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

from tests.support.runs import TINY

ROOT = Path(__file__).parents[1]


def test_the_loss_of_the_docs_trains_from_the_folder_that_it_is_in(tmp_path: Path) -> None:
    section = (ROOT / "docs" / "extending.md").read_text()
    blocks: list[tuple[str, str]] = re.findall(r"```(\w+)\n(.*?)```", section, re.DOTALL)
    for language, text in blocks:
        if language in ("python", "yaml"):
            path = tmp_path / text.split()[1].rstrip(",")  # "# my_lab/losses.py, beside ..."
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
    for package in ("my_lab", "my_lab/conf"):
        (tmp_path / package / "__init__.py").touch()
    (command,) = (shlex.split(text) for language, text in blocks if language == "bash")
    assert command[0] == "python"
    done = subprocess.run(
        [sys.executable, *command[1:], *TINY],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert "uniformity" in done.stdout
    assert " failed" not in done.stdout


def test_every_link_between_the_documents_leads_to_a_file() -> None:
    pages = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]
    links = [
        (page, target)
        for page in pages
        for target in re.findall(r"""(?:\]\(|src=")(?!\w+:)([^)#"\s]+)""", page.read_text())
    ]
    assert len(links) > 20
    missing = [
        f"{page.name}: {target}" for page, target in links if not (page.parent / target).exists()
    ]
    assert missing == []
