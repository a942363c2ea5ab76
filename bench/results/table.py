"""The ledgers of a results folder -> one tidy table.

    results/<suite>/<arm>/{ledger.jsonl, record.json, predictions.jsonl}  ->  Results(table, examples, records, suite)

Nothing is averaged here: the table has one row for each number that was recorded. What cannot be read is a row too. An arm with a damaged
file is `failed`. An arm without a record is `unfinished`: not started, running, or cut off.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.csv

from bench.contracts import ADDED_UNITS
from bench.errors import BenchError
from bench.execution.ledger import LARGEST
from bench.execution.record import Record
from bench.forecast import saved
from bench.forecast.saved import SavedForecast
from bench.results import archive, arm_files, spreadsheet, suite_json, unchanged_arms
from bench.results import arm_columns as columns
from bench.results.columns import COLUMNS
from bench.results.examples import Examples
from bench.system.files import atomic_write
from bench.system.garbage import gc_disabled
from bench.system.results_folder import LEDGER, RECORD, SUITE_YAML

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
    read_from: Mapping[str, Any] = field(default_factory=dict)
    """The states of the arms' files before they were read, see `unchanged_arms`; {} where there are none."""
    kept: bool = False
    """Whether the folders of the arms are gone, and everything comes from table.parquet and `archive`."""

    @property
    def repriced(self) -> bool:
        """Whether the dollars are at other prices than those of the run."""
        return "asked" in self.suite

    @property
    def suite_path(self) -> str:
        """The suite file as its user named it, for a command; SUITE where it is not known."""
        return str(self.suite.get("path", "SUITE"))

    @cached_property
    def by_arm(self) -> pd.DataFrame:
        """The result of `arms` for this table, computed once. Do not change it in place."""
        return arms(self.table)


@gc_disabled()
def read(folder: Path) -> Results:
    """Read `results/<suite>/`. It may still be written, or hold only its tables. Raises BenchError."""
    if not folder.is_dir():
        raise BenchError(f"{folder}: no such results folder")
    suite = suite_json.read(folder)
    name = str(suite.get("suite", folder.name))
    files = (RECORD, LEDGER)
    there = {entry.name for entry in os.scandir(folder) if any(os.path.exists(f"{entry.path}/{file}") for file in files)}
    if not there and (kept := _kept(folder, suite)):
        return kept
    arms = sorted(there | {*filter(_is_name, (Path(planned).name for planned in suite.get("arms", [])))})
    read_from = unchanged_arms.states(folder, name, arms)
    before = unchanged_arms.read(folder, read_from)
    frames = [before.table if before else arm_files.frame([])]
    examples = dict(before.examples) if before else {}
    records = dict(before.records) if before else {}
    changed = [folder / arm for arm in arms if not before or arm not in before.arms]
    batches = [changed[first : first + AT_ONCE] for first in range(0, len(changed), AT_ONCE)]
    with ThreadPoolExecutor(1) as aside:
        ahead = [aside.submit(arm_files.read_ahead, batch) for batch in batches]
        for batch, scores_read in zip(batches, ahead, strict=True):
            scores_read.result()
            found = [arm_files.read(arm, name) for arm in batch]
            frames.append(arm_files.frame(found))
            examples |= {one.id: one.examples for one in found if one.examples}
            records |= {one.id: one.record for one in found if one.record}
    table = pd.concat(frames, ignore_index=True)
    if before and changed:
        places = pd.Series(range(len(arms)), index=arms)
        table = table.iloc[np.argsort(places[table["arm"]].to_numpy(), kind="stable")].reset_index(drop=True)
    return Results(
        table=table,
        examples={arm: examples[arm] for arm in arms if arm in examples},
        records={arm: records[arm] for arm in arms if arm in records},
        suite=suite,
        suite_text=_text(folder),
        forecasts=saved.read(folder),
        read_from=read_from,
    )


def _is_name(name: str) -> bool:
    """Return whether a folder inside the results folder can have this name."""
    return name not in ("", "..") and "\0" not in name and len(os.fsencode(name)) < 256


def _kept(folder: Path, suite: Mapping[str, Any]) -> Results | None:
    """Return what the tables of a folder hold, or None where there are none or no arm in them has ended. Raises BenchError where they
    cannot be read."""
    path = folder / "table.parquet"
    if not path.exists():
        return None
    try:
        table = pd.read_parquet(path)[[*COLUMNS]].astype({name: column.dtype for name, column in COLUMNS.items()})
        from_table = archive.records(_checked(table))
    except Exception as error:  # pyarrow and pandas raise many kinds for a damaged file
        raise BenchError(f"{path}: not a table of this version ({type(error).__name__}: {str(error)[:80]})") from None
    records, examples = archive.read(folder)
    if not from_table:
        return None
    texts: dict[str, Any] = {"suite": suite, "suite_text": _text(folder), "forecasts": saved.read(folder)}
    return Results(table=table, examples=examples, records={**from_table, **records}, **texts, kept=True)


