"""Auxiliary losses, one per file, and the helper terms that all losses of a sweep share.

`base` holds the contract of a loss, `fused` the fast forms. A class of any file of this wing is an
attribute of it, which is what a YAML names (`_target_: jepa_compare.losses.VICReg`): a new loss is
a new file, and nothing here has to be told.
"""

import importlib
import pkgutil

from jepa_compare.losses.base import AuxLoss, AuxOutput
from jepa_compare.losses.helpers.base import HelperTerm, HelperTerms

__all__ = ["AuxLoss", "AuxOutput", "HelperTerm", "HelperTerms"]


def __getattr__(name: str) -> type:
    """The class `name` of one of the wing's files."""
    if not name.startswith("_"):
        for info in pkgutil.walk_packages(__path__, f"{__name__}."):
            attribute = getattr(importlib.import_module(info.name), name, None)
            if isinstance(attribute, type) and attribute.__module__ == info.name:
                return attribute
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
