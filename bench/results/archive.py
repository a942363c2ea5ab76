"""scores.parquet: scores by example and run records, kept beside table.parquet when the arms' folders are deleted.

results/reference is such a folder. Scores by example allow intervals without predictions. Records hold machine and data. A row is one
subject and metric of one arm. The log-probabilities of outputs are rows with the metric LOG_PROBS. The records are JSON in the file's
metadata.
"""

from __future__ import annotations

import itertools
import json
import math
import sys
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import pandas as pd
import pyarrow
import pyarrow.parquet
from pydantic import TypeAdapter
from pydantic_core import from_json

from bench.errors import BenchError
from bench.execution.ledger import LARGEST
from bench.execution.record import Record
from bench.results.examples import Examples, once
from bench.system.files import atomic_write

FILE = "scores.parquet"

LOG_PROBS = "log-probability of the output"
"""Stands in the place of a metric. No score has this name: those of metrics are single words."""

MOST = 10_000_000
"""Largest number of scores that are kept: some 20 MB. With more, a results folder needs the folders of its arms."""

RECORDS = TypeAdapter(list[Record])

NOTE = "note"
"""Name of the note in the metadata of the file."""

ROWS = pyarrow.schema(
    {
        "arm": pyarrow.string(),
        "subject": pyarrow.string(),
        "metric": pyarrow.string(),
        "ids": pyarrow.list_(pyarrow.string()),
        "scores": pyarrow.list_(pyarrow.float64()),
    }
)


def write(
    folder: Path, records: Mapping[str, Record], examples: Mapping[str, Examples], note: Mapping[str, Any] = MappingProxyType({})
) -> None:
    """Write scores.parquet by an atomic write. If it would hold more than MOST scores, remove it instead.

    `note` is written beside them, see `unchanged_arms`.
    """
    count = sum(len(found.ids) * len(found.scores) for found in examples.values())
    if not records or count > MOST:
        (folder / FILE).unlink(missing_ok=True)
        return
    rows = [(arm, *key, found.ids, values) for arm, found in examples.items() for key, values in found.scores.items()]
    rows += [(arm, who, LOG_PROBS, found.ids, values) for arm, found in examples.items() for who, values in found.log_probs.items()]
    arms, subjects, metrics, ids, scores = zip(*rows, strict=True) if rows else [()] * len(ROWS)
    places = {of_arm: place for place, of_arm in enumerate(dict.fromkeys(ids))}  # arms of a task have the same ids
    known = pyarrow.array([list(of_arm) for of_arm in places], ROWS.field("ids").type)
    ends = np.cumsum([0, *map(len, scores)])
    values = pyarrow.ListArray.from_arrays(ends.astype(np.int32), np.concatenate([np.zeros(0), *scores]))
    columns = [arms, subjects, metrics, known.take(pyarrow.array([places[of_arm] for of_arm in ids], pyarrow.int32())), values]
    metadata = {"records": json.dumps([vars(record) for record in records.values()]), NOTE: json.dumps(dict(note))}
    table = pyarrow.table(columns, schema=ROWS.with_metadata(metadata))
    with atomic_write(folder / FILE) as part:
        pyarrow.parquet.write_table(table, part, compression="zstd")


def note(folder: Path) -> dict[str, Any]:
    """Return the note of scores.parquet, or {} where there is none. A damaged file raises an error of any kind."""
    path = folder / FILE
    metadata = pyarrow.parquet.read_schema(path).metadata if path.exists() else {}
    return dict(from_json(metadata.get(NOTE.encode(), "{}")))


def read(folder: Path) -> tuple[dict[str, Record], dict[str, Examples]]:
    """Return records and examples by arm, or none where there is no such file. Raises BenchError where it cannot be read."""
    path = folder / FILE
    if not path.exists():
        return {}, {}
    try:
        return _read(path)
    except Exception as error:  # pyarrow raises many kinds for a damaged file
        raise BenchError(f"{path}: cannot be read ({type(error).__name__}); another version of bench wrote it, or it is damaged") from None


def _read(path: Path) -> tuple[dict[str, Record], dict[str, Examples]]:
    table = pyarrow.parquet.read_table(path, schema=ROWS)
    held = RECORDS.validate_json(pyarrow.parquet.read_schema(path).metadata[b"records"])
    arms, lists = table["arm"].to_pylist(), table["scores"].combine_chunks()
    keys = zip(*([sys.intern(text) for text in table[name].to_pylist()] for name in ("subject", "metric")), strict=True)
    ends, values = lists.offsets.to_pylist(), lists.values.to_numpy(zero_copy_only=False)
    if (np.abs(values) > LARGEST).any():
        raise ValueError(f"a score beyond {LARGEST:g}")
    scores: dict[str, dict[tuple[str, str], Any]] = {}
    log_probs: dict[str, dict[str, Any]] = {}
    for arm, (subject, metric), (start, end) in zip(arms, keys, itertools.pairwise(ends), strict=True):
        if metric == LOG_PROBS:
            log_probs.setdefault(arm, {})[subject] = values[start:end]
        else:
            scores.setdefault(arm, {})[subject, metric] = values[start:end]
    first = dict(zip(reversed(arms), range(len(arms))[::-1], strict=True))
    ids = dict(zip(first, _ids(table["ids"].take(pyarrow.array([*first.values()], pyarrow.int64()))), strict=True))
    examples = {arm: Examples(ids=of, scores=scores.get(arm, {}), log_probs=log_probs.get(arm, {})) for arm, of in ids.items()}
    return {record.arm: record for record in held}, examples


def _ids(column: pyarrow.ChunkedArray) -> list[tuple[str, ...]]:
    """Return the ids of each row. Equal ones are one object."""
    lists = column.combine_chunks()
    encoded, ends = lists.values.dictionary_encode(), lists.offsets.to_pylist()
    names, places = [sys.intern(name) for name in encoded.dictionary.to_pylist()], encoded.indices.to_numpy()
    known: dict[bytes, tuple[str, ...]] = {}
    found = []
    for start, end in itertools.pairwise(ends):
        of_row = places[start:end]
        if (same := of_row.tobytes()) not in known:
            known[same] = once(tuple(names[place] for place in of_row))
        found.append(known[same])
    return found


def records(table: pd.DataFrame) -> dict[str, Record]:
    """Return records made from the table alone. They lack machines and data. Raises ValueError where a number cannot be."""
    facts = table[table["row"] == "fact"]
    by_arm: dict[str, dict[str, float]] = {}
    for arm, name, value in zip(facts["arm"], facts["quantity"], facts["value"], strict=True):
        by_arm.setdefault(arm, {})[name] = float(value)
    ended = table[(table["row"] == "record") & table["status"].isin(["done", "infeasible", "skipped", "failed"]) & table["task"].ne("")]
    found = []
    for row in ended.to_dict("records"):
        kept = {name: row[name] for name in ("arm", "suite", "task", "strategy", "use", "setting", "status", "reason")}
        kept |= {"settings": dict(from_json(row["settings"] or "{}")), "budget_usd": float(row["budget_usd"]), "seed": int(row["seed"])}
        kept |= {"spent_usd": None if math.isnan(row["value"]) else float(row["value"]), "facts": by_arm.get(row["arm"], {})}
        found.append({**kept, "data_fingerprint": "", "machine": {}, "started": "", "ended": "", "student": ""})
    return {record.arm: record for record in RECORDS.validate_python(found)}
