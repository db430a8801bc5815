"""Time the losses' forward and backward beside other people's, in interleaved rounds.

    pip install --no-deps lightly         # the extra `benchmark`, without its dependencies
    python scripts/benchmark/losses.py
    python scripts/benchmark/losses.py --peers CHECKOUTS --loss vicreg --device cuda

CHECKOUTS holds clones of facebookresearch/vicreg, barlowtwins, dino and eb_jepa and of
vturrisi/solo-learn, each under its own name; whichever are there are called in place. lightly's
losses need neither its torchvision nor its lightning.

Before anything is timed, value and gradient of everybody are compared with the textbook form in
float64; a peer whose value is off by more than 1e-3 computes something else, and the benchmark
stops. `speed-up` is a peer's time over ours, the median of the ratios within a round and their
quartiles; `memory` the same of the peak of what is allocated; `MSE` the time of a plain MSE on the
same tensors, the least that a loss on two views can take; `of GEMM` the share of this device's
float32 GEMM rate at which our matrix products would run if they were all there is.
"""

import statistics
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import common
import peers
import torch
import torch.nn.functional as F
from torch import Tensor

from jepa_compare.latents import Latents
from jepa_compare.losses import BarlowTwins, SIGReg, VICReg
from jepa_compare.losses.barlow_twins import cross_correlation, off_diagonal_term, on_diagonal_term
from jepa_compare.losses.dino import soft_cross_entropy, teacher_probabilities
from jepa_compare.losses.fused.dino import distil, teacher_probabilities_and_entropies
from jepa_compare.losses.sigreg import epps_pulley
from jepa_compare.losses.vicreg import covariance_term, invariance_term, variance_term

SHAPES = {
    "vicreg": [(256, 2048), (256, 8192), (512, 512), (1024, 512), (2048, 256), (224, 128)],
    "barlow_twins": [(256, 2048), (512, 512), (1024, 512), (2048, 256), (224, 128)],
    "sigreg": [(1024, 256), (2048, 256), (224, 128)],
    "dino": [(224, 256), (256, 4096), (1024, 1024), (64, 65536)],
}
SLICES = 1024


@dataclass(frozen=True)
class Case:
    """One loss at one shape: its inputs, ours, the peers' and the truth."""

    loss: str
    shape: tuple[int, int]
    inputs: list[Tensor]
    ours: Callable[..., Tensor]
    textbook: Callable[..., Tensor]
    """In the inputs' own precision: in float64, the truth."""
    peers: dict[str, Callable[..., Tensor]]


def cases(
    chosen: list[str], found: dict[str, dict[str, Callable[..., Any]]], device: torch.device
) -> Iterator[Case]:
    for loss in chosen:
        for n, d in SHAPES[loss]:
            yield MAKERS[loss](n, d, found.get(loss, {}), device)


def views(n: int, d: int, device: torch.device) -> list[Tensor]:
    """Two correlated views."""
    generator = torch.Generator().manual_seed(0)
    a, noise = (torch.randn(n, d, generator=generator) for _ in range(2))
    return [z.to(device).requires_grad_() for z in (a, a + 0.5 * noise)]


def on_views(loss: torch.nn.Module) -> Callable[[Tensor, Tensor], Tensor]:
    return lambda a, b: loss(Latents(z_pred=a, z_target=b, z_context=a)).loss


def vicreg_case(n: int, d: int, others: dict[str, Any], device: torch.device) -> Case:
    ours = VICReg(
        dim=d,
        sim_coeff=25.0,
        std_coeff=25.0,
        cov_coeff=1.0,
        gamma=1.0,
        eps=1e-4,
        projector=[],
        on="views",
    )

    def textbook(a: Tensor, b: Tensor) -> Tensor:
        variance = (variance_term(a, 1.0, 1e-4) + variance_term(b, 1.0, 1e-4)) / 2
        return 25 * invariance_term(a, b) + 25 * variance + covariance_term(a) + covariance_term(b)

    calls = {name: make(d) for name, make in others.items()}
    return Case("vicreg", (n, d), views(n, d, device), on_views(ours), textbook, calls)


def barlow_case(n: int, d: int, others: dict[str, Any], device: torch.device) -> Case:
    ours = BarlowTwins(dim=d, off_diagonal_weight=0.005, scale_loss=1.0, projector=[])

    def textbook(a: Tensor, b: Tensor) -> Tensor:
        c = cross_correlation(a, b)
        return on_diagonal_term(c) + 0.005 * off_diagonal_term(c)

    calls = {name: make(d) for name, make in others.items()}
    return Case("barlow_twins", (n, d), views(n, d, device), on_views(ours), textbook, calls)


def sigreg_case(n: int, d: int, others: dict[str, Any], device: torch.device) -> Case:
    ours = SIGReg(
        dim=d, num_slices=SLICES, knots=17, t_max=3.0, scale_by_samples=True, on="context"
    )
    ours.prepare(0, 0.0, torch.Generator().manual_seed(1))
    ours.to(device)

    def textbook(z: Tensor) -> Tensor:
        # The slices of a group at a time: the textbook form has 17 numbers for each of ours.
        groups = (z @ ours.directions.to(z.dtype)).split(64, dim=1)
        return n * torch.cat([epps_pulley(group, 17, 3.0) for group in groups]).mean()

    def call(z: Tensor) -> Tensor:
        return ours(Latents(z_pred=z, z_target=z, z_context=z)).loss

    calls = {name: make(ours.directions) for name, make in others.items()}
    return Case("sigreg", (n, d), views(n, d, device)[:1], call, textbook, calls)


