"""The result of a run for whoever wants to use it: weights as safetensors, and a loader."""

import hashlib
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save

from jepa_compare import build
from jepa_compare.checks import ConfigError
from jepa_compare.config.schema import Config
from jepa_compare.models.encoders import Encoder
from jepa_compare.models.jepa import JEPA
from jepa_compare.models.predictors import Predictor
from jepa_compare.runs import layout
from jepa_compare.runs.reader import read_record
from jepa_compare.runs.records import SummaryFile
from jepa_compare.runs.untrusted import Damaged
from jepa_compare.runs.writer import read_config
from jepa_compare.system import files


class NoSuchRun(RuntimeError):
    """A directory that holds no finished run."""


def export(directory: Path, model: JEPA) -> None:
    """Write encoder and predictor atomically."""
    tensors = {
        # Encoder and predictor may share a norm: safetensors wants each tensor's own memory.
        name: tensor.detach().cpu().contiguous().clone()
        for name, tensor in model.state_dict().items()
        if not name.startswith("target_encoder.")
    }
    files.write_bytes(directory / layout.EXPORT, save(tensors))


def load_config(directory: Path, *, trust: bool = False) -> Config:
    """The configuration of a run directory, nothing in it imported or resolved.

    Raises NoSuchRun if there is none or it is damaged, ConfigError if it is another version's, or
    names code that is not of this package and is not to be trusted.
    """
    path = directory / layout.CONFIG
    if not path.exists():
        raise NoSuchRun(f"{directory} is no run directory: it has no {layout.CONFIG}")
    stored = read_config(directory)
    if not stored:
        raise NoSuchRun(f"{path} is damaged")
    foreign = sorted(build.foreign_targets(stored.config))
    if foreign and not trust:
        raise ConfigError(
            f"{path}: _target_={foreign[0]} is not of this package, and its code would run here;"
            " if you trust this directory, say so with --trust (in Python: trust=True)"
        )
    return Config.from_plain(stored.config, path)


def load_model(
    directory: Path, device: torch.device | str = "cpu", config: Config | None = None
) -> JEPA:
    """The trained model of a finished run, in eval mode; of `config`, or of what is stored there.

    Raises NoSuchRun if there is none or the weights are not the run's, Refused if they are no
    regular file.
    """
    config = config or load_config(directory)
    weights = directory / layout.EXPORT
    if not weights.exists():
        raise NoSuchRun(
            f"{directory} has no {layout.EXPORT}: the run did not finish; give its command again"
        )
    model = build.build_model(config, build.build_source(config))
    tensors = model.state_dict().values()
    size = sum(tensor.numel() * tensor.element_size() for tensor in tensors)
    data = files.read_bytes(weights, size + 16 * files.MEGABYTE)  # the rest: names and shapes
    check_digest(data, expected_digest(directory), weights)
    does_not_fit = f"{weights} does not fit the model of its own {layout.CONFIG}:"
    try:
        missing, unexpected = model.load_state_dict(load(data), strict=False)
    except (RuntimeError, SafetensorError) as error:  # other shapes, or a damaged file
        reason = " ".join(" ".join(str(error).splitlines()[:2]).split())
        raise NoSuchRun(f"{does_not_fit} {reason} Train the run again.") from error
    missing = [name for name in missing if not name.startswith("target_encoder.")]
    if missing or unexpected:
        raise NoSuchRun(f"{does_not_fit} missing {missing}, unexpected {unexpected}")
    return model.to(device).eval()


def expected_digest(directory: Path) -> str | None:
    """SHA-256 of the weights as the run's summary has it; None for a run of an older version."""
    try:
        summary = read_record(SummaryFile, directory, layout.SUMMARY)
    except Damaged as error:
        raise NoSuchRun(f"{directory}: {error}") from error
    digests: dict[str, str] = getattr(summary, "digests", None) or {}
    return digests.get(layout.EXPORT)


def check_digest(data: bytes, expected: str | None, weights: Path) -> None:
    """Raise NoSuchRun unless `data` is what the run wrote into the file `weights`."""
    if expected is not None and hashlib.sha256(data).hexdigest() != expected:
        raise NoSuchRun(
            f"{weights} is not the one that this run wrote: its digest is not that in"
            f" {layout.SUMMARY}. Train the run again."
        )


def load_run(
    directory: str | Path, device: torch.device | str = "cpu", *, trust: bool = False
) -> tuple[Encoder, Predictor]:
    """Encoder ([n c h w] -> [n d]) and predictor (`rollout(z0, actions, steps)`) of a run.

    The run's config names the classes that are built. Those of this package run in any case; for
    others, whose code comes from where the directory says, ConfigError is raised without `trust`.
    """
    directory = Path(directory)
    model = load_model(directory, device, load_config(directory, trust=trust))
    return model.encoder, model.predictor
