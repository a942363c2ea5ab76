"""What recipes use to describe a short run for a calibration (`Recipe.calibration_run`)."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence

from bench.contracts import WALL, Example, Limit

CALIBRATION_STEPS = 12
"""Steps that a calibration trains."""

UNLIMITED = Limit(meter=WALL)
"""No numeric limit: the work stops when the usage meter refuses the next step."""


def smaller_batch(batch: int, flops: float, at_most: float) -> int:
    """Return how many examples of a batch take no more FLOPs than `at_most`; at least 1. The whole batch takes `flops`."""
    return batch if flops <= at_most else max(1, math.floor(batch * at_most / flops))


def sample(examples: Sequence[Example], count: int) -> Sequence[Example]:
    """Return at most `count` examples in their order. The random draw is always the same."""
    if len(examples) <= count:
        return examples
    drawn = sorted(random.Random(0).sample(range(len(examples)), count))  # noqa: S311 - not used for security
    return tuple(examples[i] for i in drawn)
