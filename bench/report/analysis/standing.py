"""Who leads at a task and budget: the one definition of winning, for the answer card, exported models and the Python API."""

from __future__ import annotations

from dataclasses import dataclass

from bench.report.analysis.leaderboard import Board
from bench.report.analysis.line import Line
from bench.report.analysis.looks import Decision, UntilDecided
from bench.report.analysis.pair import Pair
from bench.results import arm_columns as columns


@dataclass(frozen=True, kw_only=True)
class Standing:
    """Who leads at a task and budget."""

    best: Line | None = None
    """The best setting, or the best guess; None where no setting has a score."""
    wins: bool = False
    """Whether it is significantly better than all others that were compared."""
    strategy: str = ""
    """The strategy of all settings that may be best; '' where they share none, or no other strategy has a score."""
    all_compared: bool = False
    """Whether every setting was compared. One without a score for every seed was not."""
    pair: Pair | None = None
    """It and the next one. None where there is no other, or where the looks of a run with --until-decided decide."""


def standing(board: Board, run: UntilDecided | None) -> Standing:
    """Return who leads at the task and budget of a board. `run` is None where there were no looks."""
    if not board.scored:
        return Standing()
    if decision := decision_at(board, run):
        best = leader(board, decision)
        return Standing(
            best=best,
            wins=decision.winner == best.name,
            strategy=board.only_strategy([*decision.playing, *decision.unscored]),
            all_compared=not decision.unscored,
        )
    pair = _pair(board)
    return Standing(
        best=board.compared[0],
        wins=bool(pair and pair.gap and pair.gap.significant),
        strategy=board.best_strategy,
        all_compared=len(board.compared) == len(board.settings),
        pair=pair,
    )


def decision_at(board: Board, run: UntilDecided | None) -> Decision | None:
    """Return the decision at a task and budget; None where the run was not adaptive, or no look has been made."""
    found = run and run.at(board.task, board.budget_usd)
    return found if found and found.looks else None


def leader(board: Board, decision: Decision) -> Line:
    """Return the best setting in play, or the best setting of the board where that one has no score there."""
    return next((line for line in board.scored if line.name in decision.playing[:1]), board.scored[0])


def _pair(board: Board) -> Pair | None:
    """Return the best setting and the first one that ties with it, or the next one. None where there is none."""
    if len(board.compared) < 2:
        return None
    best, second = board.compared[0], next(iter(board.tied), board.compared[1])
    return Pair(
        best=best.name,
        second=second.name,
        gap=board.difference(best, second),
        spread=board.spread(best, second),
        settings=len(board.compared),
        spent_usd=(best.fact(columns.SPENT_USD), second.fact(columns.SPENT_USD)),
        seconds=best.fact(columns.WALL_S) + second.fact(columns.WALL_S),
    )
