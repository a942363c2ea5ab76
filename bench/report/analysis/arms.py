"""Every arm, how it ended, and the scores that a metric could not give, with reasons. They are missing everywhere, never 0."""

from __future__ import annotations

import math
from dataclasses import dataclass

from bench.report.analysis.leaderboard import label
from bench.report.analysis.metric import Metric
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
    table, metric = everything.table, primary.name if primary else ""
    rows = table[(table["row"] == "score") & (table["subject"] == "student") & (table["quantity"] == metric) & table["value"].isna()]
    reasons = dict(zip(rows["arm"], rows["reason"], strict=True))
    held = set(found.table["arm"].unique())
    found_arms = []
    for arm, cells in everything.by_arm.to_dict("index").items():
        score = number_or_nan(cells.get(f"student {metric}")) if cells["status"] == "done" else math.nan
        found_arms.append(
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
    return found_arms


@dataclass(frozen=True, kw_only=True)
class Missing:
    """A metric and one reason why it lacks scores, for some or all examples, in some arms."""

    metric: str
    reason: str
    arms: int
    """Arms with this reason."""
    of: int
    """Arms in which the metric was to be scored."""
    tasks: frozenset[str]
    """Tasks of the arms with this reason."""

    @property
    def sentence(self) -> str:
        """The reason in plain text."""
        where = "" if self.arms == self.of else f", in {self.arms:,} of {self.of:,} arms"
        return f"{self.metric}{where}: {self.reason}"


def missing(found: Results) -> list[Missing]:
    """Return the missing scores by metric and reason, over the arms that are done."""
    scores = found.table[(found.table["row"] == "score") & (found.table["status"] == "done")]
    asked = {str(metric): int(arms) for metric, arms in scores.groupby("quantity")["arm"].nunique().items()}
    lacking = scores[scores["value"].isna() | scores["reason"].ne("")]
    return [
        Missing(
            metric=str(metric),
            reason=str(reason) or "no reason given",
            arms=rows["arm"].nunique(),
            of=asked[str(metric)],
            tasks=frozenset(rows["task"]),
        )
        for (metric, reason), rows in lacking.groupby(["quantity", "reason"])
    ]
