"""Checks which scores this machine can compute."""

from __future__ import annotations

from collections.abc import Iterator

from bench.contracts.finding import Finding
from bench.execution.prepared_suite import PreparedSuite


def scores_can_be_had(prepared: PreparedSuite) -> Iterator[Finding]:
    """Name the scores that will be missing. A suite that is ranked by one of them is refused."""
    suite = prepared.suite
    for label, metric in suite.metrics.items():
        missing = metric.absent()
        for reason in dict.fromkeys(missing.values()):
            names = [name for name in missing if missing[name] == reason]
            ranked = suite.spec.rank_by in names
            end = f"; rank_by is {suite.spec.rank_by}, so no arm could be ranked" if ranked else ""
            yield Finding(f"metric '{label}': {', '.join(names)} will be missing: {reason}{end}", refuses=ranked)
