"""Every arm, how it ended, and the scores that a metric could not give, with reasons. They are missing everywhere, never 0."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from bench.report.analysis.leaderboard import Board, label
from bench.report.analysis.metric import Metric
from bench.results import arm_columns
from bench.results.table import Results, rows


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
    metric, known = primary.name if primary else "", everything.by_arm
    scores = rows(everything.table, "score", "arm", "subject", "quantity", "value", "reason")
    missing = scores[(scores["subject"] == "student") & (scores["quantity"] == metric) & scores["value"].isna()]
    reasons, held = dict(zip(missing["arm"], missing["reason"], strict=True)), set(found.table["arm"].unique())
    names = ("task", "strategy", "setting", "status", "reason", arm_columns.SPENT_USD, "budget_usd")
    of_students = known.reindex(columns=[arm_columns.score("student", metric)]).iloc[:, 0].where(known["status"] == "done")
    cells = zip(known.index.tolist(), of_students.tolist(), *(known[name].tolist() for name in names), strict=True)
    return [
        Arm(
            id=arm,
            task=task,
            name=label(strategy, setting),
            status=status,
            score=None if math.isnan(score) else score,
            reason=str(reason or reasons.get(arm, "")) if math.isnan(score) else "",
            spent_usd=spent,
            budget_usd=budget,
            held=arm in held,
        )
        for arm, score, task, strategy, setting, status, reason, spent, budget in cells
    ]


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
    scores = rows(found.table, "score", "arm", "task", "status", "quantity", "value", "reason")
    scores = scores[scores["status"] == "done"]
    asked = {str(metric): int(arms) for metric, arms in scores.groupby("quantity")["arm"].nunique().items()}
    lacking = scores[scores["value"].isna() | scores["reason"].ne("")]
    return [
        Missing(
            metric=str(metric),
            reason=str(reason) or "no reason given",
            arms=of_reason["arm"].nunique(),
            of=asked[str(metric)],
            tasks=frozenset(of_reason["task"]),
        )
        for (metric, reason), of_reason in lacking.groupby(["quantity", "reason"])
    ]


def column_by_line(found: Results, board: Board, column: str) -> dict[str, pd.Series[Any]]:
    """Return a column of `found.by_arm` for each line of settings of a board: arm -> value, over its arms that are done."""
    arms = found.by_arm
    held = arms.loc[arms["task"].eq(board.task) & arms["budget_usd"].eq(board.budget_usd) & arms["status"].eq("done")]
    names = [label(strategy, setting) for strategy, setting in zip(held["strategy"].tolist(), held["setting"].tolist(), strict=True)]
    return {str(name): of for name, of in held[column].groupby(np.array(names, dtype=object))}
