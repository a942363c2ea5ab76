"""scores.parquet: scores by example and run records, kept beside table.parquet when the arms' folders are deleted.

results/reference is such a folder. Scores by example allow intervals without predictions. Records hold machine and data. A row is one
subject and metric of one arm. The log-probabilities of outputs are rows with the metric LOG_PROBS. The records are JSON in the file's
metadata.
"""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow
import pyarrow.parquet

from bench.errors import BenchError
from bench.execution.record import Record
from bench.results.examples import Examples, once
from bench.system.files import atomic_write

FILE = "scores.parquet"

LOG_PROBS = "log-probability of the output"
"""Stands in the place of a metric. No score has this name: those of metrics are single words."""

MOST = 3_000_000
"""Largest number of scores that are kept: some MB. With more, a results folder needs the folders of its arms."""

ROWS = pyarrow.schema(
    {
        "arm": pyarrow.string(),
        "subject": pyarrow.string(),
        "metric": pyarrow.string(),
        "ids": pyarrow.list_(pyarrow.string()),
        "scores": pyarrow.list_(pyarrow.float64()),
    }
)


def write(folder: Path, records: Mapping[str, Record], examples: Mapping[str, Examples]) -> None:
    """Write scores.parquet by an atomic write. If it would hold more than MOST scores, remove it instead."""
    count = sum(len(found.ids) * len(found.scores) for found in examples.values())
    if not records or count > MOST:
        (folder / FILE).unlink(missing_ok=True)
        return
    rows = [(arm, *key, list(found.ids), values) for arm, found in examples.items() for key, values in found.scores.items()]
    rows += [(arm, who, LOG_PROBS, list(found.ids), values) for arm, found in examples.items() for who, values in found.log_probs.items()]
    columns = [list(column) for column in zip(*rows, strict=True)] or [[] for _ in ROWS]
    kept = json.dumps([asdict(record) for record in records.values()])
    table = pyarrow.table(columns, schema=ROWS.with_metadata({"records": kept}))
    with atomic_write(folder / FILE) as part:
        pyarrow.parquet.write_table(table, part, compression="zstd")


def read(folder: Path) -> tuple[dict[str, Record], dict[str, Examples]]:
    """Return records and examples by arm, or none where there is no such file. Raises BenchError where it cannot be read."""
    path = folder / FILE
    if not path.exists():
        return {}, {}
    try:
        table = pyarrow.parquet.read_table(path, schema=ROWS)
        held = [Record(**one) for one in json.loads(pyarrow.parquet.read_schema(path).metadata[b"records"])]
    except (pyarrow.ArrowException, TypeError, KeyError, ValueError) as error:
        raise BenchError(f"{path}: cannot be read ({type(error).__name__}); another version of bench wrote it, or it is damaged") from None
    ids: dict[str, tuple[str, ...]] = {}
    scores: dict[str, dict[tuple[str, str], Any]] = {}
    log_probs: dict[str, dict[str, Any]] = {}
    for row in table.to_pylist():
        arm, subject, values = row["arm"], sys.intern(row["subject"]), np.array(row["scores"], dtype=np.float64)
        ids.setdefault(arm, once(tuple(map(sys.intern, row["ids"]))))
        if row["metric"] == LOG_PROBS:
            log_probs.setdefault(arm, {})[subject] = values
        else:
            scores.setdefault(arm, {})[subject, sys.intern(row["metric"])] = values
    examples = {arm: Examples(ids=of, scores=scores.get(arm, {}), log_probs=log_probs.get(arm, {})) for arm, of in ids.items()}
    return {record.arm: record for record in held}, examples


def records(table: pd.DataFrame) -> dict[str, Record]:
    """Return records made from the table alone. They lack machines and data."""
    facts = table[table["row"] == "fact"]
    by_arm: dict[str, dict[str, float]] = {}
    for arm, name, value in zip(facts["arm"], facts["quantity"], facts["value"], strict=True):
        by_arm.setdefault(arm, {})[name] = float(value)
    ended = table[(table["row"] == "record") & table["status"].isin(["done", "infeasible", "skipped", "failed"]) & table["task"].ne("")]
    found = {}
    for row in ended.to_dict("records"):
        kept = {name: row[name] for name in ("arm", "suite", "task", "strategy", "use", "setting", "status", "reason")}
        kept |= {"settings": json.loads(row["settings"] or "{}"), "budget_usd": float(row["budget_usd"]), "seed": int(row["seed"])}
        kept |= {"spent_usd": None if math.isnan(row["value"]) else float(row["value"]), "facts": by_arm.get(row["arm"], {})}
        found[str(row["arm"])] = Record(**kept, data_fingerprint="", machine={}, started="", ended="", student="")
    return found
