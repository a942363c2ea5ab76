"""What to buy: the best setting for a budget at given prices, and where the answer flips.

A verdict names a setting only where it is ahead of all others of which something is told there, corrected for their number;
else it says which cannot be told apart. Of a setting that was not run with such a budget, at these prices, nothing is told.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from bench.report.analysis.budget_curves import Field, Mixture, Offer, Point
from bench.report.analysis.ranking import LOOKED_AT
from bench.report.analysis.significance import Estimate
from bench.results.repricing import Quotes

ON_A_MAP = 12
"""So many of the best are compared with each other in a field of the map."""

BUDGETS, FACTORS = 12, (1 / 16, 1 / 8, 1 / 4, 1 / 2, 1.0, 2.0, 4.0, 8.0, 16.0)
"""Columns of a decision map; its rows are these times the price of a label that was asked."""


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What is told of one budget at given prices.

    candidates: best first. ahead: by how much the best is better than each of the next; p-values are corrected, as on a board. tied: of
    these, those that cannot be told from the best. untold: settings of which nothing is told there.
    """

    budget_usd: float
    quotes: Quotes
    candidates: tuple[Mixture, ...]
    ahead: tuple[Estimate, ...]
    tied: tuple[Mixture, ...]
    untold: tuple[str, ...]

    @property
    def best(self) -> Mixture | None:
        return self.candidates[0] if self.candidates else None

    @property
    def sure(self) -> bool:
        """Whether one setting is ahead of another, and of all."""
        return len(self.candidates) > 1 and not self.tied


def verdict(field: Field, budget_usd: float, quotes: Quotes, offers: Sequence[Offer] | None = None, compared: int = LOOKED_AT) -> Verdict:
    """Who is best with that budget at these prices.

    offers: those of `field` at `quotes`, where they are at hand. compared: so many of the best are compared with each other.
    """
    offers = field.offers(quotes) if offers is None else offers
    candidates = tuple(field.at(budget_usd, offers))
    told = {mixture.name for mixture in candidates}
    untold = tuple(offer.name for offer in offers if offer.name not in told) + field.left_out
    near = candidates[:compared]
    ranking = field.ranking(near)
    ahead = tuple(ranking.difference(near[0].name, other.name) for other in near[1:])
    tied = tuple(other for other, estimate in zip(near[1:], ahead, strict=True) if not estimate.apart)
    return Verdict(budget_usd=budget_usd, quotes=quotes, candidates=candidates, ahead=ahead, tied=tied, untold=untold)


def covered(field: Field, budget_usd: float, quotes: Quotes) -> tuple[str, Point, float] | None:
    """The best of what was run that costs no more than that, and so can be done again: setting, point, dollars; None where nothing is.

    It stands for a smaller budget, so that more than that may come of this one; of how much more nothing is told.
    """
    rates = quotes.rates(field.task)
    found = [(curve.name, point, point.cost(rates)) for curve in field.curves for point in curve.points]
    return max((one for one in found if one[2] <= budget_usd), key=lambda one: (field.sign * one[1].mean, -one[2]), default=None)


@dataclass(frozen=True, kw_only=True)
class DecisionMap:
    """Verdicts over budgets and prices of a label.

    label_usd: ascending. budgets_usd: ascending. verdicts: by price, then by budget.
    """

    field: Field
    label_usd: tuple[float, ...]
    budgets_usd: tuple[float, ...]
    verdicts: tuple[tuple[Verdict, ...], ...]

    @cached_property
    def winners(self) -> tuple[str, ...]:
        """Settings that are best, alone or not, in some cell where at least two are told; in alphabetical order."""
        cells = [verdict for row in self.verdicts for verdict in row]
        return tuple(sorted({cell.best.name for cell in cells if cell.best and len(cell.candidates) > 1}))

    @property
    def flips(self) -> bool:
        """Whether the answer depends on budget or price."""
        return len({cell.best.name for row in self.verdicts for cell in row if cell.best and cell.sure}) > 1


def decision_map(field: Field, quotes: Quotes) -> DecisionMap | None:
    """None where labels cost nothing, or not two settings are told anywhere; prices and budgets at which none are, are left out."""
    price = quotes.price("label", field.task)
    if price <= 0:
        return None
    prices = tuple(price * factor for factor in FACTORS)
    budgets = _budgets(field, [quotes.at("label", usd) for usd in prices])
    rows = {usd: _row(field, budgets, quotes.at("label", usd)) for usd in prices}
    told = {usd: row for usd, row in rows.items() if any(len(cell.candidates) > 1 for cell in row)}
    columns = [place for place in range(len(budgets)) if any(len(row[place].candidates) > 1 for row in told.values())]
    verdicts = tuple(tuple(row[place] for place in columns) for row in told.values())
    return (
        DecisionMap(field=field, label_usd=tuple(told), budgets_usd=tuple(budgets[place] for place in columns), verdicts=verdicts)
        if verdicts
        else None
    )


def _row(field: Field, budgets: Sequence[float], quotes: Quotes) -> tuple[Verdict, ...]:
    offers = field.offers(quotes)
    return tuple(verdict(field, budget, quotes, offers, ON_A_MAP) for budget in budgets)


def _budgets(field: Field, quotes: Sequence[Quotes]) -> tuple[float, ...]:
    """From the least to the greatest budget of which two settings are told at some price, the budgets that were run among them."""
    ranges = [sorted(offer.range for offer in field.offers(at)) for at in quotes]
    lows = [found[1][0] for found in ranges if len(found) > 1]
    highs = [high for found in ranges for _, high in found if math.isfinite(high)]
    least, most = min([*lows, *field.budgets_usd]), max([*highs, *field.budgets_usd])
    least = max(least, 1e-2 * min(field.budgets_usd))
    steps = max(2, BUDGETS - len(field.budgets_usd))
    spread = [float(f"{budget:.2g}") for budget in np.geomspace(least, most, steps)]
    return tuple(sorted({*spread, *field.budgets_usd}))
