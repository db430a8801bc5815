"""A source in a user's own package, which no one acts in, trains without a change here."""

from pathlib import Path

from jepa_compare.runs import layout
from jepa_compare.system import files
from tests.support.runs import TINY, command, rows

SOURCE = """
import torch

from jepa_compare.data import Column, Source
from jepa_compare.latents import Batch


class Lamp(Source):
    \"\"\"Frames as bright as a lamp, which actions make brighter or darker.\"\"\"

    action_dim = 1
    action_kind = "continuous"
    columns = (Column(name="power", unit="W", kind="continuous"),)
    primary_metric = "eval/probe_rmse"

    def __init__(self, *, watts: float) -> None:
        self.watts = watts
        self.obs_shape = (1, 8, 8)

    def sample(self, generator, batch_size, frames, device, split="train"):
        actions = torch.randn(batch_size, frames - 1, 1, generator=generator)
        first = torch.rand(batch_size, 1, 1, generator=generator)
        share = torch.cat([first, first + actions.cumsum(dim=1)], dim=1).sigmoid()  # [b t 1]
        noise = 0.1 * torch.randn(batch_size, frames, 1, 8, 8, generator=generator)
        return Batch(
            obs=(share[..., None, None] + noise).to(device),
            actions=actions.to(device),
            labels={"power": self.watts * share.to(device)},
            reward=-share[:, 1:, 0].to(device),
        )
"""


def test_it_is_trained_on_and_probed_and_nothing_is_planned(tmp_path: Path) -> None:
    conf = tmp_path / "my_lab" / "conf" / "data"
    conf.mkdir(parents=True)
    for folder in (conf.parents[1], conf.parent):
        (folder / "__init__.py").touch()
    (tmp_path / "my_lab" / "sources.py").write_text(SOURCE)
    yaml = "name: lamp\n_target_: my_lab.sources.Lamp\nwatts: 60.0\n"
    (conf / "lamp.yaml").write_text(yaml)
    command(
        "-m",
        "data=lamp",
        "hydra.searchpath=[pkg://my_lab.conf]",
        "aux_loss=vicreg",
        "sweep=mine",
        "evaluation.figures.enabled=true",
        cwd=tmp_path,
        # Nothing is said of planning, which asks the shipped sources for their `episode_steps`.
        tiny=[item for item in TINY if "planning" not in item and "figures" not in item],
    )
    (run,) = (tmp_path / "multirun" / "mine").glob("vicreg_s0_*")
    summary = files.read_json(run / layout.SUMMARY)
    metrics = summary["metrics"]
    assert 0 < metrics["eval/probe_rmse"] < 60
    assert metrics["eval/probe_r2"] > summary["untrained"]["eval/probe_r2"] - 1
    assert "eval/rollout_rmse_1" in metrics and "eval/probe_r2" in rows(run)[0]
    assert not [key for key in metrics if key.startswith(("eval/success", "eval/distance"))]
    assert set(summary["floors"]) == {"untrained"}
    drawn = {path.name for path in (run / layout.FIGURES).iterdir()}
    assert drawn == {"rollouts.png"}
    comparison = files.read_json(run.parent / layout.COMPARISON / "comparison.json")
    assert comparison["primary"] == "eval/probe_rmse"  # as the source states
