"""The shipped sources, as their YAML describes them."""

from collections.abc import Callable

import torch
from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf

from jepa_compare.build import construct
from jepa_compare.config.compose import CONF_DIR
from jepa_compare.data import RandomWall, TwoRooms
from jepa_compare.data.base import Split
from jepa_compare.data.environment import play

NAMES = sorted(path.stem for path in (CONF_DIR / "data").glob("*.yaml"))
CPU = torch.device("cpu")


def node(name: str) -> dict:
    """The `data` node of `conf/data/<name>.yaml`, with what it inherits."""
    with initialize_config_dir(str(CONF_DIR), version_base="1.3"):
        config = OmegaConf.to_container(compose(f"data/{name}"), resolve=True)
    assert isinstance(config, dict)
    return config["data"]


def build(name: str, **overrides: object) -> TwoRooms | RandomWall:
    """The source of `conf/data/<name>.yaml`, with some arguments replaced."""
    base = RandomWall if "random_wall" in name else TwoRooms
    return construct("data", node(name) | overrides, base, ("name", "_target_"))


def simulated(
    source: TwoRooms | RandomWall,
    generator: torch.Generator,
    size: int,
    frames: int,
    device: torch.device = CPU,
    split: Split = "train",
) -> tuple[torch.Tensor, torch.Tensor]:
    """States [b t s] and actions of the trajectories that `sample` gives."""
    return next(source.simulate([generator], size, frames, device, split))


def walked(
    source: TwoRooms | RandomWall,
    policy: Callable[[torch.Tensor, torch.Tensor], torch.Tensor],
    start: torch.Tensor,
    goal: torch.Tensor,
    steps: int,
    generator: torch.Generator | None = None,
) -> torch.Tensor:
    """Positions [n steps+1 2] of a policy in the source's environment."""
    states = play(source.environment, policy, start, goal, steps, generator)
    return torch.stack([source.task_suite.position(state) for state in states], dim=1)


class OneHot(TwoRooms):
    """Two rooms that say their actions are discrete, though nothing else of them is."""

    action_kind = "discrete"
