"""All data of the page's script, as one JSON document."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.errors import BenchError
from bench.report.analysis.budget_curves import Field
from bench.report.analysis.decision import ON_A_MAP, DecisionMap
from bench.report.analysis.leaderboard import Board, Metric
from bench.report.analysis.serving_cost import Use
from bench.report.html import curves, failed_arms, leaderboard, predictions, quantities
from bench.report.html.escape import script_json
from bench.report.html.quantities import Amounts
from bench.results.table import Results

LINES, LEAST_SETTINGS = 1000, 10
"""Largest number of settings on a page, each budget counted by itself, and smallest number for a task.

For each task the page shows the settings that are best at the greatest budget.
"""

PREDICTIONS_SHARE = 0.6
"""Largest share of the free bytes for predictions. With fewer a page opens sooner."""

SHARES = (1.0, 0.5, 0.2, 0.05)
"""Shares of the usual amount to try in turn, where long names would make the page too large."""


@dataclass(frozen=True, kw_only=True)
class Material:
    """Everything from which a page is made, at the prices of the report."""

    folder: Path
    """Folder of the arms."""
    found: Results
    """The arms that the suite holds."""
    everything: Results
    """Also the arms that the suite no longer holds."""
    metrics: Sequence[Metric]
    boards: Sequence[Board]
    fields: Sequence[Field]
    """Curves by task. Empty where the results do not hold their prices."""
    maps: Sequence[DecisionMap] = ()
    """Their decision maps, which the page redraws."""
    use: Use | None = None
    """How much the compact model will be used, if it is known."""


def payload(given: Material, room: int) -> str:
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


def _numbers(given: Material, known: Amounts, share: float) -> dict[str, Any]:
    """Return everything except prices and predictions. `share` is the part of the usual amount to show."""
    kept = _kept(given.boards, int(share * LINES))
    shown = leaderboard.shown_metrics(given.metrics)
    return {
        "suite": given.found.suite.get("suite", given.folder.name),
        "metrics": [{"name": metric.name, "title": metric.title, "direction": metric.direction} for metric in shown],
        "use": {"requests": given.use.requests_a_month, "months": given.use.months} if given.use else {"requests": 100_000, "months": 12},
        "tasks": [task | {"map": _grid(given, task["name"])} for task in _tasks(given, known, kept, share)],
        "boards": leaderboard.boards(given.boards, shown, known, kept),
        "endings": failed_arms.endings(
            given.found, given.everything, given.metrics[0] if given.metrics else None, int(share * failed_arms.LISTED)
        ),
        "left_out": _left_out(given.boards, kept),
    }


def _tasks(given: Material, known: Amounts, kept: Mapping[str, Collection[str]], share: float) -> list[dict[str, Any]]:
    return curves.tasks(given.boards, given.fields, known, kept, int(share * curves.COVARIANCES))


def _grid(given: Material, task: str) -> dict[str, Any] | None:
    """Return budgets and label prices of a task's decision map, or None where it has no map."""
    maps = [found for found in given.maps if found.field.task == task]
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
