"""Writes each published figure as one arm, through the ledger, purse and record of a run."""

from __future__ import annotations

import re
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench.contracts import Charge, Fact, Score, numbers
from bench.execution.ledger import Ledger
from bench.execution.purse import Purse
from bench.execution.record import Record, write_record
from bench.system.files import write_json
from bench.system.results_folder import SUITE_JSON

EQUALS_CLASS_SHARE = "equals_class_share"
"""Name of a fact: the score of this arm equals, as printed, the share of one class in its test set. Its value is that share, in points."""


@dataclass(frozen=True, kw_only=True)
class Cell:
    """One arm: one published figure, or several of one model."""

    task: str
    strategy: str
    budget_usd: float
    scores: Mapping[str, Mapping[str, float]]
    """subject -> metric -> points, more is better. Empty where `infeasible` gives the reason."""
    facts: tuple[Fact, ...]
    """Facts with the names that the arms of a run use."""
    charges: tuple[Charge, ...] | None = ()
    """What the dollars bought, within the budget in total. None: no dollars were published."""
    use: str = ""
    setting: str = ""
    settings: Mapping[str, Any] = field(default_factory=dict)
    infeasible: str = ""
    """Reason why there is no score, or ''."""

    @property
    def arm(self) -> str:
        """Name of the arm's folder."""
        named = (self.task, self.strategy, f"{self.budget_usd:g}usd", self.setting)
        return ".".join(re.sub(r"[^\w=+-]+", "-", part) for part in named if part)


@dataclass(frozen=True, kw_only=True)
class Work:
    """The figures of one published work."""

    source: str
    """Authors, title and place of publication."""
    told: tuple[str, ...]
    """What a reader must know about the figures, one sentence each: which were printed, which derived."""
    suite: Mapping[str, Any]
    """The other fields of suite.json; see `bench.execution.runner`."""
    cells: tuple[Cell, ...]
    """The figures, in the order of the arms."""


def write(work: Work, name: str, folder: Path) -> Path:
    """Write `folder` and replace the arms in it. Raises OverBudget where the charges of a cell exceed its budget."""
    folder.mkdir(parents=True, exist_ok=True)
    for cell in work.cells:
        shutil.rmtree(folder / cell.arm, ignore_errors=True)
        _write(cell, name, folder / cell.arm)
    about = {"source": work.source, "told": list(work.told)}
    write_json(folder / SUITE_JSON, {**work.suite, "suite": name, "published": about, "arms": [cell.arm for cell in work.cells]})
    return folder


def _write(cell: Cell, suite: str, folder: Path) -> None:
    ledger = Ledger(folder)
    purse = Purse(cell.budget_usd, ledger)
    for charge in cell.charges or ():
        purse.pay(charge)
    for subject, scores in cell.scores.items():
        for metric, points in scores.items():
            ledger.score(subject, Score(metric, points, "points", "higher"))
    for fact in cell.facts:
        ledger.fact(fact)
    copied = {name: getattr(cell, name) for name in ("arm", "task", "strategy", "use", "setting", "budget_usd")}
    not_run: dict[str, Any] = {"data_fingerprint": "", "machine": {}, "started": "", "ended": "", "student": ""}
    record = Record(
        **copied,
        **not_run,
        suite=suite,
        settings=dict(cell.settings),
        seed=0,  # the number of runs behind a figure is not known
        status="infeasible" if cell.infeasible else "done",
        reason=cell.infeasible,
        spent_usd=None if cell.charges is None else purse.spent_usd,
        facts=numbers(cell.facts),
    )
    write_record(folder, record)
