"""Cascades: the compact model answers where it is confident, and passes the other documents on to its teacher.

The confidence in an answer is the probability that the model gives to the whole answer. A threshold passes on every document whose
confidence is below it. The thresholds are tenths of each seed's own confidences, so no score decides one.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from bench.contracts import Phase
from bench.report.analysis import significance
from bench.report.analysis.arm_facts import taught_by
from bench.report.analysis.arms import column_by_line
from bench.report.analysis.leaderboard import Board
from bench.report.analysis.line import Line
from bench.report.analysis.serving_cost import LARGE, STUDENT, answer_usd
from bench.report.analysis.significance import Estimate, Floats
from bench.results.examples import Examples
from bench.results.repricing import Quotes
from bench.results.table import Results, rows

STEPS = 10
"""Number of steps from no document passed on to all of them."""
OLD_NOT_MEANS = frozenset({"chrf", "entity_type_f1", "entity_type_macro_f1", "macro_f1", "micro_f1", "span_f1"})
"""Scores that are no mean over documents, for results before 2026-12, which do not name them."""


@dataclass(frozen=True, kw_only=True)
class Point:
    """A cascade at one threshold."""

    threshold: float
    """Confidence below which a document is passed on: the mean over seeds, from 0 to 1. Infinite where all are passed on."""
    passed_on: float
    """Share of the documents that are passed on, from 0 to 1."""
    usd: float | None
    """Dollars for one answer, of both models together. None: not measured."""
    quality: Estimate
    """Score in the metric that ranks."""


@dataclass(frozen=True, kw_only=True)
class Cascade:
    """A setting and its teacher at every threshold."""

    board: Board
    line: Line
    teacher: str
    """Name of the model to which documents are passed on."""
    points: tuple[Point, ...]
    """From no document passed on to all of them."""


@dataclass(frozen=True, kw_only=True)
class Seed:
    """One seed of a setting, by test document."""

    student: Floats
    """Scores of the compact model, (documents,)."""
    teacher: Floats
    """Scores of the teacher, (documents,)."""
    log_probs: Floats
    """Logarithms of the probabilities of the compact model's answers, (documents,)."""


def cascades(found: Results, board: Board, quotes: Quotes | None) -> Iterator[Cascade]:
    """Yield a cascade for each setting that has a teacher and log-probabilities, best setting first. There is none where scores of two
    models cannot be mixed.

    `found` and `board` are at the prices of `quotes`. Where these are None no cascade has dollars.
    """
    if not can_mix(found, board):
        return
    seeds = column_by_line(found, board, "seed")
    for line in board.scored:
        if line.teacher and (made := _cascade(found, board, line, _one_for_each_seed(seeds[line.name]), quotes)):
            yield made


def can_mix(found: Results, board: Board) -> bool:
    """Return whether the score of a cascade is the mean of the scores of its answers. F1 over all documents, for example, is none."""
    return board.primary.name not in found.suite.get("not_means", OLD_NOT_MEANS)


def _one_for_each_seed(seeds: pd.Series[Any]) -> list[str]:
    """Return the first arm of each seed. seeds: arm -> seed."""
    first = dict(zip(reversed(seeds.tolist()), reversed(seeds.index.tolist()), strict=True))
    return [str(first[seed]) for seed in dict.fromkeys(seeds.tolist())]


def _cascade(found: Results, board: Board, line: Line, names: Sequence[str], quotes: Quotes | None) -> Cascade | None:
    arms = {arm: held for arm in names if (held := found.examples.get(arm)) and _measured(held, board.primary.name)}
    if not arms:
        return None
    who, is_large = taught_by(found, next(iter(arms)))
    student, large = (answer_usd(line, of, board.task, quotes) if quotes else None for of in (STUDENT, LARGE))
    teacher = large if is_large else _llm_usd(found, arms.keys(), len(next(iter(arms.values())).ids)) if quotes else None
    seeds = _paired(list(arms.values()), board.primary.name)
    made = tuple(points(seeds, student, teacher)) if seeds else ()
    cut = board.primary.cut
    shown = tuple(Point(threshold=p.threshold, passed_on=p.passed_on, usd=p.usd, quality=cut(p.quality)) for p in made)
    return Cascade(board=board, line=line, teacher=who, points=shown) if shown else None


def _measured(held: Examples, metric: str) -> bool:
    """Return whether an arm holds scores of both models and the confidences of the compact one, by document."""
    return "student" in held.log_probs and ("student", metric) in held.scores and ("teacher", metric) in held.scores


def _paired(arms: Sequence[Examples], metric: str) -> list[Seed]:
    """Return the seeds on the documents for which all of them have every number; empty where there are none."""
    ids = arms[0].ids
    arms = [held for held in arms if held.ids == ids]
    columns = [(held.scores["student", metric], held.scores["teacher", metric], held.log_probs["student"]) for held in arms]
    kept = ~np.isnan(np.array(columns)).any(axis=(0, 1))
    made = [Seed(student=student[kept], teacher=teacher[kept], log_probs=log_probs[kept]) for student, teacher, log_probs in columns]
    return made if kept.any() else []


def _llm_usd(found: Results, arms: Collection[str], documents: int) -> float | None:
    """Return the mean price of the tokens of one answer of an LLM to a test document. None: no tokens were counted."""
    charges = rows(found.table, "charge", "arm", "phase", "unit", "usd")
    of_tests = charges[charges["phase"].eq(Phase.EVALUATION) & charges["unit"].eq("token") & charges["arm"].isin([*arms])]
    by_arm = of_tests.groupby("arm")["usd"].sum()
    return float(by_arm.mean()) / documents if len(by_arm) else None


def points(seeds: Sequence[Seed], student_usd: float | None, teacher_usd: float | None) -> Iterator[Point]:
    """Yield at most STEPS + 1 points of a cascade, from no document passed on to all of them.

    `student_usd` and `teacher_usd` are dollars for one answer. Where all documents are passed on, the compact model is not asked.
    """
    ordered = [np.sort(seed.log_probs) for seed in seeds]
    documents, before = len(ordered[0]), list[float]()
    for step in range(STEPS + 1):
        whole = step == STEPS
        limits = [math.inf if whole else float(one[step * documents // STEPS]) for one in ordered]
        if limits == before:  # there are fewer documents than steps
            continue
        before = limits
        passed: list[NDArray[np.bool_]] = [seed.log_probs < limit for seed, limit in zip(seeds, limits, strict=True)]
        scores = np.stack([np.where(on, seed.teacher, seed.student) for on, seed in zip(passed, seeds, strict=True)])
        share = float(np.mean(passed))
        usd = None if student_usd is None or teacher_usd is None else share * teacher_usd + (0.0 if whole else student_usd)
        threshold = math.inf if whole else float(np.exp(limits).mean()) if step else 0.0
        yield Point(threshold=threshold, passed_on=share, usd=usd, quality=significance.estimate(scores, tested=False))


def cheapest(found: Sequence[Cascade], target: float) -> tuple[Cascade, Point] | None:
    """Return the cascade and its point with the fewest dollars for an answer whose score reaches the target. None: none reaches it."""
    reaching = [(one, point) for one in found for point in one.points if point.usd is not None and _reaches(one, point, target)]
    return min(reaching, key=lambda pair: pair[1].usd or 0.0, default=None)


def _reaches(one: Cascade, point: Point, target: float) -> bool:
    return point.quality.mean <= target if one.board.primary.direction == "lower" else point.quality.mean >= target
