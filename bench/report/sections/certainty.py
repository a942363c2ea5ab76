"""How certain the answer is: ties, tests, detectable differences, baselines and teachers."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence

import pandas as pd

from bench.report.analysis import significance
from bench.report.analysis.format import score
from bench.report.analysis.leaderboard import Board
from bench.report.analysis.line import Line
from bench.report.analysis.metric import Metric
from bench.report.analysis.report_input import ReportInput
from bench.report.analysis.significance import Estimate
from bench.report.blocks import Block, Paragraph, Points, Section, Text, sentences
from bench.report.text import conjoined, count, ended, listed, two_digits

TOO_SMALL = 1e-6
"""Smaller differences are rounding errors."""


def section(given: ReportInput) -> Section | None:
    """Return a point for each task and budget, and for each task how the teachers compare with their students."""
    efficient = {}
    for found in given.trade_offs:  # on every cost axis, or on none
        front, inside = listed(found.everywhere(dominated=False)) or "none", listed(found.everywhere(dominated=True))
        text = f"On the Pareto front of every cost axis ({listed([axis.name for axis in found.places])}): {front}."
        efficient[found.board.task, found.board.budget_usd] = text + (f" Inefficient on every one: {inside}." if inside else "")
    points: list[Text] = []
    for board in given.boards:
        details = [*(_details(board, given.metrics[:2]) if board.scored else []), efficient.get((board.task, board.budget_usd), "")]
        points += [sentences([f"{board.task}, {board.budget_usd:g} USD:", *details])] if any(details) else []
    teachers = [_teachers([*of_task]) for _, of_task in itertools.groupby(given.boards, key=lambda board: board.task)]
    blocks: list[Block] = [Points(tuple(points))] if points else []
    blocks += [Paragraph(text) for text in teachers if text]
    return Section(id="certainty", title="How certain this is", blocks=tuple(blocks)) if blocks else None


def _as_good(gap: Estimate | None) -> str:
    """Return in what way settings tie with the best one, given the difference of one of them."""
    if gap is None:
        return "not comparable with it"
    return "not significantly worse" if gap.tested else "equally good on average"


def _details(board: Board, metrics: Sequence[Metric]) -> Iterator[str]:
    """Yield what ties with the best setting, what could have been found, the limits of the scores, and what baselines reach."""
    best, equal, primary = board.compared[0], board.tied, board.primary
    found, least = best.scores[primary.name], board.ranking.detectable()
    yield count(found.seeds, "seed") + (f" and {count(found.examples, 'test example')}" if found.examples else "") + "."
    if len(equal) > 1:
        ties = _as_good(board.difference(best, equal[0]))
        yield f"Beside {best.name}, these settings are {ties}: {listed([line.name for line in equal])}."
    if least > TOO_SMALL:
        needed, ranked = f"{two_digits(least)} {primary.unit}".strip(), board.ranking
        seeds, examples = two_digits(ranked.detectable(seeds=2)), two_digits(ranked.detectable(examples=2))
        more = f"with twice the seeds {seeds}, with twice the test examples {examples}"
        yield f"To win in 4 of 5 cases, a setting must be {needed} ahead of the next one; {more}."
    if found.seeds == 1:
        yield "There is one seed only. Another seed may change the order, so no setting is called the best."
    if not found.has_interval:
        none = f"are fewer than {significance.FEWEST_EXAMPLES} test examples" if found.examples else "are no values by example"
        yield f"There {none}, so there is no interval: chance may explain any difference."
    if not best.complete:
        yield f"No setting has a score for all {best.wanted_seeds} seeds yet, so this may be the luck of a seed."
    if left_out := [line.name for line in board.scored if line.complete != best.complete]:
        yield f"Not compared, because they lack a seed that others have: {listed(left_out)}."
    if unscored := [f"{line.name} ({ended(line.statuses)})" for line in board.settings if primary.name not in line.scores]:
        yield f"Without a score in {primary.name}: {listed(unscored)}."
    yield from _against_baselines(board, metrics, best)


def _against_baselines(board: Board, metrics: Sequence[Metric], best: Line) -> Iterator[str]:
    """Yield comparisons with the lead baseline, and with the best baseline where that is another one."""
    best_one = board.baseline
    for other in sorted(
        (one for one in board.baselines if one is best_one or one.name == board.lead), key=lambda one: one.name != board.lead
    ):
        kinds = ["lead"] if other.name == board.lead else []
        kinds += [f"best{' on dev' if board.best_on_dev else ''}"] if other is best_one and len(board.baselines) > 1 else []
        verdicts: dict[str, list[str]] = {}
        for metric in metrics:
            if metric.name in best.samples and metric.name in other.samples:
                verb, by = _compared(board.difference(best, other, metric))
                verdicts.setdefault(verb, []).append(f"{metric.name}{by}")
        if clauses := [f"{verb} it in {conjoined(found)}" for verb, found in verdicts.items()]:
            yield f'Against the {" and ".join(kinds)} baseline "{other.name}": {best.name} {"; ".join(clauses)}.'


def _compared(ahead: Estimate | None) -> tuple[str, str]:
    """Return a verb, and by how much."""
    if ahead is None:
        return "cannot be compared with", " (no seed and example in common)"
    side = "better" if ahead.mean > 0 else "worse"
    verb = f"is {'' if ahead.significant else 'not '}significantly {side} than" if ahead.tested else f"has a {side} mean than"
    return "equals" if ahead.mean == 0 else verb, f" ({score(ahead)})"


def _teachers(boards: Sequence[Board]) -> str:
    """Return whether the teachers of a task beat their students: the mean paired difference over all settings and budgets."""
    primary, gaps = boards[0].primary, []
    for line in (line for board in boards for line in board.scored):
        if line.teacher and primary.name in line.teacher.samples:
            teacher, student = line.teacher.samples[primary.name], line.samples[primary.name]
            gap = significance.paired(student, teacher) if primary.direction == "lower" else significance.paired(teacher, student)
            gaps += [] if gap is None else [gap]
    by_seed = pd.concat(gaps, join="inner") if gaps else pd.DataFrame()
    if by_seed.empty:
        return ""
    verb, by = _compared(primary.cut_difference(significance.estimate(by_seed.groupby(level=0).mean().to_numpy())))
    over = f"{count(len(gaps), 'setting')}, each budget counted by itself"
    return f"{boards[0].task}: on average the teacher {verb} its own student in {primary.name}{by}, over {over}."
