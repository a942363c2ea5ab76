"""How much one setting changed in one metric, and whether the change exceeds noise."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from bench.report.analysis import leaderboard, significance
from bench.report.analysis.line import Line
from bench.report.analysis.metric import Metric
from bench.report.analysis.significance import Estimate

TWO_SIDED = 1.959964
"""Number of standard errors from the mean to either end of a 95 % interval."""


@dataclass(frozen=True, order=True)
class Cell:
    """One setting at one budget, over all its seeds."""

    task: str
    budget_usd: float
    setting: str


@dataclass(frozen=True, kw_only=True)
class Change:
    """The change of one setting in one metric."""

    cell: Cell
    metric: Metric
    before: float
    """Mean of the earlier scores that were compared, in the metric's unit."""
    after: float
    """Mean of the later scores that were compared, in the metric's unit."""
    difference: Estimate
    """`after` - `before`."""
    unpaired: str = ""
    """Why the two sides were not paired; '' where they were."""
    identical: bool = False
    """Whether all scores are the same to the bit."""
    beyond: bool = False
    """Whether the change exceeds noise."""

    @property
    def verdict(self) -> str:
        if self.identical:
            return "identical"
        if not self.difference.tested:
            return "untested: one seed" if self.difference.has_interval else "no interval"
        return f"{self._way} beyond noise" if self.beyond else "within noise"

    @property
    def worse(self) -> bool:
        """Whether the change exceeds noise and is for the worse."""
        return self.beyond and self._way == "worse"

    @property
    def _way(self) -> str:
        if self.metric.direction not in ("higher", "lower"):
            return "changed"
        return "better" if (self.difference.mean > 0) == (self.metric.direction == "higher") else "worse"


def change(cell: Cell, metric: Metric, before: Line, after: Line, unpaired: str) -> Change | None:
    """Return the change, or None where one side has no score. `unpaired` is why the sides may not be paired; '' where they may."""
    if metric.name not in before.samples or metric.name not in after.samples:
        return None
    first, second = before.samples[metric.name], after.samples[metric.name]
    paired = None if unpaired else significance.difference(second, first)
    if paired is None:
        one, other = leaderboard.estimates([first, second])
        return Change(
            cell=cell,
            metric=metric,
            before=one.mean,
            after=other.mean,
            difference=metric.cut_difference(independent(one, other)),
            unpaired=unpaired or "no seed and test example in common",
        )
    first, second = first.align(second, join="inner")
    before_mean, after_mean = (float(sample.to_numpy().mean()) for sample in (first, second))
    same, paired = first.equals(second), metric.cut_difference(paired)
    return Change(cell=cell, metric=metric, before=before_mean, after=after_mean, difference=paired, identical=same)


def independent(before: Estimate, after: Estimate) -> Estimate:
    """Return `after` - `before` for samples that share nothing, computed from their intervals alone.

    Without both intervals the result has none. The method is that of Zou and Donner 2008, Construction of confidence limits about effect
    measures: a general approach, Statistics in Medicine 27(10), 1693-1702: the distances from the means to the near limits are added as
    squares. The p-value is computed on a normal scale from the half of the interval towards 0: Altman and Bland 2011, How to obtain the P
    value from a confidence interval, BMJ 343, d2304.
    """
    mean = after.mean - before.mean
    low = mean - math.hypot(after.mean - after.low, before.high - before.mean)
    high = mean + math.hypot(after.high - after.mean, before.mean - before.low)
    half = mean - low if mean > 0 else high - mean
    p = math.erfc(TWO_SIDED * abs(mean) / half / math.sqrt(2)) if half > 0 else float(mean == 0)
    p = p if min(before.seeds, after.seeds) > 1 and not math.isnan(half) else math.nan
    seeds, examples = min(before.seeds, after.seeds), min(before.examples, after.examples)
    return Estimate(mean=mean, low=low, high=high, seeds=seeds, examples=examples, p=p)


def beyond_noise(changes: Sequence[Change]) -> list[Change]:
    """Return the changes, with those marked that are significant after Holm's correction over all of them."""
    tested = [place for place, one in enumerate(changes) if one.difference.tested]
    corrected = significance.holm(np.array([changes[place].difference.p for place in tested], dtype=np.float64))
    beyond = {place for place, p in zip(tested, corrected, strict=True) if p < significance.LEVEL}
    return [replace(one, beyond=place in beyond) for place, one in enumerate(changes)]
