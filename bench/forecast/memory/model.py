"""Builds a model without weights inside a simulation, and derives its shapes."""

from __future__ import annotations

import copy
from collections.abc import Iterable
from itertools import chain
from typing import Any

import torch

from bench.forecast.memory.simulate import simulate, weightless_model
from bench.forecast.memory.tracker import AllocationTracker
from bench.forecast.memory.workload import Architecture, SequenceLengths
from bench.training.checkpoints import DROPOUTS, count_parameters

PRIMES = (251, 257, 263, 269, 271, 277, 281, 283, 293, 307, 311, 313, 317, 331, 337, 347, 349)
"""Batch sizes to simulate. At least one divides no dimension of the model."""


def parameters(architecture: Architecture) -> int:
    """Return the number of trainable parameters. A tied parameter counts once."""
    with simulate("cpu"):
        return count_parameters(weightless_model(architecture.config, architecture.tied))


def parameter_shapes(architecture: Architecture) -> tuple[torch.Size, ...]:
    """Return the shapes of the parameters. A tied parameter counts once."""
    with simulate("cpu"):
        model = weightless_model(architecture.config, architecture.tied)
        return tuple(parameter.shape for parameter in model.parameters())


def with_dropout(config: Any, dropout: float | None) -> Any:
    """Return a copy of the config with this dropout rate, as `checkpoints.load` sets it; None changes nothing."""
    copied = copy.deepcopy(config)
    for name in DROPOUTS:
        if dropout is not None and hasattr(copied, name):
            setattr(copied, name, float(dropout))
    return copied


def prime_batch(configs: Iterable[Any], lengths: SequenceLengths) -> int:
    """Return a batch size that divides neither a dimension of the models nor a length. Any dimension that is a multiple of it therefore
    grows with the batch."""
    numbers = {value for config in configs for value in config.to_dict().values() if isinstance(value, int) and value > 1}
    numbers |= {lengths.source, lengths.target, lengths.source + lengths.target}
    return next(prime for prime in PRIMES if all(number % prime for number in numbers))


def build(config: Any, tied: bool, tracker: AllocationTracker) -> Any:
    """Build the model within a simulation, and count its parameters and buffers as parameters."""
    model = weightless_model(config, tied)
    tracker.mark(chain(model.parameters(), model.buffers()), "parameters")
    tracker.take_snapshots()  # discards those of the construction
    return model


class Enough(Exception):
    """Ends a simulated run early."""
