"""Every arm, how it ended, and why it has no score."""

from __future__ import annotations

import math
from dataclasses import dataclass

from bench.report.analysis import missing_scores
from bench.report.analysis.leaderboard import Metric, label
from bench.results import arm_columns
from bench.results.table import Results, number_or_nan


@dataclass(frozen=True, kw_only=True)
class Arm:
    """One arm."""

    id: str
    task: str
    name: str
    """Its setting."""
    status: str
    score: float | None
    """Mean of its compact model in the ranking metric, in that metric's unit. None where it has none."""
    reason: str
    """Why it has no score; '' where it has one, or where no reason is known."""
    spent_usd: float
    budget_usd: float
    held: bool
    """Whether the suite, as it was run last, holds it."""


def arms(found: Results, everything: Results, primary: Metric | None) -> list[Arm]:
    """Return every arm of `everything`. `found` has those that the suite holds."""
    column = f"student {primary.name}" if primary else ""
    reasons = missing_scores.of_students(everything, primary.name) if primary else {}
    held = set(found.table["arm"].unique())
    rows = []
    for arm, cells in everything.by_arm.to_dict("index").items():
        score = number_or_nan(cells.get(column)) if cells["status"] == "done" else math.nan
        rows.append(
            Arm(
                id=str(arm),
                task=cells["task"],
                name=label(cells["strategy"], cells["setting"]),
                status=cells["status"],
                score=None if math.isnan(score) else score,
                reason=str(cells["reason"] or reasons.get(str(arm), "")) if math.isnan(score) else "",
                spent_usd=cells[arm_columns.SPENT_USD],
                budget_usd=cells["budget_usd"],
                held=str(arm) in held,
            )
        )
    return rows
