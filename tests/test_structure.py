"""Imports point one way only (DESIGN.md, Layout), read from the source and not by importing it."""

import ast
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

# Part of the package to the parts that it may import, beside itself.
ALLOWED = {
    "run_dir": set(),
    "latents": set(),
    "rng": set(),
    "losses": {"checks", "latents"},
    "models": {"latents"},
    "data": {"latents", "rng"},
    "evaluation": {"data", "latents", "models", "rng", "run_dir"},
    "config": {"evaluation.settings", "run_dir"},
    "comparison": {"run_dir"},
}
USES_HYDRA = {"compose", "launcher", "entry", "evaluate"}
"""The entry points, the launcher, and what reads conf/."""


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


@pytest.mark.parametrize("name", ALLOWED)
def test_a_part_imports_only_what_is_below_it(name: str) -> None:
    assert within(name)
    for module in within(name):
        wrong = {
            found
            for found in own(module)
            if part(found) != name and not {found, part(found)} & ALLOWED[name]
        }
        assert not wrong, f"{module} imports {', '.join(sorted(wrong))}"


def test_losses_import_torch_and_nothing_else() -> None:
    for module in within("losses"):
        assert others(module) <= {"torch", "jaxtyping"}, module


def test_the_comparison_needs_neither_torch_nor_hydra() -> None:
    for module in within("comparison"):
        assert not others(module) & {"torch", "hydra", "omegaconf", "wandb", "pandas"}, module
    assert others("run_dir") == set()
    assert others("cli") == set()


def test_hydra_is_known_at_the_entrance_alone() -> None:
    found = {module for module in MODULES if others(module) & {"hydra", "omegaconf"}}
    assert found == USES_HYDRA


def test_no_module_waits_for_itself() -> None:
    """No cycle among the imports that run when a module loads."""
    graph = {module: own(module, at_load=True) for module in MODULES}
    done: set[str] = set()
    while ready := {m for m in graph if m not in done and graph[m] <= done | {m}}:
        done |= ready
    assert not graph.keys() - done, sorted(graph.keys() - done)
