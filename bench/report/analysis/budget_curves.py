"""Quality as a function of dollars, at any prices: what can be told from the arms that were run, and not more.

A setting was run at a few budgets; each is a point: what its purse paid for, and what it reached. At other prices a point costs
something else, and stands for another budget:

    money set its work (labels bought, training cut short)   the budget of which it spends the same share as it did of its own
    it did not                                               any budget that covers its cost: more money would have changed nothing

Between two points scores are interpolated, linear in the logarithm of the budget, and so are the shares of the budget that labels and
compute take; beyond the first and the last nothing is told.
At the prices that were asked, a point stands for the very budget it was run with.
"""

from __future__ import annotations

import itertools
import math
from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from typing import NamedTuple

import numpy as np
import pandas as pd

from bench.report.analysis import significance
from bench.report.analysis.leaderboard import Board, Metric, label
from bench.report.analysis.ranking import Ranking, cut
from bench.report.analysis.significance import Estimate, Floats
from bench.results import repricing
from bench.results.repricing import FIXED, Quotes, Sold
from bench.results.table import Results

ROUNDING = 1e-9
"""Budgets that differ by less are the same."""

Quantities = Mapping[str, float]
"""What is sold, or FIXED -> how much of it."""


@dataclass(frozen=True, kw_only=True)
class Point:
    """What a setting did with one budget, the mean over its seeds.

    quantities: what its purse pays for, by the meter of the prices looked at. asked_usd: what it cost at those it was run at.
    elastic: whether money set its work.
    draws: of the mean score (`stats.means`), over the seeds and examples that all points of the task share.
    """

    budget_usd: float
    quantities: Quantities
    asked_usd: float
    elastic: bool
    mean: float
    draws: Floats

    def cost(self, rates: Mapping[Sold, float]) -> float:
        """Dollars at these prices."""
        return math.fsum([self.quantities[sold] * usd for sold, usd in rates.items()]) + self.quantities[FIXED]


class Part(NamedTuple):
    """Of a mixture. weight: how much the point counts. scale: how much more the budget buys than the one that the point stands for."""

    weight: float
    scale: float
    point: Point


@dataclass(frozen=True)
class Mixture:
    """A score at a budget, and how it was got: parts whose weights are 1 in all. dollars: at the prices asked for."""

    name: str
    parts: tuple[Part, ...]
    dollars: float

    @property
    def measured(self) -> bool:
        """Whether it is a point itself."""
        return len(self.parts) == 1

    @property
    def mean(self) -> float:
        return math.fsum(part.weight * part.point.mean for part in self.parts)

    def amount(self, what: str) -> float:
        """Of what its purse pays for, such as labels."""
        return math.fsum(part.weight * part.scale * part.point.quantities[what] for part in self.parts)


def draws(mixtures: Sequence[Mixture]) -> Floats:
    """Of their means, (mixtures, draws)."""
    weights, points = weighted(mixtures)
    return weights @ points


def weighted(mixtures: Sequence[Mixture]) -> tuple[Floats, Floats]:
    """Weights, (mixtures, points), and the draws of the points that they are made of, (points, draws)."""
    points = {id(part.point): part.point for mixture in mixtures for part in mixture.parts}
    places, weights = {key: place for place, key in enumerate(points)}, np.zeros((len(mixtures), len(points)))
    for row, mixture in zip(weights, mixtures, strict=True):
        for part in mixture.parts:
            row[places[id(part.point)]] += part.weight
    return weights, np.stack([point.draws for point in points.values()]) if points else np.zeros((0, 0))


class Place(NamedTuple):
    """Of a point at some prices. budget_usd: that it stands for. cost: dollars."""

    budget_usd: float
    cost: float
    point: Point


@dataclass(frozen=True, kw_only=True)
class Offer:
    """A setting at some prices. places: by budget. covered: those that hold for every budget that covers their cost, as they were run."""

    name: str
    strategy: str
    places: tuple[Place, ...]
    covered: tuple[Place, ...]

    def at(self, budget_usd: float) -> Mixture | None:
        """Its score for a budget; None where that is outside of what was run."""
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
        """The least and the greatest budget of which something is told."""
        return self.places[0].budget_usd, math.inf if self.covered else self.places[-1].budget_usd

    def _mixed(self, *parts: tuple[float, float, Place]) -> Mixture:
        """parts: weight, scale, place."""
        dollars = math.fsum(weight * scale * place.cost for weight, scale, place in parts)
        return Mixture(self.name, tuple(Part(weight, scale, place.point) for weight, scale, place in parts), dollars)


@dataclass(frozen=True, kw_only=True)
class Curve:
    """One setting of a task. points: by the budget that they were run with."""

    name: str
    strategy: str
    task: str
    points: tuple[Point, ...]

    def offer(self, quotes: Quotes) -> Offer:
        """It at `quotes`."""
        rates = quotes.rates(self.task)
        places = [_place(point, rates) for point in self.points]
        covered = tuple(place for place in places if not place.point.elastic)
        return Offer(
            name=self.name, strategy=self.strategy, places=tuple(sorted(places, key=lambda place: place.budget_usd)), covered=covered
        )


