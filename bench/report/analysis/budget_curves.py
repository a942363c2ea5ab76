"""Quality as a function of dollars, at any prices, within the range of the arms that were run.

A setting was run at a few budgets. Each gives a point: what its purse paid for, and the score it reached. At
other prices a point has another cost and stands for another budget:

    a budget that limited the work       the budget of which the work takes the same share as it did of its own
    (labels bought, training cut short)
    a budget that did not                every budget that covers its cost: more money would have changed nothing

Between two points, scores are interpolated linearly in the logarithm of the budget. So are the shares of the
budget that go to labels and to compute. Nothing is extrapolated beyond the first and the last point. At the
prices of the run a point stands for the budget it was run with.
"""

from __future__ import annotations

import itertools
import math
from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from bench.report.analysis import significance
from bench.report.analysis.leaderboard import Board, label
from bench.report.analysis.metric import Metric
from bench.report.analysis.ranking import Ranking, cut
from bench.report.analysis.significance import Effects, Estimate, Floats
from bench.results import arm_columns as columns
from bench.results import repricing
from bench.results.repricing import FIXED, Quotes
from bench.results.table import Results

ROUNDING = 1e-9
"""Budgets whose relative difference is smaller are the same."""
Quantities = Mapping[str, float]
"""Priced item, or FIXED -> its amount."""


@dataclass(frozen=True, kw_only=True)
class Point:
    """What a setting did with one budget, the mean over its seeds."""

    budget_usd: float
    quantities: Quantities
    """Amount of everything that its purse paid for, in the meter of the chosen prices."""
    asked_usd: float
    """Its cost at the prices it was run at."""
    elastic: bool
    """Whether the budget limited its work."""
    mean: float
    """Its mean score, over the seeds and examples that all points of the task share."""
    place: int
    """Its row in `Field.effects`."""

    def cost(self, rates: Mapping[str, float]) -> float:
        """Return the dollars at these prices."""
        return math.fsum([self.quantities[sold] * usd for sold, usd in rates.items()]) + self.quantities[FIXED]


class Part(NamedTuple):
    """A point's share in a mixture."""

    weight: float
    scale: float
    """The budget, divided by the budget that the point stands for."""
    point: Point


@dataclass(frozen=True)
class Mixture:
    """The score of a setting at a budget: one point, or two between which it is interpolated."""

    name: str
    parts: tuple[Part, ...]
    """Their weights sum to 1."""
    dollars: float
    """Its cost in dollars at the chosen prices."""

    @property
    def measured(self) -> bool:
        """Whether it is one measured point, and not interpolated."""
        return len(self.parts) == 1

    @property
    def mean(self) -> float:
        return math.fsum(part.weight * part.point.mean for part in self.parts)

    def amount(self, what: str) -> float:
        """Return how much of something, such as labels, its purse buys."""
        return math.fsum(part.weight * part.scale * part.point.quantities[what] for part in self.parts)


class Place(NamedTuple):
    """A point at some prices."""

    budget_usd: float
    """The budget it stands for."""
    cost: float
    """Its cost in dollars."""
    point: Point


@dataclass(frozen=True, kw_only=True)
class Offer:
    """A setting at some prices."""

    name: str
    places: tuple[Place, ...]
    """The points in order of their budget."""
    covered: tuple[Place, ...]
    """The points whose budget did not limit the work. Each holds for every budget that covers its cost."""

    def at(self, budget_usd: float) -> Mixture | None:
        """Return its score at a budget, or None outside the range that was run."""
        room = budget_usd * (1 + ROUNDING)
        for place in reversed(self.covered):
            if place.cost <= room:
                return self._mixed((1.0, 1.0, place))
        above = bisect_left(self.places, budget_usd, key=lambda place: place.budget_usd)
        for near in self.places[max(above - 1, 0) : above + 1]:
            if math.isclose(near.budget_usd, budget_usd, rel_tol=ROUNDING):
                return self._mixed((1.0, 1.0, near))
        if not 0 < above < len(self.places) or self.places[above - 1].budget_usd <= 0:
            return None
        first, second = self.places[above - 1 : above + 1]
        share = math.log(budget_usd / first.budget_usd) / math.log(second.budget_usd / first.budget_usd)
        return self._mixed((1 - share, budget_usd / first.budget_usd, first), (share, budget_usd / second.budget_usd, second))

    @property
    def range(self) -> tuple[float, float]:
        """The smallest and the largest budget with a score."""
        return self.places[0].budget_usd, math.inf if self.covered else self.places[-1].budget_usd

    def _mixed(self, *parts: tuple[float, float, Place]) -> Mixture:
        """Build a mixture from (weight, scale, place) of each part."""
        dollars = math.fsum(weight * scale * place.cost for weight, scale, place in parts)
        return Mixture(self.name, tuple(Part(weight, scale, place.point) for weight, scale, place in parts), dollars)


@dataclass(frozen=True, kw_only=True)
class Curve:
    """One setting of a task."""

    name: str
    strategy: str
    task: str
    points: tuple[Point, ...]
    """The points in order of the budget they were run with."""

    def offer(self, quotes: Quotes) -> Offer:
        """Return the setting at the prices of `quotes`."""
        rates = quotes.rates(self.task)
        places = []
        for point in self.points:
            cost = point.cost(rates)
            budget = point.budget_usd * cost / point.asked_usd if point.elastic and point.asked_usd > 0 else cost
            places.append(Place(budget, cost, point))
        covered = tuple(place for place in places if not place.point.elastic)
        return Offer(name=self.name, places=tuple(sorted(places, key=lambda place: place.budget_usd)), covered=covered)


