"""The authors' definitions in plain float64 numpy, one value and gradient per loss: the source of
golden.json. Slow and literal on purpose; nothing of the package is imported.

    python tests/golden/definitions.py    # rewrites golden.json; a diff in it is a changed number

Gradients are central differences (step 1e-5) of these definitions, at a few coordinates.
"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

N, D = 12, 6
COORDINATES = [(0, 0), (3, 2), (7, 5), (11, 1)]
Array = np.ndarray


def inputs(rows: int = N) -> tuple[Array, Array]:
    """Two correlated views, reproducible from arithmetic alone; float32-exact values."""
    i, j = np.meshgrid(np.arange(rows), np.arange(D), indexing="ij")
    a = np.sin(1.7 * i + 0.9 * j * j) + 0.3 * np.cos(0.4 * i * j)
    b = a + 0.25 * np.cos(2.3 * i + 1.1 * j)
    return a.astype(np.float32).astype(float), b.astype(np.float32).astype(float)


def vicreg(a: Array, b: Array) -> float:
    """arXiv 2105.04906, equations 1 to 6 with (25, 25, 1)."""
    total = 25 * np.mean((a - b) ** 2)
    for z in (a, b):
        std = np.sqrt(z.var(axis=0, ddof=1) + 1e-4)
        covariance = np.cov(z.T)
        off = covariance - np.diag(np.diag(covariance))
        total += 25 * np.mean(np.maximum(0, 1 - std)) / 2 + np.sum(off**2) / D
    return float(total)


def barlow_twins(a: Array, b: Array) -> float:
    """arXiv 2103.03230, equation 1 with λ = 0.0051 and BatchNorm's ε = 1e-5."""
    a, b = ((z - z.mean(0)) / np.sqrt(z.var(0) + 1e-5) for z in (a, b))
    c = a.T @ b / len(a)
    off = c - np.diag(np.diag(c))
    return float(np.sum((np.diag(c) - 1) ** 2) + 0.0051 * np.sum(off**2))


def barlow_auto(a: Array, b: Array) -> float:
    return barlow_twins(a, a)


def slices() -> Array:
    """Four directions of a fixed pattern, unit norm, float32-exact inputs to the loss."""
    i, j = np.meshgrid(np.arange(D), np.arange(4), indexing="ij")
    raw = np.cos(1.3 * i + 2.1 * j)
    return (raw / np.linalg.norm(raw, axis=0)).astype(np.float32).astype(float)


def sigreg(a: Array, b: Array) -> float:
    """arXiv 2511.08544: Epps–Pulley with 17 knots on [0, 3], times N, mean of slices and views."""
    t = np.linspace(0, 3, 17)
    weight = np.full(17, 2 * t[1])
    weight[[0, -1]] = t[1]
    phi = np.exp(-(t**2) / 2)
    scores = []
    for z in (a, b):
        for x in (z @ slices()).T:
            ecf = np.exp(1j * np.outer(x, t)).mean(axis=0)
            scores.append(len(x) * np.sum(weight * phi * np.abs(ecf - phi) ** 2))
    return float(np.mean(scores))


