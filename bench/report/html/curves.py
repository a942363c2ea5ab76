"""The curves of `analysis.budget_curves` for the sliders of the page, with the same points and the same statistics.

Every score at any budget is a linear combination of at most two points, and a comparison is one of at most four. An interval or a p-value
needs its variances between seeds and from examples (`significance.spread`). Both follow from the covariances of the points. The page holds
two matrices of these. It is therefore small, and computes what Python computes, up to the rounding of 32-bit floats.
"""

from __future__ import annotations

import base64
import math
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np

from bench.report.analysis import significance
from bench.report.analysis.budget_curves import Field, Point
from bench.report.analysis.leaderboard import Board
from bench.report.analysis.metric import Metric
from bench.report.analysis.ranking import LOOKED_AT
from bench.report.html.quantities import Amounts
from bench.results import arm_columns

COVARIANCES = 80_000
"""Largest number of pairs of points on a page. With more points the sliders move only those of the best settings."""

FACTS = (
    arm_columns.LABELS_BOUGHT,
    arm_columns.PSEUDO_LABELS,
    arm_columns.STUDENT_PARAMETERS,
    arm_columns.STUDENT_FLOPS,
    arm_columns.STUDENT_MS,
    arm_columns.LARGE_FLOPS,
    arm_columns.LARGE_MS,
)
"""What is known about a setting beside scores and dollars."""


def tasks(
    boards: Sequence[Board], fields: Sequence[Field], amounts: Amounts, kept: Mapping[str, Collection[str]], covariances: int = COVARIANCES
) -> list[dict[str, Any]]:
    """Return one entry for each task in `kept`, which maps it to the settings shown, best first."""
    by_task = {field.task: field for field in fields}
    most = int(math.sqrt(2 * covariances / max(1, len(kept))))
    found = []
    for task, names in kept.items():
        of_task = [board for board in boards if board.task == task]
        metric = of_task[0].primary
        about = {
            "name": task,
            "metric": {"name": metric.name, "unit": metric.unit, "direction": metric.direction, "title": metric.title, **_range(metric)},
            "budgets": [board.budget_usd for board in of_task],
        }
        field = by_task.get(task)
        found.append(about | (_priced(of_task, field, amounts, names, most) if field else _as_run(of_task, names)))
    return found


def _priced(boards: Sequence[Board], field: Field, amounts: Amounts, kept: Collection[str], most: int) -> dict[str, Any]:
    """Return the points of the best settings, as many as fit into `most` points, but at least those of one setting.

    asked_usd: the cost of a point at the prices of the run. bought: what its purse paid for, by purpose, at the present meter.
    """
    curves = {curve.name: curve.points for curve in field.curves}
    facts = {(board.budget_usd, line.name): line.facts for board in boards for line in board.settings}
    shown: list[Point] = []
    settings: list[dict[str, Any]] = []
    for name in (name for name in kept if name in curves):
        if shown and len(shown) + len(curves[name]) > most:
            break
        points = [
            {
                "place": place,
                "budget": point.budget_usd,
                "elastic": point.elastic,
                "mean": point.mean,
                "low": (reached := field.measured(point)).low,
                "high": reached.high,
                "asked_usd": point.asked_usd,
                "bought": amounts.get((field.task, point.budget_usd, name), {}),
                "facts": _facts(facts[point.budget_usd, name]),
            }
            for place, point in enumerate(curves[name], start=len(shown))
        ]
        settings.append({"name": name, "points": points})
        shown += curves[name]
    return {
        "seeds": field.effects.shape[0],
        "looked_at": LOOKED_AT,
        "settings": sorted(settings, key=lambda setting: str(setting["name"])),
        "shown": [setting["name"] for setting in settings],
        "not_compared": list(field.left_out),
        "spread": covariances(field, shown),
    }


def _as_run(boards: Sequence[Board], kept: Collection[str]) -> dict[str, Any]:
    """Return, without prices, the score of each setting at each budget that was run, and none between them."""
    points: dict[str, list[dict[str, Any]]] = {name: [] for name in kept}
    for board in boards:
        for line in (line for line in board.scored if line.name in points):
            found, about = line.scores[board.primary.name], {"place": 0, "budget": board.budget_usd, "elastic": True}
            score = {"mean": found.mean, "low": found.low, "high": found.high}
            points[line.name].append({**about, **score, "asked_usd": None, "bought": {}, "facts": _facts(line.facts)})
    settings = [{"name": name, "points": of_name} for name, of_name in points.items() if of_name]
    return {"seeds": None, "settings": settings, "shown": [s["name"] for s in settings], "not_compared": [], "spread": None}


def _range(metric: Metric) -> dict[str, float]:
    """Return the smallest and the largest possible score, as far as they are limited."""
    return {name: end for name, end in zip(("least", "most"), metric.range, strict=True) if math.isfinite(end)}


def _facts(known: Mapping[str, float]) -> dict[str, float]:
    return {fact: known[fact] for fact in FACTS if fact in known}


def covariances(field: Field, points: Sequence[Point]) -> dict[str, str] | None:
    """Return covariances of points between seeds and from examples. None where there are no intervals.

    Each is the lower triangle, row by row, as little-endian 32-bit floats in base64. Those from examples are reduced by those of cells, and
    widened, as in `significance.components`. Only negative values remain to be set to 0.
    """
    _, examples = field.effects.shape
    if examples < significance.FEWEST_EXAMPLES or not points:
        return None
    places = [point.place for point in points]
    by_seed, by_example, cells = significance.covariances(field.effects.map(lambda part: part[places]))
    triangle = np.tril_indices(len(points))
    found = {"seeds": by_seed[triangle], "examples": ((by_example - cells) * significance.widened(examples))[triangle]}
    return {name: base64.b64encode(values.astype("<f4").tobytes()).decode() for name, values in found.items()}
