"""One published figure is one arm: its folder is written through the ledger, purse and record that a run uses."""

from __future__ import annotations

import re
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench.contracts import Charge, Score
from bench.execution.ledger import Ledger
from bench.execution.purse import Purse
from bench.execution.record import Record, write_record
from bench.system.files import write_json

EQUALS_CLASS_SHARE = "equals_class_share"
"""Fact of an arm whose score is printed as the share of one class of its test set would be: that share, in points."""


@dataclass(frozen=True, kw_only=True)
class Cell:
    """One figure, or several of one model.

    scores: subject -> metric -> points, more is better; none where `infeasible` says why there is none.
    charges: what the dollars bought; together within the budget; None: no dollars were published. facts: as of an arm that was run.
    """

    task: str
    strategy: str
    budget_usd: float
    scores: Mapping[str, Mapping[str, float]]
    facts: Mapping[str, float]
    charges: tuple[Charge, ...] | None = ()
    use: str = ""
    setting: str = ""
    settings: Mapping[str, Any] = field(default_factory=dict)
    infeasible: str = ""

    @property
    def arm(self) -> str:
        """Name of its folder."""
        named = (self.task, self.strategy, f"{self.budget_usd:g}usd", self.setting)
        return ".".join(re.sub(r"[^\w=+-]+", "-", part) for part in named if part)


@dataclass(frozen=True, kw_only=True)
class Work:
    """What one work published.

    source: who, what, where. told: what a reader must know of the figures, a sentence each: which were printed, which derived.
    suite: the other fields of suite.json, see `bench.execution.runner`. cells: in the order of the arms.
    """

    source: str
    told: tuple[str, ...]
    suite: Mapping[str, Any]
    cells: tuple[Cell, ...]


def write(work: Work, name: str, folder: Path) -> Path:
    """Write `folder`; what was there before goes. Raises OverBudget where the charges of a cell are more than its budget."""
    folder.mkdir(parents=True, exist_ok=True)
    for cell in work.cells:
        shutil.rmtree(folder / cell.arm, ignore_errors=True)
        _write(cell, name, folder / cell.arm)
    about = {"source": work.source, "told": list(work.told)}
    write_json(folder / "suite.json", {**work.suite, "suite": name, "published": about, "arms": [cell.arm for cell in work.cells]})
    return folder


def _write(cell: Cell, suite: str, folder: Path) -> None:
    ledger = Ledger(folder)
    purse = Purse(cell.budget_usd, ledger)
    for charge in cell.charges or ():
        purse.pay(charge)
    for subject, scores in cell.scores.items():
        for metric, points in scores.items():
            ledger.score(subject, Score(metric, points, "points", "higher"))
    ledger.facts(cell.facts)
    write_record(folder, _record(cell, suite, None if cell.charges is None else purse.spent_usd))


def _record(cell: Cell, suite: str, spent_usd: float | None) -> Record:
    """Nothing was run: no machine, no times, no data that was read here. How many runs a figure stands for is not said: one seed."""
    return Record(
        arm=cell.arm,
        suite=suite,
        task=cell.task,
        strategy=cell.strategy,
        use=cell.use,
        setting=cell.setting,
        settings=dict(cell.settings),
        budget_usd=cell.budget_usd,
        seed=0,
        status="infeasible" if cell.infeasible else "done",
        reason=cell.infeasible,
        spent_usd=spent_usd,
        facts=dict(cell.facts),
        data_fingerprint="",
        machine={},
        started="",
        ended="",
        student="",
    )
