"""Quality against cost on three axes: a table for each task and budget."""

from __future__ import annotations

from bench.report.analysis.format import score
from bench.report.analysis.line import Line
from bench.report.analysis.pareto import TIMING_SLACK, TradeOff
from bench.report.analysis.report_input import ReportInput
from bench.report.blocks import Block, Column, Heading, Paragraph, Section, Table, Text, emphasis
from bench.report.sections import leaderboard, published
from bench.report.text import DASH, number

HOW_TO_READ = (
    "A setting is ",
    emphasis("inefficient"),
    " on an axis where another one costs no more and has a better mean, or costs less and has the same mean. The best of these is named. "
    "It is ",
    emphasis("significantly inefficient"),
    " where that one is significantly better (the p-value of the paired difference, corrected for all pairs of settings by Holm, is under "
    "0.05); otherwise it may be chance. All others are on the Pareto front of that axis. Costs are those of one answer of the compact "
    "model, to the longest document and of the greatest length that the task allows. Training is not included. Speeds within "
    f"{100 * TIMING_SLACK:g} % of each other count as equal. Efficiency is relative to one axis, so all are shown (Tay et al. 2021, "
    "Scale Efficiently).",
)


def section(given: ReportInput) -> Section | None:
    """Return a table for each board where costs differ, and how to read it."""
    blocks: list[Block] = []
    for found in given.trade_offs:
        axes = list(found.places)
        heads = [f"{found.board.primary.title} (rank)", *(f"{axis.title} (rank)" for axis in axes)]
        columns = [
            Column("strategy (setting)"),
            *(Column(head, number=True) for head in heads),
            *(Column(f"by {axis.name}") for axis in axes),
        ]
        ranks = {line.name: rank for rank, line in enumerate(found.lines, start=1)}
        teachers = (line for line in found.board.references if line.kind == "teacher")
        rows = [_row(found, line, ranks.get(line.name)) for line in (*found.board.scored, *teachers)]
        blocks += [Heading(leaderboard.board_title(found.board)), Table(tuple(columns), tuple(rows))]
    if not blocks:
        return None
    blocks += [Paragraph(HOW_TO_READ), *([Paragraph(published.COSTS)] if published.is_published(given.found) else [])]
    return Section(id="cost-axes", title="Cost axes", blocks=tuple(blocks))


def _row(found: TradeOff, line: Line, rank: int | None) -> tuple[Text, ...]:
    """Return the row of a setting, or of a teacher, which has a score and costs only. `rank` is that of its score, if it is compared."""
    costs, verdicts = [], []
    for axis, places in found.places.items():
        cost, place = axis.cost(line), places.get(line.name)
        shown = axis.shown(cost) if cost else None  # three significant digits, or from 10 on one digit after the point
        figure = DASH if shown is None else number(shown, 1) if shown >= 10 else f"{shown:.3g}"
        costs.append(figure + (f" ({place.rank})" if place else ""))
        if place:
            inefficient = f"{'significantly ' if place.significant else ''}inefficient: {place.by} is {place.how}"
            verdicts.append(inefficient if place.by else "on the front")
        else:
            verdicts.append("" if line.kind == "teacher" else DASH if rank else "not compared: incomplete")
    quality = score(line.scores.get(found.board.primary.name)) + (f" ({rank})" if rank else "")
    return (emphasis(line.name) if line.kind == "teacher" else line.name, quality, *costs, *verdicts)
