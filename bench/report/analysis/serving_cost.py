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

from bench.report.analysis.leaderboard import Board, Line
from bench.results.repricing import Quotes


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
            found.append(
                Served(
                    line=line,
                    made=made,
                    answer=answer,
                    large_answer=_answer_usd(line, "large", board.task, quotes),
                    large_made=_teacher_usd(line),
                )
            )
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