@dataclass(frozen=True, kw_only=True)
class Field:
    """The curves of one task, comparable to each other: over the same seeds and examples.

    left_out: settings that lack a seed that others have, or have no score. budgets_usd: those that were run.
    """

    task: str
    metric: Metric
    curves: tuple[Curve, ...]
    seeds: int
    examples: int
    asked: Quotes
    budgets_usd: tuple[float, ...]
    left_out: tuple[str, ...]

    def offers(self, quotes: Quotes) -> list[Offer]:
        """Every setting at these prices."""
        return [curve.offer(quotes) for curve in self.curves]

    def at(self, budget_usd: float, offers: Sequence[Offer]) -> list[Mixture]:
        """What is told of that budget, best first."""
        found = [mixture for offer in offers if (mixture := offer.at(budget_usd))]
        return sorted(found, key=lambda mixture: (-self.sign * mixture.mean, mixture.name))

    def ranking(self, mixtures: Sequence[Mixture]) -> Ranking:
        """Of some, best first, as a board ranks its settings."""
        names, means = tuple(mixture.name for mixture in mixtures), np.array([mixture.mean for mixture in mixtures])
        return Ranking(names=names, means=self.sign * means, draws=self.sign * draws(mixtures), seeds=self.seeds, examples=self.examples)

    def reached(self, mixture: Mixture) -> Estimate:
        """Its score."""
        return significance.of_draws(draws([mixture])[0], mixture.mean, self.seeds, self.examples)

    @property
    def sign(self) -> int:
        """-1 where a lower score is better."""
        return -1 if self.metric.direction == "lower" else 1


def fields(found: Results, boards: Sequence[Board], quotes: Quotes | None = None, resamples: int = significance.RESAMPLES) -> list[Field]:
    """One for each task that has a score. found, boards: at the prices that were asked; quotes: others, whose meter counts.

    A setting of which an arm's work was not counted by that meter is left out.
    """
    view = found.by_arm
    done = view[view["status"] == "done"].copy()
    done["name"] = [label(s, t) for s, t in zip(done["strategy"], done["setting"], strict=True)]
    money = _money(found, done, repricing.reprice(found, quotes) if quotes else found)
    strategies = dict(zip(done["name"], done["strategy"], strict=True))
    asked = repricing.asked(found)
    return [
        field
        for task, of_task in itertools.groupby(boards, key=lambda board: board.task)
        if (field := _field(task, [*of_task], money, strategies, asked, resamples))
    ]


class _Money(NamedTuple):
    quantities: Quantities
    asked_usd: float
    elastic: bool


def _money(found: Results, done: pd.DataFrame, at: Results) -> dict[tuple[str, float, str], _Money]:
    """(task, budget, setting) -> means over its arms. at: the same results at the prices looked at."""
    if done.empty:
        return {}
    keys = [done["task"], done["budget_usd"], done["name"]]
    amounts = repricing.quantities(at).reindex(done.index).groupby(keys).mean()
    elastic = pd.Series(done.index.isin(list(repricing.set_by_money(found))), index=done.index).groupby(keys).any()
    asked = done["usd spent"].groupby(keys).mean()
    spent = at.table[at.table["row"] == "record"].set_index("arm")["value"].reindex(done.index)
    known = spent.notna().groupby(keys).all()
    rows = zip(amounts.index, amounts.to_dict("records"), asked, elastic, known, strict=True)
    return {key: _Money({str(k): v for k, v in row.items()}, float(usd), bool(e)) for key, row, usd, e, is_known in rows if is_known}


def _field(
    task: str,
    boards: Sequence[Board],
    money: Mapping[tuple[str, float, str], _Money],
    strategies: Mapping[str, str],
    asked: Quotes,
    resamples: int,
) -> Field | None:
    primary = boards[0].primary
    lines = [(board, line) for board in boards for line in board.scored if line.complete and (task, board.budget_usd, line.name) in money]
    if not lines:
        return None
    samples = [line.samples[primary.name] for _, line in lines]
    seeds, examples = (reduce(pd.Index.intersection, axis) for axis in ([s.index for s in samples], [s.columns for s in samples]))
    if seeds.empty or examples.empty:
        return None
    points: dict[str, list[Point]] = {}
    for (board, line), found in zip(lines, samples, strict=True):
        sample = cut(found, [seeds, examples])
        paid = money[task, board.budget_usd, line.name]
        point = Point(
            budget_usd=board.budget_usd,
            quantities=paid.quantities,
            asked_usd=paid.asked_usd,
            elastic=paid.elastic,
            mean=float(sample.mean()),
            draws=significance.means(sample, resamples),
        )
        points.setdefault(line.name, []).append(point)
    curves = tuple(
        Curve(name=name, strategy=strategies[name], task=task, points=tuple(of_name)) for name, of_name in sorted(points.items())
    )
    every = {line.name for board in boards for line in board.settings}
    budgets = tuple(board.budget_usd for board in boards)
    return Field(
        task=task,
        metric=primary,
        curves=curves,
        seeds=len(seeds),
        examples=len(examples),
        asked=asked,
        budgets_usd=budgets,
        left_out=tuple(sorted(every - set(points))),
    )


def _place(point: Point, rates: Mapping[Sold, float]) -> Place:
    cost = point.cost(rates)
    return Place(point.budget_usd * cost / point.asked_usd if point.elastic and point.asked_usd > 0 else cost, cost, point)
