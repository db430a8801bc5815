"""Time the sources' batches, beside the published dataset of the random-wall source.

    python scripts/benchmark/data.py                          the sources alone
    python scripts/benchmark/data.py --peers CHECKOUTS        and eb_jepa's dataset, in place

CHECKOUTS holds a clone of github.com/facebookresearch/eb_jepa. Rounds are interleaved, so that a
busy machine slows all candidates alike; medians are shown, and for one trajectory at a time the
median over rounds of its time per sample over that of the same source in a batch.
"""

import sys
from collections.abc import Callable
from pathlib import Path

import common
import torch
from hydra import compose
from omegaconf import OmegaConf

from jepa_compare import rng
from jepa_compare.build import construct
from jepa_compare.config.compose import composition
from jepa_compare.data import Source

REFERENCE = "two_rooms_random_wall"
BATCHES = {"two_rooms": (32, 8), "two_rooms_distractor": (32, 8), REFERENCE: (384, 17)}


def shipped_source(name: str) -> Source:
    with composition():
        config = OmegaConf.to_container(compose(f"data/{name}"), resolve=True)
    assert isinstance(config, dict)
    return construct("data", config["data"], Source, ("name", "_target_"))


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


class Sampler:
    """Makes one batch after another, each of its own step."""

    def __init__(self, make: Callable[[int], object]) -> None:
        self.make, self.step = make, 0

    def __call__(self) -> None:
        self.make(self.step)
        self.step += 1


def sampler(source: Source, batch_size: int, frames: int, device: torch.device) -> Sampler:
    """Batches as training gets them."""
    return Sampler(
        lambda step: source.sample(rng.generator(0, "data", step), batch_size, frames, device)
    )


def main() -> None:
    parser = common.parser(__doc__, rounds=9)
    parser.add_argument("--peers", type=Path, metavar="CHECKOUTS")
    arguments = parser.parse_args()
    device = common.start(arguments)

    sources = {name: shipped_source(name) for name in BATCHES}
    sizes = {name: size for name, (size, _) in BATCHES.items()}
    candidates = {name: sampler(sources[name], *BATCHES[name], device) for name in BATCHES}
    one_at_a_time = f"{REFERENCE}, one trajectory at a time"
    candidates[one_at_a_time] = sampler(sources[REFERENCE], 1, BATCHES[REFERENCE][1], device)
    sizes[one_at_a_time] = 1
    if arguments.peers:
        peer = "eb_jepa's dataset, one trajectory at a time"
        candidates[peer] = Sampler(eb_jepa_dataset(arguments.peers / "eb_jepa").__getitem__)
        sizes[peer] = 1

    seconds = common.interleave(candidates, arguments.rounds, device)
    each = {name: [t / sizes[name] for t in taken] for name, taken in seconds.items()}
    rows = [
        {
            "": name,
            "batch": sizes[name],
            "ms/batch": common.milliseconds(seconds[name]),
            "ms/sample": common.milliseconds(each[name]),
            "x": common.show_ratio(common.ratio(each[name], each[REFERENCE]))
            if sizes[name] == 1
            else "",
        }
        for name in seconds
    ]
    common.publish(rows, {"seconds": seconds}, device, arguments.json)


if __name__ == "__main__":
    main()
