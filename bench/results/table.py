"""The ledgers of a results folder -> one tidy table.

    results/<suite>/<arm>/{ledger.jsonl, record.json, predictions.jsonl}  ->  Results(table, examples, records, suite)

Nothing is averaged here: the table has one row for each number that was recorded. What cannot be read is a row too. An arm with a damaged
file is `failed`. An arm without a record is `unfinished`: not started, running, or cut off.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow.csv

from bench.errors import BenchError
from bench.execution import ledger
from bench.execution.record import Record, read_record
from bench.forecast import saved
from bench.forecast.saved import SavedForecast
from bench.results import archive
from bench.results import arm_columns as columns
from bench.results import examples as scored
from bench.results.columns import COLUMNS, old_fact_unit
from bench.results.examples import Examples
from bench.system.files import atomic_write
from bench.system.garbage import gc_disabled

CSV = pyarrow.csv.WriteOptions(quoting_style="needed")
"""Options of pyarrow's CSV writer. It is six times faster than pandas', which matters with thousands of arms."""

AT_ONCE = 500
"""Number of arms whose rows are held as Python objects at a time. As a table they take a tenth of that memory."""


@dataclass(frozen=True, kw_only=True)
class Results:
    """Everything that a report is made from."""

    table: pd.DataFrame
    """The table in long form, see COLUMNS."""
    examples: Mapping[str, Examples]
    """Arm -> scores by example, for the arms that are done."""
    records: Mapping[str, Record]
    """Arm -> record, where it could be read."""
    suite: Mapping[str, Any]
    """Content of suite.json; {} where there is none."""
    suite_text: str = ""
    """suite.yaml as it was run; '' where there is none."""
    forecasts: SavedForecast | None = None
    """Forecasts that `bench plan` saved for the arms, where it was run before."""
    kept: bool = False
    """Whether the folders of the arms are gone, and everything comes from table.parquet and `archive`."""

    @property
    def repriced(self) -> bool:
        """Whether the dollars are at other prices than those of the run."""
        return "asked" in self.suite

    @cached_property
    def by_arm(self) -> pd.DataFrame:
        """The result of `arms` for this table, computed once. Do not change it in place."""
        return arms(self.table)


@dataclass(frozen=True, kw_only=True)
class _Arm:
    """What one arm adds to the table."""

    shared: dict[str, Any]  # columns in which all rows are equal
    rows: list[dict[str, Any]]
    record: Record | None = None
    examples: Examples | None = None


@gc_disabled()
def read(folder: Path) -> Results:
    """Read `results/<suite>/`. It may still be written, or hold only its tables. Raises BenchError."""
    if not folder.is_dir():
        raise BenchError(f"{folder}: no such results folder")
    path = folder / "suite.json"
    try:
        suite = dict(json.loads(path.read_text(encoding="utf-8"))) if path.exists() else {}
    except (TypeError, ValueError):
        raise BenchError(f"{path}: not a JSON object") from None
    name = str(suite.get("suite", folder.name))
    there = {path.name for path in folder.iterdir() if (path / "ledger.jsonl").exists() or (path / "record.json").exists()}
    if not there and (kept := _kept(folder, suite)):
        return kept
    arms = sorted(there | {Path(str(planned)).name for planned in suite.get("arms", [])})
    frames = [_frame([])]
    examples: dict[str, Examples] = {}
    records: dict[str, Record] = {}
    for first in range(0, len(arms), AT_ONCE):
        batch = {arm: _arm(folder / arm, name) for arm in arms[first : first + AT_ONCE]}
        frames.append(_frame(batch.values()))
        examples |= {arm: found.examples for arm, found in batch.items() if found.examples}
        records |= {arm: found.record for arm, found in batch.items() if found.record}
    return Results(
        table=pd.concat(frames, ignore_index=True),
        examples=examples,
        records=records,
        suite=suite,
        suite_text=_text(folder),
        forecasts=saved.read(folder),
    )


def _kept(folder: Path, suite: Mapping[str, Any]) -> Results | None:
    """Return what the tables of a folder hold, or None where there are none or no arm in them has ended. Raises BenchError where they
    cannot be read."""
    path = folder / "table.parquet"
    if not path.exists():
        return None
    try:
        table = pd.read_parquet(path)[[*COLUMNS]].astype({name: column.dtype for name, column in COLUMNS.items()})
        from_table = archive.records(table)
    except (KeyError, ValueError, TypeError, OSError) as error:
        raise BenchError(f"{path}: not a table of this version ({type(error).__name__}: {str(error)[:80]})") from None
    records, examples = archive.read(folder)
    if not from_table:
        return None
    texts: dict[str, Any] = {"suite": suite, "suite_text": _text(folder), "forecasts": saved.read(folder)}
    return Results(table=table, examples=examples, records={**from_table, **records}, **texts, kept=True)


def _text(folder: Path) -> str:
    path = folder / "suite.yaml"
    return path.read_text(encoding="utf-8", errors="replace") if path.exists() else ""


def save(results: Results, folder: Path) -> None:
    """Write table.parquet and table.csv atomically. Neither is replaced before both are written."""
    with atomic_write(folder / "table.csv") as csv, atomic_write(folder / "table.parquet") as parquet:
        results.table.to_parquet(parquet, index=False)
        pyarrow.csv.write_csv(pyarrow.Table.from_pandas(results.table, preserve_index=False), csv, CSV)


def arms(table: pd.DataFrame) -> pd.DataFrame:
    """Return one row for each arm, indexed by arm id. What an arm does not have is missing. `arm_columns` names the columns.

    suite, task, ..., status, reason     identify the arm and how it ended
    usd spent, usd PURPOSE               from the purse; PURPOSE is labels, or the phase of compute
    usd not from the purse
    student METRIC, teacher METRIC, floor: NAME METRIC, baseline on dev: NAME METRIC
    FACT                                 `fact: FACT` where another column has this name
    QUANTITY (UNIT)                      readings, see `readings`
    speed_up                             how many times faster the student is than the large model
    """
    identity = ["suite", "task", "strategy", "use", "setting", "label_share", "budget_usd", "seed", "status", "reason"]
    view = table[table["row"] == "record"].set_index("arm")[identity]
    scores, facts = table[table["row"] == "score"], table[table["row"] == "fact"]
    view = view.join(_wide(scores, _names(scores, "subject", "quantity", columns.score))).join(_dollars(table)).join(readings(table))
    taken = {*COLUMNS, *view.columns, columns.SPEED_UP}
    view = view.join(_wide(facts, facts["quantity"]).rename(columns=lambda name: f"fact: {name}" if name in taken else name))
    if {columns.LARGE_MS, columns.STUDENT_MS} <= set(view.columns):
        view[columns.SPEED_UP] = view[columns.LARGE_MS] / view[columns.STUDENT_MS]
    # Python strings: a report reads them one by one, and Arrow would make each string anew.
    view.index = view.index.astype(object)
    return view.astype({name: object for name, dtype in view.dtypes.items() if dtype == "str"})


def readings(table: pd.DataFrame) -> pd.DataFrame:
    """Return arm x `QUANTITY (UNIT)`. Times, energy and FLOPs are summed over phases, and are missing where one phase is. For memory and
    everything else it is the greatest value."""
    rows = table[table["row"] == "reading"]
    names, added = _names(rows, "quantity", "unit", columns.reading), rows["unit"].isin(["s", "kWh", "J", "FLOP"])
    summed, greatest = rows[added], rows[~added]
    sums = summed.groupby([summed["arm"], names[added]])["value"].sum(skipna=False).unstack()
    peaks = greatest.groupby([greatest["arm"], names[~added]])["value"].max().unstack()
    return sums.join(peaks, how="outer")


def _dollars(table: pd.DataFrame) -> pd.DataFrame:
    """Return arm x purpose in dollars, rounded to a billionth as the purse does it. pandas sums groups with compensation, so rounding
    errors do not add up."""
    charges = table[table["row"] == "charge"]
    purse = charges[charges["paid_by"] == "purse"]
    purpose = purse["phase"].where(purse["quantity"] != "labels", "labels").map(columns.paid_usd)
    by_purpose = purse.groupby([purse["arm"], purpose])["usd"].sum().round(9).unstack()
    by_purpose[columns.SPENT_USD] = purse.groupby("arm")["usd"].sum().round(9)
    by_purpose = by_purpose.reindex(table["arm"].unique()).fillna(0.0)
    unknown = table[(table["row"] == "record") & table["value"].isna() & table["status"].isin(["done", "infeasible", "skipped"])]
    by_purpose.loc[unknown["arm"], columns.SPENT_USD] = math.nan
    free = charges[charges["paid_by"] == "free"].groupby("arm")["usd"].sum().round(9)
    return by_purpose.join(free.rename(columns.FREE_USD))


def _names(rows: pd.DataFrame, first: str, second: str, join: Callable[[str, str], str]) -> pd.Series[str]:
    """Return the name of each row's column, made from two of its values."""
    made = {pair: join(*pair) for pair in rows[[first, second]].drop_duplicates().itertuples(index=False, name=None)}
    return pd.Series([made[pair] for pair in zip(rows[first], rows[second], strict=True)], index=rows.index, dtype="str")


