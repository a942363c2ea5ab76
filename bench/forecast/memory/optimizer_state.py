"""Simulates the memory that an optimizer adds: the real optimizer takes steps in a simulation."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import torch

from bench.forecast.memory.simulate import simulate
from bench.training.optimizers import optimizer_of
from bench.training.settings import Optimizer, Tuning, check_optimizer

IMPORTED: dict[Optimizer, Sequence[str]] = {"adafactor": ["transformers.optimization"], "adamw_8bit": ["bitsandbytes"]}
"""Modules of the optimizers that are not torch's own."""


@dataclass(frozen=True)
class OptimizerMemory:
    """Bytes that an optimizer holds."""

    states: int
    """Bytes from its first step on."""
    working: int
    """Most bytes in addition while it takes a step."""


def optimizer_memory(shapes: Sequence[torch.Size], optimizer: Optimizer) -> OptimizerMemory:
    """Return the memory of an optimizer for trained parameters of these shapes.

    Parameters do not depend on each other, so one and two parameters of each shape are simulated. Their difference is what each parameter
    adds, and the rest is shared. Raises BenchError where the optimizer is not installed.
    """
    check_optimizer(optimizer)
    counts = Counter(shapes)
    one, two = ({shape: _simulated(shape, count, optimizer) for shape in counts} for count in (1, 2))
    shared = max((2 * one[shape].states - two[shape].states for shape in counts), default=0)
    states = shared + sum((two[shape].states - one[shape].states) * count for shape, count in counts.items())
    return OptimizerMemory(states, max((memory.working for memory in two.values()), default=0))


@lru_cache(maxsize=256)  # training steps share their shapes
def _simulated(shape: torch.Size, count: int, optimizer: Optimizer) -> OptimizerMemory:
    """Return the memory for `count` parameters of one shape, after two steps."""
    with simulate("cpu", imports=IMPORTED.get(optimizer, ())) as tracker:
        trained = torch.nn.ParameterList([torch.empty(shape) for _ in range(count)])
        tracker.mark(trained.parameters(), "parameters")
        for parameter in trained.parameters():
            parameter.grad = torch.empty(shape)
        before = tracker.now().fixed
        stepping = optimizer_of(trained, Tuning(optimizer=optimizer))
        stepping.step()
        states = tracker.now().fixed - before
        tracker.take_snapshots()
        stepping.step()
        most = max(snapshot.fixed for snapshot in tracker.take_snapshots())
        return OptimizerMemory(states, most - before - states)
