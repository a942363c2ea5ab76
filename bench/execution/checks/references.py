"""Checks that every metric can score the references of every task."""

from __future__ import annotations

from collections.abc import Iterator

from bench.contracts.finding import Finding
from bench.errors import BenchError
from bench.execution.prepared_suite import PreparedSuite


def references_can_be_scored(prepared: PreparedSuite) -> Iterator[Finding]:
    """Let each metric check the test references of each task that an arm uses."""
    for metric in prepared.suite.metrics.values():
        for task in dict.fromkeys(arm.task_label for arm in prepared.arms):
            references = [example.target or "" for example in prepared.splits[task].test]
            try:
                yield from (Finding(f"task '{task}': {warning}", refuses=False) for warning in metric.check(references))
            except BenchError as error:
                yield Finding(f"task '{task}': {error}", refuses=True)
