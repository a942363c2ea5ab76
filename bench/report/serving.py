"""Making a model and then using it: which one is cheapest after R requests a month for T months.

A model is paid for once and answers for ever after. So a student that costs more to make may be the cheaper one in the end, where
it answers faster; and any student pays for itself, against answering with the large model, from some number of answers on.

What an answer costs is computed: the FLOPs, or else the time, of one example of the greatest length that the task allows (measured in
batches, `bench.training.speed`), at the price of the device. It holds for a device that is kept busy: idle hours cost as well.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from bench.report.board import Board, Line
from bench.report.cells import score
from bench.report.markdown import DASH, escape, number, table
from bench.repricing import Quotes

ANSWERS = (1e4, 1e6, 1e8)
"""How many answers the report looks at where nobody said."""

HOW_TO_READ = """An answer's cost is computed for one example of the greatest length that the task allows, on a device that is kept busy:
from FLOPs where compute is paid by them, else from time. *Cheaper than the large model*: against tuning that on the same labels and
having it answer; a dash where the setting tunes none. Quality is not in these sums; the last column says what a point more costs to make.
`bench price RESULTS --requests R --months T` counts with your own use and prices."""


@dataclass(frozen=True)
class Use:
    """How much a model is used."""

    requests_a_month: float
    months: float

    @property
    def answers(self) -> float:
        return self.requests_a_month * self.months


@dataclass(frozen=True)
class Served:
    """One setting with its use in the sum; dollars.

    made: what its purse paid. answer: one answer of the compact model. large_answer, large_made: the same of the large model, tuned on
    the same labels, where the setting tuned one: labels and its tuning. None: not known.
    """

    line: Line
    made: float
    answer: float
    large_answer: float | None
    large_made: float | None

    def total(self, answers: float) -> float:
        """To make it, and to have it answer so often."""
        return self.made + answers * self.answer

    @property
    def pays_from(self) -> float | None:
        """Answers from which it is cheaper than the large model; 0: at once; inf: never; None: not known, or there is no large one."""
        if self.large_answer is None or self.large_made is None:
            return None
        return break_even(self.large_made, self.large_answer, self.made, self.answer)


def break_even(made: float, answer: float, other_made: float, other_answer: float) -> float:
    """Answers from which the other one is the cheaper of the two; 0: at once, inf: never."""
    if other_made <= made:
        return 0.0 if other_answer <= answer else math.inf
    return (other_made - made) / (answer - other_answer) if other_answer < answer else math.inf


def served(board: Board, quotes: Quotes) -> list[Served]:
    """Settings of a board, at the prices of `quotes`, of which both prices are known, best first. board: of results at these prices."""
    found = []
    for line in board.scored:
        made, answer = line.facts.get("usd spent"), _answer_usd(line, "student", board.task, quotes)
        if made is not None and answer is not None:
            found.append(Served(line, made, answer, _answer_usd(line, "large", board.task, quotes), _teacher_usd(line)))
    return found


def _answer_usd(line: Line, who: str, task: str, quotes: Quotes) -> float | None:
    """By FLOPs where compute is paid by them, else by time."""
    flops, ms = line.facts.get(f"{who}_flops"), line.facts.get(f"{who}_ms")
    if quotes.book.meter == "flops" and flops is not None:
        return flops * quotes.book.unit_price_usd("flops", task, "evaluation")
    return None if ms is None else ms / 1000 * quotes.book.unit_price_usd("wall", task, "evaluation")


def _teacher_usd(line: Line) -> float | None:
    """What the tuned large model cost, with the labels it was tuned on; None where none was tuned."""
    tuning = line.facts.get("usd teacher_tuning")
    return tuning + line.facts.get("usd labels", 0.0) if tuning else None


def cheapest(found: Sequence[Served], answers: float) -> Served | None:
    """The least in all; the better one where two cost the same."""
    return min(found, key=lambda one: one.total(answers), default=None)


def section(boards: Sequence[Board], quotes: Quotes, use: Use | None = None) -> list[str]:
    """Markdown: a table for each board; nothing where no cost of an answer is known."""
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
    """Dollars that each point above the one that is cheapest to make costs; only where it is better."""
    gain = board.difference(one.line, least.line) if one is not least else None
    return number((one.made - least.made) / gain.mean) if gain and gain.mean > 0 else DASH


def _how_to_read(use: Use | None) -> str:
    return (f"{use.requests_a_month:,.0f} requests a month for {use.months:g} months. " if use else "") + HOW_TO_READ