def _wide(rows: pd.DataFrame, names: pd.Series[str]) -> pd.DataFrame:
    return rows.groupby([rows["arm"], names])["value"].last().unstack()


def _arm(folder: Path, suite: str) -> _Arm:
    """Return everything of one arm. A file that cannot be understood makes it a failed arm without further rows."""
    shared, record = {"suite": suite, "arm": folder.name}, {"row": "record", "quantity": "spent", "unit": "USD", "direction": "lower"}
    try:
        sealed = read_record(folder)
        rows = [_row(row) for row in ledger.rows(folder)]
        if sealed is None:
            reason = "still running, or cut off" if rows else "not started"
            return _Arm(shared={**shared, "status": "unfinished"}, rows=[{**record, "reason": reason}, *rows])
        ended = {**record, "reason": sealed.reason, "value": number_or_nan(sealed.spent_usd)}
        predictions = folder / "predictions.jsonl"
        examples = scored.read(predictions) if sealed.status == "done" and predictions.exists() else None
        return _Arm(shared={**_identity(sealed), "arm": folder.name}, rows=[ended, *rows], record=sealed, examples=examples)
    except BenchError as error:
        reason = str(error)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        reason = f"{type(error).__name__}: {error}"
    return _Arm(shared={**shared, "status": "failed"}, rows=[{**record, "reason": f"cannot be read: {reason}"}])


