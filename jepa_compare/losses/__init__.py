"""The wing's door: the auxiliary losses, one per file, the helper terms, and their contracts.

A YAML names a class here (`_target_: jepa_compare.losses.VICReg`), never the file that holds it.
"""

from jepa_compare.losses.barlow_auto import BarlowAuto
from jepa_compare.losses.barlow_twins import BarlowTwins
from jepa_compare.losses.base import AuxLoss, AuxOutput
from jepa_compare.losses.dino import DINO
from jepa_compare.losses.dino_center import DINOCenter
from jepa_compare.losses.helpers.base import HelperTerm, HelperTerms
from jepa_compare.losses.helpers.inverse_dynamics import InverseDynamics
from jepa_compare.losses.helpers.temporal_similarity import TemporalSimilarity
from jepa_compare.losses.none import NoAuxLoss
from jepa_compare.losses.sigreg import SIGReg
from jepa_compare.losses.vicreg import VICReg

__all__ = [
    "DINO",
    "AuxLoss",
    "AuxOutput",
    "BarlowAuto",
    "BarlowTwins",
    "DINOCenter",
    "HelperTerm",
    "HelperTerms",
    "InverseDynamics",
    "NoAuxLoss",
    "SIGReg",
    "TemporalSimilarity",
    "VICReg",
]
