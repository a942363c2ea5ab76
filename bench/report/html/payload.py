"""All data of the page's script, as one JSON document."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict
from typing import Any

from bench.errors import BenchError
from bench.report.analysis.decision import ON_A_MAP
from bench.report.analysis.report_input import ReportInput
from bench.report.html import curves, leaderboard, predictions, quantities
from bench.report.html.escape import script_json, shortened
from bench.report.html.quantities import Amounts

LINES, LEAST_SETTINGS = 1000, 10
"""Largest number of settings on a page, each budget counted by itself, and smallest number for a task. For each task the page shows the
settings that are best at the greatest budget."""
LISTED, REASON_CHARACTERS = 800, 400
"""Largest number of arms without a score, and of characters in a reason."""
PREDICTIONS_SHARE = 0.6
"""Largest share of the free bytes for predictions. With fewer a page opens sooner."""
SHARES = (1.0, 0.5, 0.2, 0.05)
"""Shares of the usual amount to try in turn, where long names would make the page too large."""


def payload(given: ReportInput, room: int) -> str:
    """Return JSON, escaped for the inside of a <script>, of at most about `room` bytes. It states what was left out for its size."""
    try:
        known = quantities.by_line(given.found)
        prices = quantities.prices(given.found, known)
    except BenchError as error:
        known, prices = {}, {"why_none": str(error)}
    for share in SHARES:
        found = _numbers(given, known, share) | {"prices": prices}
        used = len(script_json(found).encode())
        if used < room:
            break
    left = int(min(PREDICTIONS_SHARE * room, room - used))
    return script_json({**found, "predictions": predictions.predictions(given.folder, given.found, given.boards, left)})


def _numbers(given: ReportInput, known: Amounts, share: float) -> dict[str, Any]:
    """Return everything except prices and predictions. `share` is the part of the usual amount to show."""
    ranked: dict[str, dict[str, None]] = {}  # task -> its settings, starting with the best at the greatest budget
    for board in sorted(given.boards, key=lambda board: (board.task, -board.budget_usd)):
        ranked.setdefault(board.task, {}).update(dict.fromkeys(line.name for line in board.settings))
    each = max(LEAST_SETTINGS, int(share * LINES) // max(1, len(given.boards)))
    kept = {task: [*names][:each] for task, names in ranked.items()}
    fields, maps = (given.priced.fields, given.priced.maps) if given.priced else ((), ())
    grids = {one.field.task: {"budgets": one.budgets_usd, "label_usd": one.label_usd, "compared": ON_A_MAP} for one in maps}
    tasks = curves.tasks(given.boards, fields, known, kept, int(share * curves.COVARIANCES))
    return {
        "suite": given.found.suite.get("suite", given.folder.name),
        "metrics": [{"name": metric.name, "title": metric.title, "direction": metric.direction} for metric in given.leading],
        "use": {"requests": given.use.requests_a_month, "months": given.use.months} if given.use else {"requests": 100_000, "months": 12},
        "tasks": [task | {"map": grids.get(task["name"])} for task in tasks],
        "boards": leaderboard.boards(given.boards, given.leading, known, kept),
        "without_score": _without_score(given, int(share * LISTED)),
        "left_out": [
            f"{task}: this page shows the best {len(kept[task]):,} of {len(names):,} settings; report.md has all."
            for task, names in ranked.items()
            if len(names) > len(kept[task])
        ],
    }


def _without_score(given: ReportInput, listed: int) -> dict[str, Any]:
    """Return the arms that have no score, and the number of arms in each status. The numbers count the arms that the suite holds."""
    found = given.every_arm
    without = [
        asdict(arm) | {"reason": shortened(arm.reason or "no reason given", REASON_CHARACTERS)} for arm in found if arm.score is None
    ]
    counts = dict(Counter(arm.status for arm in found if arm.held).most_common())
    return {"counts": counts, "arms": without[:listed], "more": len(without[listed:])}
