"""Which number a run counts with, and the floors beside the rows."""

import json
from pathlib import Path

from jepa_compare.comparison import compare, load_runs
from jepa_compare.runs import layout
from tests.support.signing import resign
from tests.support.synthetic import DEFAULT_LOSSES, Sweep

SUCCESS = "eval/success_detour"
LOSSES = {name: DEFAULT_LOSSES[name] for name in ("vicreg", "dino")}


def test_of_floors_with_one_key_the_first_counts_and_it_is_said(tmp_path: Path) -> None:
    """Two sweeps hold random-1234abcd.json; a floor that nothing measured is in both as null."""
    for name, loss in (("a", "vicreg"), ("b", "dino"), ("c", "dino")):
        Sweep(path=tmp_path / name, losses={loss: LOSSES[loss]}, seeds=range(2)).write()
    assert not any("Floors of one key" in text for text in compare(load_runs(tmp_path)).warnings)
    for name in ("b", "c"):
        file = tmp_path / name / layout.FLOORS / "random-1234abcd.json"
        floor = json.loads(file.read_text())
        floor["metrics"][SUCCESS], floor["tasks"] = 0.25, {}
        file.write_text(json.dumps(floor))
        for run in (tmp_path / name).glob("dino_s*"):
            resign(run)
    comparison = compare(load_runs(tmp_path))
    (random,) = [r for r in comparison.references if r.policy == "random"]
    assert random.estimates[SUCCESS].mean < 0.25
    assert [text for text in comparison.warnings if text.startswith("Floors")] == [
        "Floors of one key with other numbers, the first counts: random-1234abcd."
    ]


def test_a_floor_of_a_sweep_counts_once(tmp_path: Path) -> None:
    path = Sweep(path=tmp_path, losses=LOSSES, seeds=range(3)).write()
    by_policy = {r.policy: r for r in compare(load_runs(path)).references}
    assert by_policy["random"].estimates[SUCCESS].n == 1
    assert by_policy["random"].estimates[SUCCESS].note == ""
    assert sorted(by_policy["untrained"].estimates[SUCCESS].scores) == [0, 1, 2]
