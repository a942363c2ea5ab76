"""What stands in one cell of the leaderboard, in the report and in the terminal alike."""

from __future__ import annotations

from collections.abc import Mapping

from bench.report.analysis.format import chance, score
from bench.report.analysis.leaderboard import Board, Line, Metric
from bench.report.markdown import DASH, count


def reached(line: Line, metric: Metric) -> str:
    """The score of a line, with the number of its seeds where the line has another number of them."""
    found = line.scores.get(metric.name)
    return score(found) + (f" ({count(found.seeds, 'seed')})" if found and found.seeds != line.seeds else "")


def rank(board: Board, line: Line) -> str:
    """'1', or '2–4' where it may be any of these; '' of what is no setting."""
    found = board.rank(line)
    if found is None:
        return DASH if line.kind == "setting" else ""
    return str(found[0]) if found[0] == found[1] else f"{found[0]}–{found[1]}"


def behind(board: Board, line: Line) -> str:
    """How far behind the best setting, paired, with the corrected p-value, and whether that is a tie."""
    if not board.scored or line is board.scored[0]:
        return DASH
    estimate = board.difference(board.scored[0], line)
    if estimate is None or not estimate.tested:
        return score(estimate)
    return f"{score(estimate)}, {chance(estimate)}{'' if estimate.significant else ', tied'}"


def behind_teacher(board: Board, line: Line) -> str:
    """How far a setting is behind its own teachers, paired: negative where the student is better."""
    return score(board.difference(line.teacher, line)) if line.teacher else DASH


def statuses(line: Line) -> str:
    """How many arms ended how, and whether the line lacks seeds that others have."""
    return ", ".join([*ended(line.statuses), *lack(line)])


def ended(statuses: Mapping[str, int]) -> list[str]:
    """'2 done', '1 failed'."""
    return [f"{number} {status}" for status, number in sorted(statuses.items())]


def lack(line: Line) -> list[str]:
    """Said of a line that has a score for some of the seeds only; else nothing."""
    short = line.seeds and not line.complete
    return [f"incomplete ({line.seeds} of {line.wanted_seeds} seeds)"] if short else []
