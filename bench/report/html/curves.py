"""The curves of `analysis.budget_curves` for the sliders of the page, with the same points and the same statistics.

Every score at any budget is a linear combination of at most two points, and a comparison one of at most four. All that an interval or
a p-value needs of it are three variances (`significance.spread`), and those follow from the variances and covariances of the points. So the
page holds these, and no draws: it says to the last digit what Python says, and is small.
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

COVARIANCES = 80_000
"""All pairs of points of a page, task by task; with more points the page moves only those of the best settings."""

FACTS = ("labels_bought", "pseudo_labels", "student_parameters", "student_flops", "student_ms", "large_flops", "large_ms")
"""What a setting is known for, beside scores and dollars."""

Facts = Mapping[tuple[float, str], Mapping[str, float]]
"""(budget, setting) -> its facts."""


def tasks(
    boards: Sequence[Board],
    fields: Sequence[Field],
    amounts: Amounts,
    kept: Mapping[str, Collection[str]],
    covariances: int = COVARIANCES,
) -> list[dict[str, Any]]:
    """One for each task of `kept`, which names the settings shown, best first."""
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
        "spread": spreads([point for _, point in points], field.seeds, field.examples),
    }


def _points(field: Field, kept: Collection[str], most: int) -> list[tuple[str, Point]]:
    """(setting, point) of the best settings, as many as there is room for, at least of one."""
    curves = {curve.name: curve for curve in field.curves}
    found: list[tuple[str, Point]] = []
    for name in kept:
        points = curves[name].points if name in curves else ()
        if found and len(found) + len(points) > most:
            break
        found += [(name, point) for point in points]
    return found


def _point(name: str, point: Point, place: int, field: Field, amounts: Amounts, facts: Facts) -> dict[str, Any]:
    """asked_usd: what it cost at the prices that were asked. bought: by purpose, at the meter of now."""
    reached = significance.of_draws(point.draws, point.mean, field.seeds, field.examples)
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


def spreads(points: Sequence[Point], seeds: int, examples: int) -> dict[str, Any] | None:
    """What `stats` needs of any combination of points; None where there are no intervals.

    seeds, examples, whole: covariances of the points' draws, averaged over draws of the examples, over seeds, and not at all: the lower
    triangle, row by row. widened: by so much `stats.components` widens what examples add.
    """
    if examples < significance.FEWEST_EXAMPLES or not points:
        return None
    found = significance.covariances(np.stack([point.draws for point in points]), seeds)
    triangles = [packed(of[np.tril_indices(len(points))]) for of in found]
    nothing, one = np.zeros(()), np.ones(())
    widened = float(significance.components((nothing, one, nothing), seeds, examples).examples)
    return {**dict(zip(("seeds", "examples", "whole"), triangles, strict=True)), "widened": widened}


def packed(values: Floats) -> str:
    """Little-endian 32-bit floats, base64."""
    return base64.b64encode(values.astype("<f4").tobytes()).decode()


def _as_run(boards: Sequence[Board], kept: Collection[str]) -> list[dict[str, Any]]:
    """Without prices: what each setting reached with each budget, and nothing between them."""
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