def softmax(x: Array) -> Array:
    e = np.exp(x - x.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


def weights(rows: int, columns: int) -> Array:
    """A weight matrix of a fixed pattern for DINO's head."""
    i, j = np.meshgrid(np.arange(rows), np.arange(columns), indexing="ij")
    return (np.sin(0.7 * i + 1.9 * j + 0.3) / np.sqrt(columns)).astype(np.float32).astype(float)


def gelu(x: Array) -> Array:
    from math import erf

    return x * 0.5 * (1 + np.vectorize(erf)(x / np.sqrt(2)))


def head(z: Array) -> Array:
    """Linear, GELU, linear, unit sphere, unit prototypes: 6 -> 5 -> 4 -> 7, no BatchNorm."""
    features = gelu(z @ weights(5, D).T) @ weights(4, 5).T
    features /= np.linalg.norm(features, axis=1, keepdims=True)
    prototypes = weights(7, 4)
    return features @ (prototypes / np.linalg.norm(prototypes, axis=1, keepdims=True)).T


def dino(a: Array, b: Array, teacher_input: tuple[Array, Array] | None = None) -> float:
    """arXiv 2104.14294, equation 2, symmetric; center 0.05 · k; teacher input without gradient."""
    ta, tb = teacher_input or (a, b)
    center = 0.05 * np.arange(7)
    total = 0.0
    for student, teacher in ((a, tb), (b, ta)):
        q = softmax((head(teacher) - center) / 0.04)
        log_p = np.log(softmax(head(student) / 0.1))
        total += -np.mean(np.sum(q * log_p, axis=1)) / 2
    return float(total)


def dino_paper(a: Array, b: Array, teacher_input: tuple[Array, Array] | None = None) -> float:
    """`dino` with the student on the first view and the teacher on the second alone."""
    tb = b if teacher_input is None else teacher_input[1]
    q = softmax((head(tb) - 0.05 * np.arange(7)) / 0.04)
    return float(-np.mean(np.sum(q * np.log(softmax(head(a) / 0.1)), axis=1)))


def dino_center(a: Array, b: Array) -> float:
    """‖mean(a) − center‖² with the center at 0.05 · j."""
    return float(np.sum((a.mean(0) - 0.05 * np.arange(D)) ** 2))


def none(a: Array, b: Array) -> float:
    return 0.0


def vicreg_context(a: Array, b: Array) -> float:
    """arXiv 2602.03604: std 16, cov 8 as a mean over d(d − 1), on the encoder's
    output, which is the first view here."""
    std = np.sqrt(a.var(axis=0, ddof=1) + 1e-4)
    covariance = np.cov(a.T)
    off = covariance - np.diag(np.diag(covariance))
    return float(16 * np.mean(np.maximum(0, 1 - std)) + 8 * np.sum(off**2) / (D * (D - 1)))


SOURCES: dict[str, tuple[Callable[..., float], str, dict[str, Any]]] = {
    "vicreg": (
        vicreg,
        "arXiv 2105.04906; github.com/facebookresearch/vicreg main_vicreg.py",
        {"sim_coeff": 25.0, "std_coeff": 25.0, "cov_coeff": 1.0},
    ),
    "vicreg_context": (
        vicreg_context,
        "arXiv 2602.03604; github.com/facebookresearch/eb_jepa eb_jepa/losses.py",
        {"cov_coeff": 8 / (D - 1)},
    ),
    "barlow_twins": (
        barlow_twins,
        "arXiv 2103.03230; github.com/facebookresearch/barlowtwins main.py",
        {"off_diagonal_weight": 0.0051},
    ),
    "barlow_auto": (barlow_auto, "barlow_twins of one tensor", {"off_diagonal_weight": 0.0051}),
    "sigreg": (
        sigreg,
        "arXiv 2511.08544, equations of section 4",
        {"num_slices": 4, "scale_by_samples": True},
    ),
    "dino": (
        dino,
        "arXiv 2104.14294; github.com/facebookresearch/dino main_dino.py",
        {"prototypes": 7, "hidden": [5], "bottleneck": 4, "batch_norm": False},
    ),
    "dino_paper": (
        dino_paper,
        "arXiv 2104.14294; github.com/facebookresearch/dino main_dino.py",
        {"prototypes": 7, "hidden": [5], "bottleneck": 4},
    ),
    "dino_center": (dino_center, "its own definition", {}),
    "none": (none, "its own definition", {}),
}


def gradient(function: Callable[..., float], which: int) -> list[float]:
    """Central differences at COORDINATES of view `which`; DINO's teacher stays fixed."""
    result = []
    for row, column in COORDINATES:
        values = []
        for sign in (1, -1):
            pair = inputs()
            fixed = inputs()
            pair[which][row, column] += sign * 1e-5
            extra = {"teacher_input": fixed} if function in (dino, dino_paper) else {}
            values.append(function(*pair, **extra))
        result.append((values[0] - values[1]) / 2e-5)
    return result


def main() -> None:
    golden = {
        name: {
            "source": source,
            "arguments": arguments,
            "loss": function(*inputs()),
            "gradient_pred": gradient(function, 0),
            "gradient_target": gradient(function, 1),
        }
        for name, (function, source, arguments) in SOURCES.items()
    }
    path = Path(__file__).with_name("golden.json")
    path.write_text(json.dumps(golden, indent=2, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
