"""What an optimiser keeps of the parameters that learn, by the real optimiser, stepped while pretending."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

import torch

from bench.forecast.memory.simulate import pretending
from bench.forecast.memory.tracker import Allocations
from bench.training.optimizers import optimizer_of
from bench.training.settings import Optimizer, Tuning, check_optimizer

IMPORTED: dict[Optimizer, Sequence[str]] = {"adafactor": ["transformers.optimization"], "adamw_8bit": ["bitsandbytes"]}
"""Where those come from that are not torch's own."""


@dataclass(frozen=True)
class Kept:
    """By an optimiser, in bytes. states: from its first step on. working: the most that it holds besides while it steps."""

    states: int
    working: int


def kept_by_optimizer(learning: Sequence[torch.Size], tuning: Tuning) -> Kept:
    """Of parameters of these shapes; none depends on another, so two of every shape tell: what these share counts once.

    Raises BenchError where the optimiser is not installed.
    """
    check_optimizer(tuning.optimizer)
    shapes = Counter(learning)
    one, two = ({shape: _kept_of(shape, count, tuning.optimizer) for shape in shapes} for count in (1, 2))
    shared = max((2 * one[shape].states - two[shape].states for shape in shapes), default=0)
    states = shared + sum((two[shape].states - one[shape].states) * count for shape, count in shapes.items())
    return Kept(states, max((kept.working for kept in two.values()), default=0))


@lru_cache(maxsize=256)  # settings share their shapes
def _kept_of(shape: torch.Size, count: int, optimizer: Optimizer) -> Kept:
    """Of so many parameters of one shape, stepped twice."""
    with pretending("cpu", 0, 0, imports=IMPORTED.get(optimizer, ())) as counted:
        learning = torch.nn.ParameterList([torch.empty(shape) for _ in range(count)])
        counted.mark(learning.parameters(), "parameters")
        for parameter in learning.parameters():
            parameter.grad = torch.empty(shape)
        before = _held(counted)
        stepping = optimizer_of(learning, Tuning(optimizer=optimizer))
        stepping.step()
        states = _held(counted) - before
        counted.moments()
        stepping.step()
        return Kept(states, max(_sums(counted)) - before - states)


def _held(counted: Allocations) -> int:
    return sum(counted.now().at(0).values())


def _sums(counted: Allocations) -> Iterator[int]:
    yield from (sum(moment.at(0).values()) for moment in counted.moments())
