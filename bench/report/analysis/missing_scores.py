"""Scores that a metric could not give for some or all examples, with reasons. They are missing everywhere, never 0."""

from __future__ import annotations

from dataclasses import dataclass

from bench.results.table import Results


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


def of_students(found: Results, metric: str) -> dict[str, str]:
    """Return arm -> why its compact model has no score in this metric."""
    table = found.table
    rows = table[(table["row"] == "score") & (table["subject"] == "student") & (table["quantity"] == metric) & table["value"].isna()]
    return dict(zip(rows["arm"], rows["reason"], strict=True))
