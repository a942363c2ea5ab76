"""Several results folders in one leaderboard: tables for readers, rows for other programs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from bench.report.analysis.format import score
from bench.report.analysis.leaderboard import Line, Metric
from bench.report.analysis.merge import Entry, Group, Together
from bench.report.markdown import DASH, number
from bench.report.sections.cells import ended, reached
from bench.report.sections.sheet import Block, Column, Sheet

HOW_TO_READ = """↑: higher is better, ↓: lower is better. Scores are means over seeds and test examples with 95 % intervals. Rank, and
behind the best, are within one suite and budget; a rank of 1-3 says that the setting may be anything from first to third, so that
settings that cannot be told apart have a rank in common. Lines of one budget are in the order of their means, whatever their suite.
Spent, ms and energy are means over the arms that are done; ms is the time of one answer, energy that of the whole arm, evaluation
included."""

FACTS = {
    "spent_usd": "usd spent",
    "student_parameters": "student_parameters",
    "student_ms": "student_ms",
    "energy_kwh": "energy (kWh)",
}
"""Column for other programs -> column of `results.arms`."""


def blocks(found: Together) -> list[Block]:
    """Return a table for each group, what is kept separate and why, and how to read it."""
    return [*map(_sheet, found.groups), *found.notes, HOW_TO_READ]


def _sheet(group: Group) -> Sheet:
    texts = (Column("budget (USD)"), Column("strategy (setting)"), Column("results"), Column("machine", spare=2), Column("arms", spare=9))
    figures = [Column("rank", True), Column(group.metric.title, True), Column("behind the best", True, spare=8)]
    figures += [Column("spent USD ↓", True, spare=3), Column("seeds", True, spare=4), Column("params M ↓", True, spare=5)]
    columns = (*texts, *figures, Column("ms ↓", True, spare=6), Column("energy Wh ↓", True, spare=7))
    floors = [_floor(line, folders, group.metric, len(columns)) for line, folders in group.floors]
    title = f"{group.task}, {group.metric.title}, {group.data_said}"
    return Sheet(title, columns, (*(_row(entry, group.metric) for entry in group.entries), *floors))


def _row(entry: Entry, metric: Metric) -> tuple[str, ...]:
    facts = {name: entry.line.facts.get(fact) for name, fact in FACTS.items()}
    parameters, energy = facts["student_parameters"], facts["energy_kwh"]
    return (
        f"{entry.board.budget_usd:g}",
        entry.line.name,
        entry.folder,
        entry.machine or DASH,
        ", ".join(ended(entry.line.statuses)),
        _rank(entry.rank),
        reached(entry.line, metric),
        score(entry.behind),
        number(facts["spent_usd"]),
        str(entry.line.seeds) if entry.line.complete else f"{entry.line.seeds} of {entry.line.wanted_seeds}",
        number(parameters and parameters / 1e6, 1),
        number(facts["student_ms"], 1),
        number(energy and 1000 * energy),
    )


def _rank(rank: tuple[int, int] | None) -> str:
    """Return '2' or '1-3'."""
    return DASH if rank is None else "-".join(map(str, dict.fromkeys(rank)))


def _floor(line: Line, folders: Sequence[str], metric: Metric, columns: int) -> tuple[str, ...]:
    """Return the row of a baseline without a model. It has no budget and no cost."""
    cells = [DASH, f"floor: {line.name}", ", ".join(folders), "", "", "", reached(line, metric)]
    return (*cells, *[""] * (columns - len(cells)))


def frame(found: Together) -> pd.DataFrame:
    """Return a row for each setting, with unrounded numbers. What is missing is missing. Baselines have no
    row."""
    return pd.DataFrame([_record(group, entry) for group in found.groups for entry in group.entries])


def _record(group: Group, entry: Entry) -> Mapping[str, Any]:
    line, gap, mean = entry.line, entry.behind, entry.line.scores.get(group.metric.name)
    return {
        "results": entry.folder,
        "task": group.task,
        "budget_usd": entry.board.budget_usd,
        "strategy_setting": line.name,
        "rank": entry.rank and entry.rank[0],
        "worst_rank": entry.rank and entry.rank[1],
        "metric": group.metric.name,
        "unit": group.metric.unit,
        "direction": group.metric.direction,
        "mean": mean and mean.mean,
        "low": mean and mean.low,
        "high": mean and mean.high,
        "behind_mean": gap and gap.mean,
        "behind_low": gap and gap.low,
        "behind_high": gap and gap.high,
        "seeds": line.seeds,
        "wanted_seeds": line.wanted_seeds,
        "arms": ", ".join(ended(line.statuses)),
        **{name: line.facts.get(fact) for name, fact in FACTS.items()},
        "machine": entry.machine,
        "data_fingerprint": " ".join(group.data),
    }
