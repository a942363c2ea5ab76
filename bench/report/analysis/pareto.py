"""Quality against the cost of one answer, on three axes: parameters, FLOPs and speed.

A model is efficient only relative to one axis. A shape may be efficient on one and not on another, so all
three axes are shown (Tay et al. 2021, Scale Efficiently: Insights from Pre-training and Fine-tuning
Transformers, arXiv 2109.10686).
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from bench.report.analysis.leaderboard import Board, Line
from bench.report.markdown import escape, listed
from bench.results import arm_columns as columns

TIMING_SLACK = 0.05
"""Times whose relative difference is smaller count as equal. They are medians of a few rounds, on machines
with other work."""

ROUNDING = 1e-9
"""Means over different numbers of equal costs may differ by this much."""


@dataclass(frozen=True, kw_only=True)
class Axis:
    """One cost of an answer."""

    name: str
    title: str
    fact: str
    """Column of `Results.by_arm` that holds the cost. Less is better."""
    shown: Callable[[float], float]
    """Turns the cost into the figure under `title`."""
    slack: float = ROUNDING
    """Costs whose relative difference is smaller count as equal."""

    def cost(self, line: Line) -> float | None:
        """Return the cost of a line, or None where it is unknown."""
        found = line.facts.get(self.fact)
        return found if found and found > 0 else None


AXES = (
    Axis(name="parameters", title="parameters (millions) ↓", fact=columns.STUDENT_PARAMETERS, shown=lambda parameters: parameters / 1e6),
    Axis(name="FLOPs", title="GFLOP per example ↓", fact=columns.STUDENT_FLOPS, shown=lambda flops: flops / 1e9),
    Axis(name="speed", title="examples per second ↑", fact=columns.STUDENT_MS, shown=lambda ms: 1000 / ms, slack=TIMING_SLACK),
)


@dataclass(frozen=True, kw_only=True)
class Place:
    """The place of a setting on one axis."""

    cost: float
    rank: int
    """Rank of its cost; 1 is the cheapest."""
    by: str = ""
    """The best of the settings that dominate it, '' where it is on the Pareto front."""
    how: str = ""
    """How that setting dominates it."""
    surely: bool = False
    """Whether that setting is significantly better in quality, corrected for all pairs of settings."""

    @property
    def verdict(self) -> str:
        """The verdict in Markdown."""
        return f"{'surely ' if self.surely else ''}inefficient: {escape(self.by)} is {self.how}" if self.by else "on the front"


@dataclass(frozen=True)
class TradeOff:
    """The compared settings of one board on every axis with a known cost."""

    board: Board
    lines: tuple[Line, ...]
    """The compared settings, best first."""
    places: Mapping[Axis, Mapping[str, Place]]
    """Axis -> name of a line -> its place. A line without a known cost has none."""

    def front(self, axis: Axis) -> list[Line]:
        """Return the settings that no other dominates, best first."""
        return [line for line in self.lines if (place := self.places[axis].get(line.name)) and not place.by]

    @property
    def summary(self) -> str:
        """Which settings are efficient on every axis, and which are inefficient on every axis, in Markdown."""
        known = {line.name: [found[line.name] for found in self.places.values() if line.name in found] for line in self.lines}
        front = [name for name, found in known.items() if found and not any(place.by for place in found)]
        inside = [name for name, found in known.items() if found and all(place.by for place in found)]
        said = [f"On the Pareto front of every cost axis ({listed([axis.name for axis in self.places])}): {listed(front) or 'none'}."]
        said += [f"Inefficient on every one: {listed(inside)}."] if inside else []
        return " ".join(said)


@dataclass(frozen=True, kw_only=True)
class _Point:
    """One setting on one axis."""

    name: str
    quality: float
    """More is better."""
    cost: float
    slack: float

    def cheaper(self, other: _Point) -> bool:
        return self.cost * (1 + self.slack) < other.cost

    def dominates(self, other: _Point) -> bool:
        """Return whether this one is better and no costlier, or as good and cheaper."""
        return not other.cheaper(self) if self.quality > other.quality else self.quality == other.quality and self.cheaper(other)

    def ahead(self, other: _Point) -> str:
        """Return how it dominates the other."""
        return f"{'better' if self.quality > other.quality else 'as good'} and {'cheaper' if self.cheaper(other) else 'no costlier'}"


def trade_off(board: Board) -> TradeOff | None:
    """Return the trade-off of the settings that are as complete as the best, and so have scores for the same
    seeds.

    None where no two settings differ in a cost, as where all compact models have one shape.
    """
    lines = board.compared
    points = {axis: found for axis in AXES if (found := list(_points(board, axis, lines)))}
    if not any(_spread(found) for found in points.values()):
        return None
    by = {axis: {p.name: next((other for other in found if other.dominates(p)), None) for p in found} for axis, found in points.items()}
    pairs = {(better.name, name) for found in by.values() for name, better in found.items() if better}
    surely = {pair for pair in pairs if board.ranking.significantly_better(*pair)}
    return TradeOff(board, lines, {axis: dict(_places(found, by[axis], surely)) for axis, found in points.items()})


def _points(board: Board, axis: Axis, lines: Sequence[Line]) -> Iterator[_Point]:
    """Yield the settings with a known cost, best first."""
    sign = -1 if board.primary.direction == "lower" else 1
    for line in lines:
        if cost := axis.cost(line):
            yield _Point(name=line.name, quality=sign * line.scores[board.primary.name].mean, cost=cost, slack=axis.slack)


def _spread(points: Sequence[_Point]) -> bool:
    """Return whether the cheapest is cheaper than the costliest."""
    return min(points, key=lambda point: point.cost).cheaper(max(points, key=lambda point: point.cost))


def _places(points: Sequence[_Point], by: Mapping[str, _Point | None], surely: set[tuple[str, str]]) -> Iterator[tuple[str, Place]]:
    costs = sorted(point.cost for point in points)
    for point in points:
        place = Place(cost=point.cost, rank=1 + bisect_left(costs, point.cost / (1 + point.slack)))
        if better := by[point.name]:
            place = replace(place, by=better.name, how=better.ahead(point), surely=(better.name, point.name) in surely)
        yield point.name, place
