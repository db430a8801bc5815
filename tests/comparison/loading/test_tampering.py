"""One file of a real run changed, lost, exchanged or copied: said by the run's name, or harmless.

Each case changes one file (or copies one run) of a small sweep that was really trained. Afterwards
the run is left out by name, or not one number of the comparison is another.
"""

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from jepa_compare.comparison import Runs, load_runs
from jepa_compare.runs import layout
from jepa_compare.system import files
from tests.support import runs as tiny
from tests.support.signing import rename

NUMBERS = 12  # edited values per file
Spoil = Callable[[Path], object]


@pytest.fixture(scope="module")
def sweep(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two losses, two seeds, trained."""
    path = tmp_path_factory.mktemp("tampering") / "sweep"
    for loss in ("vicreg", "dino"):
        for seed in (0, 1):
            chosen = f"aux_loss={loss}", f"seed={seed}"
            tiny.train(path / tiny.job(*chosen).identity.run_name, *chosen)
    return path


def numbers(runs: Runs) -> dict[str, Any]:
    """All that a comparison may count with, by run."""
    return {
        run.path.name: (
            run.outcome,
            run.seed,
            run.loss,
            dict(run.config),
            {key: repr(value) for key, value in run.metrics.items()},
            {key: repr(value) for key, value in run.untrained.items()},
            {key: rows.success.tolist() for key, rows in run.tasks.items()},
            {key: [repr(floor.metrics), floor.seed] for key, floor in run.floors.items()},
        )
        for run in runs
    }


def leaves(node: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Where the values of a JSON document stand."""
    if isinstance(node, (dict, list)) and node:
        for key, item in node.items() if isinstance(node, dict) else enumerate(node):
            yield from leaves(item, (*path, key))
    else:
        yield path


def edited(path: tuple[Any, ...], value: Any = None) -> Spoil:
    """Another value of the same type in that place, or `value`."""

    def spoil(file: Path) -> None:
        content = json.loads(file.read_text())
        node = content
        for key in path[:-1]:
            node = node[key]
        old = node[path[-1]]
        others: dict[type, Callable[[], Any]] = {
            bool: lambda: not old,
            int: lambda: old + 1,
            float: lambda: old * 0.9 + 1,
            str: lambda: f"{old}x",
            list: lambda: [1],
            dict: lambda: {"a": 1},
            type(None): lambda: 0.25,
        }
        node[path[-1]] = others[type(old)]() if value is None else value
        file.write_text(json.dumps(content))

    return spoil


def truncated(share: float) -> Spoil:
    return lambda file: file.write_bytes(file.read_bytes()[: int(share * file.stat().st_size)])


def duplicated_key(file: Path) -> None:
    text = file.read_text()
    key = next(iter(json.loads(text)))
    file.write_text(text.rstrip()[:-1] + f', "{key}": 1}}')


def nan_as_text(file: Path) -> None:
    content = json.loads(file.read_text())
    place = next(p for p in leaves(content) if p and isinstance(_at(content, p), float))
    edited(place, "nan")(file)


def _at(node: Any, path: tuple[Any, ...]) -> Any:
    for key in path:
        node = node[key]
    return node


def lost(file: Path) -> None:
    file.unlink()


def linked(file: Path) -> None:
    moved = file.with_name("elsewhere")
    file.rename(moved)
    file.symlink_to(moved)


def from_other(name: str) -> Spoil:
    """The same file of another run of the sweep."""

    def spoil(file: Path) -> None:
        run = next(p for p in file.parents if p.name[-9:-8] == "_")
        (other,) = run.parent.glob(f"{name}_*")
        source = other / file.relative_to(run)
        if not source.exists():  # an evaluation of other settings
            (source,) = source.parent.glob("*.json")
        shutil.copyfile(source, file)

    return spoil


def line(number: int, change: Callable[[str], str]) -> Spoil:
    """One row of metrics.jsonl changed."""

    def spoil(file: Path) -> None:
        rows = file.read_text().splitlines(keepends=True)
        rows[number] = change(rows[number])
        file.write_text("".join(rows))

    return spoil


def changed_row(row: str) -> str:
    values = json.loads(row)
    key = next(key for key in reversed(values) if isinstance(values[key], float))
    return json.dumps(values | {key: values[key] * 0.5}) + "\n"


def older(file: Path) -> None:
    """As it was one row, or one version of the file's key order, before."""
    if file.suffix == ".jsonl":
        file.write_text("".join(file.read_text().splitlines(keepends=True)[:-1]))
        return
    content = json.loads(file.read_text())
    file.write_text(json.dumps(content | {"schema_version": content["schema_version"] - 1}))


def cases(run: Path) -> Iterator[tuple[str, Path, Spoil]]:
    """(name, file below the run, what is done to it)."""
    (evaluation,) = (run / layout.EVALUATIONS).glob("*.json")
    names = layout.CONFIG, layout.SUMMARY, evaluation.relative_to(run), layout.METRICS
    rng = np.random.default_rng(0)
    for name in map(Path, names):
        for kind in (lost, linked, older):
            yield kind.__name__, name, kind
        for share in (0.0, 0.3, 0.6, 0.9):
            yield f"truncated {share}", name, truncated(share)
        for other in ("vicreg_s1", "dino_s0", "dino_s1"):
            yield f"file of {other}", name, from_other(other)
        if name.suffix == ".jsonl":
            for number in (-1, -2, 0):
                yield f"row {number} edited", name, line(number, changed_row)
                yield f"row {number} lost", name, line(number, lambda _: "")
                yield f"row {number} twice", name, line(number, lambda row: row + row)
                yield f"row {number} cut", name, line(number, lambda row: row[:20] + "\n")
            continue
        content = json.loads((run / name).read_text())
        places = list(leaves(content))
        wanted = [place for place in places if place[0] in ("metrics", "untrained", "tasks")]
        wanted += [place for place in places if place[0] in ("descriptions", "digests", "floors")]
        for group in (places, wanted):
            count = min(NUMBERS, len(group))
            for index in rng.choice(len(group), size=count, replace=False):
                yield f"edited {group[index]}", name, edited(group[index])
        yield "duplicated key", name, duplicated_key
        yield "NaN as text", name, nan_as_text


def test_an_untampered_sweep_names_no_run(sweep: Path) -> None:
    runs = load_runs(sweep)
    assert len(runs) == 4 and not runs.left_out
    assert not any(run.unverified for run in runs) and all(run.floors for run in runs)


def loud(runs: Runs, run: Path) -> bool:
    """Whether the run, or a part of it, is left out, or has failed for want of its summary."""
    left_out = any(run in (item.path, *item.path.parents) for item in runs.left_out)
    return left_out or any(
        other.path == run and other.outcome == "failed" and layout.SUMMARY in other.reason
        for other in runs
    )


def test_a_changed_file_is_said_by_the_runs_name_or_changes_no_number(sweep: Path) -> None:
    """Every kind on every file of each run; every tenth time the other runs are read as well."""
    expected, count, silent = numbers(load_runs(sweep)), 0, []
    for run in tiny.runs_of(sweep):
        for kind, name, spoil in cases(run):
            if kind == f"file of {run.name[:-9]}":
                continue
            file = run / name
            content = file.read_bytes()
            spoil(file)
            count += 1
            runs = load_runs(sweep if count % 10 == 0 else run)
            found = numbers(runs)
            if count % 10 == 0:
                others = {key: value for key, value in expected.items() if key != run.name}
                assert {key: found[key] for key in others} == others, (kind, file)
            same = found.get(run.name) == expected[run.name]
            assert same or run.name not in found or not found[run.name][4], (kind, file)
            if not same and not loud(runs, run):
                silent.append((run.name, str(name), kind))
            file.unlink(missing_ok=True)
            file.with_name("elsewhere").unlink(missing_ok=True)
            file.write_bytes(content)
    assert not silent
    assert count >= 300
    assert numbers(load_runs(sweep)) == expected


def test_a_changed_floor_is_left_out_by_name(sweep: Path) -> None:
    """Edited, or that of another seed; the run keeps its other numbers."""
    run, other = tiny.runs_of(sweep, "vicreg")
    (before,) = numbers(load_runs(run)).values()
    floors = sorted((run / layout.FLOORS).glob("*.json"))
    assert len(floors) >= 6
    strangers = [f for f in (other / layout.FLOORS).glob("*.json") if f.name not in {
        floor.name for floor in floors
    }]  # fmt: skip
    assert strangers
    for file in floors:
        content = file.read_bytes()
        spoils: list[Spoil] = [lost, truncated(0.5), duplicated_key, nan_as_text]
        places = [place for place in leaves(json.loads(content)) if place[0] != "schema_version"]
        spoils += [edited(place) for place in places[:: max(1, len(places) // 8)]]
        spoils.append(lambda file: file.write_bytes(strangers[0].read_bytes()))
        for spoil in spoils:
            spoil(file)
            runs = load_runs(run)
            assert any(file.name in item.reason for item in runs.left_out), file
            (found,) = numbers(runs).values()
            assert found[:-1] == before[:-1]
            assert len(found[-1]) == len(before[-1]) - 1
            assert found[-1].items() <= before[-1].items()
            file.write_bytes(content)
    assert numbers(load_runs(run)) == {run.name: before}


@pytest.mark.parametrize("loss", ["vicreg", "dino"])
def test_a_copied_run_with_another_seed_refuses_itself_and_its_source(
    sweep: Path, tmp_path: Path, loss: str
) -> None:
    shutil.copytree(sweep, tmp_path / "sweep")
    (source,) = (tmp_path / "sweep").glob(f"{loss}_s0_*")
    copy = source.with_name(source.name.replace("_s0_", "_s7_"))
    shutil.copytree(source, copy)
    config = json.loads((copy / layout.CONFIG).read_text())
    config["seed"] = config["config"]["seed"] = 7
    files.write_json(copy / layout.CONFIG, config)
    runs = load_runs(tmp_path / "sweep")
    (item,) = runs.left_out
    assert item.path == copy and "its settings" in item.reason and len(runs) == 4

    rename(copy)  # as somebody who signs it anew would
    runs = load_runs(tmp_path / "sweep")
    assert {item.path for item in runs.left_out} == {source, copy}
    assert all("bit for bit" in item.reason for item in runs.left_out)
    assert len(runs) == 3
