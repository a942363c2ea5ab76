"""Bytes that are held at one moment, and the moments at which most is held."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

Category = Literal["parameters", "weights in bf16", "gradients", "optimiser states", "activations", "logits and loss"]

CATEGORIES: tuple[Category, ...] = ("parameters", "weights in bf16", "gradients", "optimiser states", "activations", "logits and loss")


@dataclass(frozen=True)
class Bytes:
    """Memory in bytes as a linear function of the batch size."""

    fixed: int = 0
    per_example: int = 0

    def __add__(self, other: Bytes) -> Bytes:
        return Bytes(self.fixed + other.fixed, self.per_example + other.per_example)

    def times(self, factor: int) -> Bytes:
        return Bytes(factor * self.fixed, factor * self.per_example)

    def at(self, batch: int) -> int:
        """Return the bytes for a batch of this size."""
        return self.fixed + self.per_example * batch

    def largest_batch(self, room: float) -> int:
        """Return the largest batch that stays within `room` bytes; 0 where one example does not."""
        left = room - self.fixed
        if left < self.per_example:
            return 0
        return int(left // self.per_example) if self.per_example else 2**31


@dataclass(frozen=True)
class MemorySnapshot:
    """Memory held at one moment, by category."""

    held: Mapping[Category, Bytes]

    @classmethod
    def of(cls, sizes: Iterable[Sequence[int]]) -> MemorySnapshot:
        """Build a snapshot from (fixed, per example) bytes for each of CATEGORIES, in their order."""
        return cls({category: Bytes(*size) for category, size in zip(CATEGORIES, sizes, strict=True)})

    @property
    def total(self) -> Bytes:
        return sum(self.held.values(), Bytes())

    def at(self, batch: int) -> dict[Category, int]:
        """Return the bytes of each category for a batch of this size."""
        return {category: size.at(batch) for category, size in self.held.items()}

    def plus(self, more: Mapping[Category, Bytes]) -> MemorySnapshot:
        """Return a snapshot that holds `more` in addition."""
        return MemorySnapshot({category: self.held[category] + more.get(category, Bytes()) for category in CATEGORIES})


@dataclass
class ParetoFront:
    """The moments at which most is held: no moment holds at least as much as another for every batch size."""

    moments: list[tuple[int, int, list[tuple[int, ...]]]] = field(default_factory=list)
    """Fixed bytes and bytes per example in total, then the same pair for each category."""

    def add(self, fixed: int, per_example: int, categories: Iterable[Sequence[int]]) -> None:
        """Add a moment, unless one of the front holds at least as much."""
        for most_fixed, most_per_example, _ in reversed(self.moments):  # the latest one decides most often
            if fixed <= most_fixed and per_example <= most_per_example:
                return
        self.moments = [one for one in self.moments if one[0] > fixed or one[1] > per_example]
        self.moments.append((fixed, per_example, [tuple(size) for size in categories]))

    def snapshots(self) -> tuple[MemorySnapshot, ...]:
        """Return the moments as snapshots: for every batch size, one of them is the peak."""
        return tuple(MemorySnapshot.of(sizes) for _, _, sizes in self.moments)


@dataclass(frozen=True)
class Peak:
    """Peak memory of tensors as a function of the batch size."""

    snapshots: tuple[MemorySnapshot, ...]
    """Candidates: for every batch size, one of them is the peak."""

    def at(self, batch: int) -> dict[Category, int]:
        """Return the bytes of each category at the peak, for a batch of this size; their sum is the peak."""
        return max((snapshot.at(batch) for snapshot in self.snapshots), key=lambda held: sum(held.values()))

    def total(self, batch: int) -> int:
        """Return the bytes at the peak, for a batch of this size."""
        return sum(self.at(batch).values())

    def largest_batch(self, room: float) -> int:
        """Return the largest batch that stays within `room` bytes; 0 where one example does not."""
        return min((snapshot.total.largest_batch(room) for snapshot in self.snapshots), default=0)
