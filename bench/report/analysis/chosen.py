"""Chooses the arm whose model is exported: an arm of the best setting with the median score, or the one that the user names."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

from bench.errors import BenchError
from bench.report.analysis import leaderboard
from bench.report.analysis.arms import column_by_line
from bench.report.analysis.leaderboard import Board
from bench.report.analysis.line import Line
from bench.report.analysis.looks import until_decided
from bench.report.analysis.metric import Metric
from bench.report.analysis.standing import Standing, standing
from bench.results import arm_columns
from bench.results.table import Results


@dataclass(frozen=True, kw_only=True)
class Chosen:
    """One arm, and where it stands."""

    arm: str
    board: Board
    leads: Standing
    """Who leads on the board."""
    line: Line
    """The arm's setting."""
    metrics: Sequence[Metric]
    """The first one ranks."""
    named: bool
    """Whether the user named the arm. Otherwise it is the median arm of the best setting."""


def choose(found: Results, *, arm: str | None = None, task: str | None = None, budget_usd: float | None = None) -> Chosen:
    """Return the arm that `arm` names, or the median arm of the best setting at the largest budget.

    No dev score of a compact model is recorded, so an arm can be picked by its test score alone. The median, of an even number of arms the
    lower of the two in the middle, does not flatter the setting as the best arm would. `found` holds the arms of the suite. Raises
    BenchError where the arguments name no arm with a score, or several arms or tasks.
    """
    metrics = leaderboard.metrics(found)
    boards = [board for board in leaderboard.boards(found, metrics) if board.scored]
    if not boards:
        raise BenchError("no arm has a score in the metric that ranks, so no model can be chosen; name an arm with --arm")
    if arm is not None:
        return _named(found, boards, metrics, arm)
    boards = [board for board in boards if task in (None, board.task) and budget_usd in (None, board.budget_usd)]
    tasks = sorted({board.task for board in boards})
    if not boards:
        raise BenchError("no arm with a score has this task and this budget; leave --task or --budget-usd out")
    if len(tasks) > 1:
        raise BenchError(f"these results hold several tasks; name one with --task: {', '.join(tasks)}")
    board = max(boards, key=lambda one: one.budget_usd)
    leads = standing(board, until_decided(found))
    line = leads.best or board.scored[0]
    scores = _scores(found, board, metrics[0])[line.name]
    ordered = sorted(scores, key=lambda one: scores[one], reverse=metrics[0].direction == "lower")
    return Chosen(arm=ordered[(len(ordered) - 1) // 2], board=board, leads=leads, line=line, metrics=metrics, named=False)


def _named(found: Results, boards: Sequence[Board], metrics: Sequence[Metric], arm: str) -> Chosen:
    scores = [_scores(found, board, metrics[0]) for board in boards]
    held = [(one, board, line) for board, of in zip(boards, scores, strict=True) for line in board.scored for one in of[line.name]]
    matching = [place for place in held if place[0] == arm or fnmatchcase(place[0], arm)]
    if len(matching) != 1:
        shown = ", ".join(one for one, _, _ in (matching or held)[:5])
        raise BenchError(f"--arm {arm} matches {len(matching)} arms with a score; name one, such as: {shown}")
    ((one, board, line),) = matching
    return Chosen(arm=one, board=board, leads=standing(board, until_decided(found)), line=line, metrics=metrics, named=True)


def _scores(found: Results, board: Board, metric: Metric) -> dict[str, dict[str, float]]:
    """Return line -> arm -> score, for the arms that are done."""
    scores = column_by_line(found, board, arm_columns.score("student", metric.name))
    return {name: {str(arm): float(value) for arm, value in of.dropna().items()} for name, of in scores.items()}