def _identity(record: Record) -> dict[str, Any]:
    """Return the columns that all rows of an arm share. Raises ValueError or TypeError where a field has a wrong type."""
    names = ("suite", "task", "strategy", "use", "setting", "status", "reason", "data_fingerprint")
    words = [getattr(record, name) for name in names]
    if not all(isinstance(word, str) for word in words) or not isinstance(record.machine, dict):
        raise TypeError("record.json holds a field of another type than it should")
    return {
        **{name: getattr(record, name) for name in names[:6]},
        "settings": json.dumps(record.settings, sort_keys=True),
        "label_share": float(record.settings.get("label_share", math.nan)),
        "budget_usd": float(record.budget_usd),
        "seed": int(record.seed),
    }


def _row(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return a ledger's row with the names of the table. Raises KeyError, TypeError or ValueError."""
    kind = row["row"]
    if kind == "charge":
        kept = {name: str(row[name]) for name in ("phase", "unit", "paid_by")}
        usd, price = float(row["usd"]), float(row["unit_price_usd"])
        amount = {"quantity": str(row["kind"]), "value": float(row["quantity"]), "direction": "lower"}
        return {"row": kind, **kept, **amount, "usd": usd, "unit_price_usd": price}
    if kind == "score":
        kept = {name: str(row[name]) for name in ("subject", "unit", "direction")} | {"reason": str(row.get("reason", ""))}
        return {"row": kind, **kept, "quantity": str(row["name"]), "value": number_or_nan(row["value"])}
    if kind == "reading":
        kept = {name: str(row[name]) for name in ("phase", "quantity", "unit", "direction", "source", "reason")}
        return {"row": kind, **kept, "value": number_or_nan(row["value"]), "shared": bool(row["shared"])}
    if kind == "fact":
        name = str(row["name"])
        unit = str(row.get("unit") or old_fact_unit(name))
        return {"row": kind, "quantity": name, "value": float(row["value"]), "unit": unit, "direction": "none"}
    raise ValueError(f"ledger row of unknown kind {kind!r}")


def number_or_nan(value: float | None) -> float:
    """Return the number, or NaN where nothing was measured."""
    return math.nan if value is None else float(value)


def _frame(arms: Iterable[_Arm]) -> pd.DataFrame:
    """Return a frame with exactly the columns and dtypes of COLUMNS, for any rows."""
    found = list(arms)
    cells: dict[str, list[Any]] = {name: [] for name in COLUMNS}
    for name, values in cells.items():
        missing = "" if COLUMNS[name].dtype == "str" else None
        for arm in found:
            values += [arm.shared[name]] * len(arm.rows) if name in arm.shared else [row.get(name, missing) for row in arm.rows]
    return pd.DataFrame({name: pd.Series(values, dtype=COLUMNS[name].dtype) for name, values in cells.items()})
