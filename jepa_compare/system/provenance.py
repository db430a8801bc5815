"""Everything outside the config that can vary between two runs."""

import functools
import importlib.metadata
import os
import platform
import subprocess
import sys
from pathlib import Path
from typing import Any

import torch

import jepa_compare

_VERSIONED = ("torch", "numpy", "hydra-core", "omegaconf", "wandb", "scipy")
# Variables that change numbers, speed or placement. Never the whole environment: it holds keys.
_ENVIRONMENT = (
    "ATEN_CPU_CAPABILITY",
    "CUBLAS_WORKSPACE_CONFIG",
    "CUDA_VISIBLE_DEVICES",
    "DNNL_MAX_CPU_ISA",
    "GOMP_CPU_AFFINITY",
    "KMP_AFFINITY",
    "MKL_CBWR",
    "MKL_ENABLE_INSTRUCTIONS",
    "MKL_NUM_THREADS",
    "NVIDIA_TF32_OVERRIDE",
    "OMP_NUM_THREADS",
    "OMP_PROC_BIND",
    "ONEDNN_MAX_CPU_ISA",
    "PYTORCH_ALLOC_CONF",
    "PYTORCH_CUDA_ALLOC_CONF",
    "SLURM_JOB_ID",
    "TORCH_COMPILE_DISABLE",
)


def provenance(device: torch.device) -> dict[str, Any]:
    """Versions, hardware, git state, flags, environment and command, as plain data."""
    return {
        "versions": versions(),
        "hardware": {
            "device": device.type,
            "name": device_name(device),
            "cores": os.cpu_count(),
            "instructions": torch.backends.cpu.get_cpu_capability(),
            "threads": torch.get_num_threads(),
        },
        "git": _git(),
        "flags": {
            "float32_matmul_precision": torch.get_float32_matmul_precision(),
            "cudnn_allow_tf32": torch.backends.cudnn.allow_tf32,
            "cudnn_benchmark": torch.backends.cudnn.benchmark,
            "cudnn_deterministic": torch.backends.cudnn.deterministic,
            "deterministic_algorithms": torch.are_deterministic_algorithms_enabled(),
        },
        "environment": {name: os.environ[name] for name in _ENVIRONMENT if name in os.environ},
        "command": sys.argv,
    }


def versions() -> dict[str, str]:
    """Of this package, Python and the core packages."""
    versions = {"jepa_compare": jepa_compare.__version__, "python": platform.python_version()}
    for name in _VERSIONED:
        versions[name] = importlib.metadata.version(name)
    if torch.version.cuda is not None:
        versions["cuda"] = torch.version.cuda
        versions["cudnn"] = str(torch.backends.cudnn.version())
    return versions


def device_name(device: torch.device) -> str:
    """The processor as the system, or the GPU as its driver gives it."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


@functools.cache
def _git() -> dict[str, Any] | None:
    """Commit and dirty flag of the checkout that the package runs from, if it is one."""
    root = Path(jepa_compare.__file__).resolve().parent.parent
    if not (root / ".git").exists():
        return None
    try:
        commit, changes = (
            subprocess.run(
                ["git", "-C", str(root), *arguments],
                capture_output=True,
                text=True,
                timeout=10,
                check=True,
            ).stdout
            for arguments in (("rev-parse", "HEAD"), ("status", "--porcelain", "-uno"))
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return {"commit": commit.strip(), "dirty": bool(changes.strip())}
