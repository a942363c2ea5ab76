"""What more money brings: the gain of each strategy from one budget that was run to the next."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass

from bench.report.analysis import significance
from bench.report.analysis.budget_curves import ROUNDING, Field, Offer, Place
from bench.report.analysis.significance import Estimate
from bench.results.repricing import Quotes


@dataclass(frozen=True, kw_only=True)
class Step:
    """A setting at two budgets, one after the other."""

    strategy: str
    setting: str
    before_usd: float
    """The smaller budget."""
    after_usd: float
    """The larger one."""
    further_usd: float
    """The dollars that the larger budget really spends more."""
    gain: Estimate
    """How much better the score is with the larger budget, paired by seed and example. Above 0 is better, whatever the metric."""


def steps(field: Field, quotes: Quotes) -> list[Step]:
    """Return the steps of each strategy, from its smallest budget to its largest.

    A strategy enters with the setting that is best at its largest budget. Budgets of which a setting spends the same dollars are no step.
    """
    best: dict[str, tuple[float, Offer]] = {}
    for curve in field.curves:
        offer = curve.offer(quotes)
        reached = field.sign * offer.places[-1].point.mean
        if curve.strategy not in best or reached > best[curve.strategy][0]:
            best[curve.strategy] = reached, offer
    return [step for strategy, (_, offer) in sorted(best.items()) for step in _steps(field, strategy, offer)]


def _steps(field: Field, strategy: str, offer: Offer) -> Iterator[Step]:
    for before, after in itertools.pairwise(offer.places):
        if after.cost > before.cost * (1 + ROUNDING):
            yield Step(
                strategy=strategy,
                setting=offer.name,
                before_usd=before.budget_usd,
                after_usd=after.budget_usd,
                further_usd=after.cost - before.cost,
                gain=_gain(field, before, after),
            )


def _gain(field: Field, before: Place, after: Place) -> Estimate:
    mean = field.sign * (after.point.mean - before.point.mean)
    return significance.estimate_of(mean, field.effects.map(lambda part: field.sign * (part[after.point.place] - part[before.point.place])))
