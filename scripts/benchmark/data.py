"""Time the worlds' batches, beside the published dataset of the random-wall world.

    python scripts/benchmark/data.py                          the worlds alone
    python scripts/benchmark/data.py --eb-jepa CHECKOUT       and eb_jepa's dataset, in place

CHECKOUT is a clone of github.com/facebookresearch/eb_jepa. Everything runs on one thread, in
interleaved rounds, so that a busy machine slows all candidates alike.
"""

import argparse
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

import torch
from common import interleave, milliseconds, ratio, show_ratio
from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf

from jepa_compare import rng
from jepa_compare.build import construct
from jepa_compare.compose import CONF_DIR, HYDRA_VERSION_BASE
from jepa_compare.data.base import World

CPU = torch.device("cpu")
REFERENCE = "two_rooms_random_wall"
BATCHES = {"two_rooms": (32, 8), "two_rooms_distractor": (32, 8), REFERENCE: (384, 17)}


def shipped_world(name: str) -> World:
    with initialize_config_dir(str(CONF_DIR), version_base=HYDRA_VERSION_BASE):
        config = OmegaConf.to_container(compose(f"data/{name}"), resolve=True)
    assert isinstance(config, dict)
    return construct("data", config["data"], World, ("name", "_target_"))


def eb_jepa_dataset(checkout: Path):
    """The peer's dataset with its published settings."""
    sys.path.insert(0, str(checkout))
    from eb_jepa.datasets.two_rooms.utils import (  # pyright: ignore[reportMissingImports]
        update_config_from_yaml,
    )
    from eb_jepa.datasets.two_rooms.wall_dataset import (  # pyright: ignore[reportMissingImports]
        WallDataset,
        WallDatasetConfig,
    )

    settings = OmegaConf.load(checkout / "eb_jepa/datasets/two_rooms/data_config.yaml")
    return WallDataset(update_config_from_yaml(WallDatasetConfig, OmegaConf.to_container(settings)))


def sample(world: World, batch_size: int, frames: int) -> None:
    world.sample(rng.generator(0, "data"), batch_size, frames, CPU)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--eb-jepa", type=Path, metavar="CHECKOUT")
    parser.add_argument("--rounds", type=int, default=9)
    arguments = parser.parse_args()
    torch.set_num_threads(1)

    worlds = {name: shipped_world(name) for name in BATCHES}
    sizes = {name: size for name, (size, _) in BATCHES.items()}
    candidates: dict[str, Callable[[], object]] = {
        name: partial(sample, worlds[name], *BATCHES[name]) for name in BATCHES
    }
    one_at_a_time = f"{REFERENCE}, one trajectory at a time"
    candidates[one_at_a_time] = partial(sample, worlds[REFERENCE], 1, BATCHES[REFERENCE][1])
    sizes[one_at_a_time] = 1
    if arguments.eb_jepa:
        peer = "eb_jepa's dataset, one trajectory at a time"
        candidates[peer] = partial(eb_jepa_dataset(arguments.eb_jepa).__getitem__, 0)
        sizes[peer] = 1

    seconds = interleave(candidates, arguments.rounds, CPU)
    reference = [taken / sizes[REFERENCE] for taken in seconds[REFERENCE]]
    print(f"{'':48} {'batch':>6} {'ms/batch':>9} {'ms/sample':>10}  x")
    for name, taken in seconds.items():
        each = [value / sizes[name] for value in taken]
        slower = show_ratio(ratio(each, reference)) if sizes[name] == 1 else ""
        print(
            f"{name:48} {sizes[name]:6} {milliseconds(taken):>9} {milliseconds(each):>10}  {slower}"
        )
    print(f"x: time per sample over that of {REFERENCE} in a batch, median [quartiles] over rounds")


if __name__ == "__main__":
    main()
