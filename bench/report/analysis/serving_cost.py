"""Total cost of making and using a model: which one is cheapest after R requests a month for T months.

A model is paid for once and then answers many requests. A student that costs more to make may be cheaper in the end, if it answers faster.
A student can also pay for itself, against the large model, after some number of answers.

The cost of an answer is computed: the FLOPs, or else the time, of one example of the maximum length that the task allows, at the price of
the device. The time is measured in batches (`bench.training.speed`). It assumes a busy device; idle hours cost as well.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from bench.contracts import FLOPS, WALL, Phase
from bench.report.analysis.leaderboard import Board
from bench.report.analysis.line import Line
from bench.results import arm_columns as columns
from bench.results.repricing import Quotes

STUDENT = columns.STUDENT_FLOPS, columns.STUDENT_MS
LARGE = columns.LARGE_FLOPS, columns.LARGE_MS
"""Columns of the FLOPs and the milliseconds of one answer."""


@dataclass(frozen=True)
class Use:
    """How much a model is used."""

    requests_a_month: float
    months: float

    @property
    def answers(self) -> float:
        return self.requests_a_month * self.months


@dataclass(frozen=True, kw_only=True)
class Served:
    """Cost of making and using one setting, in dollars."""

    line: Line
    made: float
    """What its purse paid."""
    answer: float
    """One answer of the compact model."""
    large_answer: float | None
    """One answer of the large model. None: unknown."""
    large_made: float | None
    """The large model tuned on the same labels: labels and tuning. None where it is unknown or the setting tuned none."""

    def total(self, answers: float) -> float:
        """Return the cost of making it and of this many answers."""
        return self.made + answers * self.answer

    @property
    def pays_from(self) -> float | None:
        """Number of answers from which it is cheaper than the large model.

        0: at once. inf: never. None: unknown, or there is no large model.
        """
        if self.large_answer is None or self.large_made is None:
            return None
        return break_even(self.large_made, self.large_answer, self.made, self.answer)


def break_even(made: float, answer: float, other_made: float, other_answer: float) -> float:
    """Return the number of answers from which the other one is cheaper; 0: at once, inf: never."""
    if other_made <= made:
        return 0.0 if other_answer <= answer else math.inf
    return (other_made - made) / (answer - other_answer) if other_answer < answer else math.inf


def served(board: Board, quotes: Quotes) -> list[Served]:
    """Return the settings of a board for which both costs are known, best first, at the prices of `quotes`.

    `board` must come from results at these prices.
    """
    found = []
    for line in board.scored:
        made, tuning = line.facts.get(columns.SPENT_USD), line.facts.get(columns.paid_usd(Phase.TEACHER_TUNING))
        answer, large_answer = (answer_usd(line, of_model, board.task, quotes) for of_model in (STUDENT, LARGE))
        if made is not None and answer is not None:
            large_made = tuning + line.facts.get(columns.LABELS_USD, 0.0) if tuning else None
            found.append(Served(line=line, made=made, answer=answer, large_answer=large_answer, large_made=large_made))
    return found


def answer_usd(line: Line, of_model: tuple[str, str], task: str, quotes: Quotes) -> float | None:
    """Return the cost of an answer, by FLOPs where these pay for compute, else by time. `of_model` is STUDENT or LARGE."""
    flops, ms = map(line.facts.get, of_model)
    if quotes.book.paying is FLOPS and flops is not None:
        return flops * FLOPS.unit_price_usd(quotes.book, task, Phase.EVALUATION)
    return None if ms is None else ms / 1000 * WALL.unit_price_usd(quotes.book, task, Phase.EVALUATION)
