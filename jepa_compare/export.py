"""The result of a run for whoever wants to use it: weights as safetensors, and a loader."""

from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save

from jepa_compare import build
from jepa_compare.config.schema import Config
from jepa_compare.models.encoders import Encoder
from jepa_compare.models.jepa import JEPA
from jepa_compare.models.predictors import Predictor
from jepa_compare.runs import layout
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


def load_config(directory: Path) -> Config:
    """The configuration of a run directory.

    Raises NoSuchRun if there is none or it is damaged, ConfigError if it is another version's.
    """
    path = directory / layout.CONFIG
    if not path.exists():
        raise NoSuchRun(f"{directory} is no run directory: it has no {layout.CONFIG}")
    stored = read_config(directory)
    if not stored:
        raise NoSuchRun(f"{path} is damaged")
    return Config.from_plain(stored.config, path)


def load_model(directory: Path, device: torch.device | str = "cpu") -> JEPA:
    """The trained model of a finished run, in eval mode. Raises NoSuchRun if there is none."""
    config = load_config(directory)
    weights = directory / layout.EXPORT
    if not weights.exists():
        raise NoSuchRun(
            f"{directory} has no {layout.EXPORT}: the run did not finish; give its command again"
        )
    model = build.build_model(config, build.build_source(config))
    does_not_fit = f"{weights} does not fit the model of its own {layout.CONFIG}:"
    try:
        missing, unexpected = model.load_state_dict(load_file(weights), strict=False)
    except (RuntimeError, SafetensorError) as error:  # other shapes, or a damaged file
        reason = " ".join(" ".join(str(error).splitlines()[:2]).split())
        raise NoSuchRun(f"{does_not_fit} {reason} Train the run again.") from error
    missing = [name for name in missing if not name.startswith("target_encoder.")]
    if missing or unexpected:
        raise NoSuchRun(f"{does_not_fit} missing {missing}, unexpected {unexpected}")
    return model.to(device).eval()


def load_run(
    directory: str | Path, device: torch.device | str = "cpu"
) -> tuple[Encoder, Predictor]:
    """Encoder ([n c h w] -> [n d]) and predictor (`rollout(z0, actions, steps)`) of a run.

    The run's config names the classes that are built: load only directories that you trust.
    """
    model = load_model(Path(directory), device)
    return model.encoder, model.predictor
