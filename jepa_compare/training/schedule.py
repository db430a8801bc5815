"""The learning rate of a step."""

import math

from jepa_compare.config.schema import TrainingConfig


def learning_rate(step: int, settings: TrainingConfig) -> float:
    """Linear warm-up, then a cosine from `lr` down to `final_lr_fraction * lr`."""
    if step < settings.warmup_steps:
        return settings.lr * (step + 1) / settings.warmup_steps
    progress = (step - settings.warmup_steps) / max(1, settings.steps - settings.warmup_steps)
    cosine = 0.5 * (1 + math.cos(math.pi * progress))
    return settings.lr * (settings.final_lr_fraction + (1 - settings.final_lr_fraction) * cosine)
