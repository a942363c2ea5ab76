"""Continued pretraining of a checkpoint, first on one blend of texts and then on another.

Source: Parmar et al. 2024, "Reuse, Don't Retrain: A Recipe for Continued Pretraining of Language Models" (arXiv 2407.07263).
"""

from __future__ import annotations

import json
import math
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from bench.contracts import BuildContext, Example
from bench.errors import DataError
from bench.training.corruption import Corrupted, pieces
from bench.training.loop import learning_rate
from bench.training.recipes import Trained
from bench.training.settings import Tuning


@dataclass(frozen=True, kw_only=True)
class Blends:
    """A training order that draws examples with replacement from weighted texts, and changes the weights once."""

    data: Corrupted
    sizes: tuple[int, ...]
    """Number of pieces in each text."""
    general: tuple[float, ...]
    """Weight of each text before `switch_at`."""
    task_like: tuple[float, ...]
    """Weight of each text from `switch_at` on."""
    switch_at: float
    """Share used up at which the weights change. With 1 or more they never change."""
    batch_size: int
    steps: int
    seed: int

    def batch(self, step: int, done: float) -> list[int]:
        """Return positions in the data. The draw depends on the step's number alone, not on earlier draws."""
        rng = random.Random(f"{self.seed}:{step}")  # noqa: S311 - not used for security
        weights = self.task_like if done >= self.switch_at else self.general
        parts = rng.choices(range(len(self.sizes)), weights, k=self.batch_size)
        places = [self.data.piece(part, rng.randrange(self.sizes[part])) for part in parts]
        turn = step * self.batch_size
        return [(turn + i) * self.data.count + place for i, place in enumerate(places)]


def switch_point(tuning: Tuning, rate_share: float) -> float:
    """Return the share used up at which the learning rate has fallen to `rate_share` of its highest value. Return 1 where it never falls so
    low. Found by bisection, to 1e-9."""
    low, high = tuning.warmup_share, 1.0
    if learning_rate(tuning, high) > rate_share * tuning.learning_rate:
        return 1.0
    while high - low > 1e-9:
        middle = (low + high) / 2
        low, high = (middle, high) if learning_rate(tuning, middle) > rate_share * tuning.learning_rate else (low, middle)
    return high


@dataclass(frozen=True, kw_only=True)
class FurtherPretrained(Trained):
    """A model whose pretraining was continued.

    The number of draws is tuning.epochs times the number of pieces in the texts with a weight, or tuning.min_steps steps where that is
    more. A limit ends training earlier. Draws are with replacement, so some pieces come more than once and others never.
    """

    version: ClassVar[int] = 2

    texts: tuple[Sequence[Example], ...]
    """The documents of each text."""
    general: tuple[float, ...]
    """Weight of each text before `switch_at`."""
    task_like: tuple[float, ...]
    """Weight of each text from `switch_at` on."""
    switch_at: float
    """Share used up at which the weights change."""
    tokens: int
    """Length of a piece of text, in tokens."""

    def read(self, folder: Path) -> Mapping[str, float]:
        """Return the fields of loop.Training that are numbers."""
        found = json.loads((folder / "training.json").read_text(encoding="utf-8"))
        return {name: value for name, value in found.items() if value is not None}

    def placeholder(self, context: BuildContext) -> Mapping[str, float]:  # noqa: ARG002
        return {}

    def plan(self, context: BuildContext) -> tuple[Corrupted, Blends]:
        folder = self.tokenizer_folder(context.cache, self.tokens)
        parts = tuple(pieces(folder, documents, self.tokens) for documents in self.texts)
        data, sizes = Corrupted(parts, self.seed), tuple(count for count, _ in parts)
        read = [i for i in range(len(sizes)) if self.general[i] or self.task_like[i]]
        empty = [i for i in read if not sizes[i]]
        if empty:
            raise DataError(f"text {empty[0] + 1} of {len(sizes)} to go on pretraining with holds nothing that this model can learn from")
        epoch = math.ceil(sum(sizes[i] for i in read) / self.tuning.batch_size)
        order = Blends(
            data=data,
            sizes=sizes,
            general=self.general,
            task_like=self.task_like,
            switch_at=self.switch_at,
            batch_size=self.tuning.batch_size,
            steps=max(self.tuning.epochs * epoch, self.tuning.min_steps),
            seed=self.seed,
        )
        return data, order
