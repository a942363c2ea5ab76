"""Cells of the leaderboard, the same in the report and in the terminal."""

from __future__ import annotations

from collections.abc import Mapping

from bench.report.analysis.format import chance, score
from bench.report.analysis.leaderboard import Board, Line, Metric
from bench.report.markdown import DASH, count


def reached(line: Line, metric: Metric) -> str:
    """Return the score of a line. The number of seeds is added where it differs from that of the line."""
    found = line.scores.get(metric.name)
    return score(found) + (f" ({count(found.seeds, 'seed')})" if found and found.seeds != line.seeds else "")


def rank(board: Board, line: Line) -> str:
    """Return '1', or '2–4' where the rank may be any of these. A line that is not a setting has ''."""
    found = board.rank(line)
    if found is None:
        return DASH if line.kind == "setting" else ""
    return str(found[0]) if found[0] == found[1] else f"{found[0]}–{found[1]}"


def behind(board: Board, line: Line) -> str:
    """Return the paired difference to the best setting, with its corrected p-value, and whether the two tie."""
    if not board.scored or line is board.scored[0]:
        return DASH
    estimate = board.difference(board.scored[0], line)
    if estimate is None or not estimate.tested:
        return score(estimate)
    return f"{score(estimate)}, {chance(estimate)}{'' if estimate.significant else ', tied'}"


def behind_teacher(board: Board, line: Line) -> str:
    """Return how far a setting is behind its own teachers, paired. It is negative where the student is better."""
    return score(board.difference(line.teacher, line)) if line.teacher else DASH


def statuses(line: Line) -> str:
    """Return how many arms ended in each status, and whether the line lacks seeds that others have."""
    return ", ".join([*ended(line.statuses), *lack(line)])


def ended(statuses: Mapping[str, int]) -> list[str]:
    """Return texts such as '2 done', '1 failed'."""
    return [f"{number} {status}" for status, number in sorted(statuses.items())]


def lack(line: Line) -> list[str]:
    """Return a remark where a line has a score for only some of the seeds, else nothing."""
    short = line.seeds and not line.complete
    return [f"incomplete ({line.seeds} of {line.wanted_seeds} seeds)"] if short else []
