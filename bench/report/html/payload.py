"""All data of the page's script, as one JSON document."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from bench.errors import BenchError
from bench.report.analysis import arms
from bench.report.analysis.decision import ON_A_MAP
from bench.report.analysis.leaderboard import Board
from bench.report.analysis.report_input import ReportInput
from bench.report.html import curves, leaderboard, predictions, quantities
from bench.report.html.escape import script_json, shortened
from bench.report.html.quantities import Amounts
from bench.results.table import Results

LINES, LEAST_SETTINGS = 1000, 10
"""Largest number of settings on a page, each budget counted by itself, and smallest number for a task.

For each task the page shows the settings that are best at the greatest budget.
"""

LISTED, REASON_CHARACTERS = 800, 400
"""Largest number of arms without a score, and of characters in a reason."""

PREDICTIONS_SHARE = 0.6
"""Largest share of the free bytes for predictions. With fewer a page opens sooner."""

SHARES = (1.0, 0.5, 0.2, 0.05)
"""Shares of the usual amount to try in turn, where long names would make the page too large."""


def payload(given: ReportInput, room: int) -> str:
    """Return JSON, escaped for the inside of a <script>, of at most about `room` bytes.

    It states what was left out for its size.
    """
    known, prices = _priced(given.found)
    for share in SHARES:
        found = _numbers(given, known, share) | {"prices": prices}
        used = len(script_json(found).encode())
        if used < room:
            break
    left = int(min(PREDICTIONS_SHARE * room, room - used))
    return script_json({**found, "predictions": predictions.predictions(given.folder, given.found, given.boards, left)})


def _numbers(given: ReportInput, known: Amounts, share: float) -> dict[str, Any]:
    """Return everything except prices and predictions. `share` is the part of the usual amount to show."""
    kept = _kept(given.boards, int(share * LINES))
    shown = given.leading
    fields = given.priced.fields if given.priced else ()
    return {
        "suite": given.found.suite.get("suite", given.folder.name),
        "metrics": [{"name": metric.name, "title": metric.title, "direction": metric.direction} for metric in shown],
        "use": {"requests": given.use.requests_a_month, "months": given.use.months} if given.use else {"requests": 100_000, "months": 12},
        "tasks": [
            task | {"map": _grid(given, task["name"])}
            for task in curves.tasks(given.boards, fields, known, kept, int(share * curves.COVARIANCES))
        ],
        "boards": leaderboard.boards(given.boards, shown, known, kept),
        "without_score": _without_score(given, int(share * LISTED)),
        "left_out": _left_out(given.boards, kept),
    }


def _without_score(given: ReportInput, listed: int) -> dict[str, Any]:
    """Return the arms that have no score, and the number of arms in each status.

    The numbers count the arms that the suite holds.
    """
    found = arms.arms(given.found, given.everything, given.metrics[0] if given.metrics else None)
    without = [
        asdict(arm) | {"reason": shortened(arm.reason or "no reason given", REASON_CHARACTERS)} for arm in found if arm.score is None
    ]
    counts = dict(Counter(arm.status for arm in found if arm.held).most_common())
    return {"counts": counts, "arms": without[:listed], "more": len(without[listed:])}


def _grid(given: ReportInput, task: str) -> dict[str, Any] | None:
    """Return budgets and label prices of a task's decision map, or None where it has no map."""
    maps = [found for found in given.priced.maps if found.field.task == task] if given.priced else []
    return {"budgets": maps[0].budgets_usd, "label_usd": maps[0].label_usd, "compared": ON_A_MAP} if maps else None


def _priced(found: Results) -> tuple[Amounts, dict[str, Any]]:
    """Return what was bought, and the prices. Without prices, return the reason why there are none."""
    try:
        known = quantities.by_line(found)
        return known, quantities.prices(found, known)
    except BenchError as error:
        return {}, {"why_none": str(error)}


def _kept(boards: Sequence[Board], lines: int) -> dict[str, list[str]]:
    """Return task -> settings shown, starting with the best at the greatest budget."""
    each = max(LEAST_SETTINGS, lines // max(1, len(boards)))
    kept: dict[str, dict[str, None]] = {}
    for board in sorted(boards, key=lambda board: (board.task, -board.budget_usd)):
        kept.setdefault(board.task, {}).update(dict.fromkeys(line.name for line in board.settings))
    return {task: [*names][:each] for task, names in kept.items()}


def _left_out(boards: Sequence[Board], kept: dict[str, list[str]]) -> list[str]:
    """Return a sentence for each task with settings that the page does not show."""
    every = {task: {line.name for board in boards if board.task == task for line in board.settings} for task in kept}
    return [
        f"{task}: this page shows the best {len(kept[task]):,} of {len(names):,} settings; report.md has all."
        for task, names in every.items()
        if len(names) > len(kept[task])
    ]