def _checked(table: pd.DataFrame) -> pd.DataFrame:
    """Return a table that was read. Raises ValueError where a text is missing, or a number is too large."""
    numbers = [name for name, column in COLUMNS.items() if column.dtype == "float64"]
    if table[[name for name, column in COLUMNS.items() if column.dtype == "str"]].isna().any(axis=None):
        raise ValueError("a text is missing")
    if (np.abs(table[numbers].to_numpy()) > LARGEST).any():
        raise ValueError(f"a number beyond {LARGEST:g}")
    return table


def _text(folder: Path) -> str:
    path = folder / SUITE_YAML
    return path.read_text(encoding="utf-8", errors="replace") if path.exists() else ""


def save(results: Results, folder: Path) -> None:
    """Write table.parquet and table.csv atomically. Neither is replaced before both are written."""
    with atomic_write(folder / "table.csv") as csv, atomic_write(folder / "table.parquet") as parquet:
        results.table.to_parquet(parquet, index=False)
        table = spreadsheet.without_formulas(results.table)
        pyarrow.csv.write_csv(pyarrow.Table.from_pandas(table, preserve_index=False), csv, CSV)


def rows(table: pd.DataFrame, kind: str, *names: str) -> pd.DataFrame:
    """Return the rows of one kind, with some of the columns. To copy all columns takes long where there are many arms."""
    return table[[*names]][table["row"] == kind]


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
    view = rows(table, "record", "arm", *identity).set_index("arm")
    scores, facts = rows(table, "score", "arm", "subject", "quantity", "value"), rows(table, "fact", "arm", "quantity", "value")
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
    found = rows(table, "reading", "arm", "quantity", "unit", "value")
    names, added = _names(found, "quantity", "unit", columns.reading), found["unit"].isin(ADDED_UNITS)
    summed, greatest = found[added], found[~added]
    sums = summed.groupby([summed["arm"], names[added]])["value"].sum(skipna=False).unstack()
    peaks = greatest.groupby([greatest["arm"], names[~added]])["value"].max().unstack()
    return sums.join(peaks, how="outer")


def _dollars(table: pd.DataFrame) -> pd.DataFrame:
    """Return arm x purpose in dollars, rounded to a billionth as the purse does it. pandas sums groups with compensation, so rounding
    errors do not add up. Where an arm's dollars are unknown, they are missing for each phase in which the meter may have left work out.
    """
    charges = rows(table, "charge", "arm", "phase", "quantity", "usd", "paid_by")
    purse = charges[charges["paid_by"] == "purse"]
    purpose = purse["phase"].where(purse["quantity"] != "labels", "labels").map(columns.paid_usd)
    by_purpose = purse.groupby([purse["arm"], purpose])["usd"].sum().round(9).unstack()
    by_purpose[columns.SPENT_USD] = purse.groupby("arm")["usd"].sum().round(9)
    by_purpose = by_purpose.reindex(table["arm"].unique()).fillna(0.0)
    spent = rows(table, "record", "arm", "value", "status")
    unknown = spent.loc[spent["value"].isna() & spent["status"].isin(["done", "infeasible", "skipped"]), "arm"]
    work = charges[charges["arm"].isin(unknown) & charges["paid_by"].eq("other meter")]
    partial = work.groupby([work["arm"], work["phase"].map(columns.paid_usd)]).size().unstack()
    by_purpose = by_purpose.mask(partial.reindex_like(by_purpose).notna())
    by_purpose.loc[unknown, columns.SPENT_USD] = math.nan
    free = charges[charges["paid_by"].eq("free") & ~charges["arm"].isin(unknown)].groupby("arm")["usd"].sum().round(9)
    return by_purpose.join(free.rename(columns.FREE_USD))


def _names(rows: pd.DataFrame, first: str, second: str, join: Callable[[str, str], str]) -> pd.Series[str]:
    """Return the name of each row's column, made from two of its values."""
    (one, firsts), (other, seconds) = pd.factorize(rows[first]), pd.factorize(rows[second])
    pairs, places = np.unique(one * len(seconds) + other, return_inverse=True)
    made = pd.array([join(firsts[pair // len(seconds)], seconds[pair % len(seconds)]) for pair in pairs.tolist()], dtype="str")
    return pd.Series(made.take(places), index=rows.index)


def _wide(rows: pd.DataFrame, names: pd.Series[str]) -> pd.DataFrame:
    return rows.groupby([rows["arm"], names])["value"].last().unstack()
