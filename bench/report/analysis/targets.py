"""The dollars at which each strategy reaches a score: the smallest budget, interpolated between the budgets that were run.

The interval holds the budgets at which the target lies inside the 95 % interval of the score, as for break-even prices (Fieller
1954). It is open on a side where it reaches the end of the range that was run. Nothing is extrapolated.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from bench.report.analysis import significance
from bench.report.analysis.budget_curves import Curve, Field, Mixture
from bench.report.analysis.significance import Estimate, Floats
from bench.results.repricing import Quotes

STEPS = 16
"""Number of budgets from one that was run to the next at which intervals are computed, in equal ratios."""
BELOW = 1 - 1e-6
"""A budget times BELOW is just too small for work that costs this budget."""


@dataclass(frozen=True, kw_only=True)
class Need:
    """What a strategy needs to reach a score, with its cheapest setting."""

    strategy: str
    setting: str
    usd: float | None
    """The smallest budget in dollars. None: no budget that was run reaches the score."""
    low: float
    """Lower end of the 95 % interval of the budget; -inf where it is open. NaN where there is no interval."""
    high: float
    """Upper end of the interval; inf where it is open."""
    least: float
    """The smallest budget with a score, in dollars."""
    most: float
    """The largest one; inf where the setting cannot spend more, so that its score holds for every larger budget."""
    bought: Mixture | None
    """What the budget buys; None where the score is not reached."""
    best: Estimate
    """The best score of the setting at any budget."""


@dataclass(frozen=True, kw_only=True)
class Path:
    """The scores of a setting at many budgets."""

    curve: Curve
    budgets_usd: Floats
    """In ascending order."""
    mixtures: Sequence[Mixture]
    means: Floats
    """Mean score at each budget, multiplied by -1 where a lower score is better. So are the next two."""
    low: Floats
    high: Floats
    best: Estimate
    """The best score, as it was measured."""
    most: float
    """See `Need.most`."""

    def reaches(self, target: float) -> Need:
        """Return what the setting needs to reach a score, which is multiplied by -1 where a lower score is better."""
        usd, early, late = (self._first(ends - target) for ends in (self.means, self.high, self.low))
        least = float(self.budgets_usd[0])
        unknown = bool(np.isnan(self.low).any())
        return Need(
            strategy=self.curve.strategy,
            setting=self.curve.name,
            usd=usd,
            low=math.nan if unknown else math.inf if early is None else -math.inf if early == least else early,
            high=math.nan if unknown else math.inf if late is None else late,
            least=least,
            most=self.most,
            bought=None if usd is None else self.mixtures[int(np.searchsorted(self.budgets_usd, usd * BELOW))],
            best=self.best,
        )

    def _first(self, ahead: Floats) -> float | None:
        """Return the first budget at which `ahead`, one value for each budget, is not negative, interpolated. None where there is none."""
        places = np.flatnonzero(ahead >= 0)
        if not len(places):
            return None
        if not (place := int(places[0])):
            return float(self.budgets_usd[0])
        (before, after), (under, over) = self.budgets_usd[place - 1 : place + 1], ahead[place - 1 : place + 1]
        return float(before * (after / before) ** (under / (under - over)))


def paths(field: Field, quotes: Quotes) -> list[Path]:
    """Return the scores of every setting at budgets in the range that was run."""
    return [path for curve in field.curves if (path := _path(field, curve, quotes))]


def needs(field: Field, known: Sequence[Path], target: float) -> list[Need]:
    """Return what each strategy needs to reach a score, the cheapest first. Those that do not reach it come last, the best of them first.

    known: the paths of `field`. target: a score in the metric of `field`.
    """

    def order(need: Need) -> tuple[float, float]:
        return (math.inf if need.usd is None else need.usd), -field.sign * need.best.mean

    found: dict[str, Need] = {}
    for need in sorted((path.reaches(field.sign * target) for path in known), key=order):
        found.setdefault(need.strategy, need)
    return list(found.values())


def _path(field: Field, curve: Curve, quotes: Quotes) -> Path | None:
    offer = curve.offer(quotes)
    knots = {place.budget_usd for place in offer.places} | {place.cost for place in offer.covered}
    ends = sorted(usd for usd in knots if usd > 0)
    steps = [usd for pair in itertools.pairwise(ends) for usd in np.geomspace(*pair, STEPS).tolist()]
    jumps = [place.cost * BELOW for place in offer.covered]
    found = [(usd, mixture) for usd in sorted({*ends, *steps, *jumps}) if (mixture := offer.at(usd))]
    if not found:
        return None
    budgets, mixtures = zip(*found, strict=True)
    means = field.sign * np.array([mixture.mean for mixture in mixtures])
    weights, effects = field.weighted(mixtures)
    low, high = significance.interval(means, significance.spread_of_sums(weights, effects))
    best = field.reached(mixtures[int(means.argmax())])
    return Path(
        curve=curve,
        budgets_usd=np.array(budgets),
        mixtures=mixtures,
        means=means,
        low=low,
        high=high,
        best=best,
        most=offer.range[1],
    )
