"""The one training loop.

    train(model, data, order, ..., objective)        one call, one model, in place
         │
         ├── freeze, adapters, checkpointing, optimiser     what is frozen has no gradient and no optimiser state
         ├── for each step:
         │     ├── order.batch(step, done)              done: share used of the steps or the money, the greater one
         │     ├── usage.can_afford(flops)              no room: the loop ends here; a frozen encoder runs once per source
         │     ├── learning_rate(tuning, done)          a rise, then a fall to its end
         │     ├── for each part that is in memory at a time: all of the batch, or tuning.micro_batch_size
         │     │     └── objective.loss, backward       bf16 autocast or fp32; runs a teacher where there is one
         │     ├── clip, step
         │     ├── usage.record_step(flops)
         │     ├── checkpoints.step_done(steps, write)          after some minutes: weights, moments, generators, losses to the disk
         │     └── progress("training", step, steps)
         └── adapters merged                            what was trained is a plain model again

The learning rate is a function of the share used up. A run that ends because its money ends therefore also
ends at its lowest rate (budgeted training: Li, Yumer and Ramanan, ICLR 2020).
"""

from __future__ import annotations

import functools
import math
import operator
import sys
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import torch

from bench.contracts import FLOPS, Limit, Precision, Progress, TrainingCheckpoints, UsageMeter
from bench.errors import FIRST_DOES_NOT_FIT, BenchError, OverBudget
from bench.training.batches import Encoded, collate
from bench.training.encoder_states import Kept, kept_on_disk
from bench.training.flops import FlopModel
from bench.training.objectives import Objective, Share, share
from bench.training.optimizers import optimizer_of
from bench.training.settings import Tuning, check_optimizer
from bench.training.trainable import learning
from bench.training.training_state import TrainingState


class Data(Protocol):
    """Examples, looked up by position."""

    def __getitem__(self, i: int, /) -> Encoded: ...


class Order(Protocol):
    """Decides which examples each step trains on."""

    @property
    def steps(self) -> int:
        """Return the largest number of steps."""
        ...

    def batch(self, step: int, done: float) -> Sequence[int]:
        """Return the positions in the data for this step. `done` is the share used up before the step."""
        ...


@dataclass(frozen=True)
class Planned:
    """An order whose batches are fixed beforehand."""

    batches: Sequence[Sequence[int]]

    @property
    def steps(self) -> int:
        return len(self.batches)

    def batch(self, step: int, done: float) -> Sequence[int]:  # noqa: ARG002
        return self.batches[step]


@dataclass(frozen=True, kw_only=True)
class Training:
    """Summary of a finished training."""

    steps_planned: int
    steps_made: int
    examples_seen: int
    loss: float
    """Mean over the last tenth of the steps."""
    reduced_micro_batch: int | None = None
    """Examples in memory at a time after the GPU's memory did not suffice for as many as the settings say. None: it sufficed."""


def step_flops(
    batch: Sequence[Encoded], student: FlopModel, tuning: Tuning, objective: Objective, encoded: Collection[Sequence[int]] = ()
) -> float:
    """Return the model FLOPs of one step: forward and backward of the student, and what the objective adds.

    encoded: the sources whose states a frozen encoder has computed before. It does not compute them again.
    """
    own = sum(student.training(len(e.source), len(e.target), tuning.freeze, tuning.rank) for e in batch)
    saved = sum(student.encoding(len(e.source)) for e in batch if e.source in encoded) if encoded else 0
    return objective.extra_flops(batch) + own - saved