@dataclass(frozen=True, kw_only=True)
class Field:
    """The comparable curves of one task: all are over the same seeds and examples."""

    task: str
    metric: Metric
    curves: tuple[Curve, ...]
    effects: Effects
    """Effects behind the mean scores of all points."""
    asked: Quotes
    """The prices of the run."""
    budgets_usd: tuple[float, ...]
    """The budgets that were run."""
    left_out: tuple[str, ...]
    """Settings without a score for every seed, or without any score."""

    def offers(self, quotes: Quotes) -> list[Offer]:
        """Return every setting at these prices."""
        return [curve.offer(quotes) for curve in self.curves]

    def at(self, budget_usd: float, offers: Sequence[Offer]) -> list[Mixture]:
        """Return the settings with a score at that budget, best first."""
        found = [mixture for offer in offers if (mixture := offer.at(budget_usd))]
        return sorted(found, key=lambda mixture: (-self.sign * mixture.mean, mixture.name))

    def ranking(self, mixtures: Sequence[Mixture]) -> Ranking:
        """Rank mixtures, best first, in the same way as a board ranks its settings."""
        names, means = tuple(mixture.name for mixture in mixtures), np.array([mixture.mean for mixture in mixtures])
        weights, effects = self.weighted(mixtures)
        return Ranking(names=names, means=self.sign * means, effects=effects.map(lambda part: self.sign * weights @ part))

    def weighted(self, mixtures: Sequence[Mixture]) -> tuple[Floats, Effects]:
        """Return weights, (mixtures, points), and the effects of the points in the mixtures."""
        places = sorted({part.point.place for mixture in mixtures for part in mixture.parts})
        weights = np.zeros((len(mixtures), len(places)))
        for row, mixture in zip(weights, mixtures, strict=True):
            for part in mixture.parts:
                row[places.index(part.point.place)] += part.weight
        return weights, self.effects.map(lambda part: part[places])

    def reached(self, mixture: Mixture) -> Estimate:
        """Return the score of a mixture, with its interval."""
        weights, effects = self.weighted([mixture])
        return self.metric.cut(significance.estimate_of(mixture.mean, effects.map(lambda part: weights[0] @ part), tested=False))

    def measured(self, point: Point) -> Estimate:
        """Return the score of a point, with its interval."""
        return self.metric.cut(significance.estimate_of(point.mean, self.effects.map(lambda part: part[point.place]), tested=False))

    @property
    def sign(self) -> int:
        """-1 where a lower score is better."""
        return -1 if self.metric.direction == "lower" else 1


def fields(found: Results, boards: Sequence[Board], quotes: Quotes | None = None) -> list[Field]:
    """Return one field for each task that has a score.

    `found` and `boards` are at the prices of the run; `quotes` are other prices. A setting is left out if
    their meter did not count the work of one of its arms.
    """
    view, asked, at = found.by_arm, repricing.asked(found), repricing.reprice(found, quotes) if quotes else found
    done = view[view["status"] == "done"]
    names = [label(s, t) for s, t in zip(done["strategy"], done["setting"], strict=True)]
    strategies = dict(zip(names, done["strategy"], strict=True))
    points: dict[tuple[str, float, str], dict[str, Any]] = {}
    if names:
        keys = [done["task"], done["budget_usd"], pd.Series(names, index=done.index, name="name")]
        amounts = repricing.quantities(at).reindex(done.index).groupby(keys).mean()
        elastic = pd.Series(done.index.isin(list(repricing.set_by_money(found))), index=done.index).groupby(keys).any()
        costs = done[columns.SPENT_USD].groupby(keys).mean()
        known = at.table[at.table["row"] == "record"].set_index("arm")["value"].reindex(done.index).notna().groupby(keys).all()
        for key, row, usd, limited, is_known in zip(amounts.index, amounts.to_dict("records"), costs, elastic, known, strict=True):
            if is_known:
                points[key] = {"quantities": {str(k): v for k, v in row.items()}, "asked_usd": float(usd), "elastic": bool(limited)}
    by_task = itertools.groupby(boards, key=lambda board: board.task)
    return [field for task, of_task in by_task if (field := _field(task, [*of_task], points, strategies, asked))]


def _field(
    task: str, boards: Sequence[Board], known: Mapping[tuple[str, float, str], dict[str, Any]], strategies: Mapping[str, str], asked: Quotes
) -> Field | None:
    """Return the field of one task. `known` maps (task, budget, setting) to what is known of a point before its score."""
    primary = boards[0].primary
    lines = [(board, line) for board in boards for line in board.scored if line.complete and (task, board.budget_usd, line.name) in known]
    if not lines:
        return None
    samples = [line.samples[primary.name] for _, line in lines]
    seeds, examples = (reduce(pd.Index.intersection, axis) for axis in ([s.index for s in samples], [s.columns for s in samples]))
    if seeds.empty or examples.empty:
        return None
    scores = np.stack([cut(sample, [seeds, examples]) for sample in samples])
    points: dict[str, list[Point]] = {}
    for place, (board, line) in enumerate(lines):
        about = known[task, board.budget_usd, line.name]
        points.setdefault(line.name, []).append(Point(budget_usd=board.budget_usd, mean=float(scores[place].mean()), place=place, **about))
    return Field(
        task=task,
        metric=primary,
        curves=tuple(Curve(name=name, strategy=strategies[name], task=task, points=tuple(points[name])) for name in sorted(points)),
        effects=significance.effects(scores),
        asked=asked,
        budgets_usd=tuple(board.budget_usd for board in boards),
        left_out=tuple(sorted({line.name for board in boards for line in board.settings} - set(points))),
    )
