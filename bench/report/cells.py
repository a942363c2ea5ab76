"""What stands in one cell of the leaderboard, in the report and in the terminal alike."""

from __future__ import annotations

from bench.report.board import Board, Line
from bench.report.markdown import DASH
from bench.report.stats import Estimate


def score(estimate: Estimate | None) -> str:
    """'mean [low, high]'; only the mean where there is no interval."""
    if estimate is None:
        return DASH
    interval = f" [{estimate.low:z.2f}, {estimate.high:z.2f}]" if estimate.sure else ""
    return f"{estimate.mean:z.2f}{interval}"


def behind(board: Board, line: Line) -> str:
    """How far behind the best setting, paired, and whether that is a tie."""
    if not board.scored or line is board.scored[0]:
        return DASH
    estimate = board.difference(board.scored[0], line)
    return score(estimate) + (", tied" if estimate and estimate.sure and not estimate.apart else "")


def behind_teacher(board: Board, line: Line) -> str:
    """How far a setting is behind its own teachers, paired: negative where the student is better."""
    return score(board.difference(line.teacher, line)) if line.teacher else DASH


def statuses(line: Line) -> str:
    """How many arms ended how, and whether the line lacks seeds that others have."""
    counts = [f"{count} {status}" for status, count in sorted(line.statuses.items())]
    return ", ".join([*counts, *lack(line)])


def lack(line: Line) -> list[str]:
    """Said of a line that has a score for some of the seeds only; else nothing."""
    short = line.seeds and not line.complete
    return [f"incomplete ({line.seeds} of {line.wanted_seeds} seeds)"] if short else []
