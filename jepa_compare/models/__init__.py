"""Encoders, predictors and the joint-embedding predictive architecture that they make."""

from jepa_compare.models.encoders import ConvEncoder, Encoder, ImpalaEncoder
from jepa_compare.models.jepa import JEPA
from jepa_compare.models.predictors import GRUPredictor, Predictor, ResidualMLP

__all__ = [
    "JEPA",
    "ConvEncoder",
    "Encoder",
    "GRUPredictor",
    "ImpalaEncoder",
    "Predictor",
    "ResidualMLP",
]
