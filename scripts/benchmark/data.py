"""Time the worlds' batches, beside the published dataset of the random-wall world.

    python scripts/benchmark/data.py                          the worlds alone
    python scripts/benchmark/data.py --eb-jepa CHECKOUT       and eb_jepa's dataset, in place

CHECKOUT is a clone of github.com/facebookresearch/eb_jepa. Everything runs on one thread, in
interleaved rounds, so that a busy machine slows all candidates alike; medians are shown. Most of
a random-wall batch on a CPU is the system handing out 221 MB of fresh memory: with huge pages
(THP_MEM_ALLOC_ENABLE=1 in the environment, a switch of torch) it is about three times as fast.
"""

import argparse
import statistics
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import torch
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


def interleaved(candidates: dict[str, Callable[[int], object]], rounds: int) -> dict[str, float]:
    """Median seconds per call; each round calls every candidate once, after one call unmeasured."""
    seconds: dict[str, list[float]] = {name: [] for name in candidates}
    for step in range(rounds + 1):
        for name, call in candidates.items():
            begin = time.perf_counter()
            call(step)
            if step:
                seconds[name].append(time.perf_counter() - begin)
    return {name: statistics.median(values) for name, values in seconds.items()}


def sample(world: World, batch_size: int, frames: int, step: int) -> None:
    world.sample(rng.generator(0, "data", step), batch_size, frames, CPU)


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
    candidates: dict[str, Callable[[int], object]] = {
        name: partial(sample, worlds[name], *BATCHES[name]) for name in BATCHES
    }
    one_at_a_time = f"{REFERENCE}, one trajectory at a time"
    candidates[one_at_a_time] = partial(sample, worlds[REFERENCE], 1, BATCHES[REFERENCE][1])
    sizes[one_at_a_time] = 1
    if arguments.eb_jepa:
        peer = "eb_jepa's dataset, one trajectory at a time"
        candidates[peer] = eb_jepa_dataset(arguments.eb_jepa).__getitem__
        sizes[peer] = 1

    seconds = interleaved(candidates, arguments.rounds)
    reference = seconds[REFERENCE] / sizes[REFERENCE]
    print(f"{'':48} {'batch':>6} {'ms/batch':>9} {'ms/sample':>10} {'x':>6}")
    for name, taken in seconds.items():
        each = taken / sizes[name]
        ratio = f"{each / reference:6.1f}" if sizes[name] == 1 else ""
        print(f"{name:48} {sizes[name]:6} {1e3 * taken:9.1f} {1e3 * each:10.2f} {ratio:>6}")
    print(f"x: time per sample over that of {REFERENCE} in a batch")


if __name__ == "__main__":
    main()
