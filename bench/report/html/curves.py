"""The curves of `analysis.budget_curves` for the sliders of the page, with the same points and the same statistics.

Every score at any budget is a linear combination of at most two points, and a comparison is one of at most four. An interval
or a p-value needs its variances between seeds and from examples (`significance.spread`). Both follow from the
covariances of the points. The page holds two matrices of these. It is therefore small, and computes what Python
computes, up to the rounding of 32-bit floats.
"""

from __future__ import annotations

import base64
import math
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np

from bench.report.analysis import significance
from bench.report.analysis.budget_curves import Field, Point
from bench.report.analysis.leaderboard import Board, Line
from bench.report.analysis.ranking import LOOKED_AT
from bench.report.analysis.significance import Floats
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

Facts = Mapping[tuple[float, str], Mapping[str, float]]
"""(budget, setting) -> its facts."""


def tasks(
    boards: Sequence[Board],
    fields: Sequence[Field],
    amounts: Amounts,
    kept: Mapping[str, Collection[str]],
    covariances: int = COVARIANCES,
) -> list[dict[str, Any]]:
    """Return one entry for each task in `kept`, which maps it to the settings shown, best first."""
    by_task = {field.task: field for field in fields}
    most = int(math.sqrt(2 * covariances / max(1, len(kept))))
    return [_task([b for b in boards if b.task == task], by_task.get(task), amounts, names, most) for task, names in kept.items()]


def _task(boards: Sequence[Board], field: Field | None, amounts: Amounts, kept: Collection[str], most: int) -> dict[str, Any]:
    metric = boards[0].primary
    about = {
        "name": boards[0].task,
        "metric": {"name": metric.name, "unit": metric.unit, "direction": metric.direction, "title": metric.title},
        "budgets": [board.budget_usd for board in boards],
    }
    if field is None:
        settings = _as_run(boards, kept)
        return about | {"seeds": None, "settings": settings, "shown": [s["name"] for s in settings], "not_compared": [], "spread": None}
    points = _points(field, kept, most)
    moved = {name: [point for of, point in points if of == name] for name in dict.fromkeys(name for name, _ in points)}
    places = {id(point): place for place, (_, point) in enumerate(points)}
    facts = {(board.budget_usd, line.name): line.facts for board in boards for line in board.settings}
    settings = [
        {"name": name, "points": [_point(name, point, places[id(point)], field, amounts, facts) for point in found]}
        for name, found in moved.items()
    ]
    return about | {
        "seeds": field.seeds,
        "looked_at": LOOKED_AT,
        "settings": sorted(settings, key=lambda setting: str(setting["name"])),
        "shown": [*moved],
        "not_compared": list(field.left_out),
        "spread": covariances(field, [point for _, point in points]),
    }


def _points(field: Field, kept: Collection[str], most: int) -> list[tuple[str, Point]]:
    """Return (setting, point) of the best settings, as many as fit, but at least those of one setting."""
    curves = {curve.name: curve for curve in field.curves}
    found: list[tuple[str, Point]] = []
    for name in kept:
        points = curves[name].points if name in curves else ()
        if found and len(found) + len(points) > most:
            break
        found += [(name, point) for point in points]
    return found


def _point(name: str, point: Point, place: int, field: Field, amounts: Amounts, facts: Facts) -> dict[str, Any]:
    """Return one point of a curve.

    asked_usd: its cost at the prices of the run. bought: what its purse paid for, by purpose, at the present meter.
    """
    reached = field.measured(point)
    return {
        "place": place,
        "budget": point.budget_usd,
        "elastic": point.elastic,
        "mean": point.mean,
        "low": reached.low,
        "high": reached.high,
        "asked_usd": point.asked_usd,
        "bought": amounts.get((field.task, point.budget_usd, name), {}),
        "facts": _facts(facts[point.budget_usd, name]),
    }


def covariances(field: Field, points: Sequence[Point]) -> dict[str, str] | None:
    """Return covariances of points between seeds and from examples. None where there are no intervals.

    Each is the lower triangle, row by row. Those from examples are reduced by those of cells, and widened, as in
    `significance.components`. Only negative values remain to be set to 0.
    """
    if field.examples < significance.FEWEST_EXAMPLES or not points:
        return None
    places = [point.place for point in points]
    by_seed, by_example, cells = significance.covariances(field.effects.map(lambda part: part[places]))
    triangle = np.tril_indices(len(points))
    return {"seeds": packed(by_seed[triangle]), "examples": packed(((by_example - cells) * significance.widened(field.examples))[triangle])}


def packed(values: Floats) -> str:
    """Return the values as little-endian 32-bit floats in base64."""
    return base64.b64encode(values.astype("<f4").tobytes()).decode()


def _as_run(boards: Sequence[Board], kept: Collection[str]) -> list[dict[str, Any]]:
    """Return, without prices, the score of each setting at each budget that was run, and none between them."""
    points: dict[str, list[dict[str, Any]]] = {name: [] for name in kept}
    for board in boards:
        for line in board.scored:
            if line.name in points:
                points[line.name].append(_point_as_run(board, line))
    return [{"name": name, "points": found} for name, found in points.items() if found]


def _point_as_run(board: Board, line: Line) -> dict[str, Any]:
    reached = line.scores[board.primary.name]
    score = {"mean": reached.mean, "low": reached.low, "high": reached.high}
    return {"place": 0, "budget": board.budget_usd, "elastic": True, **score, "asked_usd": None, "bought": {}, "facts": _facts(line.facts)}


def _facts(known: Mapping[str, float]) -> dict[str, float]:
    return {fact: known[fact] for fact in FACTS if fact in known}
