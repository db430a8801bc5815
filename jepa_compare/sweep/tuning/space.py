"""From `search:` in a loss's YAML to ranges, and from ranges to the settings of each trial.

search:
  weight: 10                                        # value / 10 to value * 10, log-uniform
  momentum: {factor: 10, scale: log_one_minus}      # the same of 1 - value
  margin: {low: 0, high: 2, scale: linear}          # absolute; log is the default
"""

import math
from collections.abc import Mapping
from typing import Any, get_args

import numpy as np

from jepa_compare.checks import ConfigError, did_you_mean
from jepa_compare.runs.study_records import Scale, SearchRange
from jepa_compare.system.files import content_hash

_DIGITS = 4
_KEYS = ("factor", "low", "high", "scale")


def ranges(
    search: Mapping[str, Any], config: Mapping[str, Any], key: str, *, shared: bool
) -> dict[str, SearchRange]:
    """The ranges of a node `search`, by dotted key of the plain `config`.

    `key` is the node whose settings it names ("aux_loss"; "" for the whole). Raises ConfigError, in
    one line, for a range of no setting and for one that cannot be.
    """
    found: dict[str, SearchRange] = {}
    for name, spec in search.items():
        full = f"{key}.{name}" if key else name
        if name not in config:
            where = f"{key}.search" if key else "tuning.search"
            hint = did_you_mean(name, config)
            raise ConfigError(f"{where}.{name}: there is no {full}{hint}")
        value = config[name]
        if isinstance(value, Mapping) and isinstance(spec, Mapping):
            found |= ranges(spec, value, full, shared=shared)
        else:
            found[full] = _range(full, spec, value, shared)
    return found


def _range(key: str, spec: Any, value: Any, shared: bool) -> SearchRange:
    def refused(reason: str) -> ConfigError:
        return ConfigError(f"search of {key}={value}: {reason}")

    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise refused("only a number can be searched")
    spec = spec if isinstance(spec, Mapping) else {"factor": spec}
    scale, numbers = spec.get("scale", "log"), {k: v for k, v in spec.items() if k != "scale"}
    if scale not in get_args(Scale):
        raise refused(f"scale={scale}, must be one of {', '.join(get_args(Scale))}")
    if numbers.keys() not in ({"factor"}, {"low", "high"}):
        raise refused(f"{dict(spec)}, must be a factor, or of {', '.join(_KEYS)}")
    for name, number in numbers.items():
        if isinstance(number, bool) or not isinstance(number, (int, float)):
            raise refused(f"{name}={number}, must be a number")
    if "factor" in numbers:
        factor = numbers["factor"]
        if not 1 < factor < math.inf or scale == "linear":
            raise refused(f"factor={factor}, must be above 1, and not of scale linear")
        low, high = value / factor, value * factor
        if scale == "log_one_minus":
            low, high = 1 - min(1.0, (1 - value) * factor), 1 - (1 - value) / factor
    else:
        low, high = numbers["low"], numbers["high"]
    inside = {"log": low > 0, "log_one_minus": high < 1, "linear": True}[scale]
    if not (math.isfinite(low) and math.isfinite(high) and low < high and inside):
        raise refused(f"{low:g} to {high:g} is no range of scale {scale}")
    return SearchRange(
        low=float(low), high=float(high), scale=scale, default=float(value), shared=shared
    )


def sobol_values(
    space: Mapping[str, SearchRange], trials: int, study_seed: int, loss: str
) -> dict[str, list[float]]:
    """The values of every trial: points of a scrambled Sobol sequence (scipy) in the space.

    Trial k is a function of (study seed, loss, k): the first 16 of 32 are those of 16.
    """
    from scipy.stats import qmc  # a second to load

    keys = sorted(space)
    seed = int(content_hash({"study": study_seed, "loss": loss}), 16)
    engine = qmc.Sobol(len(keys), scramble=True, seed=np.random.default_rng(seed))
    unit = engine.random(2 ** math.ceil(math.log2(trials)))[:trials]
    return {key: [_at(u, space[key]) for u in unit[:, place]] for place, key in enumerate(keys)}


def _at(unit: float, of: SearchRange) -> float:
    """The value at `unit` in [0, 1) of a range, in few digits, as a command line shows it."""
    if of.scale == "linear":
        value = _short(of.low + unit * (of.high - of.low))
    elif of.scale == "log":
        value = _short(of.low * (of.high / of.low) ** unit)
    else:  # digits of 1 - value, which is what matters near 1
        rest = _short((1 - of.low) * ((1 - of.high) / (1 - of.low)) ** unit)
        value = float(f"{1 - rest:.12g}")
    return min(max(value, of.low), of.high)


def _short(value: float) -> float:
    return float(f"{value:.{_DIGITS}g}")
