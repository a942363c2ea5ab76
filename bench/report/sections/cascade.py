"""What an answer costs and is worth where the compact model passes unsure documents on to its teacher."""

from __future__ import annotations

import math
from collections.abc import Sequence

from bench.report.analysis.cascade import Cascade, Point, can_mix, cascades, cheapest
from bench.report.analysis.format import score
from bench.report.analysis.leaderboard import Board
from bench.report.analysis.report_input import ReportInput
from bench.report.blocks import Block, Column, Heading, Paragraph, Section, Table, code, sentences, strong
from bench.report.sections.leaderboard import board_title
from bench.report.text import dollars
from bench.results.repricing import Quotes
from bench.results.table import Results

MISSING = "not measured"
HOW_TO_READ = (
    "The compact model answers every document and passes on those where the probability of its whole answer is below the threshold. "
    "The compact model is not asked where all documents are passed on. Dollars are computed for an answer of the maximum length; those of "
    "an LLM behind an endpoint are the tokens of its answers to the test documents. A threshold is the mean over seeds. ",
    code("bench recommend RESULTS --serving --target SCORE"),
    " names the cheapest point that reaches a score.",
)


def section(given: ReportInput) -> Section | None:
    """Return a table for the best setting of each board that has a teacher. None where no teacher answered the test documents."""
    taught = [board for board in given.boards if any(line.teacher for line in board.scored)]
    if not taught or not given.found.examples:
        return None
    quotes = given.priced.quotes if given.priced else None
    blocks: list[Block] = []
    for board in taught:
        if found := next(cascades(given.found, board, quotes), None):
            blocks += [Heading(f"{board_title(board)}: {found.line.name}, then {found.teacher}"), _table(found)]
    if not blocks:
        return Section(id="cascade", title="Cascades", blocks=(Paragraph(_why_none(given.found, taught[0])),))
    return Section(id="cascade", title="Cascades", blocks=(*blocks, Paragraph(HOW_TO_READ)))


def _why_none(found: Results, board: Board) -> str:
    """Return why there is no cascade."""
    if not can_mix(found, board):
        return f"Not known: {board.primary.name} is no mean over documents, so the scores of two models cannot be mixed."
    return f"{MISSING.capitalize()}: these results lack the scores of both models, or the log-probability of the outputs, by document."


def _table(found: Cascade) -> Table:
    heads = ("confidence below", "passed on (%)", "1,000 answers (USD) ↓", found.board.primary.title)
    rows = [(_threshold(p), f"{100 * p.passed_on:.0f}", _usd(p), score(p.quality)) for p in found.points]
    return Table(tuple(Column(head, number=True) for head in heads), tuple(rows))


def _threshold(point: Point) -> str:
    return "any" if math.isinf(point.threshold) else f"{point.threshold:.3g}"


def _usd(point: Point) -> str:
    return MISSING if point.usd is None else dollars(1000 * point.usd, computed=True)


def recommend(found: Results, boards: Sequence[Board], quotes: Quotes, target: float) -> list[Block]:
    """Return a sentence for each task: the cheapest way to answer with a score of at least `target`."""
    blocks: list[Block] = []
    for task in dict.fromkeys(board.task for board in boards):
        known = [one for board in boards if board.task == task for one in cascades(found, board, quotes)]
        metric = boards[0].primary.name
        asked = strong(f"{task}, {metric} {target:g}:")
        best = cheapest(known, target)
        if not known:
            blocks.append(Paragraph(sentences([asked, _why_none(found, boards[0])])))
        elif best is None:
            blocks.append(Paragraph(sentences([asked, "no cascade with a known price reaches it.", _highest(known)])))
        else:
            blocks.append(Paragraph(sentences([asked, _point(*best)])))
    return blocks


def _point(found: Cascade, point: Point) -> str:
    who = f"{found.line.name} at {found.board.budget_usd:g} USD"
    how = f"{who}, which passes {100 * point.passed_on:.0f} % on to {found.teacher} (confidence below {_threshold(point)})"
    if point.passed_on == 0:
        how = f"{who} alone"
    elif math.isinf(point.threshold):
        how = f"{found.teacher} alone"
    return f"{how}: {_usd(point)} USD for 1,000 answers, {found.board.primary.name} {score(point.quality)}."


def _highest(known: Sequence[Cascade]) -> str:
    sign = -1 if known[0].board.primary.direction == "lower" else 1
    pairs = [(one, point) for one in known for point in one.points]
    return f"The best is {_point(*max(pairs, key=lambda pair: sign * pair[1].quality.mean))}"
