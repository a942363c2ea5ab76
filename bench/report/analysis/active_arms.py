"""Selects the arms that the suite held when it was last run."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from bench.results.table import Results


def current(found: Results) -> Results:
    """Return the results without arms that the suite no longer holds. An edited suite leaves such arms in the folder."""
    if "arms" not in found.suite:
        return found
    kept = {Path(str(arm)).name for arm in found.suite["arms"]}
    if kept.issuperset(found.table["arm"].unique()):
        return found  # unchanged, so that what is cached for its table stays
    return replace(
        found,
        table=found.table[found.table["arm"].isin(kept)],
        examples={arm: examples for arm, examples in found.examples.items() if arm in kept},
        records={arm: record for arm, record in found.records.items() if arm in kept},
    )
