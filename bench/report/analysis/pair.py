"""The best setting and the next one, and how many seeds or test examples would separate them."""

from __future__ import annotations

import math
from bisect import bisect_left
from dataclasses import dataclass
from functools import cached_property
from statistics import NormalDist

import numpy as np

from bench.report.analysis import significance
from bench.report.analysis.significance import LEVEL, Estimate, Spread

SEEDS_AT_MOST = 30
"""A larger number of further seeds is not recommended."""
LIMIT = 1_000_000
"""With so many seeds the variance between seeds is nearly 0."""
EXAMPLES_AT_MOST = 100
"""Largest number of further test examples for each present one. A larger number counts as unknown."""


@dataclass(frozen=True, kw_only=True)
class Pair:
    """The best setting and the next one."""

    best: str
    second: str
    gap: Estimate | None
    """How much better the best one is; None where nothing can be paired."""
    spread: Spread | None
    """The variances behind `gap`; None where `gap` is."""
    settings: int
    """Number of settings that are compared."""
    spent_usd: tuple[float, float]
    """Dollars of both; NaN where they are not known."""
    seconds: float = math.nan
    """Time of one further seed of both; NaN where it is not known."""

    @property
    def only_by_itself(self) -> bool:
        """Whether the interval of this one comparison leaves out 0, and the corrected p-value is not significant."""
        return self.gap is not None and self.gap.tested and not self.gap.significant and self.gap.low > 0

    @property
    def seeds(self) -> int:
        """Number of seeds that may separate the two. 0: they are separate, or more than SEEDS_AT_MOST further ones would be needed."""
        if self.gap is None or not self.gap.has_interval or self.gap.significant:
            return 0
        if not self.gap.tested:
            return 2
        return 0 if self.further_seeds > SEEDS_AT_MOST else self.gap.seeds + int(self.further_seeds)

    @cached_property
    def further_seeds(self) -> float:
        """Number of further seeds that would make a tested difference significant, if it is the true one. Infinity where no number would.

        The number is for one test at 5 % of all seeds at once. Looks of a run with --until-decided have stricter levels. More seeds reduce
        the variance between seeds and that of cells. The variance from the choice of examples stays.
        """
        further = bisect_left(range(1, LIMIT), True, key=lambda more: self._p_value(seeds=more) < self._level) + 1
        return further if further < LIMIT else math.inf

    @cached_property
    def further_examples(self) -> int | None:
        """Number of further test examples that would make a tested difference significant with the present seeds; None where not known.

        It is for one test at 5 % too.
        """
        limit = EXAMPLES_AT_MOST * self.gap.examples if self.gap else 1
        further = bisect_left(range(1, limit), True, key=lambda more: self._p_value(examples=more) < self._level) + 1
        return further if further < limit else None

    @cached_property
    def _level(self) -> float:
        """The level of the pair's own test at which the corrected p-value, which decides, would be LEVEL. 0 where the latter is 1."""
        normal, p = NormalDist(), self.gap.p if self.gap else 1.0
        own, corrected, needed = (-normal.inv_cdf(one / 2) for one in (self._p_value(), p, LEVEL))
        return 2 * normal.cdf(-needed * own / corrected) if corrected > 0 else 0.0

    def _p_value(self, seeds: int = 0, examples: int = 0) -> float:
        """Return the p-value of the pair's own test with so many further seeds and test examples."""
        if self.gap is None or self.spread is None:
            return 1.0
        present, by_seed, freedom = self.gap.seeds, self.spread.seeds, self.spread.freedom
        fewer = self.gap.examples / (self.gap.examples + examples)
        by_seed = by_seed - np.minimum(self.spread.cells, by_seed) * (1 - fewer)
        spread = Spread(
            seeds=by_seed * present / (present + seeds),
            examples=self.spread.examples * fewer,
            cells=self.spread.cells,
            freedom=freedom * (present + seeds - 1) // (present - 1),
        )
        return float(significance.p_value(np.array(self.gap.mean), spread))
