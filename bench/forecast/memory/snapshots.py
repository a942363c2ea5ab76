"""Bytes that are held at one moment, and the moments at which most is held."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

Category = Literal["parameters", "weights in bf16", "gradients", "optimiser states", "activations", "logits and loss"]

CATEGORIES: tuple[Category, ...] = ("parameters", "weights in bf16", "gradients", "optimiser states", "activations", "logits and loss")


@dataclass(frozen=True)
class MemorySnapshot:
    """Memory held at one moment, as a linear function of the batch size."""

    held: tuple[tuple[int, ...], ...]
    """Bytes that do not depend on the batch size, and bytes for each example, for each of CATEGORIES in their order."""

    @classmethod
    def of(cls, sizes: Iterable[Sequence[int]]) -> MemorySnapshot:
        """Build a snapshot from (fixed, per example) bytes for each of CATEGORIES, in their order."""
        return cls(tuple(map(tuple, sizes)))

    @property
    def fixed(self) -> int:
        """Bytes of all categories that do not depend on the batch size."""
        return sum(fixed for fixed, _ in self.held)

    def at(self, batch: int) -> dict[Category, int]:
        """Return the bytes of each category for a batch of this size."""
        return {category: fixed + per_example * batch for category, (fixed, per_example) in zip(CATEGORIES, self.held, strict=True)}

    def plus(self, more: Mapping[Category, int]) -> MemorySnapshot:
        """Return a snapshot that holds these bytes in addition, for every batch size."""
        sizes = zip(CATEGORIES, self.held, strict=True)
        return MemorySnapshot(tuple((fixed + more.get(category, 0), per_example) for category, (fixed, per_example) in sizes))

    def largest_batch(self, room: float) -> int:
        """Return the largest batch that stays within `room` bytes; 0 where one example does not."""
        left, per_example = room - self.fixed, sum(per_example for _, per_example in self.held)
        if left < per_example:
            return 0
        return int(left // per_example) if per_example else 2**31


@dataclass
class ParetoFront:
    """The moments at which most is held: no moment holds at least as much as another for every batch size."""

    moments: list[tuple[int, int, MemorySnapshot]] = field(default_factory=list)
    """Fixed bytes and bytes per example in total, then by category."""

    def add(self, fixed: int, per_example: int, categories: Iterable[Sequence[int]]) -> None:
        """Add a moment, unless one of the front holds at least as much."""
        for most_fixed, most_per_example, _ in reversed(self.moments):  # the latest one decides most often
            if fixed <= most_fixed and per_example <= most_per_example:
                return
        self.moments = [one for one in self.moments if one[0] > fixed or one[1] > per_example]
        self.moments.append((fixed, per_example, MemorySnapshot.of(categories)))


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
        return min((snapshot.largest_batch(room) for snapshot in self.snapshots), default=0)
