"""The work whose memory is simulated: a training step, or generation for one batch, without weights."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from bench.contracts import Decoding, Precision
from bench.training.settings import Distillation, Tuning

Kernels = Literal["cuda", "cpu"]
"""Device whose kernels are simulated."""


@dataclass(frozen=True, eq=False)
class Architecture:
    """A model without its weights.

    An architecture equals only itself, since a transformers config has no hash.
    """

    config: Any
    """Config of transformers."""
    tied: bool
    """Whether the output layer is the input embedding. The config of a T5 does not say so reliably."""


@dataclass(frozen=True)
class SequenceLengths:
    """Maximum lengths in tokens: of a document, and of a label or generated output."""

    source: int
    target: int


@dataclass(frozen=True, kw_only=True)
class Taught:
    """What a training step learns beside labels."""

    distillation: Distillation
    teacher: Architecture | None
    """The teacher that runs in every step. None: its distributions are kept."""


@dataclass(frozen=True, kw_only=True)
class TrainingStep:
    """A training step after the first, with every sequence at its maximum length."""

    architecture: Architecture
    settings: Tuning
    """Memory depends on optimizer, freeze, dropout, label_smoothing, lora and checkpointing. It also depends on whether the batch is
    divided into micro-batches: the batch of a peak is then the number of examples of one micro-batch."""
    precision: Precision
    lengths: SequenceLengths
    kernels: Kernels = "cuda"
    taught: Taught | None = None
    """None: it learns from labels alone."""


@dataclass(frozen=True, kw_only=True)
class Generation:
    """Generation for one batch, with inputs and outputs at their maximum length."""

    architecture: Architecture
    decoding: Decoding
    precision: Precision
    lengths: SequenceLengths
    kernels: Kernels = "cuda"


Workload = TrainingStep | Generation
