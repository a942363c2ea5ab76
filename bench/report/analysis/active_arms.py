"""Which arms count: those that the suite, as it was run last, holds."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from bench.results.table import Results


def current(found: Results) -> Results:
    """Without the arms that the suite, as it was run last, does not hold: an edited suite leaves them in the folder."""
    if "arms" not in found.suite:
        return found
    kept = {Path(str(arm)).name for arm in found.suite["arms"]}
    if kept.issuperset(found.table["arm"].unique()):
        return found  # and what was made of its table
    return replace(
        found,
        table=found.table[found.table["arm"].isin(kept)],
        examples={arm: examples for arm, examples in found.examples.items() if arm in kept},
        records={arm: record for arm, record in found.records.items() if arm in kept},
    )
