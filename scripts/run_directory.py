"""Write docs/run_directory.md: what every file of a run directory holds, from the records' source.

python scripts/run_directory.py
"""

import ast
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
RUNS = ROOT / "jepa_compare" / "runs"
DOCUMENT = ROOT / "docs" / "run_directory.md"

HEAD = """# The run directory

    multirun/<sweep>/sweep.json  study.json (of a study that tunes each loss)
    multirun/<sweep>/<loss>_s<seed>_<hash>/
      config.json  status.json  metrics.jsonl  checkpoint.pt  checkpoint.prev.pt
      encoder.safetensors  evaluations/<hash>.json  figures/  summary.json  train.log
    multirun/<sweep>/floors/<key>.json
    multirun/<sweep>/comparison/

This page is made of `records.py`, `study_records.py` and `evaluation_records.py` in
`jepa_compare/runs/` by `python scripts/run_directory.py`; a test compares them.
`jepa_compare/runs/layout.py` spells the names of the files.

A run is what its hash says: the settings that determine the trained weights
(`jepa_compare/runs/identity.py` lists what is left out). A reader takes a file whole or not at all,
and says why not. It treats every directory as untrusted: JSON alone, with limits of size, no link
followed, nothing unpickled. A directory without a valid `summary.json` is a run that failed, was
interrupted or still runs, and appears as such.
"""


def page() -> str:
    """The whole page."""
    names = ("records", "study_records", "evaluation_records")
    records, studies, evaluations = (ast.parse((RUNS / f"{n}.py").read_text()) for n in names)
    parts = [
        HEAD,
        (ast.get_docstring(records) or "").partition("\n\n")[2].split("docs/")[0].strip(),
    ]
    nodes = [*records.body, *studies.body, *evaluations.body]
    parts += [section(node) for node in nodes if isinstance(node, ast.ClassDef)]
    return "\n\n".join(part.strip() for part in parts) + "\n"


def section(record: ast.ClassDef) -> str:
    """A record: its docstring, and a line for each field with its own."""
    title = f"## {record.name}\n\n{' '.join((ast.get_docstring(record) or '').split())}"
    lines = ["| field | type | meaning |", "| --- | --- | --- |"]
    for node, following in zip(record.body, [*record.body[1:], None], strict=True):
        if isinstance(node, ast.AnnAssign):
            text = ""
            if isinstance(following, ast.Expr) and isinstance(following.value, ast.Constant):
                text = " ".join(str(following.value.value).split())
            kind = ast.unparse(node.annotation).replace("|", "\\|")
            lines.append(f"| `{ast.unparse(node.target)}` | `{kind}` | {text} |")
    return title + "\n\n" + "\n".join(lines)


if __name__ == "__main__":
    DOCUMENT.write_text(page())
