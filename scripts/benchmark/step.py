"""Time a training step beside its own limit, in interleaved rounds.

    python scripts/benchmark/step.py                                  the default task, every loss
    python scripts/benchmark/step.py --loss vicreg training.compile=default
    python scripts/benchmark/step.py --device cuda experiment=two_rooms_random_wall

The limit is the same model's forward, backward and optimiser step on one static batch with a plain
MSE: no data, no auxiliary loss, no clipping, no schedule, no numbers kept. `of limit` is the
limit's time over the step's. The parts are timed in the same rounds, each by itself: `data` makes
the batch, `loss` is the auxiliary loss alone, forward and backward, on this batch's latents. A
round is a stretch of --steps steps with one row of metrics, as the loop has it.

`MFU` is the floating-point operations of the step, counted by torch, over its time, as a share of
the GEMM rate that is measured here in the step's own precision.
"""

import logging
import statistics
from copy import copy
from dataclasses import replace
from typing import Any

import common
import torch
import torch.nn.functional as F

from jepa_compare.latents import Latents
from jepa_compare.rng import generator
from jepa_compare.sweep.job import Job
from jepa_compare.training.compiling import autocast
from jepa_compare.training.state import TrainingState, adamw

LOSSES = ("none", "vicreg", "barlow_twins", "dino", "sigreg")


class Candidates:
    """What is timed: the step of the loop, its limit, and its parts."""

    def __init__(self, state: TrainingState, steps: int) -> None:
        self.state, self.steps = state, steps
        self.batches, self.next = copy(state.batches), 0  # its own: it makes one after the other
        self.batch = state.batch(0)
        state.compile()
        with torch.no_grad():
            latents = state.objective.model(self.batch)
        self.latents = replace(
            latents,
            z_pred=latents.z_pred.detach().requires_grad_(),
            z_target=latents.z_target.detach().requires_grad_(),
            z_context=latents.z_context.detach().requires_grad_(),
        )
        self.limit_optimizer = adamw(state.objective.model, lr=0.0, weight_decay=0.0)

    def step(self) -> None:
        """The loop's own step, and the row of metrics that it writes once in a while."""
        terms = common.train_steps(self.state, self.steps)
        torch.stack(list(terms.values())).tolist()

    def limit(self) -> None:
        model = self.state.objective.model
        for _ in range(self.steps):
            with autocast(self.state.config.training.precision, self.state.device):
                latents = model(self.batch)
            loss = F.mse_loss(latents.z_pred.float(), latents.z_target.float())
            self.limit_optimizer.zero_grad(set_to_none=True)
            loss.backward()
            self.limit_optimizer.step()

    def data(self) -> None:
        for _ in range(self.steps):
            self.batches.batch(self.next)
            self.next += 1

    def loss(self) -> None:
        aux_loss = self.state.objective.aux_loss
        for step in range(self.steps):
            aux_loss.prepare(step, 0.0, generator(0, "aux_loss", step))
            value = aux_loss(self.given()).loss
            if value.requires_grad:
                value.backward()

    def given(self) -> Latents:
        for z in (self.latents.z_pred, self.latents.z_target, self.latents.z_context):
            z.grad = None
        return self.latents


def measure(job: Job, rounds: int, steps: int) -> dict[str, Any]:
    """One row of the table, with its numbers."""
    state = TrainingState.build(job.config)
    timed = Candidates(state, steps)
    parts = {"step": timed.step, "limit": timed.limit, "data": timed.data, "loss": timed.loss}
    seconds = common.interleave(parts, rounds, state.device)
    timed.steps = 1
    work = common.flops(timed.step)
    half = torch.get_autocast_dtype(state.device.type)
    with autocast(job.config.training.precision, state.device):
        dtype = half if torch.is_autocast_enabled(state.device.type) else torch.float32
    rate = common.gemm_rate(state.device, dtype)
    share = common.ratio(seconds["limit"], seconds["step"])
    each = {name: statistics.median(values) / steps for name, values in seconds.items()}
    return {
        "task": job.identity.choices.get("experiment") or job.identity.choices["data"],
        "loss": job.config.aux_loss["name"],
        "compile": state.compile_mode,
        "of limit": common.show_ratio(share),
        "step ms": f"{1e3 * each['step']:.2f}",
        "limit ms": f"{1e3 * each['limit']:.2f}",
        "data ms": f"{1e3 * each['data']:.2f}",
        "loss ms": f"{1e3 * each['loss']:.2f}",
        "GFLOP": f"{work / 1e9:.3g}",
        "MFU": f"{work / each['step'] / rate:.2f}",
        "numbers": {"seconds": seconds, "steps": steps, "flops": work, "gemm_flops": rate},
    }


def main() -> None:
    parser = common.parser(__doc__, rounds=11, threads=2)
    parser.add_argument("--loss", choices=LOSSES, action="append", help="this one only; repeatable")
    parser.add_argument("--steps", type=int, default=10, help="steps in a round (%(default)s)")
    parser.add_argument("overrides", nargs="*", help="as for jepa_compare.train")
    arguments = parser.parse_intermixed_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    device = common.start(arguments)
    rows = [
        measure(
            common.composed(
                arguments.device, arguments.threads, [f"aux_loss={loss}", *arguments.overrides]
            ),
            arguments.rounds,
            arguments.steps,
        )
        for loss in arguments.loss or LOSSES
    ]
    numbers = [row.pop("numbers") for row in rows]
    common.publish(rows, {"numbers": numbers}, device, arguments.json)


if __name__ == "__main__":
    main()
