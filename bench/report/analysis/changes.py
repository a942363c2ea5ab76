"""One setting in one metric, before and after: by how much it changed, and whether that is more than noise."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from bench.report.analysis import significance
from bench.report.analysis.leaderboard import Line, Metric
from bench.report.analysis.significance import Estimate

TWO_SIDED = 1.959964
"""So many standard errors reach to either end of a 95 % interval."""


@dataclass(frozen=True, order=True)
class Cell:
    """One setting at one budget, over all its seeds."""

    task: str
    budget_usd: float
    setting: str


@dataclass(frozen=True, kw_only=True)
class Change:
    """before, after: means over what was compared, in the metric's unit. difference: after - before.

    unpaired: why the two sides were not paired, '' where they were. identical: whether every score is the same, to the bit.
    beyond: whether it is beyond noise.
    """

    cell: Cell
    metric: Metric
    before: float
    after: float
    difference: Estimate
    unpaired: str = ""
    identical: bool = False
    beyond: bool = False

    @property
    def verdict(self) -> str:
        if self.identical:
            return "identical"
        if not self.difference.tested:
            return "untested: one seed" if self.difference.has_interval else "no interval"
        return f"{self._way} beyond noise" if self.beyond else "within noise"

    @property
    def worse(self) -> bool:
        """Beyond noise, and to the worse."""
        return self.beyond and self._way == "worse"

    @property
    def _way(self) -> str:
        if self.metric.direction not in ("higher", "lower"):
            return "changed"
        return "better" if (self.difference.mean > 0) == (self.metric.direction == "higher") else "worse"


def change(cell: Cell, metric: Metric, before: Line, after: Line, unpaired: str) -> Change | None:
    """None where one side has no score. unpaired: why the sides may not be paired, '' where they may."""
    if metric.name not in before.samples or metric.name not in after.samples:
        return None
    first, second = before.samples[metric.name], after.samples[metric.name]
    paired = None if unpaired else significance.difference(second, first)
    if paired is None:
        one, other = before.scores[metric.name], after.scores[metric.name]
        return Change(
            cell=cell,
            metric=metric,
            before=one.mean,
            after=other.mean,
            difference=independent(one, other),
            unpaired=unpaired or "no seed and test example in common",
        )
    first, second = first.align(second, join="inner")
    return Change(cell=cell, metric=metric, before=_mean(first), after=_mean(second), difference=paired, identical=first.equals(second))


def _mean(sample: pd.DataFrame) -> float:
    return float(sample.to_numpy().mean())


def independent(before: Estimate, after: Estimate) -> Estimate:
    """`after` - `before` of samples that have nothing in common, from their intervals alone; without both there is none.

    Zou and Donner 2008, Construction of confidence limits about effect measures: a general approach, Statistics in Medicine
    27(10), 1693-1702: distances of the near limits from their means are added as squares. The p-value is read from the half of the
    interval that lies towards 0, on a normal scale: Altman and Bland 2011, How to obtain the P value from a confidence interval,
    BMJ 343, d2304.
    """
    mean = after.mean - before.mean
    low = mean - math.hypot(after.mean - after.low, before.high - before.mean)
    high = mean + math.hypot(after.high - after.mean, before.mean - before.low)
    half = mean - low if mean > 0 else high - mean
    p = math.erfc(TWO_SIDED * abs(mean) / half / math.sqrt(2)) if half > 0 else float(mean == 0)
    tested = before.tested and after.tested
    return Estimate(
        mean=mean,
        low=low,
        high=high,
        seeds=min(before.seeds, after.seeds),
        examples=min(before.examples, after.examples),
        p=p if tested else math.nan,
    )


def beyond_noise(changes: Sequence[Change]) -> list[Change]:
    """The same, those marked that are told from no change when all of them are looked at together."""
    tested = [place for place, one in enumerate(changes) if one.difference.tested]
    corrected = significance.holm(np.array([changes[place].difference.p for place in tested], dtype=np.float64))
    beyond = {place for place, p in zip(tested, corrected, strict=True) if p < significance.LEVEL}
    return [replace(one, beyond=place in beyond) for place, one in enumerate(changes)]
