"""What a recipe says about its work, so that a forecast of time, memory and dollars needs to know no kind of recipe."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol

from bench.contracts.part import Part, Precision
from bench.contracts.values import Example

Activity = Literal["training", "generation", "forward passes", "copying", "none", "unknown"]
"""What most of the work is. 'copying' writes a model from parts of another; 'none' takes no time worth a
forecast. The time and memory of 'unknown' work are not forecast."""


class Network(Protocol):
    """A model whose architecture is known before it is made."""

    def config(self, cache: Path) -> Any:
        """Return the transformers config."""
        ...

    def checkpoint_folder(self, cache: Path) -> Path:
        """Return the folder of the checkpoint from which the model is made."""
        ...


@dataclass(frozen=True, kw_only=True)
class Batch:
    """A batch at its longest. The peak memory of work is that of its batches."""

    network: Network
    settings: Part
    """`Tuning` for a training step, `Decoding` for generation."""
    precision: Precision
    source_tokens: int
    """Tokens of the longest document."""
    target_tokens: int
    """Tokens of the longest label or output."""
    examples: int
    """Examples in memory at a time."""
    beside: tuple[Network, ...] = ()
    """Other models that are loaded at the same time, for training or generation as this one is."""
    distillation: Part | None = None
    """`Distillation` where a training step also learns from a teacher: the model in `beside`, or distributions that are kept. None: it
    learns from labels alone."""

    @property
    def size(self) -> tuple[int, int, int]:
        """Source tokens, target tokens and examples."""
        return self.source_tokens, self.target_tokens, self.examples


@dataclass(frozen=True, kw_only=True)
class OutputLengths:
    """What the expected lengths of outputs rest on."""

    labels: tuple[Example, ...]
    """Labels at hand. Outputs of models that were trained on labels are expected to be as long as these."""
    generated_ids: frozenset[str]
    """Ids of the documents whose labels such a model has yet to generate."""

    def concern(self, examples: Sequence[Example]) -> bool:
        """Return whether some of these examples get generated labels whose expected length is known."""
        return bool(self.labels) and any(example.id in self.generated_ids for example in examples)
