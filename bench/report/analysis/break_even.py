"""Break-even prices: the price of a label or of a device hour at which two strategies reach the same score at a budget.

Each strategy enters with its best setting at that budget and at the prices of the run. Its score at another price is interpolated between
the budgets that were run, without extrapolation (`budget_curves`). The interval holds every price at which the 95 % interval of the
difference includes 0 (Fieller 1954, Some problems in interval estimation, Journal of the Royal Statistical Society B 16(2), 175-185). It is
open on a side where it reaches the end of the range that was run.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from bench.report.analysis import significance
from bench.report.analysis.budget_curves import Curve, Field, Mixture, Offer
from bench.report.analysis.significance import Floats
from bench.results.repricing import Quotes

Moved = Literal["label", "device_hour"]
MOVED: dict[Moved, str] = {"label": "a label", "device_hour": "a device hour"}
"""The prices that change, one at a time, and their names in text."""
STRATEGIES = 4
"""How many of the best strategies are compared with each other."""
SPAN, STEPS = 64.0, 193
"""Range and number of the prices: from the price of the run divided by SPAN to that price times SPAN, in equal ratios."""


@dataclass(frozen=True, kw_only=True)
class BreakEven:
    """The price at which two settings tie at a budget, while the other prices stay."""

    budget_usd: float
    moved: Moved
    below: str
    """The better setting just below `usd`, or at every price where that is None."""
    above: str
    """The other setting. It is better just above `usd`, or at no price where that is None."""
    usd: float | None
    """The price at which both means are equal. Among several, the nearest to the present price counts. None: there is none between
    `least` and `most`."""
    low: float
    """Lower end of the 95 % interval of the price; -inf where it is open. NaN where the difference is
    significant at every price, or there is no interval."""
    high: float
    """Upper end of the interval; inf where it is open."""
    least: float
    """The lowest price at which both settings have a score."""
    most: float
    """The highest price at which both settings have a score."""


def break_evens(field: Field, budgets_usd: Sequence[float], quotes: Quotes) -> list[BreakEven]:
    """Return break-even points for each pair of the best strategies, at each budget, for each price that affects them.

    Only strategies with a score at that budget count.
    """
    curves = {curve.name: curve for curve in field.curves}
    moves = {moved: _Moving(field.task, quotes, moved) for moved in MOVED if quotes.price(moved, field.task) > 0}
    found = []
    for budget in budgets_usd:
        best: dict[str, Curve] = {}
        for mixture in field.at(budget, field.offers(quotes)):
            best.setdefault(curves[mixture.name].strategy, curves[mixture.name])
        for pair in itertools.combinations([*best.values()][:STRATEGIES], 2):
            found += [_break_even(field, budget, moved, moving, pair) for moved, moving in moves.items()]
    return [one for one in found if one]


class _Moving:
    """One price that changes, while the others stay. `usd` holds its values, with the present one, `now`, in the middle."""

    def __init__(self, task: str, quotes: Quotes, moved: Moved) -> None:
        self.usd: Floats = quotes.price(moved, task) * SPAN ** np.linspace(-1, 1, STEPS)
        self.now = float(self.usd[STEPS // 2])
        self._quotes = [quotes.at(moved, float(usd)) for usd in self.usd]
        self._offers: dict[str, list[Offer]] = {}

    def scores(self, curves: Sequence[Curve], budget_usd: float) -> tuple[Floats, list[tuple[Mixture, ...]]]:
        """Return prices, and the scores of all curves at each, in the range around the run's price where all have a score."""
        for curve in curves:
            if curve.name not in self._offers:
                self._offers[curve.name] = [curve.offer(quotes) for quotes in self._quotes]
        at_prices = zip(*(self._offers[curve.name] for curve in curves), strict=True)
        found = [tuple(mixture for offer in offers if (mixture := offer.at(budget_usd))) for offers in at_prices]
        holes = np.array([place for place, known in enumerate(found) if len(known) < len(curves)], dtype=np.int64)
        middle = len(found) // 2
        start, end = max(holes[holes <= middle], default=-1) + 1, min(holes[holes > middle], default=len(found))
        return self.usd[start:end], found[start:end]


def _break_even(field: Field, budget_usd: float, moved: Moved, moving: _Moving, pair: tuple[Curve, Curve]) -> BreakEven | None:
    """Return the break-even point of two settings. None where neither setting pays that price, or where both have a score at fewer than two
    prices."""
    if not any(point.quantities[moved] for curve in pair for point in curve.points):
        return None
    prices, scores = moving.scores(pair, budget_usd)
    if len(prices) < 2:
        return None
    ones, twos = zip(*scores, strict=True)
    gaps = field.sign * np.array([one.mean - two.mean for one, two in scores])
    weights, effects = field.weighted([*ones, *twos])
    low, high = significance.interval(gaps, significance.spread_of_sums(weights[: len(ones)] - weights[len(ones) :], effects))
    tied = np.flatnonzero((low <= 0) & (high >= 0))
    ends = [-math.inf, *np.sqrt(prices[:-1] * prices[1:]), math.inf]  # between two prices; open where the range that was run ends
    crossing = _crossing(prices, gaps, moving.now)
    below, above = pair if (crossing[1] if crossing else gaps[0]) >= 0 else pair[::-1]
    return BreakEven(
        budget_usd=budget_usd,
        moved=moved,
        below=below.name,
        above=above.name,
        usd=crossing and crossing[0],
        low=float(ends[tied[0]]) if len(tied) else math.nan,
        high=float(ends[tied[-1] + 1]) if len(tied) else math.nan,
        least=float(prices[0]),
        most=float(prices[-1]),
    )


def _crossing(prices: Floats, gaps: Floats, now: float) -> tuple[float, float] | None:
    """Return the price at which the gap changes its sign, interpolated, and the gap before it. None where it never does. Among several
    prices, the nearest to `now` counts."""
    changes = np.flatnonzero(np.sign(gaps[:-1]) != np.sign(gaps[1:]))
    if not len(changes):
        return None
    shares = gaps[changes] / (gaps[changes] - gaps[changes + 1])
    found = prices[changes] * (prices[changes + 1] / prices[changes]) ** shares
    at = np.argmin(np.abs(np.log(found / now)))
    before = gaps[changes[at]] or -gaps[changes[at] + 1]
    return float(found[at]), float(before)
