"""What a score is: its name, its unit, its direction and its possible values."""

from __future__ import annotations

import math
from dataclasses import dataclass

from bench.contracts import RANGES
from bench.report.analysis.significance import Estimate

ARROWS = {"higher": " ↑", "lower": " ↓"}
"""Direction -> arrow after the unit."""


@dataclass(frozen=True)
class Metric:
    """Name, unit and direction of a score."""

    name: str
    unit: str
    direction: str

    @property
    def sign(self) -> int:
        """1 where a higher score is better, -1 where a lower one is, 0 where neither is. Nothing is ranked by such a metric."""
        return {"lower": -1, "none": 0}.get(self.direction, 1)

    @property
    def title(self) -> str:
        """Name with unit and direction, for the head of a column: 'rouge2 (points) ↑'."""
        return f"{self.name} ({self.unit}){ARROWS.get(self.direction, '')}"

    @property
    def range(self) -> tuple[float, float]:
        """The smallest and the largest possible score."""
        return RANGES.get(self.unit, (-math.inf, math.inf))

    def cut(self, found: Estimate) -> Estimate:
        """Return the estimate of a score, with its interval cut to possible scores."""
        return found.within(*self.range)

    def cut_difference(self, found: Estimate) -> Estimate:
        """Return the estimate of a difference of two scores, with its interval cut to possible differences."""
        least, most = self.range
        return found.within(least - most, most - least)
