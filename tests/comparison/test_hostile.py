"""Damaged and hostile run directories: no crash, no wrong number, each accounted for."""

import contextlib
import dataclasses
import json
import math
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from jepa_compare.comparison import (
    Comparison,
    NoRunsError,
    Run,
    Runs,
    compare,
    load_runs,
)
from jepa_compare.report import write, write_comparison
from jepa_compare.runs import layout
from tests.support.hostile import EVALUATION, FILES, TEXTS, Damage
from tests.support.signing import rename, resign
from tests.support.synthetic import DEFAULT_LOSSES, NOW, Loss, Sweep, write_run

SEEDS = range(3)
LOSSES = {name: DEFAULT_LOSSES[name] for name in ("vicreg", "dino", "none")}
BATCH = 110  # run directories per test; CI runs the slow ones too
TEMPLATE = Loss(name="template", success={"same": 0.9, "door": 0.5, "detour": 0.3}, probe_rmse=1.0)


@pytest.fixture(scope="module")
def healthy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = Sweep(path=tmp_path_factory.mktemp("healthy"), losses=LOSSES, seeds=SEEDS).write()
    for seed in SEEDS:
        write_run(path.parent / "templates", loss=TEMPLATE, seed=seed)
    return path


def add_hostile(
    healthy: Path, sweep: Path, count: int, rng: np.random.Generator
) -> dict[Path, str]:
    """A copy of the healthy sweep with `count` spoiled runs; path at creation to kind."""
    shutil.copytree(healthy, sweep)
    templates = sorted((healthy.parent / "templates").glob("template_s*"))
    damage = Damage(rng)
    kinds = {}
    for index in range(count):
        path = sweep / f"evil{index}_"
        if index % 8 == 0:  # another copy of a healthy run, with the same hash
            source = sorted(healthy.glob("vicreg_s*"))[index % 3]
            shutil.copytree(source, path)
            (path / layout.SUMMARY).write_bytes((path / layout.SUMMARY).read_bytes()[:500])
            kinds[path] = "duplicate"
            continue
        shutil.copytree(templates[index % 3], path)
        config = json.loads((path / layout.CONFIG).read_text())
        name = f"evil{index}" + (rng.choice(TEXTS)[:200] if index % 3 else "")
        config["name"] = name
        config["config"]["aux_loss"]["name"] = name
        (path / layout.CONFIG).write_text(json.dumps(config))
        rename(path)
        kinds[path] = damage.spoil(path)
    return kinds


def by_path(runs: Runs) -> dict[str, Run]:
    return {run.path.name: run for run in runs}


def same(one: Any, other: Any) -> bool:
    """Equality of records, NaN equal to NaN, paths by their last part."""
    if dataclasses.is_dataclass(one):
        return type(one) is type(other) and all(
            same(getattr(one, field.name), getattr(other, field.name))
            for field in dataclasses.fields(one)
        )
    if isinstance(one, np.ndarray):
        return np.array_equal(one, other, equal_nan=True)
    if isinstance(one, Path):
        return one.name == other.name
    if one != one:
        return other != other
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    return one == other


def assert_same_numbers(expected: Comparison, found: Comparison) -> None:
    """All that is said of the healthy losses: scores, intervals, tests, sentences, floors."""
    labels = {}
    for row in expected.rows:
        (twin,) = [r for r in found.rows if r.runs[0].loss == row.label]
        labels[row.label] = twin.label
        for metric in expected.metrics:
            for analysis_set in ("all", "healthy"):
                one = expected.estimate(row, metric, analysis_set)
                assert same(one, found.estimate(twin, metric, analysis_set)), (
                    row.label,
                    metric.key,
                )
    for slot, pairs in expected.pairs.items():
        others = {frozenset((pair.a, pair.b)): pair for pair in found.pairs[slot]}
        for pair in pairs:
            twin = others.get(frozenset((labels[pair.a], labels[pair.b])))
            if twin is None:  # among many rows those that cannot be tested have no pairs
                assert pair.note
                continue
            sign = 1 if twin.a == labels[pair.a] else -1
            assert twin.mean == sign * pair.mean
            for field in (
                "p",
                "p_holm",
                "p_sign_flip",
                "separable",
                "detectable",
                "note",
                "dropped",
            ):
                assert same(getattr(pair, field), getattr(twin, field)), field
    for reference in expected.references:
        (twin,) = [r for r in found.references if r.policy == reference.policy]
        for key, one in reference.estimates.items():
            assert same(one, twin.estimates[key]), (reference.policy, key)


def accounted(runs: Runs, path: Path, kind: str) -> bool:
    """Whether the damage shows: as a note on the run or a part of it, or in how the run ended."""
    noted = any(item.path == path or path in item.path.parents for item in runs.left_out)
    own = [run for run in runs if run.path == path]
    return noted or any(run.outcome != "healthy" for run in own)


