"""Compares two results folders: new and missing arms, and changes that exceed noise.

Arms are matched by task, strategy, setting, budget and seed. Their ids are unsuitable: these contain a hash of everything that decides an
outcome. Another version, price or setting gives another id to the same question.

Scores are compared by the paired difference over the same seeds and test examples. Where the data differ, or no seed is shared, both sides
count as independent. A difference is *beyond noise* where it is significant after Holm's correction over all scores compared. Where nothing
changed, at most one run of `bench compare` in twenty reports any change.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from itertools import product
from typing import Any

import numpy as np
import pandas as pd

from bench.contracts import Progress
from bench.errors import BenchError
from bench.report.analysis import differences, leaderboard
from bench.report.analysis.active_arms import current
from bench.report.analysis.changes import Cell, Change, beyond_noise, change
from bench.report.analysis.differences import Unlike
from bench.report.analysis.format import score
from bench.report.analysis.leaderboard import Board
from bench.report.analysis.line import Line
from bench.report.analysis.metric import Metric
from bench.report.text import conjoined, count
from bench.results import arm_columns as columns
from bench.results.table import Results
from bench.system.names import nearest

COSTS = {
    "spent USD": columns.SPENT_USD,
    "labels": columns.LABELS_BOUGHT,
    "parameters": columns.STUDENT_PARAMETERS,
    "ms": columns.STUDENT_MS,
    "wall s": columns.WALL_S,
    "energy": columns.ENERGY_KWH,
    "memory": columns.reading("peak_rss", "bytes"),
    "GPU memory": columns.reading("gpu_peak_allocated", "bytes"),
}
"""Name of a cost -> column of `Results.by_arm`."""

ROUNDING = 1e-9
"""Means over different numbers of equal scores differ by less than this."""


@dataclass(frozen=True, kw_only=True)
class OneSided:
    """The seeds of a setting that only one side has."""

    cell: Cell
    new: bool
    """Whether they are in the later folder, and not in the earlier one."""
    whole: bool
    """Whether the other side has no seed of that setting."""
    seeds: tuple[int, ...]
    ended: Mapping[str, int]
    """Status -> number of these arms that ended with it."""
    alike: str = ""
    """Name of the same setting on the other side, where that has another name; otherwise ''."""


@dataclass(frozen=True, kw_only=True)
class Turn:
    """An arm whose status changed."""

    cell: Cell
    seed: int
    before: str
    after: str
    reason: str
    """Why there is no score, on the side without one."""


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """The result of a comparison."""

    cells: tuple[Cell, ...]
    """Settings that both sides have."""
    unlike: tuple[Unlike, ...]
    one_sided: tuple[OneSided, ...]
    turns: tuple[Turn, ...]
    changes: tuple[Change, ...]
    costs: Mapping[Cell, Mapping[str, tuple[float, float]]]
    """Cell -> name in COSTS -> means before and after, over the seeds that are done on both sides."""
    notes: tuple[str, ...]

    def document(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        changes = [{**asdict(one), "verdict": one.verdict, "worse": one.worse} for one in self.changes]
        costs = [{**asdict(cell), "costs": dict(costs)} for cell, costs in self.costs.items() if costs]
        others = {name: [asdict(one) for one in getattr(self, name)] for name in ("unlike", "one_sided", "turns")}
        return {"got_worse": self.got_worse, "settings": len(self.cells), "changes": changes, **others, "costs": costs, "notes": self.notes}

    @property
    def got_worse(self) -> bool:
        """Whether a score is worse beyond noise, or an arm that was done is not done now."""
        return any(one.worse for one in self.changes) or any(turn.before == "done" for turn in self.turns)


class _Side:
    """One results folder. `arms` maps a cell to its rows of `results.arms`. `lines` maps a cell to its scores on `boards`."""

    def __init__(self, found: Results) -> None:
        self.found = current(found)
        view = self.found.by_arm
        view = view[view["task"].ne("")]
        names = [leaderboard.label(s, t) for s, t in zip(view["strategy"], view["setting"], strict=True)]
        groups = view.groupby([view["task"], view["budget_usd"], pd.Series(names, index=view.index, dtype="str")])
        self.arms = {Cell(str(task), float(str(budget)), str(name)): rows for (task, budget, name), rows in groups}
        self.boards: list[Board] = []

    @cached_property
    def lines(self) -> dict[Cell, Line]:
        return {Cell(one.task, one.budget_usd, line.name): line for one in self.boards for line in one.settings}

    def statuses(self, cell: Cell) -> dict[int, tuple[str, str]]:
        """Return seed -> (status of its arm, reason)."""
        rows = self.arms[cell]
        return {int(seed): (str(s), str(why)) for seed, s, why in zip(rows["seed"], rows["status"], rows["reason"], strict=True)}

    def data(self, cell: Cell) -> set[str]:
        done = self.arms[cell][self.arms[cell]["status"] == "done"]
        return {self.found.records[arm].data_fingerprint for arm in done.index}

    def settings(self, cell: Cell) -> str:
        """Return all settings of the strategy, and its part."""
        record = self.found.records[str(self.arms[cell].index[0])]
        return f"{record.use} {sorted(map(str, differences.flat(record.settings)))}"


def compare(before: Results, after: Results, only: Sequence[str], progress: Progress) -> Comparison:
    """Compare two folders. `only` holds the metrics to compare; empty means all that both sides have.

    Raises BenchError where nothing can be matched, and for a metric that is not on both sides.
    """
    first, second = sides = _Side(before), _Side(after)
    both = sorted(first.arms.keys() & second.arms.keys())
    if not both:
        raise BenchError(f"nothing to compare: {_why_none(list(first.arms), list(second.arms))}")
    known = leaderboard.metrics(first.found)
    shared = [metric for metric in leaderboard.metrics(second.found) if metric in known]
    names = [metric.name for metric in shared]
    if unknown := [name for name in only if name not in names]:
        raise BenchError(f"no metric '{unknown[0]}' on both sides; there are: {', '.join(names) or 'none'}")
    metrics = [metric for metric in shared if metric.name in only or not only]
    for done, side in enumerate(sides):
        progress("scoring", done, 2)
        side.boards = leaderboard.boards(side.found, metrics) if metrics else []
    progress("scoring", 2, 2)
    scored = [cell for cell in both if cell in first.lines and cell in second.lines]
    unpaired = {cell: "other data" if len(first.data(cell) | second.data(cell)) > 1 else "" for cell in scored}
    found = []
    for done, (metric, cell) in enumerate(product(metrics, scored)):
        progress("comparing", done, len(metrics) * len(scored))
        found.append(change(cell, metric, first.lines[cell], second.lines[cell], unpaired[cell]))
    progress("comparing", 1, 1)
    changes = beyond_noise([one for one in found if one])
    differing = [*differences.unlike(first.found, second.found), *_baselines(metrics, first, second)]
    return Comparison(
        cells=tuple(both),
        unlike=tuple(sorted(differing, key=differences.gravest_first)),
        one_sided=(*_one_sided(second, first, new=True), *_one_sided(first, second, new=False)),
        turns=tuple(turn for cell in both for turn in _turns(cell, first.statuses(cell), second.statuses(cell))),
        changes=tuple(changes),
        costs={cell: _costs(first.arms[cell], second.arms[cell]) for cell in both},
        notes=tuple(_notes(first, second, changes)),
    )


def _why_none(before: Sequence[Cell], after: Sequence[Cell]) -> str:
    """Return the first of task, budget and setting that the two sides do not share."""
    tasks = {cell.task for cell in before} & {cell.task for cell in after}
    if not tasks:
        return f"A has the task {_names(before, 'task')}, B {_names(after, 'task')}"
    before, after = ([cell for cell in side if cell.task in tasks] for side in (before, after))
    pairs = {(cell.task, cell.budget_usd) for cell in before} & {(cell.task, cell.budget_usd) for cell in after}
    if not pairs:
        budgets = [_names(side, "budget_usd") for side in (before, after)]
        return f"with the task {conjoined(sorted(tasks))}, A has budgets of {budgets[0]} USD, B of {budgets[1]} USD"
    others = {cell.setting for cell in after}
    alike = ((name, nearest(name, others)) for name in sorted({cell.setting for cell in before}))
    hint = next((f"; the nearest are '{name}' and '{other}'" for name, other in alike if other), "")
    return f"A has the settings {_names(before, 'setting')}, B {_names(after, 'setting')}{hint}"


def _names(cells: Sequence[Cell], field: str) -> str:
    values = sorted({getattr(cell, field) for cell in cells})
    return differences.joined([f"{value:g}" if isinstance(value, float) else f"'{value}'" for value in values])


def _baselines(metrics: Sequence[Metric], first: _Side, second: _Side) -> Iterator[Unlike]:
    """Yield baselines that score differently on the same data, which shows that the scoring has changed. A baseline has the same scores in
    every arm, so both sides are averaged over their seeds."""
    lines = [{(b.task, line.name): line for b in side.boards for line in b.baselines} for side in (first, second)]
    same = {task for task, prints in differences.data(first.found).items() if prints == differences.data(second.found).get(task)}
    for (task, baseline), metric in product(sorted(lines[0].keys() & lines[1].keys()), metrics):
        one, other, name = lines[0][task, baseline], lines[1][task, baseline], metric.name
        if task in same and name in one.samples and name in other.samples:
            before, after = one.samples[name].mean().align(other.samples[name].mean(), join="inner")
            if not np.allclose(before, after, rtol=0, atol=ROUNDING):
                what = f"{name} of the baseline '{baseline}' in {task}"
                yield Unlike(kind="scoring", what=what, before=score(one.scores[name]), after=score(other.scores[name]))


def _one_sided(here: _Side, there: _Side, *, new: bool) -> Iterator[OneSided]:
    """Yield what only `here` has. A grid that gains or loses a value renames its settings, so these are compared too."""
    for cell in sorted(here.arms):
        elsewhere = there.statuses(cell) if cell in there.arms else {}
        alone = {seed: status for seed, (status, _) in here.statuses(cell).items() if seed not in elsewhere}
        if alone:
            others = [c for c in there.arms if (c.task, c.budget_usd) == (cell.task, cell.budget_usd) and c not in here.arms]
            alike = "" if elsewhere else next((c.setting for c in others if there.settings(c) == here.settings(cell)), "")
            seeds, ended = tuple(sorted(alone)), Counter(alone.values())
            yield OneSided(cell=cell, new=new, whole=not elsewhere, seeds=seeds, ended=ended, alike=alike)


def _turns(cell: Cell, before: Mapping[int, tuple[str, str]], after: Mapping[int, tuple[str, str]]) -> Iterator[Turn]:
    for seed in sorted(before.keys() & after.keys()):
        (one, why), (other, why_now) = before[seed], after[seed]
        if one != other:
            yield Turn(cell=cell, seed=seed, before=one, after=other, reason=why_now or why)


def _costs(before: pd.DataFrame, after: pd.DataFrame) -> dict[str, tuple[float, float]]:
    """Return costs that both sides know, over the seeds for which both do."""
    found = {}
    for name, column in COSTS.items():
        sides = []
        for arms in (before, after):
            done = arms[arms["status"] == "done"].reindex(columns=["seed", column])
            sides.append(done.astype({"seed": "int64", column: "float64"}).groupby("seed")[column].mean())
        both = pd.concat(sides, axis=1, join="inner").dropna()
        if len(both):
            found[name] = (float(both.iloc[:, 0].mean()), float(both.iloc[:, 1].mean()))
    return found


def _notes(first: _Side, second: _Side, changes: Sequence[Change]) -> Iterator[str]:
    for name, side in (("A", first), ("B", second)):
        unread = Counter(side.found.table.loc[side.found.table["row"].eq("record") & side.found.table["task"].eq(""), "status"])
        for status, number in sorted(unread.items()):
            what = "not done yet, so missing settings may still come" if status == "unfinished" else "that cannot be read"
            yield f"{name}: {count(number, 'arm')} {what}."
    left_out = {m.name for m in leaderboard.metrics(first.found)} ^ {m.name for m in leaderboard.metrics(second.found)}
    if left_out:
        yield f"Only one side has these metrics, so they are not compared: {', '.join(sorted(left_out))}."
    if any(one.verdict == "untested: one seed" for one in changes):
        yield "Some settings are compared on one seed. Their intervals cover test examples only, so nothing is tested."
