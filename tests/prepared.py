"""A suite ready to run or to be planned, from parts that a test has at hand."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from bench.contracts import Splits
from bench.execution.prepared_suite import PreparedSuite
from bench.suite import arms as planning
from bench.suite.arms import Arm
from bench.suite.suite_file import Suite


def prepared(
    suite: Suite, splits: Mapping[str, Splits], *, cache: Path, results: Path | None = None, arms: Sequence[Arm] | None = None
) -> PreparedSuite:
    """All arms of the suite unless some are given; a results folder that does not exist unless one is given."""
    return PreparedSuite(
        suite=suite,
        arms=tuple(planning.arms(suite) if arms is None else arms),
        splits=splits,
        results=results or cache / "no results",
        cache=cache,
        device="cpu",
    )
