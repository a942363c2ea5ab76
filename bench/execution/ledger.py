"""The rows of one arm, the purse they are paid from, and the record that seals them.

A ledger is a JSON-lines file; each row is flushed as it happens and carries a schema number:

    {"row": "charge",  "phase": ..., "kind": ..., "quantity": ..., "unit": ..., "unit_price_usd": ..., "usd": ..., "paid_by": ...}
    {"row": "score",   "subject": "student" | "teacher" | "floor: NAME", "name": ..., "value": ..., "unit": ..., "direction": ...,
                       "reason": ...}
    {"row": "reading", "phase": ..., "quantity": ..., "value": ..., "unit": ..., "direction": ..., "source": ..., "reason": ...,
                       "shared": whether the work was done by another arm before}
    {"row": "fact",    "name": ..., "value": ...}

The record is written last, by atomic replace, by the process that started the arm's process.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

from bench.contracts import Charge, Reading, Score
from bench.errors import BenchError, OverBudget
from bench.system.files import write_json

SCHEMA = 1

LIMITED = "limited_by_budget"
"""Fact of an arm, 1 where money set how much it trained, labelled or distilled: at other prices it would have been more or less."""

Status = Literal["done", "infeasible", "skipped", "failed"]


class Ledger:
    """Appends rows to `folder/ledger.jsonl`. A ledger left by an attempt that was cut off is kept beside the new one."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        keep_aside(folder)
        self.path = folder / "ledger.jsonl"

    def _append(self, row: Mapping[str, Any]) -> None:
        with self.path.open("a", encoding="utf-8") as file:
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

    def fact(self, name: str, value: float) -> None:
        self._append({"row": "fact", "name": name, "value": value})

    def facts(self, values: Mapping[str, float]) -> None:
        for name, value in values.items():
            self.fact(name, value)


def keep_aside(folder: Path) -> None:
    """Rename the ledger of an earlier attempt, so that its rows are not taken for those of the next."""
    path = folder / "ledger.jsonl"
    if path.exists():
        attempts = len(list(folder.glob("ledger.attempt-*.jsonl")))
        path.replace(folder / f"ledger.attempt-{attempts + 1}.jsonl")


def rows(folder: Path) -> list[dict[str, Any]]:
    """All rows of an arm; a last line cut off by a kill is left out. Raises BenchError where an earlier one is damaged."""
    path = folder / "ledger.jsonl"
    if not path.exists():
        return []
    lines = path.read_bytes().rstrip(b"\n").split(b"\n")
    try:
        return list(json.loads(b"[%s]" % b",".join(lines)))  # at once: thousands of arms are read for a report
    except ValueError:
        return _readable(path, lines)


def _readable(path: Path, lines: Sequence[bytes]) -> list[dict[str, Any]]:
    """All but a last one that is damaged."""
    found = []
    for place, line in enumerate(lines, start=1):
        try:
            found.append(json.loads(line))
        except ValueError as error:
            if place < len(lines):
                raise BenchError(f"{path}:{place}: cannot be read ({error}); remove its folder to run the arm again") from error
    return found


class Purse:
    """The money of one arm. What does not fit is refused before it is written down."""

    def __init__(self, budget_usd: float, ledger: Ledger | None = None) -> None:
        self.budget_usd = budget_usd
        self.charges: list[Charge] = []
        self._ledger = ledger

    @property
    def spent_usd(self) -> float:
        return round(math.fsum(c.usd for c in self.charges if c.paid_by == "purse"), 9)

    @property
    def left_usd(self) -> float:
        return round(self.budget_usd - self.spent_usd, 9)

    def fits(self, usd: float) -> bool:
        return round(self.spent_usd + usd, 9) <= self.budget_usd

    def pay(self, charge: Charge) -> None:
        """Write a charge down. Raises OverBudget where the purse would have to bear more than it holds."""
        if charge.paid_by == "purse" and not self.fits(charge.usd):
            raise OverBudget(
                f"{charge.phase.replace('_', ' ')} costs ${charge.usd:.2f}, ${self.left_usd:.2f} of ${self.budget_usd:.2f} are left"
            )
        self.charges.append(charge)
        if self._ledger:
            self._ledger.charge(charge)


@dataclass(frozen=True)
class Ending:
    """How the process of an arm ended, for the parent to seal: the content of outcome.json."""

    status: Status
    reason: str = ""
    spent_usd: float = 0.0
    facts: dict[str, float] = field(default_factory=dict)
    data_fingerprint: str = ""
    inputs_fingerprint: str = ""
    machine: dict[str, Any] = field(default_factory=dict)
    student: str = ""
    started: str = ""


@dataclass(frozen=True)
class Record:
    """How an arm ended, and under which conditions."""

    arm: str
    suite: str
    task: str
    strategy: str
    """The label in the suite."""
    use: str
    """The part behind the label."""
    setting: str
    """What tells this arm from others of its strategy, such as 'label_share=0.5'; empty where there is one setting."""
    settings: dict[str, Any]
    budget_usd: float
    seed: int
    status: Status
    reason: str
    spent_usd: float | None
    """None: not known, as where only scores were published."""
    facts: dict[str, float]
    data_fingerprint: str
    """Of the task's splits."""
    machine: dict[str, Any]
    started: str
    ended: str
    student: str
    """Folder of the compact model, relative to the results folder; empty where there is none."""
    inputs_fingerprint: str = ""
    """Of the checkpoints and texts that the arm uses; empty where they could not be had."""
    schema: int = SCHEMA


def seal(folder: Path, record: Record) -> None:
    """Write record.json, last of all."""
    write_json(folder / "record.json", asdict(record))


def sealed(folder: Path) -> Record | None:
    """The record of an arm that has ended, else None. Raises BenchError where it is damaged, or of another version."""
    path = folder / "record.json"
    if not path.exists():
        return None
    try:
        record = Record(**json.loads(path.read_text(encoding="utf-8")))
    except (TypeError, ValueError) as error:
        raise BenchError(f"{path}: cannot be read ({error}); remove its folder to run the arm again") from error
    if record.schema != SCHEMA:
        raise BenchError(f"{path}: of schema {record.schema}, this version reads {SCHEMA}; remove its folder to run the arm again")
    return record
