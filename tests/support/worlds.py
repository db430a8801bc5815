"""The shipped worlds, as their YAML describes them."""

from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf

from jepa_compare.build import construct
from jepa_compare.config.compose import CONF_DIR
from jepa_compare.data.base import World

NAMES = sorted(path.stem for path in (CONF_DIR / "data").glob("*.yaml"))


def node(name: str) -> dict:
    """The `data` node of `conf/data/<name>.yaml`, with what it inherits."""
    with initialize_config_dir(str(CONF_DIR), version_base="1.3"):
        config = OmegaConf.to_container(compose(f"data/{name}"), resolve=True)
    assert isinstance(config, dict)
    return config["data"]


def build(name: str, **overrides: object) -> World:
    """The world of `conf/data/<name>.yaml`, with some arguments replaced."""
    return construct("data", node(name) | overrides, World, ("name", "_target_"))
