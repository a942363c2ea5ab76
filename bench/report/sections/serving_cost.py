"""The cost of making a model and then using it: a table for each task and budget."""

from __future__ import annotations

import math
from collections.abc import Sequence

from bench.report.analysis.format import score
from bench.report.analysis.leaderboard import Board
from bench.report.analysis.report_input import ReportInput
from bench.report.analysis.serving_cost import Served, served
from bench.report.blocks import Block, Column, Heading, Paragraph, Section, Table, code, emphasis, sentences
from bench.report.sections.leaderboard import board_title
from bench.report.text import DASH, dollars

ANSWERS = (1e4, 1e6, 1e8)
"""Numbers of answers in the report, where the user gave none."""

HOW_TO_READ = (
    "The cost of an answer is computed for one example of the greatest length that the task allows, on a device that is kept busy: from "
    "FLOPs where compute is paid by them, else from time. ",
    emphasis("Cheaper than the large model"),
    " compares with a large model that is tuned on the same labels and then answers; a dash means that the setting tunes none. Quality is "
    "not in these sums; the last column shows the dollars for one more point of score. ",
    code("bench price RESULTS --requests-per-month R --months T"),
    " shows the same table for your own use and prices.",
)


def section(given: ReportInput) -> Section | None:
    """Return a table for each board where the cost of an answer is known."""
    if not given.priced:
        return None
    use = given.use
    counts = (use.answers,) if use else ANSWERS
    blocks: list[Block] = []
    for board in given.boards:
        if found := served(board, given.priced.quotes):
            blocks += [Heading(board_title(board)), _table(board, found, counts)]
    if not blocks:
        return None
    used = f"{use.requests_a_month:,.0f} requests a month for {use.months:g} months." if use else ""
    blocks.append(Paragraph(sentences([used, HOW_TO_READ])))
    return Section(id="serving-cost", title="Total cost including serving", blocks=tuple(blocks))


def _table(board: Board, found: Sequence[Served], counts: Sequence[float]) -> Table:
    heads = [board.primary.title, "to make it (USD) ↓", "1,000 answers (USD) ↓"]
    heads += [f"in all after {answers:,.0f} answers (USD) ↓" for answers in counts]
    heads += ["cheaper than the large model from (answers) ↓", "one more point than the cheapest costs (USD)"]
    least = min(found, key=lambda one: one.made)
    rows = []
    for one in found:
        since = one.pays_from
        pays_from = DASH if since is None else "never" if math.isinf(since) else f"{since:,.0f}" if since else "at once"
        gain = board.difference(one.line, least.line) if one is not least else None
        a_point = dollars((one.made - least.made) / gain.mean, computed=True) if gain and gain.mean > 0 else DASH
        in_all = [dollars(one.total(answers), computed=True) for answers in counts]
        value, answering = score(one.line.scores[board.primary.name]), dollars(1000 * one.answer, computed=True)
        rows.append((one.line.name, value, dollars(one.made), answering, *in_all, pays_from, a_point))
    return Table((Column("strategy (setting)"), *(Column(head, number=True) for head in heads)), tuple(rows))
