"""Checks a prepared suite before any money is spent.

A check is a function of a prepared suite. It has a file in this folder and an entry in the tuple CHECKS.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from bench.contracts.finding import Finding
from bench.errors import BenchError
from bench.execution.checks.engine import engine_can_generate
from bench.execution.checks.metrics import scores_can_be_had
from bench.execution.checks.models import models_can_be_used, texts_fit_the_positions
from bench.execution.checks.references import references_can_be_scored
from bench.execution.checks.text_coverage import texts_survive_tokenizers
from bench.execution.prepared_suite import PreparedSuite

Check = Callable[[PreparedSuite], Iterator[Finding]]

CHECKS: tuple[Check, ...] = (
    models_can_be_used,
    texts_fit_the_positions,
    scores_can_be_had,
    references_can_be_scored,
    texts_survive_tokenizers,
    engine_can_generate,
)
"""All checks, in the order in which they run. The models, texts and metrics are fetched before."""


def run(prepared: PreparedSuite) -> list[str]:
    """Run all checks, and return the warnings, one line each, without duplicates.

    Raises BenchError with all faults at once, one line each, where the suite cannot give a true number.
    """
    found = [finding for check in CHECKS for finding in _findings(check, prepared)]
    faults = list(dict.fromkeys(finding.text for finding in found if finding.refuses))
    if faults:
        raise BenchError("\n".join(faults))
    return list(dict.fromkeys(finding.text for finding in found))


def _findings(check: Check, prepared: PreparedSuite) -> Iterator[Finding]:
    """Yield the findings of a check, and the error that stopped it. Another check may have found that fault
    too."""
    try:
        yield from check(prepared)
    except BenchError as error:
        yield from (Finding(line, refuses=True) for line in str(error).splitlines())
