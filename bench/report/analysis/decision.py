"""What to buy: the best setting for a budget at given prices, and where the answer flips.

A verdict has a winner only where one setting is significantly better than all others with a score there, by comparisons with the best
(`ranking`). Otherwise it lists those that may be best too, because they are not significantly worse. A setting has no score where it was
not run with such a budget at these prices.
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
"""Number of the best settings that are compared with each other in a cell of the map."""
BUDGETS, FACTORS = 12, (1 / 16, 1 / 8, 1 / 4, 1 / 2, 1.0, 2.0, 4.0, 8.0, 16.0)
"""Number of budgets of a decision map, and factors. Its rows are the price of a label at the run times these factors."""


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """The best setting for one budget at given prices."""

    budget_usd: float
    quotes: Quotes
    candidates: tuple[Mixture, ...]
    """Settings with a score at this budget, best first."""
    ahead: tuple[Estimate, ...]
    """How much better the best is than each of the next. p-values are corrected as on a board."""
    tied: tuple[Mixture, ...]
    """Settings that are not significantly worse than the best, without the best."""
    not_covered: tuple[str, ...]
    """Settings without a score at this budget."""

    @property
    def best(self) -> Mixture | None:
        return self.candidates[0] if self.candidates else None

    @property
    def has_winner(self) -> bool:
        """Whether there are at least two settings and one is significantly better than all others."""
        return len(self.candidates) > 1 and not self.tied


def verdict(field: Field, budget_usd: float, quotes: Quotes, offers: Sequence[Offer] | None = None, compared: int = LOOKED_AT) -> Verdict:
    """Return the verdict for that budget at these prices.

    `offers` are those of `field` at `quotes`, if they are known already. `compared` is the number of the best
    settings that are compared with each other.
    """
    offers = field.offers(quotes) if offers is None else offers
    candidates = tuple(field.at(budget_usd, offers))
    names = {mixture.name for mixture in candidates}
    not_covered = tuple(offer.name for offer in offers if offer.name not in names) + field.left_out
    near = candidates[:compared]
    ranking = field.ranking(near)
    ahead = tuple(field.metric.cut_difference(ranking.difference(near[0].name, other.name)) for other in near[1:])
    tied = tuple(other for other, estimate in zip(near[1:], ahead, strict=True) if not estimate.significant)
    return Verdict(budget_usd=budget_usd, quotes=quotes, candidates=candidates, ahead=ahead, tied=tied, not_covered=not_covered)


def covered(field: Field, budget_usd: float, quotes: Quotes) -> tuple[str, Point, float] | None:
    """Return the best point that costs no more than the budget, so that it can be repeated: (setting, point, dollars).

    None where there is none. The point stands for a smaller budget. This budget may reach more, but how much more is unknown.
    """
    rates = quotes.rates(field.task)
    found = [(curve.name, point, point.cost(rates)) for curve in field.curves for point in curve.points]
    return max((one for one in found if one[2] <= budget_usd), key=lambda one: (field.sign * one[1].mean, -one[2]), default=None)


@dataclass(frozen=True, kw_only=True)
class DecisionMap:
    """Verdicts over budgets and prices of a label."""

    field: Field
    label_usd: tuple[float, ...]
    """Prices of a label in dollars, in ascending order."""
    budgets_usd: tuple[float, ...]
    """In ascending order."""
    verdicts: tuple[tuple[Verdict, ...], ...]
    """Indexed by price, then by budget."""

    @cached_property
    def winners(self) -> tuple[str, ...]:
        """Settings with the best mean in a cell where at least two have a score, in alphabetical order."""
        cells = [verdict for row in self.verdicts for verdict in row]
        return tuple(sorted({cell.best.name for cell in cells if cell.best and len(cell.candidates) > 1}))


def decision_map(field: Field, quotes: Quotes) -> DecisionMap | None:
    """Return the decision map. Prices and budgets at which no cell has two settings with a score are left out.

    None where labels cost nothing, no budget is above 0, or no cell is left.
    """
    price, paid = quotes.price("label", field.task), [usd for usd in field.budgets_usd if usd > 0]
    if price <= 0 or not paid:
        return None
    prices = {price * factor: quotes.at("label", price * factor) for factor in FACTORS}
    offers = {usd: field.offers(at) for usd, at in prices.items()}
    ranges = [sorted(offer.range for offer in at_price) for at_price in offers.values()]
    lows = [found[1][0] for found in ranges if len(found) > 1]  # from here on two settings have a score
    highs = [high for found in ranges for _, high in found if math.isfinite(high)]
    least = max(min([*lows, *paid]), 1e-2 * min(paid))
    steps = max(2, BUDGETS - len(paid))
    spread = [float(f"{usd:.2g}") for usd in np.geomspace(least, max([*highs, *paid]), steps)]
    budgets = sorted({*spread, *paid})
    rows = {usd: [verdict(field, budget, at, offers[usd], ON_A_MAP) for budget in budgets] for usd, at in prices.items()}
    kept = {usd: row for usd, row in rows.items() if any(len(cell.candidates) > 1 for cell in row)}
    columns = [place for place in range(len(budgets)) if any(len(row[place].candidates) > 1 for row in kept.values())]
    verdicts = tuple(tuple(row[place] for place in columns) for row in kept.values())
    budgets_usd = tuple(budgets[place] for place in columns)
    return DecisionMap(field=field, label_usd=tuple(kept), budgets_usd=budgets_usd, verdicts=verdicts) if verdicts else None
