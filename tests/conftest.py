"""Shared by every test: shapes are checked, one thread, and GPU tests skip with a reason."""

import os

# Before numpy and torch load: the numbers of threads is part of a run's identity, and tests that
# run side by side must not fight for the cores.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("WANDB_MODE", "disabled")

from pathlib import Path

import pytest
from hypothesis import settings
from jaxtyping import install_import_hook

import tests.support.typechecker  # noqa: F401  (the hook below finds it by name)

# The same examples every time; `HYPOTHESIS_PROFILE=random` draws new ones, as the slow suite does.
settings.register_profile("fixed", derandomize=True, database=None, deadline=None)
settings.register_profile("random", database=None, deadline=None, print_blob=True)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "fixed"))

# Executes every jaxtyping annotation of the package while the tests run.
install_import_hook("jepa_compare", "tests.support.typechecker.typechecker").__enter__()


@pytest.fixture(scope="session")
def study_sweep(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished study of three losses; not to be changed."""
    from tests.support.synthetic_study import SyntheticStudy

    return SyntheticStudy(path=tmp_path_factory.mktemp("studies") / "answer").write()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    marked = [item for item in items if item.get_closest_marker("gpu")]
    if not marked:
        return
    import torch

    if not torch.cuda.is_available():
        for item in marked:
            item.add_marker(pytest.mark.skip(reason="needs a CUDA device, and there is none here"))
