"""What stands in one cell of the leaderboard, in the report and in the terminal alike."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from bench.report.board import Board, Line, Metric
from bench.report.markdown import DASH, escape
from bench.report.stats import Estimate

NAMED = 10
"""A sentence names so many; the leaderboard names all."""


def score(estimate: Estimate | None) -> str:
    """'mean [low, high]'; only the mean where there is no interval."""
    if estimate is None:
        return DASH
    interval = f" [{estimate.low:z.2f}, {estimate.high:z.2f}]" if estimate.sure else ""
    return f"{estimate.mean:z.2f}{interval}"


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
    return f"{score(estimate)}, {chance(estimate)}{'' if estimate.apart else ', tied'}"


def chance(estimate: Estimate) -> str:
    """'p 0.034'."""
    return "p < 0.001" if estimate.p < 0.001 else f"p {estimate.p:.2g}"


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


def count(number: int, what: str) -> str:
    """'1 seed', '2 seeds'."""
    return f"{number:,} {what}{'' if number == 1 else 's'}"


def listed(names: Sequence[str], at_most: int = NAMED) -> str:
    """'a, b and c', 'a, b and 7 more'; Markdown. '' for none."""
    shown = [*map(escape, names[:at_most]), *([f"{len(names) - at_most:,} more"] if len(names) > at_most else [])]
    return conjoined(shown)


def conjoined(texts: Sequence[str]) -> str:
    """'a', 'a and b', 'a, b and c'."""
    return " and ".join([", ".join(texts[:-1]), texts[-1]] if len(texts) > 1 else texts)
