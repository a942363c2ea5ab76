"""Several results folders in one leaderboard: tables for readers, rows for other programs."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from bench.report.analysis.merge import Together
from bench.report.blocks import Column, Paragraph, Section, Table, Text
from bench.report.sections.leaderboard import ARMS, BEHIND, MS, PARAMETERS, RANK, SEEDS, SPENT, Shown, reached_in
from bench.report.text import DASH, ended, number
from bench.results import arm_columns

HOW_TO_READ = """↑: higher is better, ↓: lower is better. Scores are means over seeds and test examples with 95 % intervals. Rank and behind
the best are within one suite and budget. A rank of 1–3 means that the setting may be anything from first to third; settings without a
significant difference share a rank. Lines of one budget are in the order of their means, whatever their suite. Spent, ms and energy are
means over the arms that are done. ms is the time of one answer, energy that of the whole arm, evaluation included."""

FACTS = {
    "spent_usd": arm_columns.SPENT_USD,
    "student_parameters": arm_columns.STUDENT_PARAMETERS,
    "student_ms": arm_columns.STUDENT_MS,
    "energy_kwh": arm_columns.ENERGY_KWH,
}
"""Column for other programs -> column of `results.arms`."""

ENERGY = Shown(
    Column("energy (Wh) ↓", number=True, spare=7),
    lambda _, line: "" if line.kind == "baseline" else number(line.facts.get(arm_columns.ENERGY_KWH, float("nan")) * 1000),
)


def sections(found: Together, left_out: Sequence[str] = ()) -> list[Section]:
    """Return a table for each group, what is kept separate and why, and how to read it.

    left_out: why some folders are in no table.
    """
    tables = []
    for place, group in enumerate(found.groups):
        shown = [ARMS, RANK, reached_in(group.metric), BEHIND, SPENT, SEEDS, PARAMETERS, MS, ENERGY]
        own = (Column("budget (USD)"), Column("strategy (setting)"), Column("results"), Column("machine", spare=2))
        rows: list[tuple[Text, ...]] = []
        for entry in group.entries:
            cells = [one.cell(entry.board, entry.line) for one in shown]
            rows.append((f"{entry.board.budget_usd:g}", entry.line.name, entry.folder, entry.machine or DASH, *cells))
        for line, folders in group.baselines:
            cells = ["" if one is BEHIND else one.cell(group.entries[0].board, line) for one in shown]
            rows.append((DASH, f"baseline: {line.name}", ", ".join(folders), "", *cells))
        title = f"{group.task}, {group.metric.title}, {group.data_label}"
        table = Table((*own, *(one.column for one in shown)), tuple(rows))
        tables.append(Section(id=f"group-{place}", title=title, blocks=(table,)))
    notes = [*found.notes, *(f"Left out: {why}." for why in left_out), HOW_TO_READ]
    return [*tables, Section(id="notes", title="Notes", blocks=tuple(map(Paragraph, notes)))]


def frame(found: Together) -> pd.DataFrame:
    """Return a row for each setting, with unrounded numbers. What is missing is missing. Baselines have no row."""
    rows = []
    for group in found.groups:
        for entry in group.entries:
            line, gap, mean = entry.line, entry.behind, entry.line.scores.get(group.metric.name)
            rows.append(
                {
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
                    "arms": ended(line.statuses),
                    **{name: line.facts.get(fact) for name, fact in FACTS.items()},
                    "machine": entry.machine,
                    "data_fingerprint": " ".join(group.data),
                }
            )
    return pd.DataFrame(rows)