def dino_case(n: int, p: int, others: dict[str, Any], device: torch.device) -> Case:
    """From the heads' scores on: student scores of two views, teacher scores and center fixed."""
    generator = torch.Generator().manual_seed(2)
    teacher = (0.3 * torch.randn(2 * n, p, generator=generator)).to(device)
    center = (0.05 * torch.randn(p, generator=generator)).to(device)
    temperature = torch.tensor(0.04, device=device)

    def call(a: Tensor, b: Tensor) -> Tensor:
        with torch.no_grad():
            q, entropies = teacher_probabilities_and_entropies(teacher, center, temperature)
            torch.lerp(teacher.mean(dim=0), center, 0.9)  # the center's move and the logged
            entropies.mean()  # entropy belong to a step
        return distil([(a, q[n:]), (b, q[:n])], 0.1)

    def textbook(a: Tensor, b: Tensor) -> Tensor:
        q = teacher_probabilities(teacher.to(a.dtype), center.to(a.dtype), 0.04)
        pairs = ((a, q[n:]), (b, q[:n]))
        return sum((soft_cross_entropy(s / 0.1, t) for s, t in pairs), a.new_zeros(())) / 2

    inputs = [(0.3 * z).detach().requires_grad_() for z in views(n, p, device)]
    calls = {name: make(center, teacher) for name, make in others.items()}
    return Case("dino", (n, p), inputs, call, textbook, calls)


MAKERS = {
    "vicreg": vicreg_case,
    "barlow_twins": barlow_case,
    "sigreg": sigreg_case,
    "dino": dino_case,
}


def step(loss: Callable[..., Tensor], inputs: list[Tensor]) -> Tensor:
    """Forward and backward, as a training step does them."""
    for z in inputs:
        z.grad = None
    value = loss(*inputs)
    value.backward()
    return value.detach()


def evaluated(loss: Callable[..., Tensor], inputs: list[Tensor]) -> tuple[Tensor, Tensor]:
    value = step(loss, inputs)
    return value.double(), torch.cat([z.grad.flatten() for z in inputs if z.grad is not None])


def errors(case: Case) -> dict[str, dict[str, float]]:
    """Relative errors of value and gradient of everybody, against the textbook form in float64."""
    wide = [z.detach().double().requires_grad_() for z in case.inputs]
    true_value, true_grad = evaluated(case.textbook, wide)
    result = {}
    for name, loss in {"ours": case.ours, **case.peers}.items():
        value, grad = evaluated(loss, case.inputs)
        result[name] = {
            "value": float((value - true_value).abs() / true_value.abs()),
            "gradient": float((grad.double() - true_grad).norm() / true_grad.norm()),
        }
        if result[name]["value"] > 1e-3 or result[name]["gradient"] > 1e-2:
            raise SystemExit(f"{case.loss} {case.shape}: {name} is off by {result[name]}; no times")
    return result


def measure(case: Case, rounds: int, device: torch.device, gemm: float) -> Iterator[dict[str, Any]]:
    """One row per peer, or one row of our own if there is none."""
    off = errors(case)
    calls: dict[str, Callable[[], object]] = {
        name: partial(step, loss, case.inputs)
        for name, loss in {"ours": case.ours, **case.peers, "MSE": plain_mse}.items()
    }
    seconds = common.interleave(calls, rounds, device)
    peaks = {name: common.peak_bytes(call, device) for name, call in calls.items()}
    work = common.flops(calls["ours"])
    ours = statistics.median(seconds["ours"])
    for name in case.peers or ("ours",):
        speed = common.ratio(seconds[name], seconds["ours"])
        yield {
            "loss": case.loss,
            "shape": "×".join(map(str, case.shape)),
            "peer": name,
            "speed-up": common.show_ratio(speed),
            "peer ms": common.milliseconds(seconds[name]),
            "ours ms": common.milliseconds(seconds["ours"]),
            "MSE ms": common.milliseconds(seconds["MSE"]),
            "of GEMM": f"{work / ours / 1e9 / gemm:.2f}",
            "memory": f"{peaks[name] / peaks['ours']:.1f}",
            "value error, peer": f"{off[name]['value']:.0e}",
            "ours": f"{off['ours']['value']:.0e}",
            "gradient error, peer": f"{off[name]['gradient']:.0e}",
            "ours ": f"{off['ours']['gradient']:.0e}",
            "numbers": {"seconds": seconds, "speed_up": speed, "bytes": peaks, "flops": work},
        }


def plain_mse(*inputs: Tensor) -> Tensor:
    return F.mse_loss(inputs[0], inputs[-1].detach() if len(inputs) == 1 else inputs[-1])


def main() -> None:
    parser = common.parser(__doc__, rounds=11)
    parser.add_argument("--peers", type=Path, metavar="CHECKOUTS")
    parser.add_argument("--loss", choices=SHAPES, action="append", help="this one only; repeatable")
    arguments = parser.parse_args()
    device = common.start(arguments)
    found = peers.find(arguments.peers)
    limits = common.limits(device)
    print(", ".join(f"{key} {value:.3g}" for key, value in limits.items()), flush=True)
    rows: list[dict[str, Any]] = []
    for case in cases(arguments.loss or list(SHAPES), found, device):
        rounds = max(3, arguments.rounds // 3) if case.shape[1] == 8192 else arguments.rounds
        rows += measure(case, rounds, device, limits["gemm_gflops"])
        print(case.loss, case.shape, "measured", flush=True)
    numbers = [row.pop("numbers") for row in rows]
    common.publish(rows, {"limits": limits, "numbers": numbers}, device, arguments.json)


if __name__ == "__main__":
    main()
