"""The one training loop.

    train(model, data, order, ..., objective)        one call, one model, in place
      │
      ├── freeze, adapters, checkpointing, optimiser     what is frozen has no gradient and no optimiser state
      ├── for each step:
      │     ├── order.batch(step, done)              done: share used up, of the steps or of the money, whichever is further
      │     ├── tally.room_for(flops)                no room: the loop ends here
      │     ├── learning_rate(tuning, done)          a rise, then a fall to its end
      │     ├── for each part that is in memory at a time: all of the batch, or tuning.micro_batch_size
      │     │     └── objective.loss, backward       bf16 autocast or fp32; a teacher's logits where the objective has one
      │     ├── clip, step
      │     ├── tally.advance(flops)
      │     └── progress("training", step, steps)
      └── adapters merged                            what was trained is a plain model again

The rate is a function of how much is used up, so a run that ends because the money does ends at its lowest rate as well
(budgeted training: Li, Yumer and Ramanan, ICLR 2020).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Protocol

import torch

from bench.contracts import Limit, Precision, Progress, Tally
from bench.errors import BenchError, OverBudget
from bench.training.batches import Encoded, collate
from bench.training.flops import FlopModel
from bench.training.objectives import Objective, share
from bench.training.optimizers import optimizer_of
from bench.training.settings import Tuning, check_optimizer
from bench.training.trainable import learning


class Data(Protocol):
    """Examples by position."""

    def __getitem__(self, i: int, /) -> Encoded: ...


class Order(Protocol):
    """Which examples each step sees."""

    @property
    def steps(self) -> int:
        """Steps at most."""
        ...

    def batch(self, step: int, done: float) -> Sequence[int]:
        """Positions in the data. done: the share used up before this step."""
        ...


@dataclass(frozen=True)
class Planned:
    """Batches laid down beforehand."""

    batches: Sequence[Sequence[int]]

    @property
    def steps(self) -> int:
        return len(self.batches)

    def batch(self, step: int, done: float) -> Sequence[int]:  # noqa: ARG002
        return self.batches[step]


@dataclass(frozen=True, kw_only=True)
class Training:
    """What became of a training. loss: mean of the last tenth of the steps."""

    steps_planned: int
    steps_made: int
    examples_seen: int
    loss: float


def step_flops(batch: Sequence[Encoded], student: FlopModel, tuning: Tuning, objective: Objective) -> float:
    """Model FLOPs of one step: forward and backward of the student, and what the objective takes."""
    own = sum(student.training(len(e.source), len(e.target), tuning.freeze, tuning.rank) for e in batch)
    return objective.extra_flops(batch) + own


def forecast_steps(data: Data, order: Order, tuning: Tuning, flops: FlopModel, objective: Objective, limit: Limit | None) -> list[float]:
    """FLOPs of each step that `train` makes within a limit in FLOPs; of all steps where there is no such limit.

    Raises OverBudget where the first step does not fit; BenchError where the optimiser is not installed.
    """
    check_optimizer(tuning.optimizer)
    ceiling = limit.amount if limit and limit.meter == "flops" else math.inf
    costs: list[float] = []
    used = 0.0
    for step in range(order.steps):
        batch = order.batch(step, max(step / order.steps, used / ceiling))
        cost = step_flops([data[i] for i in batch], flops, tuning, objective)
        if used + cost > ceiling:
            break
        used += cost
        costs.append(cost)
    if order.steps and not costs:
        raise OverBudget("the first step does not fit into what is left")
    return costs


def train(
    model: Any,
    data: Data,
    order: Order,
    tuning: Tuning,
    flops: FlopModel,
    objective: Objective,
    *,
    precision: Precision,
    device: str,
    seed: int,
    tally: Tally,
    progress: Progress,
    may_stop_early: bool,
    items: int = 0,
) -> Training:
    """Train `model` in place, and leave it on `device` in eval mode. On one CPU thread the same seed gives the same bits.

    items: labels that this training uses, for a meter that counts them; they are used with the first step.
    Raises OverBudget where the first step does not fit, or a later one of a training that may not stop early; BenchError
    where the loss is no longer a number, or the optimiser is not installed.
    """
    model.to(device).train()
    losses: list[float] = []
    seen = 0
    with _seeded(seed, device), learning(model, tuning):
        optimizer = optimizer_of(model, tuning)
        for step in range(order.steps):
            # without a limit the money left must not show in the result: the recipe's key does not hold it
            done = max(step / order.steps, tally.fraction() if may_stop_early else 0.0)
            positions = order.batch(step, done)
            batch = [data[i] for i in positions]
            cost, new = step_flops(batch, flops, tuning, objective), 0 if step else items
            if not tally.room_for(cost, new):
                if step == 0 or not may_stop_early:
                    raise OverBudget(f"training step {step + 1} of {order.steps} does not fit into what is left")
                break
            _set_rate(optimizer, learning_rate(tuning, done, 1 / order.steps))
            losses.append(_gradients(model, positions, batch, tuning, objective, precision, device))
            _check(losses[-1], step)
            _update(model, optimizer, tuning)
            seen += len(batch)
            tally.advance(cost, new)
            progress("training", step + 1, order.steps)
    model.eval()
    last = losses[-math.ceil(len(losses) / 10) :]
    return Training(steps_planned=order.steps, steps_made=len(losses), examples_seen=seen, loss=math.fsum(last) / len(last))


@contextmanager
def _seeded(seed: int, device: str) -> Iterator[None]:
    """What is drawn in here, adapters and dropout, follows from the seed; the order of batches was drawn before."""
    with torch.random.fork_rng(devices=[torch.device(device)] if device.startswith("cuda") else []):
        torch.manual_seed(seed)
        yield


def learning_rate(tuning: Tuning, done: float, step: float = 0.0) -> float:
    """Rate where the share `done` is used up and the next step, of the share `step` as planned, begins."""
    rising = (done + step) / tuning.warmup_share if tuning.warmup_share else 1.0
    left = (1 - done) / (1 - tuning.warmup_share)
    shape = {"linear": left, "cosine": (1 - math.cos(math.pi * min(1.0, left))) / 2, "constant": 1.0}[tuning.schedule]
    falling = tuning.final_rate_share + (1 - tuning.final_rate_share) * shape
    return tuning.learning_rate * max(0.0, min(1.0, rising, falling))


def _set_rate(optimizer: torch.optim.Optimizer, rate: float) -> None:
    for group in optimizer.param_groups:
        group["lr"] = rate


def _gradients(
    model: Any, positions: Sequence[int], batch: Sequence[Encoded], tuning: Tuning, objective: Objective, precision: Precision, device: str
) -> float:
    """Add up those of a step, part by part of its batch; its loss, no number where that of a part is none."""
    total, causal = 0.0, not model.config.is_encoder_decoder
    size = tuning.micro_batch_size or len(batch)
    for start in range(0, len(batch), size):
        part = batch[start : start + size]
        of = share(part, batch, causal)
        if not of.labels and size < len(batch):  # a mean over nothing is no number
            continue
        with torch.autocast(device.partition(":")[0], dtype=torch.bfloat16, enabled=precision == "bf16"):
            loss = objective.loss(model, positions[start : start + size], collate(part, model.config, device), of)
        total += loss.item()
        loss.backward()  # type: ignore[no-untyped-call]
    return total


def _check(loss: float, step: int) -> None:
    if not math.isfinite(loss):
        raise BenchError(f"training step {step + 1}: the loss is {loss}; a lower learning_rate or precision fp32 may help")


def _update(model: Any, optimizer: torch.optim.Optimizer, tuning: Tuning) -> None:
    torch.nn.utils.clip_grad_norm_([p for p in model.parameters() if p.grad is not None], tuning.clip_norm)
    optimizer.step()
    optimizer.zero_grad(set_to_none=True)
