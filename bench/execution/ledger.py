"""The ledger of one arm: its rows.

A ledger is a JSON-lines file. Each row is flushed as it happens and carries a schema number:

    {"row": "charge",  "phase": ..., "kind": ..., "quantity": ..., "unit": ..., "unit_price_usd": ..., "usd": ..., "paid_by": ...}
    {"row": "score",   "subject": "student" | "teacher" | "floor: NAME" | "baseline on dev: NAME", "name": ..., "value": ...,
                       "unit": ..., "direction": ..., "reason": ...}
    {"row": "reading", "phase": ..., "quantity": ..., "value": ..., "unit": ..., "direction": ..., "source": ..., "reason": ...,
                       "shared": whether another arm had done the work before}
    {"row": "fact",    "name": ..., "value": ..., "unit": ... (missing in ledgers before 2026-12)}

The record (record.py) is written last, by atomic replace, by the process that started the arm's process.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from pydantic_core import from_json

from bench.contracts import Charge, Fact, Reading, Score
from bench.errors import BenchError
from bench.system.files import names_file
from bench.system.results_folder import LEDGER

SCHEMA = 1

LARGEST = 1e30
"""Larger numbers in results are refused: their squares could be infinite, and the page holds some in single precision."""

LIMITED = "limited_by_budget"
"""Name of a fact. It is 1 where the budget limited how much the arm trained, labelled or distilled.

At other prices the arm would have done more or less.
"""


class Ledger:
    """Appends rows to `folder/ledger.jsonl`. The ledger of an interrupted attempt is kept beside the new one."""

    def __init__(self, folder: Path, check: Callable[[], object] = lambda: None) -> None:
        """check: called before each change of the rows. It raises where they may not be changed."""
        self._check = check
        folder.mkdir(parents=True, exist_ok=True)
        keep_aside(folder)
        self.path = folder / LEDGER

    def discard(self) -> None:
        """Remove all rows: the arm starts again and writes them again."""
        self._check()
        self.path.unlink(missing_ok=True)

    def _append(self, row: Mapping[str, Any]) -> None:
        self._check()
        with names_file(self.path), self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps({"schema": SCHEMA, **row}, allow_nan=False) + "\n")
            file.flush()
            os.fsync(file.fileno())

    def charge(self, charge: Charge) -> None:
        self._append({"row": "charge", **asdict(charge), "usd": charge.usd})

    def score(self, subject: str, score: Score) -> None:
        kept = {name: value for name, value in asdict(score).items() if name != "per_example"}
        self._append({"row": "score", "subject": subject, **kept})

    def reading(self, phase: str, reading: Reading, shared: bool = False) -> None:
        self._append({"row": "reading", "phase": phase, "shared": shared, **asdict(reading)})

    def fact(self, fact: Fact) -> None:
        self._append({"row": "fact", **asdict(fact)})


def keep_aside(folder: Path) -> None:
    """Rename the ledger of an earlier attempt, so that its rows are not mixed with those of the next."""
    path = folder / LEDGER
    if path.exists():
        attempts = len(list(folder.glob("ledger.attempt-*.jsonl")))
        path.replace(folder / f"ledger.attempt-{attempts + 1}.jsonl")


def rows(folder: Path) -> list[dict[str, Any]]:
    """Return all rows of an arm. A last line that a kill cut off is left out. Raises BenchError where an
    earlier line is damaged."""
    path = folder / LEDGER
    try:
        lines = path.read_bytes().rstrip(b"\n").split(b"\n")
    except FileNotFoundError:
        return []
    try:
        found = list(from_json(b"[%s]" % b",".join(lines)))  # parsed at once, because a report reads thousands of arms
    except ValueError:
        return _readable(path, lines)
    return found if all(isinstance(row, dict) for row in found) else _readable(path, lines)


def _readable(path: Path, lines: Sequence[bytes]) -> list[dict[str, Any]]:
    """Return all rows but a damaged last one."""
    found = []
    for place, line in enumerate(lines, start=1):
        try:
            row = from_json(line)
        except ValueError as error:
            if place == len(lines):
                continue
            row, why = None, str(error)
        else:
            why = "not a JSON object"
        if not isinstance(row, dict):
            raise BenchError(f"{path}:{place}: cannot be read ({why}); remove its folder to run the arm again")
        found.append(row)
    return found