def forecast_steps(
    data: Data, order: Order, tuning: Tuning, flops: FlopModel, objective: Objective, limit: Limit | None, room: int = 0
) -> list[float]:
    """Return the FLOPs of each step that `train` makes within a limit in FLOPs, or of all steps without such a limit. room: see `train`.
    Raises OverBudget where the first step does not fit. Raises BenchError where the optimiser is not installed."""
    check_optimizer(tuning.optimizer)
    ceiling = limit.amount if limit and limit.meter is FLOPS else math.inf
    costs: list[float] = []
    used, kept = 0.0, Kept(room)
    for step in range(order.steps):
        batch = [data[i] for i in order.batch(step, max(step / order.steps, used / ceiling if ceiling else 0.0))]
        cost = step_flops(batch, flops, tuning, objective, kept.starts)
        if used + cost > ceiling:
            break
        used += cost
        kept.add(one.source for one in batch)
        costs.append(cost)
    if order.steps and not costs:
        raise OverBudget(FIRST_DOES_NOT_FIT)
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
    usage: UsageMeter,
    progress: Progress,
    may_stop_early: bool,
    items: int = 0,
    room: int = 0,
    folder: Path = Path(),
    checkpoints: TrainingCheckpoints | None = None,
) -> Training:
    """Train `model` in place, and leave it on `device` in eval mode.

    On one CPU thread the same seed gives the same bits, also where the training continues from one of its `checkpoints`. `items` is the
    number of labels that this training uses, for a meter that counts labels. They count as used with the first step. `room` is the number
    of source tokens whose encoder states are kept until training ends, in `folder` or in that of the checkpoints; 0 keeps none. Raises
    OverBudget where the first step does not fit, or where a later one does not and the training may not stop early. Raises BenchError
    where the loss or a gradient is not finite, or the optimiser is not installed.
    """
    model.to(device).train()
    at_once = tuning.at_once
    kept, causal = Kept(room), not model.config.is_encoder_decoder
    place = checkpoints.folder if checkpoints else folder
    with _seeded(seed, device), learning(model, tuning), kept_on_disk(model, place, kept, lasting=checkpoints is not None) as encoder:
        optimizer = optimizer_of(model, tuning)
        state = TrainingState(model=model, optimizer=optimizer, device=device, encoder=encoder, micro_batch_size=tuning.micro_batch_size)
        if checkpoints:
            kept_after = functools.partial(_kept_after, data, order, tuning, causal, room)
            checkpoints.restore(functools.partial(state.read, kept_after=kept_after))
            tuning = tuning.model_copy(update={"micro_batch_size": state.micro_batch_size})
        for step in range(len(state.losses), order.steps):
            # without a limit the remaining money must not influence the result: the recipe's key does not hold it
            done = max(step / order.steps, usage.fraction_used() if may_stop_early else 0.0)
            positions = order.batch(step, done)
            batch = [data[i] for i in positions]
            cost, new = step_flops(batch, flops, tuning, objective, kept.starts), 0 if step else items
            if not usage.can_afford(cost, new):
                if step == 0 and may_stop_early:
                    raise OverBudget(FIRST_DOES_NOT_FIT)
                if not may_stop_early:
                    raise OverBudget(f"the remaining budget does not pay for training step {step + 1} of {order.steps}")
                break
            losses, tuning = _gradients_in_memory(model, positions, batch, tuning, objective, precision, device)
            norm = torch.nn.utils.clip_grad_norm_(model.parameters(), tuning.clip_norm)
            state.losses.append(_loss(losses, norm, step))
            state.micro_batch_size = tuning.micro_batch_size
            for group in optimizer.param_groups:
                group["lr"] = learning_rate(tuning, done, 1 / order.steps)
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
            state.seen += len(batch)
            usage.record_step(cost, new)
            if checkpoints:
                checkpoints.step_done(step + 1, state.write)
            progress("training", step + 1, order.steps)
    model.eval()
    last = state.losses[-math.ceil(len(state.losses) / 10) :]
    return Training(
        steps_planned=order.steps,
        steps_made=len(state.losses),
        examples_seen=state.seen,
        loss=math.fsum(last) / len(last),
        reduced_micro_batch=tuning.at_once if tuning.at_once < at_once else None,
    )


@contextmanager
def _seeded(seed: int, device: str) -> Iterator[None]:
    """Seed all random draws inside: adapters and dropout. The order of batches was drawn before."""
    with torch.random.fork_rng(devices=[torch.device(device)] if device.startswith("cuda") else []):
        torch.manual_seed(seed)
        yield


