"""The files of an arm -> its rows of the table."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow

from bench.errors import BenchError
from bench.execution import ledger
from bench.execution.record import Record, read_record
from bench.results import examples as scored
from bench.results.columns import COLUMNS, old_fact_unit
from bench.results.examples import Examples
from bench.system.results_folder import PREDICTIONS

OF_A_ROW: tuple[str, ...] = ("row", "phase", "subject", "quantity", "value", "unit", "direction", "source", "shared", "reason")
OF_A_ROW += ("unit_price_usd", "usd", "paid_by")
"""Columns that differ between the rows of an arm. In all others its rows are equal."""

Row = tuple[Any, ...]
"""A cell for each of OF_A_ROW. What a row does not have is '' or None."""


@dataclass(frozen=True, kw_only=True)
class ArmFiles:
    """What one arm adds to the table."""

    id: str
    shared: Mapping[str, Any]
    """Columns in which all rows are equal."""
    rows: Sequence[Row]
    record: Record | None = None
    examples: Examples | None = None


def read_ahead(folders: Sequence[Path]) -> None:
    """Read the scores of some arms for `read`. Most of this runs without Python's lock, so another thread can work meanwhile."""
    scored.read_ahead(folder / PREDICTIONS for folder in folders)


def frame(arms: Sequence[ArmFiles]) -> pd.DataFrame:
    """Return the rows of some arms, with exactly the columns and dtypes of COLUMNS."""
    cells = dict(zip(OF_A_ROW, zip(*(row for arm in arms for row in arm.rows), strict=True), strict=False))
    counts = [len(arm.rows) for arm in arms]

    def column(name: str, dtype: str) -> Any:
        if name in OF_A_ROW:
            return _array(cells.get(name, ()), dtype)
        missing = "" if dtype == "str" else None
        return _array([arm.shared.get(name, missing) for arm in arms], dtype).repeat(counts)

    return pd.DataFrame({name: column(name, about.dtype) for name, about in COLUMNS.items()})


def _array(values: Sequence[Any], dtype: str) -> Any:
    """Return values as an array of pandas."""
    if dtype == "str":  # pandas would look at each text first
        return pd.array(pyarrow.array(values, pyarrow.large_string()), dtype=dtype)
    return pd.Series(list(values), dtype=dtype).array


def read(folder: Path, suite: str) -> ArmFiles:
    """Return everything of one arm. A file that cannot be understood makes it a failed arm without further rows."""
    shared = {"suite": suite, "arm": folder.name}
    try:
        sealed = read_record(folder)
        rows = [_row(row) for row in ledger.rows(folder)]
        if sealed is None:
            reason = "still running, or cut off" if rows else "not started"
            return ArmFiles(id=folder.name, shared={**shared, "status": "unfinished"}, rows=[_record(None, reason), *rows])
        ended, shared = _record(number_or_nan(sealed.spent_usd), sealed.reason), {**_identity(sealed), "arm": folder.name}
        examples = None
        if sealed.status == "done":
            with suppress(FileNotFoundError):
                examples = scored.read(folder / PREDICTIONS)
        return ArmFiles(id=folder.name, shared=shared, rows=[ended, *rows], record=sealed, examples=examples)
    except BenchError as error:
        reason = str(error)
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
        reason = f"{type(error).__name__}: {error}"
    return ArmFiles(id=folder.name, shared={**shared, "status": "failed"}, rows=[_record(None, f"cannot be read: {reason}")])


def _identity(record: Record) -> dict[str, Any]:
    """Return the columns that all rows of an arm share. Raises ValueError, TypeError or OverflowError where its label share is no
    number."""
    return {
        **{name: getattr(record, name) for name in ("suite", "task", "strategy", "use", "setting", "status", "budget_usd", "seed")},
        "settings": json.dumps(record.settings, sort_keys=True),
        "label_share": float(record.settings.get("label_share", math.nan)),
    }


def _record(spent_usd: float | None, reason: str) -> Row:
    return _cells("record", "spent", spent_usd, "USD", "lower", reason=reason)


def _row(row: Mapping[str, Any]) -> Row:
    """Return a ledger's row. Raises KeyError, TypeError, ValueError or OverflowError."""
    kind = row["row"]
    if kind == "charge":
        usd, price, who = _number(row["usd"]), _number(row["unit_price_usd"]), str(row["paid_by"])
        amount, phase = _number(row["quantity"]), str(row["phase"])
        return _cells(kind, str(row["kind"]), amount, str(row["unit"]), "lower", phase, unit_price_usd=price, usd=usd, paid_by=who)
    if kind == "score":
        value, subject, reason = number_or_nan(row["value"]), str(row["subject"]), str(row.get("reason", ""))
        return _cells(kind, str(row["name"]), value, str(row["unit"]), str(row["direction"]), subject=subject, reason=reason)
    if kind == "reading":
        value, phase, source, reason = number_or_nan(row["value"]), str(row["phase"]), str(row["source"]), str(row["reason"])
        unit, direction, shared = str(row["unit"]), str(row["direction"]), bool(row["shared"])
        return _cells(kind, str(row["quantity"]), value, unit, direction, phase, source=source, shared=shared, reason=reason)
    if kind == "fact":
        name = str(row["name"])
        return _cells(kind, name, _number(row["value"]), str(row.get("unit") or old_fact_unit(name)), "none")
    raise ValueError(f"ledger row of unknown kind {kind!r}")


def _cells(
    row: str,
    quantity: str,
    value: float | None,
    unit: str,
    direction: str,
    phase: str = "",
    *,
    subject: str = "",
    source: str = "",
    shared: bool | None = None,
    reason: str = "",
    unit_price_usd: float | None = None,
    usd: float | None = None,
    paid_by: str = "",
) -> Row:
    return row, phase, subject, quantity, value, unit, direction, source, shared, reason, unit_price_usd, usd, paid_by


def number_or_nan(value: float | None) -> float:
    """Return the number, or NaN where nothing was measured. Raises TypeError, ValueError or OverflowError where it is no number, or
    is too large."""
    return math.nan if value is None else _number(value)


def _number(value: float) -> float:
    if abs(number := float(value)) > ledger.LARGEST:
        raise ValueError(f"a number beyond {ledger.LARGEST:g}")
    return number
