"""The answer in words: who is ahead, how sure that is, and how it compares with the floors and the teachers."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Sequence

import pandas as pd

from bench.report import stats
from bench.report.board import Board, Line, Metric
from bench.report.cells import score
from bench.report.markdown import escape
from bench.report.stats import Estimate

NAMED = 10
"""So many tied settings are named; the leaderboard names all."""

LEADS = """↑: higher is better, ↓: lower is better. Scores are means over seeds and test examples with 95 % intervals (pigeonhole
bootstrap over both together).
*Behind the best* is paired: the same seeds and the same test examples on both sides; two settings are *tied* where that interval
holds 0. A setting without a score for a seed that others have one for is *incomplete*: it stands below the others, whatever its mean.
Each interval is for one comparison; nothing is corrected for having picked the best of several. With few seeds an
interval can be too narrow where seeds differ more than examples do; with one seed it says nothing about other seeds."""


def answer(boards: Sequence[Board], metrics: Sequence[Metric]) -> list[str]:
    """Markdown: a point for each task and budget, a sentence on the teachers of each task, how to read it."""
    if not boards:
        return ["No arm has ended yet."]
    points = [f"- {_where(board)} {_verdict(board, metrics)}" for board in boards]
    teachers = [said for _, of_task in itertools.groupby(boards, key=lambda board: board.task) if (said := _teachers([*of_task]))]
    return ["\n".join(points), *teachers, LEADS]


def _where(board: Board) -> str:
    return f"{escape(board.task)}, {board.budget_usd:g} USD:"


def _verdict(board: Board, metrics: Sequence[Metric]) -> str:
    """Which setting is best at one budget, and what that can be told apart from."""
    if not board.scored:
        ended = sum((Counter(line.statuses) for line in board.settings), Counter())
        return f"no arm has a score ({', '.join(f'{n} {status}' for status, n in sorted(ended.items()))})."
    best = board.scored[0]
    rivals = [line for line in board.scored[1:] if line.complete == best.complete]
    tied = [best, *(line for line in rivals if _tied(board.difference(best, line)))]
    said = _standing(board, tied) if len(tied) > 1 else _ahead(board, best, rivals)
    subject = "It" if len(tied) == 1 else f"Of these, {escape(best.name)}"
    return " ".join([said, *_caveats(board, best), *_floors(board, metrics, subject, best)])


def _tied(estimate: Estimate | None) -> bool:
    """Whether two settings cannot be told apart; without an interval only equal means are a tie."""
    if estimate is None:
        return True
    return not estimate.apart if estimate.sure else estimate.mean == 0


def _ahead(board: Board, best: Line, rivals: Sequence[Line]) -> str:
    said = f"**{escape(best.name)}** is ahead with {_scored(board, [best])}."
    if not rivals:
        return said
    gap = board.difference(best, rivals[0])
    return f"{said} The next one, {escape(rivals[0].name)}, is {score(gap)} behind."


def _standing(board: Board, tied: Sequence[Line]) -> str:
    names = [f"**{escape(line.name)}**" for line in tied[:NAMED]]
    names += [f"{len(tied) - NAMED} more"] if len(tied) > NAMED else []
    return f"No setting is ahead alone: {_and(names)} cannot be told apart ({_scored(board, tied[:NAMED])})."


def _scored(board: Board, lines: Sequence[Line]) -> str:
    """'rouge2 4.00 [3.00, 5.00] and 3.90 [2.90, 4.90], over 2 seeds and 60 test examples'."""
    reached = [line.scores[board.primary.name] for line in lines]
    over = _count(reached[0].seeds, "seed") + (f" and {_count(reached[0].examples, 'test example')}" if reached[0].examples else "")
    return f"{escape(board.primary.name)} {_and([score(estimate) for estimate in reached])}, over {over}"


def _caveats(board: Board, best: Line) -> list[str]:
    reached = best.scores[board.primary.name]
    said = ["One seed only: another seed may change the order."] if reached.seeds == 1 else []
    if not reached.sure:
        none = "is only one test example" if reached.examples else "are no values by example"
        said += [f"There {none}, so no interval: how much of a difference is chance is not known."]
    if not best.complete:
        said += [f"No setting has a score for all {best.wanted_seeds} seeds yet, so this may be the luck of a seed."]
    left_out = [line for line in board.scored if line.complete != best.complete]
    if left_out:
        said += [f"Not compared, for want of a seed that others have: {_and([escape(line.name) for line in left_out[:NAMED]])}."]
    return said


def _floors(board: Board, metrics: Sequence[Metric], subject: str, best: Line) -> list[str]:
    """Against the lead baseline, and against the best floor where that is another."""
    if not board.floors:
        return []
    top, lead = board.floors[0], next(floor for floor in board.floors if floor.name == board.lead)
    also = ", also the best floor" if top is lead and len(board.floors) > 1 else ""
    said = [_against(board, metrics, subject, best, f'the lead baseline ("{escape(lead.name)}"{also})', lead)]
    return said if top is lead else [*said, _against(board, metrics, "It", best, f'the best floor ("{escape(top.name)}")', top)]


def _against(board: Board, metrics: Sequence[Metric], subject: str, line: Line, what: str, other: Line) -> str:
    """'It beats WHAT in rouge2 by 2.00 [1.00, 3.00]; is worse in rougeL by ...': metrics of one verdict together."""
    verdicts: dict[str, list[str]] = {}
    for metric in metrics:
        verb, by = _compared(board.difference(line, other, metric))
        verdicts.setdefault(verb, []).append(f"{escape(metric.name)}{by}")
    clauses = [f"{verb} {'it' if place else what} in {_and(found)}" for place, (verb, found) in enumerate(verdicts.items())]
    return f"{subject} {'; it '.join(clauses)}."


def _compared(ahead: Estimate | None) -> tuple[str, str]:
    """A verb, and by how much."""
    if ahead is None:
        return "cannot be compared with", " (no seed and example in common)"
    if not ahead.sure:
        verb = "has a better mean than" if ahead.mean > 0 else "has no better mean than"
        return verb, f" by {score(ahead)}" if ahead.mean > 0 else f" (short by {score(-ahead)})"
    if not ahead.apart:
        return "cannot be told apart from", f" (difference {score(ahead)})"
    return ("beats", f" by {score(ahead)}") if ahead.low > 0 else ("is worse than", f" by {score(-ahead)}")


def _teachers(boards: Sequence[Board]) -> str:
    """Whether the teachers of one task beat their students: the mean paired difference over all settings and budgets."""
    primary = boards[0].primary
    found = [gap for board in boards for line in board.scored if (gap := _gap(line, primary)) is not None]
    by_seed = pd.concat(found, join="inner") if found else pd.DataFrame()
    if by_seed.empty:
        return ""
    verb, by = _compared(stats.estimate(by_seed.groupby(level=0).mean().to_numpy()))
    over = f"{_count(len(found), 'setting')}, each budget counted by itself"
    return f"{escape(boards[0].task)}: on average the teacher {verb} its own student in {escape(primary.name)}{by}; over {over}."


def _gap(line: Line, metric: Metric) -> pd.DataFrame | None:
    """By how much a setting's teachers are better, seeds x examples."""
    if line.teacher is None or metric.name not in line.teacher.samples:
        return None
    teacher, student = line.teacher.samples[metric.name].align(line.samples[metric.name], join="inner")
    gap = student - teacher if metric.direction == "lower" else teacher - student
    return None if gap.empty else gap


def _and(names: Sequence[str]) -> str:
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}{'' if number == 1 else 's'}"
