"""Every arm that has no score, and the reason."""

from __future__ import annotations

from typing import Any

from bench.report.analysis import missing_scores
from bench.report.analysis.leaderboard import Metric, label
from bench.report.html.escape import shortened
from bench.results.table import Results

LISTED, REASON_CHARACTERS = 800, 400


def endings(found: Results, everything: Results, primary: Metric | None, listed: int = LISTED) -> dict[str, Any]:
    """Return the arms that have no score, and the number of arms in each status.

    `found` has the arms that the suite holds; the numbers count these. `everything` also has arms that it no
    longer holds.
    """
    view = everything.by_arm
    column = f"student {primary.name}" if primary else ""
    reasons = missing_scores.of_students(everything, primary.name) if primary else {}
    without = view[(view["status"] != "done") | (view[column].isna() if column in view else True)]
    held = set(found.table["arm"].unique())
    rows = [_row(str(arm), cells, reasons.get(str(arm), ""), str(arm) in held) for arm, cells in without[:listed].to_dict("index").items()]
    statuses = view.loc[view.index.isin(held), "status"].value_counts()
    return {"counts": {str(status): int(count) for status, count in statuses.items()}, "arms": rows, "more": len(without) - len(rows)}


def _row(arm: str, cells: dict[Any, Any], no_score: str, held: bool) -> dict[str, Any]:
    reason = cells["reason"] or no_score or "no reason given"
    return {
        "arm": arm,
        "status": cells["status"],
        "reason": shortened(reason, REASON_CHARACTERS) + ("" if held else " (the suite, as it was run last, does not hold this arm)"),
        "task": cells["task"],
        "name": label(cells["strategy"], cells["setting"]),
        "budget": cells["budget_usd"],
        "spent": cells["usd spent"],
    }
