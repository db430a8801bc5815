"""The house: imports point one way only. Read from the source and not by importing it."""

import ast
import importlib.util
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parent.parent / "jepa_compare"
MODULES = {
    ".".join(path.relative_to(PACKAGE).with_suffix("").parts).removesuffix(".__init__"): path
    for path in PACKAGE.rglob("*.py")
    if "conf" not in path.relative_to(PACKAGE).parts[:-1]
}

ARCHITECTURE = PACKAGE.parent / "docs" / "architecture.md"


def table() -> dict[str, set[str]]:
    """Wing, or module at the top, to what it may import beside itself."""
    text = ARCHITECTURE.read_text().partition("## What may import what")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| `(\S+)` \|(.*)\|$", text, flags=re.MULTILINE)
    return {name: set(re.findall(r"`(\S+?)`", allowed)) for name, allowed in rows}


ALLOWED = table()
DOORS = {"train", "evaluate", "cli"}
"""These may import any wing."""
USES_HYDRA = {"config.compose", "config.errors", "config.hydra_internals"}
"""Beside sweep/: what reads conf/."""


def imports(module: str, *, at_load: bool = False) -> Iterator[str]:
    """Full names of what a module imports, `at_load` without what waits inside a function."""
    stack: list[ast.AST] = [ast.parse(MODULES[module].read_text())]
    while stack:
        node = stack.pop()
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module}: imports are absolute"
            yield from (_target(node.module or "", alias.name) for alias in node.names)
        elif not (at_load and isinstance(node, (ast.FunctionDef, ast.If))):
            stack.extend(ast.iter_child_nodes(node))


def _target(source: str, name: str) -> str:
    """ "from a import b" is a.b if that is one of our modules, else a."""
    below = f"{source}.{name}".removeprefix("jepa_compare.")
    if source == "jepa_compare" and name not in MODULES:
        return "jepa_compare.__init__"  # its version
    return f"jepa_compare.{below}" if below in MODULES else source


def own(module: str, **options: bool) -> set[str]:
    """Modules of the package that one imports, without the package's name."""
    found = (name.partition("jepa_compare.")[2] for name in imports(module, **options))
    return {name for name in found if name}


def others(module: str) -> set[str]:
    """Top-level names of installed packages that a module imports, anywhere in it."""
    names = {name.partition(".")[0] for name in imports(module)}
    return names - {"jepa_compare", "__future__"} - set(sys.stdlib_module_names)


def part(module: str) -> str:
    return module.partition(".")[0]


def within(name: str) -> list[str]:
    return [module for module in MODULES if part(module) == name]


def test_every_module_stands_in_a_row() -> None:
    assert {part(module) for module in MODULES} == ALLOWED.keys() | DOORS


@pytest.mark.parametrize("name", ALLOWED)
def test_a_wing_imports_only_what_is_below_it(name: str) -> None:
    assert within(name)
    for module in within(name):
        wrong = {
            target
            for target in own(module)
            if part(target) != name
            and not any(target == row or target.startswith(f"{row}.") for row in ALLOWED[name])
        }
        assert not wrong, f"{module} imports {', '.join(sorted(wrong))}"


def test_the_doors_are_imported_by_nobody() -> None:
    for module in MODULES:
        assert not DOORS & own(module) or module in DOORS, module


@pytest.mark.parametrize("name", ["metrics", "checks", "cli", "train", "evaluate"])
def test_what_needs_the_standard_library_alone(name: str) -> None:
    assert others(name) == set()


def test_losses_import_torch_and_nothing_else() -> None:
    for module in within("losses"):
        assert others(module) <= {"torch", "jaxtyping"}, module


@pytest.mark.parametrize("wing", ["comparison", "report", "runs"])
def test_the_comparison_half_needs_neither_torch_nor_hydra(wing: str) -> None:
    for module in within(wing):
        assert not others(module) & {"torch", "hydra", "omegaconf", "wandb", "pandas"}, module


def test_hydra_is_known_to_config_and_sweep_alone() -> None:
    users = {module for module in MODULES if others(module) & {"hydra", "omegaconf"}}
    assert {module for module in users if part(module) != "sweep"} == USES_HYDRA


def test_hydras_private_api_is_used_in_one_file() -> None:
    private = {m for m in MODULES if any("hydra._internal" in name for name in imports(m))}
    assert private == {"config.hydra_internals"}


@pytest.mark.parametrize("module", ["bounds", "evaluation", "schema", "typed"])
def test_the_schema_needs_neither_hydra_nor_torch(module: str) -> None:
    assert others(f"config.{module}") <= {"beartype"}


def test_no_module_waits_for_itself() -> None:
    """No cycle among the imports that run when a module loads."""
    graph = {module: own(module, at_load=True) for module in MODULES}
    done: set[str] = set()
    while ready := {m for m in graph if m not in done and graph[m] <= done | {m}}:
        done |= ready
    assert not graph.keys() - done, sorted(graph.keys() - done)


def test_the_tree_in_the_docs_is_todays() -> None:
    path = PACKAGE.parent / "scripts" / "architecture.py"
    spec = importlib.util.spec_from_file_location("architecture", path)
    assert spec is not None and spec.loader is not None
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    document = ARCHITECTURE.read_text()
    assert script.rewritten(document) == document, "run python scripts/architecture.py"
    silent = [line for line in script.tree().splitlines() if line.endswith((": ", "** "))]
    assert not silent, "files without a docstring"


def test_the_house_is_small_enough_to_find_things_in() -> None:
    """At most 12 files at the top, 15 a folder, 300 lines a file, a fifth of the lines a wing."""
    folders = {path.parent for path in MODULES.values()}
    sizes = {path: len(path.read_text().splitlines()) for path in (*PACKAGE.rglob("*.py"),)}
    crowded = {f.name: n for f in folders if (n := len(list(f.glob("*.py")))) > 15}
    assert len(list(PACKAGE.glob("*.py"))) <= 12
    assert not crowded
    assert not {str(path): n for path, n in sizes.items() if n > 300}
    total = sum(sizes.values())
    wings = {
        folder.name: sum(n for path, n in sizes.items() if folder in path.parents)
        for folder in PACKAGE.iterdir()
        if folder.is_dir() and folder.name != "conf"
    }
    assert max(wings.values()) < 0.2 * total, wings
