"""Bounds beside the fields: one check finds them all, whatever dataclass they stand in."""

import dataclasses
from typing import Any

import pytest
from omegaconf import OmegaConf

from jepa_compare.checks import ConfigError, require
from jepa_compare.config import bounds
from jepa_compare.config.bounds import above, at_least, between, one_of, satisfying
from jepa_compare.config.schema import Config, TrainingConfig


@dataclasses.dataclass(kw_only=True, slots=True)
class Inner:
    rate: float | None = above(0)
    share: float = between(0, 1)

    def check_together(self) -> None:
        require(self.rate is None or self.rate >= self.share, "rate", self.rate, "above share")


@dataclasses.dataclass(kw_only=True, slots=True)
class Outer:
    count: int = at_least(2)
    word: str = one_of("left", "right")
    even: int = satisfying(lambda value: value % 2 == 0, "even")
    inner: Inner


def outer(**values: Any) -> Outer:
    inner = Inner(rate=values.pop("rate", None), share=values.pop("share", 0.5))
    return Outer(**({"count": 2, "word": "left", "even": 0, "inner": inner} | values))


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"count": 1}, "node.count=1: must be at least 2"),
        ({"word": "lft"}, "node.word=lft: must be one of left, right (did you mean 'left'?)"),
        ({"even": 1}, "node.even=1: must be even"),
        ({"rate": 0.0}, "node.inner.rate=0.0: must be above 0"),
        ({"rate": float("nan")}, "node.inner.rate=nan: must be above 0"),
        ({"share": 1.5}, "node.inner.share=1.5: must be between 0 and 1"),
        ({"rate": 0.25}, "node.inner.rate=0.25: must be above share"),
    ],
)
def test_the_first_value_out_of_range_is_named_by_its_place(
    values: dict[str, Any], message: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        bounds.check(outer(**values), "node")
    assert str(caught.value) == message
    bounds.check(outer(), "node")


def test_no_value_is_written_in_the_schema() -> None:
    """A field with a bound has no default: Hydra still misses what no YAML gives."""
    assert {"seed", "device"} <= OmegaConf.missing_keys(OmegaConf.structured(Config))
    missing = OmegaConf.missing_keys(OmegaConf.structured(TrainingConfig))
    assert missing == {field.name for field in dataclasses.fields(TrainingConfig)}

    def written(kind: Any) -> list[str]:
        names = []
        for field in dataclasses.fields(kind):
            defaults = {field.default, field.default_factory}
            names += [field.name] if defaults != {dataclasses.MISSING} else []
            names += written(field.type) if dataclasses.is_dataclass(field.type) else []
        return names

    assert written(Config) == []
