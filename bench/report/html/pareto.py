"""Finds the settings on the Pareto front of quality and a cost: per answer, or of making the model."""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections.abc import Collection, Iterator
from itertools import accumulate
from typing import Any

from bench.report.analysis.leaderboard import Board, Line
from bench.report.analysis.pareto import AXES, Axis

ENERGY = Axis(name="energy", title="kWh of the whole arm ↓", fact="energy (kWh)", shown=lambda kwh: kwh, slack=0.05)
"""Energy of all work that the arm needed, measured or modelled. It is not the energy of one answer."""

TITLES = {"parameters": "parameters", "FLOPs": "FLOP for one answer", "speed": "milliseconds for one answer", "energy": "kWh to make it"}


def fronts(board: Board, kept: Collection[str]) -> list[dict[str, Any]]:
    """Return one entry for each axis with a known cost: costs by setting, and the settings on the front."""
    return [found for axis in (*AXES, ENERGY) if (found := _front(board, axis, kept))]


def _front(board: Board, axis: Axis, kept: Collection[str]) -> dict[str, Any] | None:
    costs = {line.name: cost for line in board.compared if (cost := axis.cost(line))}
    if not costs:
        return None
    on_front = {line.name for line in front(board, axis)}
    shown = [name for name in costs if name in kept]
    return {
        "axis": axis.name,
        "title": TITLES[axis.name],
        "differ": min(costs.values()) * (1 + axis.slack) < max(costs.values()),
        "costs": {name: costs[name] for name in shown},
        "front": [name for name in shown if name in on_front],
    }


def front(board: Board, axis: Axis) -> Iterator[Line]:
    """Yield the lines that no other line dominates.

    A line dominates if it is better and not costlier, or equally good and cheaper. Costs within the axis's
    slack count as equal.
    """
    sign = -1 if board.primary.direction == "lower" else 1
    points = [(cost, sign * line.scores[board.primary.name].mean, line) for line in board.compared if (cost := axis.cost(line))]
    points.sort(key=lambda point: point[0])
    costs = [cost for cost, _, _ in points]
    best = [-math.inf, *accumulate((quality for _, quality, _ in points), max)]  # best[i]: best quality of the first i lines
    for cost, quality, line in points:
        no_costlier, cheaper = best[bisect_right(costs, cost * (1 + axis.slack))], best[bisect_left(costs, cost / (1 + axis.slack))]
        if no_costlier == quality > cheaper:
            yield line
