"""Quality against a cost: of one answer (parameters, FLOPs, speed), or of making the model (energy).

A model is efficient only relative to one axis. A shape may be efficient on one and not on another, so all three axes are shown (Tay et al.
2021, Scale Efficiently: Insights from Pre-training and Fine-tuning Transformers, arXiv 2109.10686).
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from bench.report.analysis.leaderboard import Board
from bench.report.analysis.line import Line
from bench.results import arm_columns as columns

TIMING_SLACK = 0.05
"""Times whose relative difference is smaller count as equal. They are medians of a few rounds, on machines with other work."""
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


ENERGY = Axis(name="energy", title="kWh of the whole arm ↓", fact=columns.ENERGY_KWH, shown=lambda kwh: kwh, slack=0.05)
"""Energy of all work that the arm needed, measured or modelled. It is not the energy of one answer."""

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
    significant: bool = False
    """Whether that setting is significantly better in quality, corrected for all pairs of settings."""


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

    def everywhere(self, dominated: bool) -> list[str]:
        """Return the settings that are dominated on every axis, or on none."""
        known = {line.name: [bool(found[line.name].by) for found in self.places.values() if line.name in found] for line in self.lines}
        return [name for name, found in known.items() if found and all(by == dominated for by in found)]


def trade_off(board: Board) -> TradeOff | None:
    """Return the trade-off of the settings that are as complete as the best, and so have scores for the same seeds.

    None where no two settings differ in a cost of an answer, as where all compact models have one shape.
    """
    places = {axis: found for axis in AXES if (found := on_axis(board, axis))}
    if not any(differ(axis, [place.cost for place in found.values()]) for axis, found in places.items()):
        return None
    return TradeOff(board, board.compared, places)


def differ(axis: Axis, costs: Sequence[float]) -> bool:
    """Return whether the cheapest is cheaper than the costliest."""
    return min(costs) * (1 + axis.slack) < max(costs)


def on_axis(board: Board, axis: Axis) -> dict[str, Place]:
    """Return the compared settings with a known cost, best first: name -> place.

    One setting dominates another where it is better and no costlier, or as good and cheaper.
    """
    sign, primary = -1 if board.primary.direction == "lower" else 1, board.primary.name
    known = [(line.name, sign * line.scores[primary].mean, cost) for line in board.compared if (cost := axis.cost(line))]
    costs = sorted(cost for _, _, cost in known)
    places = {}
    for name, quality, cost in known:
        place = Place(cost=cost, rank=1 + bisect_left(costs, cost / (1 + axis.slack)))
        for other, other_quality, other_cost in known:
            cheaper, costlier = other_cost * (1 + axis.slack) < cost, cost * (1 + axis.slack) < other_cost
            if (other_quality > quality and not costlier) or (other_quality == quality and cheaper):
                how = f"{'better' if other_quality > quality else 'as good'} and {'cheaper' if cheaper else 'no costlier'}"
                place = replace(place, by=other, how=how, significant=board.ranking.significantly_better(other, name))
                break
        places[name] = place
    return places
