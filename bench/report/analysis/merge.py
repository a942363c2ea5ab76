"""Merges boards of several results folders, from several suites, machines or versions, into one leaderboard.

Entries of one table share the task, the data (by fingerprint) and the metric. All others get separate tables, with the reason. A setting is
ranked only among those of its own suite and budget, which have the same prices and are paired.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from bench.contracts import Progress
from bench.errors import BenchError
from bench.report.analysis import differences, leaderboard
from bench.report.analysis.active_arms import current
from bench.report.analysis.format import score
from bench.report.analysis.leaderboard import Board
from bench.report.analysis.line import Line
from bench.report.analysis.metric import Metric
from bench.report.analysis.significance import Estimate
from bench.results.table import Results
from bench.system.names import nearest


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One setting at one budget of one folder."""

    folder: str
    """Name of the folder."""
    board: Board
    line: Line
    machine: str
    """The machine of its arms, '' where unknown."""
    rank: tuple[int, int] | None
    """The best and the worst rank that it may have on its own board; see `Board.rank`. None where it is not
    compared, because it lacks a score or a seed."""
    behind: Estimate | None
    """How much better the best of its board is, paired. None for the best itself, and where nothing can be paired."""


@dataclass(frozen=True, kw_only=True)
class Group:
    """Entries that may be compared."""

    task: str
    metric: Metric
    data: tuple[str, ...]
    """Fingerprints of the data that the arms saw. If there are several, not even these arms are comparable."""
    entries: tuple[Entry, ...]
    """In order of the budget, then best first."""
    baselines: tuple[tuple[Line, tuple[str, ...]], ...]
    """Baselines, best first, with the folders that hold them."""

    @property
    def folders(self) -> tuple[str, ...]:
        return tuple(sorted({entry.folder for entry in self.entries}))

    @property
    def data_label(self) -> str:
        """The data in text, such as 'data 270b31368c1f'."""
        return "data " + (", ".join(one[: differences.FINGERPRINT_DIGITS] for one in self.data) or "not known")


@dataclass(frozen=True)
class Together:
    """The merged leaderboard."""

    groups: tuple[Group, ...]
    """In order of the task."""
    notes: tuple[str, ...]
    """Which tables are separate and why, and what differs within one table."""


def together(found: Mapping[str, Results], rank_by: str, only_best: bool, progress: Progress) -> Together:
    """Merge `found`, name -> results, and rank by the metric `rank_by`, or by that of each suite where it is ''.

    Raises BenchError where no folder has that metric.
    """
    found = {folder: current(one) for folder, one in found.items()}
    names = sorted({metric.name for one in found.values() for metric in leaderboard.metrics(one)})
    if rank_by and rank_by not in names:
        near = nearest(rank_by, names)
        raise BenchError(f"no metric '{rank_by}'; " + (f"did you mean '{near}'?" if near else f"there are: {', '.join(names) or 'none'}"))
    entries: dict[tuple[str, Metric, tuple[str, ...], str], list[Entry]] = {}
    notes = []
    for done, (folder, known) in enumerate(found.items()):
        progress("scoring", done, len(found))
        metrics = [metric for metric in leaderboard.metrics(known) if rank_by in ("", metric.name)][:1]
        if not metrics:
            notes.append(f"{folder}: left out, because no arm has a score{f' in {rank_by}' if rank_by else ''}.")
            continue
        data = differences.data(known)
        for drawn in leaderboard.boards(known, metrics):
            prints = tuple(sorted(data.get(drawn.task, ())))
            key = (drawn.task, drawn.primary, prints, folder if len(prints) != 1 else "")
            entries.setdefault(key, []).extend(_entries(folder, known, drawn))
    progress("scoring", len(found), len(found))
    drawn_groups = (_group(*key[:3], of_group, only_best) for key, of_group in entries.items())
    groups = [group for group in drawn_groups if group.entries]
    groups.sort(key=lambda group: (group.task, group.metric.name, group.metric.unit, group.folders, group.data))
    return Together(tuple(groups), (*notes, *_separate(groups), *_unlike(groups, found)))


def _entries(folder: str, found: Results, drawn: Board) -> Iterator[Entry]:
    machines: dict[str, set[str]] = {}
    for record in found.records.values():
        if (record.task, record.budget_usd) == (drawn.task, drawn.budget_usd):
            machines.setdefault(leaderboard.label(record.strategy, record.setting), set()).add(differences.machine(record))
    best = next(iter(drawn.scored), None)
    for line in drawn.settings:
        behind = drawn.difference(best, line) if best and line is not best else None
        machine = ", ".join(sorted(machines.get(line.name, set()) - {""}))
        yield Entry(folder=folder, board=drawn, line=line, machine=machine, rank=drawn.rank(line), behind=behind)


def _group(task: str, metric: Metric, data: tuple[str, ...], entries: Iterable[Entry], only_best: bool) -> Group:
    kept = sorted((entry for entry in entries if not only_best or (entry.rank and entry.rank[0] == 1)), key=_best_first)
    baselines: dict[tuple[str, str], tuple[Line, set[str]]] = {}
    for entry in kept:
        for line in entry.board.baselines:
            baselines.setdefault((line.name, score(line.scores.get(metric.name))), (line, set()))[1].add(entry.folder)
    held = tuple((line, tuple(sorted(folders))) for line, folders in baselines.values())
    return Group(task=task, metric=metric, data=data, entries=tuple(kept), baselines=held)


def _best_first(entry: Entry) -> tuple[float, bool, bool, float, str, str]:
    reached = entry.line.scores.get(entry.board.primary.name)
    mean = -entry.board.primary.sign * reached.mean if reached else 0.0
    return entry.board.budget_usd, reached is None, not entry.line.complete, mean, entry.folder, entry.line.name


def _separate(groups: Sequence[Group]) -> Iterator[str]:
    """Yield why one task has several tables."""
    for task in sorted({group.task for group in groups}):
        of_task = [group for group in groups if group.task == task]
        metrics = {group.metric.title for group in of_task}
        if len(metrics) > 1:
            yield f"{task} has several tables, because the suites rank by different metrics: {', '.join(sorted(metrics))}."
        prints = {group.data for group in of_task if len(group.data) == 1}
        if len(prints) > 1:
            known = "; ".join(sorted({f"{group.data_label}: {', '.join(group.folders)}" for group in of_task if len(group.data) == 1}))
            yield f"{task} has several tables, because the data differ ({known}): scores of different data cannot be compared."
        for group in of_task:
            if len(group.data) > 1:
                yield f"{task} of {', '.join(group.folders)} has a table of its own: its arms saw different data; do not compare them."
            elif not group.data and len(of_task) > 1:
                yield f"{task} of {', '.join(group.folders)} has a table of its own: the data of its arms are not known."


def _unlike(groups: Sequence[Group], found: Mapping[str, Results]) -> Iterator[str]:
    """Yield what differs between two folders in one table."""
    pairs = dict.fromkeys((group.folders[0], other) for group in groups for other in group.folders[1:])
    for one, other in pairs:
        by_kind: dict[str, list[str]] = {}
        for differing in differences.unlike(found[one], found[other]):
            if differing.kind != "data":
                by_kind.setdefault(differences.EFFECTS[differing.kind], []).append(differing.what)
        if by_kind:
            effects = "; ".join(f"{effect} ({differences.joined(whats)})" for effect, whats in by_kind.items())
            yield f"{one} and {other} share a table but differ: {effects}."
