"""The leaderboard for the page: a line for each setting, teacher and baseline of each task and budget, and Pareto fronts."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from bench.report.analysis.leaderboard import Board
from bench.report.analysis.line import Line
from bench.report.analysis.metric import Metric
from bench.report.analysis.pareto import AXES, ENERGY, differ, on_axis
from bench.report.analysis.significance import Estimate
from bench.report.html.quantities import Amounts
from bench.report.sections.leaderboard import mean_of, rank, statuses
from bench.results import arm_columns

TITLES = {"parameters": "parameters", "FLOPs": "FLOP for one answer", "speed": "milliseconds for one answer", "energy": "kWh to make it"}

FACTS = (
    arm_columns.LABELS_BOUGHT,
    arm_columns.PSEUDO_LABELS,
    arm_columns.STUDENT_PARAMETERS,
    arm_columns.STUDENT_MS,
    arm_columns.STUDENT_FLOPS,
    arm_columns.SPEED_UP,
    arm_columns.SPENT_USD,
    ENERGY.fact,
)


def boards(
    found: Sequence[Board], metrics: Sequence[Metric], amounts: Amounts, kept: Mapping[str, Collection[str]]
) -> list[dict[str, Any]]:
    """Return one entry for each leaderboard. `kept` maps a task to the settings shown."""
    boards = []
    for board in found:
        shown = [line for line in (*board.settings, *board.references) if line.kind != "setting" or line.name in kept[board.task]]
        lines = [_line(board, line, metrics, amounts) for line in shown]
        boards.append({"task": board.task, "budget": board.budget_usd, "lines": lines, "fronts": fronts(board, kept[board.task])})
    return boards


def fronts(board: Board, kept: Collection[str]) -> list[dict[str, Any]]:
    """Return one entry for each axis with a known cost: costs by setting, and the settings on the front."""
    return [
        {
            "axis": axis.name,
            "title": TITLES[axis.name],
            "differ": differ(axis, [place.cost for place in places.values()]),
            "costs": {name: place.cost for name, place in places.items() if name in kept},
            "front": [name for name, place in places.items() if name in kept and not place.by],
        }
        for axis in (*AXES, ENERGY)
        if (places := on_axis(board, axis))
    ]


def _line(board: Board, line: Line, metrics: Sequence[Metric], amounts: Amounts) -> dict[str, Any]:
    """Return what is known of every line, and more of a setting."""
    lead = " (lead baseline)" if line.kind == "baseline" and line.name == board.lead else ""
    about = {
        "name": f"{line.name}{lead}",
        "kind": line.kind,
        "who": line.who,
        "scores": {metric.name: estimate(line.scores[metric.name]) for metric in metrics if metric.name in line.scores},
        "facts": {name: line.facts[name] for name in FACTS if name in line.facts},
    }
    if line.kind != "setting":
        return about
    best = next(iter(board.scored), None)
    gap = board.difference(best, line) if best and line is not best else None
    place = next((place for place, other in enumerate(board.scored, start=1) if other is line and line.complete), None)
    return about | {
        "place": place,
        "rank": rank(board, line),
        "behind": gap and {"estimate": estimate(gap), "tested": gap.tested, "p": gap.p, "tied": gap.tested and not gap.significant},
        "teacher": mean_of(line.teacher, board.primary),
        "behind_teacher": estimate(board.difference(line.teacher, line)) if line.teacher else None,
        "seeds": line.seeds,
        "arms": statuses(line),
        "bought": amounts.get((board.task, board.budget_usd, line.name), {}) if arm_columns.SPENT_USD in line.facts else None,
    }


def estimate(found: Estimate | None) -> list[float] | None:
    """Return [mean, low, high]. The last two are missing where there is no interval."""
    return [found.mean, found.low, found.high] if found else None
