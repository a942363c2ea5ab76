"""Quality against what one answer costs, on three axes: parameters, FLOPs and speed.

A model is efficient or not only relative to one axis, and a shape may be so on one and not on another; hence all three stand
beside each other (Tay et al. 2021, Scale Efficiently: Insights from Pre-training and Fine-tuning Transformers, arXiv 2109.10686).
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from bench.report.analysis.leaderboard import Board, Line
from bench.report.markdown import escape, listed

TIMING_SLACK = 0.05
"""Times that differ by less count as equal: they are medians of a few rounds, on machines that do other things as well."""

ROUNDING = 1e-9
"""Means over different numbers of equal costs differ by so much."""


@dataclass(frozen=True, kw_only=True)
class Axis:
    """A cost of one answer. fact: column of `results.arms` that holds it, less is better. shown: that cost -> figure under `title`.

    slack: costs that differ by less, relative to each other, count as equal.
    """

    name: str
    title: str
    fact: str
    shown: Callable[[float], float]
    slack: float = ROUNDING

    def cost(self, line: Line) -> float | None:
        """None where it is not known."""
        found = line.facts.get(self.fact)
        return found if found and found > 0 else None


AXES = (
    Axis(name="parameters", title="parameters (millions) ↓", fact="student_parameters", shown=lambda parameters: parameters / 1e6),
    Axis(name="FLOPs", title="GFLOP per example ↓", fact="student_flops", shown=lambda flops: flops / 1e9),
    Axis(name="speed", title="examples per second ↑", fact="student_ms", shown=lambda ms: 1000 / ms, slack=TIMING_SLACK),
)


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where a setting stands on one axis. rank: of its cost, 1 is the least.

    by: the best of the settings that dominate it, '' where it is on the Pareto front. how: in what that one is ahead.
    surely: whether that one is surely better in quality, corrected for all pairs of settings.
    """

    cost: float
    rank: int
    by: str = ""
    how: str = ""
    surely: bool = False

    @property
    def verdict(self) -> str:
        """Markdown."""
        return f"{'surely ' if self.surely else ''}inefficient: {escape(self.by)} is {self.how}" if self.by else "on the front"


@dataclass(frozen=True)
class TradeOff:
    """The settings of one board on every axis of which a cost is known. lines: those compared, best first.

    places: by axis and name of a line; a line of which the cost is not known has none.
    """

    board: Board
    lines: tuple[Line, ...]
    places: Mapping[Axis, Mapping[str, Place]]

    def front(self, axis: Axis) -> list[Line]:
        """The settings that none dominates, best first."""
        return [line for line in self.lines if (place := self.places[axis].get(line.name)) and not place.by]

    @property
    def summary(self) -> str:
        """Which settings are efficient, and which inefficient, whatever the axis; Markdown."""
        known = {line.name: [found[line.name] for found in self.places.values() if line.name in found] for line in self.lines}
        front = [name for name, found in known.items() if found and not any(place.by for place in found)]
        inside = [name for name, found in known.items() if found and all(place.by for place in found)]
        said = [f"On the Pareto front of every cost axis ({listed([axis.name for axis in self.places])}): {listed(front) or 'none'}."]
        said += [f"Inefficient on every one: {listed(inside)}."] if inside else []
        return " ".join(said)


@dataclass(frozen=True, kw_only=True)
class _Point:
    """One setting on one axis. quality: more is better."""

    name: str
    quality: float
    cost: float
    slack: float

    def cheaper(self, other: _Point) -> bool:
        return self.cost * (1 + self.slack) < other.cost

    def dominates(self, other: _Point) -> bool:
        """Better and no costlier, or as good and cheaper."""
        return not other.cheaper(self) if self.quality > other.quality else self.quality == other.quality and self.cheaper(other)

    def ahead(self, other: _Point) -> str:
        """In what it is ahead of one that it dominates."""
        return f"{'better' if self.quality > other.quality else 'as good'} and {'cheaper' if self.cheaper(other) else 'no costlier'}"


def trade_off(board: Board) -> TradeOff | None:
    """None where no two settings differ in a cost, as where all compact models have one shape.

    Compared are the settings with scores for the same seeds: those that are as complete as the best.
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
    """Best first."""
    sign = -1 if board.primary.direction == "lower" else 1
    for line in lines:
        if cost := axis.cost(line):
            yield _Point(name=line.name, quality=sign * line.scores[board.primary.name].mean, cost=cost, slack=axis.slack)


def _spread(points: Sequence[_Point]) -> bool:
    """Whether the cheapest is cheaper than the costliest."""
    return min(points, key=lambda point: point.cost).cheaper(max(points, key=lambda point: point.cost))


def _places(points: Sequence[_Point], by: Mapping[str, _Point | None], surely: set[tuple[str, str]]) -> Iterator[tuple[str, Place]]:
    costs = sorted(point.cost for point in points)
    for point in points:
        place = Place(cost=point.cost, rank=1 + bisect_left(costs, point.cost / (1 + point.slack)))
        if better := by[point.name]:
            place = replace(place, by=better.name, how=better.ahead(point), surely=(better.name, point.name) in surely)
        yield point.name, place
