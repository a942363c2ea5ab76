"""Quality against cost on three axes: a table for each task and budget."""

from __future__ import annotations

from collections.abc import Sequence

from bench.report.analysis.format import score
from bench.report.analysis.leaderboard import Line
from bench.report.analysis.pareto import TIMING_SLACK, TradeOff
from bench.report.markdown import DASH, escape, number, table

HOW_TO_READ = f"""A setting is *inefficient* on an axis where another one costs no more and has a better mean, or costs less and has the
same mean; of these the best is named. It is *surely* so where that one is surely better (the p-value of the paired difference, corrected
for all pairs of settings by Holm, is under 0.05); else it may be chance. All others are on the Pareto front of that axis. Costs are those
of one answer of the compact model, to the longest document and of the greatest length that the task allows; not those of training. Speeds
within {100 * TIMING_SLACK:g} % of each other count as equal. Efficiency is relative to one axis, so all are shown (Tay et al. 2021, Scale
Efficiently)."""


def section(trade_offs: Sequence[TradeOff]) -> list[str]:
    """Return Markdown: a table for each board, and how to read it; empty where there is none."""
    texts = []
    for found in trade_offs:
        board, axes = found.board, list(found.places)
        heads = ["strategy (setting)", f"{escape(board.primary.title)} (rank)", *(f"{axis.title} (rank)" for axis in axes)]
        heads += [f"by {axis.name}" for axis in axes]
        rows = [_row(found, line) for line in board.scored]
        rows += [_reference(found, line) for line in board.references if line.kind == "teacher"]
        texts += [f"### {escape(board.task)}, {board.budget_usd:g} USD added", table(heads, rows)]
    return [*texts, HOW_TO_READ] if texts else []


def _row(found: TradeOff, line: Line) -> list[str]:
    ranks = {line.name: rank for rank, line in enumerate(found.lines, start=1)}
    quality = score(line.scores[found.board.primary.name]) + (f" ({ranks[line.name]})" if line.name in ranks else "")
    places = [places.get(line.name) for places in found.places.values()]
    costs = [f"{cost} ({place.rank})" if place else cost for cost, place in zip(_costs(found, line), places, strict=True)]
    missing = DASH if line.name in ranks else "not compared: incomplete"
    return [escape(line.name), quality, *costs, *(place.verdict if place else missing for place in places)]


def _reference(found: TradeOff, line: Line) -> list[str]:
    """Return the row of a teacher: its score and its costs."""
    return [f"*{escape(line.name)}*", score(line.scores.get(found.board.primary.name)), *_costs(found, line), *("" for _ in found.places)]


def _costs(found: TradeOff, line: Line) -> list[str]:
    return [_figure(axis.shown(cost)) if (cost := axis.cost(line)) else DASH for axis in found.places]


def _figure(value: float) -> str:
    """Return a number with three significant digits, or, from 10 on, with all digits before the point and one
    after it."""
    return number(value, 1) if value >= 10 else f"{value:.3g}"
