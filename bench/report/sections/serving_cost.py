"""The cost of making a model and then using it: a table for each task and budget."""

from __future__ import annotations

import math
from collections.abc import Sequence

from bench.report.analysis.format import score
from bench.report.analysis.leaderboard import Board
from bench.report.analysis.serving_cost import Served, Use, served
from bench.report.markdown import DASH, escape, number, table
from bench.results.repricing import Quotes

ANSWERS = (1e4, 1e6, 1e8)
"""Numbers of answers in the report, where the user gave none."""

HOW_TO_READ = """An answer's cost is computed for one example of the greatest length that the task allows, on a device that is kept busy:
from FLOPs where compute is paid by them, else from time. *Cheaper than the large model*: against tuning that on the same labels and
having it answer; a dash where the setting tunes none. Quality is not in these sums; the last column says what a point more costs to make.
`bench price RESULTS --requests-per-month R --months T` counts with your own use and prices."""


def section(boards: Sequence[Board], quotes: Quotes, use: Use | None = None) -> list[str]:
    """Return Markdown: a table for each board; empty where no cost of an answer is known."""
    counts = (use.answers,) if use else ANSWERS
    texts = []
    for board in boards:
        if found := served(board, quotes):
            texts += [f"### {escape(board.task)}, {board.budget_usd:g} USD added", _table(board, found, counts)]
    return [*texts, _how_to_read(use)] if texts else []


def _table(board: Board, found: Sequence[Served], counts: Sequence[float]) -> str:
    heads = ["strategy (setting)", escape(board.primary.title), "to make it (USD) ↓", "1,000 answers (USD) ↓"]
    heads += [f"in all after {answers:,.0f} answers (USD) ↓" for answers in counts]
    heads += ["cheaper than the large model from (answers) ↓", "one more point than the cheapest costs (USD)"]
    least = min(found, key=lambda one: one.made)
    rows = [
        [
            escape(one.line.name),
            score(one.line.scores[board.primary.name]),
            number(one.made),
            f"{1000 * one.answer:.3g}",
            *(number(one.total(answers)) for answers in counts),
            _from(one.pays_from),
            _a_point(board, one, least),
        ]
        for one in found
    ]
    return table(heads, rows)


def _from(answers: float | None) -> str:
    if answers is None:
        return DASH
    return "never" if math.isinf(answers) else "at once" if answers == 0 else f"{answers:,.0f}"


def _a_point(board: Board, one: Served, least: Served) -> str:
    """Return the dollars for each point of score above the setting that is cheapest to make.

    It is a dash where the setting is not better.
    """
    gain = board.difference(one.line, least.line) if one is not least else None
    return number((one.made - least.made) / gain.mean) if gain and gain.mean > 0 else DASH


def _how_to_read(use: Use | None) -> str:
    return (f"{use.requests_a_month:,.0f} requests a month for {use.months:g} months. " if use else "") + HOW_TO_READ
