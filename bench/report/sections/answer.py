"""The answer in words: the result in a sentence, its certainty, and comparisons with baselines and teachers."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from bench.report.analysis import significance
from bench.report.analysis.format import chance, score
from bench.report.analysis.leaderboard import Board, Line, Metric
from bench.report.analysis.missing_scores import Missing
from bench.report.analysis.pareto import TradeOff
from bench.report.analysis.significance import Estimate
from bench.report.markdown import NAMED, conjoined, count, escape, listed
from bench.report.sections.cells import ended

NAMED_AT_ONCE = 3
"""Largest number of tied settings in the one sentence. The points below it name more, and the leaderboard names all."""

TOO_SMALL = 1e-6
"""Smaller differences are rounding errors."""

LEADS = """↑: higher is better, ↓: lower is better. Scores are means over seeds and test examples with 95 % intervals (analysis of
variance over both together). An interval is for one score or one comparison; with one seed it says nothing about other seeds.
*Behind the best* is paired: the same seeds and the same test examples on both sides. Its p-value, *ahead* and *tied* are corrected for
all pairs of settings at that budget (Holm). Where no setting differs from another, at most 1 such table in 20 calls one ahead. Tied
means a p-value of 0.05 or more; the interval may still exclude 0. A *rank* is 1 + the number of settings that are significantly better.
It is a range where further settings may be better without a significant difference. With one seed nothing is tested, and no setting is
called ahead. A setting is *incomplete* where it lacks a score for a seed that others have. It stands below the others, whatever its
mean."""


@dataclass(frozen=True, kw_only=True)
class _Contest:
    """The comparison of settings at one budget."""

    board: Board
    best: Line
    rivals: tuple[Line, ...]
    """The other settings with scores for the same seeds."""
    tied: tuple[Line, ...]
    """Rivals that are not significantly worse than the best."""


def answer(boards: Sequence[Board], metrics: Sequence[Metric], trade_offs: Sequence[TradeOff], missing: Sequence[Missing]) -> list[str]:
    """Return Markdown: a sentence for each task, a point for each task and budget, a sentence on teachers,
    and how to read it."""
    if not boards:
        return ["No arm has ended yet."]
    contests = [(board, _contest(board)) for board in boards]
    efficient = {(found.board.task, found.board.budget_usd): found.summary for found in trade_offs}
    sentences: list[str] = []
    points: list[str] = []
    for task, of_task in itertools.groupby(contests, key=lambda pair: pair[0].task):
        group = [*of_task]
        clauses = [f"at {b.budget_usd:g} USD {_outcome(contest) if contest else _nothing(b, missing)}" for b, contest in group]
        sentences.append(f"**{escape(task)}: {'; '.join(clauses)}.**")
        for board, contest in group:
            details = [*(_details(contest, metrics) if contest else []), efficient.get((task, board.budget_usd), "")]
            points += [f"- {escape(task)}, {board.budget_usd:g} USD: {' '.join(filter(None, details))}"] if any(details) else []
    teachers = [_teachers([*of_task]) for _, of_task in itertools.groupby(boards, key=lambda board: board.task)]
    return [text for text in (*sentences, "\n".join(points), *teachers, LEADS) if text]


def _contest(board: Board) -> _Contest | None:
    if not board.scored:
        return None
    best, *rivals = board.compared
    return _Contest(
        board=board, best=best, rivals=tuple(rivals), tied=tuple(line for line in rivals if _tied(board.difference(best, line)))
    )


def _tied(estimate: Estimate | None) -> bool:
    """Return whether two settings tie: their difference is not significant.

    Where nothing can be tested, only equal means tie.
    """
    if estimate is None:
        return True
    return not estimate.significant if estimate.tested else estimate.mean == 0


def _nothing(board: Board, missing: Sequence[Missing]) -> str:
    """Return why no setting has a score."""
    statuses = sum((Counter(line.statuses) for line in board.settings), Counter())
    name = board.primary.name
    reasons = sorted({found.reason for found in missing if found.metric == name and board.task in found.tasks})
    if statuses["done"] and reasons:
        return f"nothing is ranked, as {escape(name)} is missing ({'; '.join(map(escape, reasons))})"
    return f"no arm has a score ({', '.join(ended(statuses))})"


def _outcome(contest: _Contest) -> str:
    """Return text such as 'sft is ahead (rouge2 5.00 [4.00, 6.00]), better than the best floor (...)'."""
    board, best = contest.board, contest.best
    first = [best, *contest.tied][:NAMED_AT_ONCE]
    means = conjoined([score(line.scores[board.primary.name]) for line in first])
    names = listed([line.name for line in (best, *contest.tied)], NAMED_AT_ONCE)
    beside = _beside(board, best)
    if beside:
        beside = f", the first {beside}" if contest.tied else f", {beside}"
    so_far = "" if best.complete else "so far "
    return f"{so_far}{names} {_verb(contest)} ({escape(board.primary.name)} {means}){beside}"


def _verb(contest: _Contest) -> str:
    if contest.tied:
        return "cannot be told apart"
    if not contest.rivals:
        return "is the only setting with a score" + (" for every seed" if len(contest.board.scored) > 1 else "")
    ahead = contest.board.difference(contest.best, contest.rivals[0])
    return "is ahead" if ahead and ahead.tested else "has the best mean"


def _beside(board: Board, best: Line) -> str:
    """Return how the best setting compares with the best baseline and with its own teacher."""
    name = board.primary.name
    others = {"the best floor": next(iter(board.floors), None), "its teacher": best.teacher}
    verdicts: dict[str, list[str]] = {}
    for what, other in others.items():
        if other and name in other.scores:
            verdicts.setdefault(_relation(board.difference(best, other)), []).append(f"{what} ({score(other.scores[name])})")
    return conjoined([f"{relation} {conjoined(found)}" for relation, found in verdicts.items()])


def _relation(ahead: Estimate | None) -> str:
    if ahead is None:
        return "not to be compared with"
    if not ahead.tested:
        return "with the same mean as" if ahead.mean == 0 else f"with a {'better' if ahead.mean > 0 else 'worse'} mean than"
    if not ahead.significant:
        return "not told apart from"
    return "better than" if ahead.mean > 0 else "worse than"


def _details(contest: _Contest, metrics: Sequence[Metric]) -> list[str]:
    board, best = contest.board, contest.best
    reached = best.scores[board.primary.name]
    said = "over " + count(reached.seeds, "seed") + (f" and {count(reached.examples, 'test example')}" if reached.examples else "")
    if contest.rivals:
        gap = board.difference(best, contest.rivals[0])
        said += f"; the next one, {escape(contest.rivals[0].name)}, is {score(gap)} behind {escape(best.name)}"
        said += f" (corrected {chance(gap)})" if gap and gap.tested else ""
    told = [f"{said}.", *_power(board)]
    if len(contest.tied) >= NAMED_AT_ONCE:
        told += [f"Not told apart from {escape(best.name)}: {listed([line.name for line in contest.tied])}."]
    return [*told, *_caveats(board, best), *_floors(board, metrics, best)]


def _power(board: Board) -> list[str]:
    """Return the smallest difference that would be found, and how more seeds or examples would change it."""
    ranked, unit = board.ranking, board.primary.unit
    found = ranked.detectable()
    if not found > TOO_SMALL:
        return []
    more = f"with twice the seeds {ranked.detectable(seeds=2):.2g}, with twice the test examples {ranked.detectable(examples=2):.2g}"
    return [f"A true difference between two settings is found 4 times in 5 from {escape(f'{found:.2g} {unit}'.strip())} on; {more}."]


def _caveats(board: Board, best: Line) -> list[str]:
    reached = best.scores[board.primary.name]
    said = ["One seed only: another seed may change the order, so nobody is called ahead."] if reached.seeds == 1 else []
    if not reached.has_interval:
        none = "is only one test example" if reached.examples else "are no values by example"
        said += [f"There {none}, so no interval: how much of a difference is chance is not known."]
    if not best.complete:
        said += [f"No setting has a score for all {best.wanted_seeds} seeds yet, so this may be the luck of a seed."]
    if left_out := [line.name for line in board.scored if line.complete != best.complete]:
        said += [f"Not compared, for want of a seed that others have: {listed(left_out)}."]
    unscored = [line for line in board.settings if board.primary.name not in line.scores]
    if unscored:
        names = [f"{escape(line.name)} ({', '.join(ended(line.statuses))})" for line in unscored[:NAMED]]
        names += [f"{len(unscored) - NAMED:,} more"] if len(unscored) > NAMED else []
        said += [f"Without a score in {escape(board.primary.name)}: {conjoined(names)}."]
    return said


def _floors(board: Board, metrics: Sequence[Metric], best: Line) -> list[str]:
    """Return comparisons with the lead baseline, and with the best baseline where that is another one."""
    if not board.floors:
        return []
    top, lead = board.floors[0], next(floor for floor in board.floors if floor.name == board.lead)
    also = ", also the best floor" if top is lead and len(board.floors) > 1 else ""
    said = [_against(board, metrics, escape(best.name), best, f'the lead baseline ("{escape(lead.name)}"{also})', lead)]
    return said if top is lead else [*said, _against(board, metrics, "It", best, f'the best floor ("{escape(top.name)}")', top)]


def _against(board: Board, metrics: Sequence[Metric], subject: str, line: Line, what: str, other: Line) -> str:
    """Return text such as 'It beats WHAT in rouge2 by 2.00 [1.00, 3.00]; it is worse ...'.

    Metrics with the same verdict share a clause. The result is '' without any metric.
    """
    verdicts: dict[str, list[str]] = {}
    for metric in metrics:
        if metric.name in line.samples and metric.name in other.samples:
            verb, by = _compared(board.difference(line, other, metric))
            verdicts.setdefault(verb, []).append(f"{escape(metric.name)}{by}")
    clauses = [f"{verb} {'it' if place else what} in {conjoined(found)}" for place, (verb, found) in enumerate(verdicts.items())]
    return f"{subject} {'; it '.join(clauses)}." if clauses else ""


def _compared(ahead: Estimate | None) -> tuple[str, str]:
    """Return a verb, and by how much."""
    if ahead is None:
        return "cannot be compared with", " (no seed and example in common)"
    if not ahead.tested:
        verb = "has a better mean than" if ahead.mean > 0 else "has no better mean than"
        return verb, f" by {score(ahead)}" if ahead.mean > 0 else f" (short by {score(-ahead)})"
    if not ahead.significant:
        return "cannot be told apart from", f" (difference {score(ahead)})"
    return ("beats", f" by {score(ahead)}") if ahead.mean > 0 else ("is worse than", f" by {score(-ahead)}")


def _teachers(boards: Sequence[Board]) -> str:
    """Return whether the teachers of a task beat their students: the mean paired difference over all settings
    and budgets."""
    primary = boards[0].primary
    found = [gap for board in boards for line in board.scored if (gap := _gap(line, primary)) is not None]
    by_seed = pd.concat(found, join="inner") if found else pd.DataFrame()
    if by_seed.empty:
        return ""
    verb, by = _compared(significance.estimate(by_seed.groupby(level=0).mean().to_numpy()))
    over = f"{count(len(found), 'setting')}, each budget counted by itself"
    return f"{escape(boards[0].task)}: on average the teacher {verb} its own student in {escape(primary.name)}{by}; over {over}."


def _gap(line: Line, metric: Metric) -> pd.DataFrame | None:
    """Return by how much a setting's teachers are better, shape (seeds, examples)."""
    if line.teacher is None or metric.name not in line.teacher.samples:
        return None
    teacher, student = line.teacher.samples[metric.name], line.samples[metric.name]
    return significance.paired(student, teacher) if metric.direction == "lower" else significance.paired(teacher, student)
