"""Quality against cost on three axes: a table for each task and budget."""

from __future__ import annotations

from bench.report.analysis.format import score
from bench.report.analysis.leaderboard import Line
from bench.report.analysis.pareto import TIMING_SLACK, Place, TradeOff
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
        rows = [_row(found, line) for line in found.board.scored]
        rows += [_reference(found, line) for line in found.board.references if line.kind == "teacher"]
        blocks += [Heading(leaderboard.board_title(found.board)), Table(tuple(columns), tuple(rows))]
    if not blocks:
        return None
    return Section(id="cost-axes", title="Cost axes", blocks=(*blocks, Paragraph(HOW_TO_READ), *published.costs(given.found)))


def _row(found: TradeOff, line: Line) -> tuple[Text, ...]:
    ranks = {line.name: rank for rank, line in enumerate(found.lines, start=1)}
    quality = score(line.scores[found.board.primary.name]) + (f" ({ranks[line.name]})" if line.name in ranks else "")
    places = [places.get(line.name) for places in found.places.values()]
    costs = [f"{cost} ({place.rank})" if place else cost for cost, place in zip(_costs(found, line), places, strict=True)]
    missing = DASH if line.name in ranks else "not compared: incomplete"
    return (line.name, quality, *costs, *(_verdict(place) if place else missing for place in places))


def _verdict(place: Place) -> str:
    significantly = "significantly " if place.significant else ""
    return f"{significantly}inefficient: {place.by} is {place.how}" if place.by else "on the front"


def _reference(found: TradeOff, line: Line) -> tuple[Text, ...]:
    """Return the row of a teacher: its score and its costs."""
    return (emphasis(line.name), score(line.scores.get(found.board.primary.name)), *_costs(found, line), *("" for _ in found.places))


def _costs(found: TradeOff, line: Line) -> list[str]:
    return [_figure(axis.shown(cost)) if (cost := axis.cost(line)) else DASH for axis in found.places]


def _figure(value: float) -> str:
    """Return a number with three significant digits, or, from 10 on, with all digits before the point and one
    after it."""
    return number(value, 1) if value >= 10 else f"{value:.3g}"
