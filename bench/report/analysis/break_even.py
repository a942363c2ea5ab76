"""Break-even prices: the label price, and the device price, at which two strategies reach the same score at a budget.

Each strategy enters with the setting that is best at that budget and at the prices asked. Its score is interpolated over the price
between the budgets that were run, and never beyond them (`budget_curves`). The interval holds every price at which the 95 % interval
of the difference holds 0 (Fieller 1954, Some problems in interval estimation, Journal of the Royal Statistical Society B 16(2),
175-185). It is open on a side where it reaches the end of what was run.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from bench.report.analysis import significance
from bench.report.analysis.budget_curves import Curve, Field, Mixture, Offer, weighted
from bench.report.analysis.significance import Floats, Spread
from bench.results.repricing import Quotes

Moved = Literal["label", "device_hour"]

MOVED: dict[Moved, str] = {"label": "a label", "device_hour": "a device hour"}
"""Prices that are moved, in words."""

STRATEGIES = 4
"""So many are compared with each other."""

SPAN, STEPS = 64.0, 193
"""Prices looked at: from the asked one divided by this to its product, in so many steps of equal ratio; the middle one is the asked one."""


@dataclass(frozen=True, kw_only=True)
class BreakEven:
    """Where two settings tie at a budget, as one price moves and the others stay.

    usd: the price at which the means are equal; None: they are not, between `least` and `most`, the prices of which something is told.
    low, high: 95 % interval; -inf or inf where it is open; nan where they are surely apart at every price told, or nothing is sure.
    below, above: who is better at lower and at higher prices; the same name where usd is None.
    """

    budget_usd: float
    moved: Moved
    below: str
    above: str
    usd: float | None
    low: float
    high: float
    least: float
    most: float


def break_evens(field: Field, budgets_usd: Sequence[float], quotes: Quotes) -> list[BreakEven]:
    """Of every two of the best strategies of which something is told at each budget, and each price that they pay."""
    curves = {curve.name: curve for curve in field.curves}
    moves = {moved: _Moving(field.task, quotes, moved) for moved in MOVED if quotes.price(moved, field.task) > 0}
    found = []
    for budget in budgets_usd:
        best: dict[str, Curve] = {}
        for mixture in field.at(budget, field.offers(quotes)):
            best.setdefault(curves[mixture.name].strategy, curves[mixture.name])
        for pair in itertools.combinations([*best.values()][:STRATEGIES], 2):
            found += [_break_even(field, budget, moved, moving, *pair) for moved, moving in moves.items()]
    return [one for one in found if one]


class _Moving:
    """A price as it moves. usd: what it is, the asked one in the middle."""

    def __init__(self, task: str, quotes: Quotes, moved: Moved) -> None:
        self.usd: Floats = quotes.price(moved, task) * SPAN ** np.linspace(-1, 1, STEPS)
        self._quotes = [quotes.at(moved, float(usd)) for usd in self.usd]
        self._offers: dict[str, list[Offer]] = {}

    def scores(self, curve: Curve, budget_usd: float) -> list[Mixture | None]:
        """What it reaches with a budget at each price."""
        if curve.name not in self._offers:
            self._offers[curve.name] = [curve.offer(quotes) for quotes in self._quotes]
        return [offer.at(budget_usd) for offer in self._offers[curve.name]]

    def both(self, first: Curve, second: Curve, budget_usd: float) -> tuple[Floats, list[Mixture], list[Mixture]]:
        """Prices, and scores of both, where both are told: around the asked price, without a hole."""
        pairs = [*zip(self.scores(first, budget_usd), self.scores(second, budget_usd), strict=True)]
        middle, holes = len(pairs) // 2, np.array([place for place, pair in enumerate(pairs) if None in pair], dtype=np.int64)
        start, end = max(holes[holes <= middle], default=-1) + 1, min(holes[holes > middle], default=len(pairs))
        found = [(one, two) for one, two in pairs[start:end] if one and two]
        return self.usd[start:end], [one for one, _ in found], [two for _, two in found]


def _break_even(field: Field, budget_usd: float, moved: Moved, moving: _Moving, first: Curve, second: Curve) -> BreakEven | None:
    """None where the price moves neither of them, or nearly nothing is told."""
    if not any(point.quantities[moved] for curve in (first, second) for point in curve.points):
        return None
    prices, ones, twos = moving.both(first, second, budget_usd)
    if len(prices) < 2:
        return None
    gaps = field.sign * np.array([one.mean - two.mean for one, two in zip(ones, twos, strict=True)])
    names = (first.name, second.name) if gaps[0] >= 0 else (second.name, first.name)
    crossing = _crossing(prices, gaps)
    weights, points = weighted([*ones, *twos])
    spread = significance.spread_of_sums(weights[: len(ones)] - weights[len(ones) :], points, field.seeds, field.examples)
    low, high = _interval(prices, gaps, spread)
    other = names[1] if crossing is not None else names[0]
    return BreakEven(
        budget_usd=budget_usd,
        moved=moved,
        below=names[0],
        above=other,
        usd=crossing,
        low=low,
        high=high,
        least=float(prices[0]),
        most=float(prices[-1]),
    )


def _crossing(prices: Floats, gaps: Floats) -> float | None:
    """The price nearest to the middle at which the gap changes its sign, interpolated; None where it does not."""
    changes = np.flatnonzero(np.sign(gaps[:-1]) != np.sign(gaps[1:]))
    if not len(changes):
        return None
    at = changes[np.argmin(np.abs(changes - len(prices) / 2))]
    share = gaps[at] / (gaps[at] - gaps[at + 1])
    return float(prices[at] * (prices[at + 1] / prices[at]) ** share)


def _interval(prices: Floats, gaps: Floats, spread: Spread) -> tuple[float, float]:
    """The prices at which the two cannot be told apart, from the least to the greatest; open where that is the end of what was run."""
    low, high = significance.interval(gaps, spread)
    tied = np.flatnonzero((low <= 0) & (high >= 0))
    if not len(tied):
        return math.nan, math.nan
    least = -math.inf if tied[0] == 0 else _between(prices, tied[0] - 1)
    most = math.inf if tied[-1] == len(prices) - 1 else _between(prices, tied[-1])
    return least, most


def _between(prices: Floats, at: int) -> float:
    return math.sqrt(float(prices[at]) * float(prices[at + 1]))
