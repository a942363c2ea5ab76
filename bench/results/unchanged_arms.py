"""What the last report read of the arms whose files have not changed since. To read the files of an arm takes ten times as long.

table.parquet holds the rows, and scores.parquet the records, the scores by example, and in its metadata the states of the files from which
all of these were read. They are used again by the same version of `bench` only.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from bench.execution.record import Record
from bench.results import archive
from bench.results.examples import Examples
from bench.system import program
from bench.system.files import state
from bench.system.results_folder import LEDGER, PREDICTIONS, RECORD

FILES = (RECORD, LEDGER, PREDICTIONS)
"""Files of an arm that are read."""

TABLE = "table.parquet"


@dataclass(frozen=True, kw_only=True)
class Unchanged:
    """Rows, records and scores of the arms that have not changed."""

    arms: frozenset[str]
    table: pd.DataFrame
    records: Mapping[str, Record]
    examples: Mapping[str, Examples]


def state_of(folder: Path, arm: str) -> str:
    """Return the states of the files of an arm; '' where it has none."""
    return ";".join(state(f"{folder}/{arm}/{name}") for name in FILES).strip(";")


def states(folder: Path, suite: str, arms: Sequence[str]) -> dict[str, Any]:
    """Return what decides how arms are read: the version of `bench`, the name of the suite, and the states of their files."""
    return {"program": program.fingerprint(), "suite": suite, "arms": {arm: state_of(folder, arm) for arm in arms}}


def note(folder: Path, read_from: Mapping[str, Any]) -> dict[str, Any]:
    """Return what `read` needs, for `archive.write`, after table.parquet was written. `read_from` are the states before arms were read."""
    return {**read_from, "table": state(folder / TABLE)}


def read(folder: Path, now: Mapping[str, Any]) -> Unchanged | None:
    """Return what is known of the arms whose states were the same as `now`. None where there is no such report."""
    try:
        before = archive.note(folder)
        if before != note(folder, {**now, "arms": before.get("arms")}):
            return None
        table = pd.read_parquet(folder / TABLE)
        records, examples = archive.read(folder)
        arms = dict[str, str](before["arms"])
    except Exception:  # damaged; the files of the arms are read instead
        return None
    same = frozenset(arm for arm, seen in now["arms"].items() if arms.get(arm) == seen)
    return Unchanged(
        arms=same,
        table=table if len(same) == len(arms) else table[table["arm"].isin(same)],
        records={arm: record for arm, record in records.items() if arm in same},
        examples={arm: found for arm, found in examples.items() if arm in same},
    )