@pytest.mark.parametrize("batch", [0, *(pytest.param(i, marks=pytest.mark.slow) for i in (1, 2))])
def test_hostile_directories_change_nothing_and_are_accounted_for(
    healthy: Path, tmp_path: Path, batch: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    sweep = tmp_path / "sweep"
    kinds = add_hostile(healthy, sweep, BATCH, np.random.default_rng(batch))
    expected, runs = compare(load_runs(healthy, now=NOW)), load_runs(sweep, now=NOW)
    before, after = by_path(expected.runs), by_path(runs)
    assert all(same(run, after[name]) for name, run in before.items())

    assert_same_numbers(expected, compare(runs))

    found = {path: path for path in sweep.iterdir()}
    silent = []
    for path, kind in kinds.items():
        renamed = [p for p in found if path.name in p.name]
        (where,) = renamed if path not in found else [path]
        listed = where in {run.path for run in runs} or accounted(runs, where, kind)
        assert listed, (kind, where)
        if not accounted(runs, where, kind):
            silent.append((kind, where.name))
    # What leaves a whole and healthy run behind: another value of the right type, a file cut
    # between two lines, permissions that root may ignore, keys that nobody reads.
    assert {kind for kind, _ in silent} <= {
        "value", "truncate", "many_keys", "missing_key", "unreadable", "lost",
    }, silent  # fmt: skip
    assert len(silent) < 0.3 * BATCH

    monkeypatch.setattr(
        write, "_draw", lambda *_, **__: None, raising=False
    )  # the page has its own
    text = write_comparison([sweep], tmp_path / "out")
    assert text.replace("\n", "").isprintable()
    for file in (tmp_path / "out").glob("*.json"):
        json.loads(file.read_text())


def test_what_never_ended_takes_no_win_away(healthy: Path, tmp_path: Path) -> None:
    shutil.copytree(healthy, tmp_path / "sweep")
    for index in range(60):
        shutil.copytree(healthy.parent / "templates", tmp_path / "sweep" / f"evil{index}")
        for path in (tmp_path / "sweep" / f"evil{index}").glob("template_s*"):
            config = json.loads((path / layout.CONFIG).read_text())
            config["name"] = f"evil{index}"
            config["config"]["aux_loss"]["name"] = f"evil{index}"
            (path / layout.CONFIG).write_text(json.dumps(config))
            rename(path)
            (path / layout.SUMMARY).write_text('{"status": "hea')
    expected, found = compare(load_runs(healthy)), compare(load_runs(tmp_path / "sweep"))
    assert_same_numbers(expected, found)
    assert found.best == expected.best
    assert len(found.rows) == 63


def test_nothing_but_a_hostile_directory_is_an_error_in_one_printable_line(tmp_path: Path) -> None:
    path = tmp_path / "\x1b[31m\n"
    path.mkdir()
    (path / layout.CONFIG).write_text("{}")
    with pytest.raises(NoRunsError, match=r"no readable run in .*schema version None") as raised:
        write_comparison([tmp_path])
    assert str(raised.value).isprintable()


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(st.characters(), max_size=20)
    | st.sampled_from(TEXTS),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4)
    ),
    max_leaves=12,
)


@settings(
    max_examples=80,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(name=st.sampled_from(FILES[:-1]), data=st.data())
def test_any_json_in_any_place_is_a_run_or_a_reason(healthy: Path, name: str, data) -> None:
    """A file of a whole run with some of its values replaced by any JSON."""
    source = next((healthy.parent / "templates").glob("template_s0_*"))
    content = json.loads((source / name).read_text())
    keys = data.draw(
        st.lists(st.sampled_from(sorted(content)), min_size=1, max_size=3, unique=True)
    )
    for key in keys:
        inner = content[key]
        if isinstance(inner, dict) and inner and data.draw(st.booleans()):
            inner[data.draw(st.sampled_from(sorted(inner)))] = data.draw(JSON)
        else:
            content[key] = data.draw(JSON)
    target = healthy.parent / "fuzzed"
    shutil.rmtree(target, ignore_errors=True)
    shutil.copytree(source, target)
    (target / name).write_text(json.dumps(content))
    with contextlib.suppress(AttributeError, TypeError, ValueError, KeyError, OSError):
        resign(target)  # else the digests alone are tested
    runs = load_runs(target, now=NOW)
    if not runs.runs:
        (lost,) = (item for item in runs.left_out if item.what == "run")
        assert lost.reason.isprintable()
        return
    (run,) = runs
    comparison = compare(runs)
    assert all(
        math.isnan(v) or v in run.metrics.values() for v in run.metrics.values() or [math.nan]
    )
    for estimate in comparison.estimates.values():
        assert all(math.isfinite(score) for score in estimate.scores.values())
        assert estimate.interval is None


def test_the_parser_is_not_the_only_thing_that_must_bear_depth(
    healthy: Path, tmp_path: Path
) -> None:
    """Around the depth at which the parser gives up, printing a value gives up first."""
    source = next((healthy.parent / "templates").glob("template_s0_*"))
    for depth in range(880, 1000, 8):
        deep = "[" * depth + "]" * depth
        for name, key in (
            (layout.CONFIG, "schema_version"), (layout.CONFIG, "seed"), (layout.STATUS, "state"),
            (layout.STATUS, "exception"), (layout.SUMMARY, "status"),
            (layout.SUMMARY, "diverged"), (EVALUATION, "schema_version"),
        ):  # fmt: skip
            target = tmp_path / f"{depth}_{name.replace('/', '_')}_{key}"
            target.mkdir()
            for file in (layout.CONFIG, layout.STATUS, layout.SUMMARY):
                shutil.copy(source / file, target)
            (target / EVALUATION).parent.mkdir()
            shutil.copy(source / EVALUATION, target / EVALUATION)
            content = json.loads((target / name).read_text()) | {key: "@@"}
            (target / name).write_text(json.dumps(content).replace('"@@"', deep))
    runs = load_runs(tmp_path, now=NOW)
    assert len(runs) + sum(item.what == "run" for item in runs.left_out) >= 15 * 7
