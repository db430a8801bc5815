"""Write the tree of docs/architecture.md anew: a phrase per file, from its docstring.

python scripts/architecture.py
"""

import ast
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "jepa_compare"
DOCUMENT = ROOT / "docs" / "architecture.md"
START, END = "<!-- tree -->\n", "<!-- end of the tree -->\n"


def phrase(path: Path) -> str:
    """The first line of a module's docstring, without its full stop."""
    text = ast.get_docstring(ast.parse(path.read_text())) or ""
    return text.split("\n\n")[0].replace("\n", " ").removesuffix(".")


def tree() -> str:
    """The package's folders and files, doors first, each with its phrase."""
    folders = sorted({path.parent for path in PACKAGE.rglob("*.py")}, key=lambda p: p.parts)
    lines = []
    for folder in folders:
        name = folder.relative_to(ROOT)
        lines.append(f"\n**`{name}/`** {phrase(folder / '__init__.py')}\n")
        lines += [
            f"- `{path.name}`: {phrase(path)}"
            for path in sorted(folder.glob("*.py"))
            if path.name != "__init__.py"
        ]
    return "\n".join(lines).strip() + "\n"


def rewritten(document: str) -> str:
    """The document with today's tree."""
    before, rest = document.split(START)
    return before + START + tree() + END + rest.split(END)[1]


if __name__ == "__main__":
    DOCUMENT.write_text(rewritten(DOCUMENT.read_text()))