def learning_rate(tuning: Tuning, done: float, step: float = 0.0) -> float:
    """Return the rate for the next step, where the share `done` is used up. `step` is the planned share of one step."""
    rising = (done + step) / tuning.warmup_share if tuning.warmup_share else 1.0
    left = (1 - done) / (1 - tuning.warmup_share)
    shape = {"linear": left, "cosine": (1 - math.cos(math.pi * min(1.0, left))) / 2, "constant": 1.0}[tuning.schedule]
    falling = tuning.final_rate_share + (1 - tuning.final_rate_share) * shape
    return tuning.learning_rate * max(0.0, min(1.0, rising, falling))


def _gradients_in_memory(
    model: Any, positions: Sequence[int], batch: Sequence[Encoded], tuning: Tuning, objective: Objective, precision: Precision, device: str
) -> tuple[list[torch.Tensor], Tuning]:
    """Add up the gradients of one step, and return the losses of its parts and the settings. Where the GPU's memory does not suffice, the
    micro-batch is halved until it does; the step is the same. Raises torch.OutOfMemoryError where one example does not fit."""
    while True:
        try:
            return _gradients(model, positions, batch, tuning, objective, precision, device), tuning
        except torch.OutOfMemoryError:
            half = min(tuning.at_once, len(batch)) // 2
            if not half:
                raise
        tuning = tuning.model_copy(update={"micro_batch_size": half})
        print(f"the GPU's memory does not suffice: {half} examples at a time from here on, in the same steps", file=sys.stderr)
        model.zero_grad(set_to_none=True)
        torch.cuda.empty_cache()


def _gradients(
    model: Any, positions: Sequence[int], batch: Sequence[Encoded], tuning: Tuning, objective: Objective, precision: Precision, device: str
) -> list[torch.Tensor]:
    """Add up the gradients of one step, part by part of its batch, and return the loss of each part: scalars on the device."""
    losses = []
    for start, part, of in _parts(batch, tuning, causal=not model.config.is_encoder_decoder):
        with torch.autocast(device.partition(":")[0], dtype=torch.bfloat16, enabled=precision == "bf16"):
            loss = objective.loss(model, positions[start : start + len(part)], collate(part, model.config, device), of)
        loss.backward()  # type: ignore[no-untyped-call]
        losses.append(loss.detach())
    return losses


def _loss(losses: Sequence[torch.Tensor], norm: torch.Tensor, step: int) -> float:
    """Return the loss of a step, the sum over its parts. `norm` is that of its gradient. Both are read at once, because a GPU has to finish
    its work first. Raises BenchError where one of them is not finite."""
    *parts, length = torch.stack([*losses, norm]).tolist()
    loss = functools.reduce(operator.add, parts, 0.0)
    for what, value in (("loss", loss), ("norm of the gradient", length)):
        if not math.isfinite(value):
            raise BenchError(f"training step {step + 1}: the {what} is {value}; a lower learning_rate or precision fp32 may help")
    return loss


def _parts(batch: Sequence[Encoded], tuning: Tuning, causal: bool) -> Iterator[tuple[int, Sequence[Encoded], Share]]:
    """Yield the parts of a batch that are in memory at a time: the start, the examples, and their share of the batch."""
    size = tuning.micro_batch_size or len(batch)
    for start in range(0, len(batch), size):
        part = batch[start : start + size]
        of = share(part, batch, causal)
        if of.labels or size >= len(batch):  # a mean over no tokens is undefined
            yield start, part, of


def _kept_after(data: Data, order: Order, tuning: Tuning, causal: bool, room: int, steps: int) -> Kept:
    """Return the sources whose states a frozen encoder has kept after so many steps, in the order in which it computed them."""
    kept = Kept(room)
    for step in range(steps if room else 0):
        for _, part, _ in _parts([data[i] for i in order.batch(step, step / order.steps)], tuning, causal):
            kept.add(one.source for one in part)
    return kept
