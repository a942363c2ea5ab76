"""The answer in words: the best setting at each budget, how certain that is, and how to read the scores."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterator, Sequence

import pandas as pd

from bench.report.analysis import significance
from bench.report.analysis.format import chance, score
from bench.report.analysis.leaderboard import Board, Line
from bench.report.analysis.metric import Metric
from bench.report.analysis.report_input import ReportInput
from bench.report.analysis.significance import Estimate
from bench.report.blocks import Block, Paragraph, Points, Section, Text, emphasis, sentences, strong
from bench.report.sections import until_decided
from bench.report.text import conjoined, count, ended, listed

TOO_SMALL = 1e-6
"""Smaller differences are rounding errors."""

HOW_TO_READ = (
    "↑: higher is better, ↓: lower is better. Scores are means over seeds and test examples with 95 % intervals (analysis of variance over "
    "both). An interval is for one score or one comparison. With one seed it says nothing about other seeds. ",
    emphasis("Behind the best"),
    " is paired: both sides have the same seeds and the same test examples. Its p-value is corrected for the comparison of all settings "
    "with the best (Hsu). For the baseline that is best on dev it is corrected for the number of settings (Holm). For other baselines and "
    "for teachers it is multiplied by the number of such comparisons. A positive difference favours the setting that is named first, also "
    "where lower scores are better. Where all settings are equally good, at most 1 such table in 20 names a best one. ",
    emphasis("Tied"),
    " means a p-value of 0.05 or more: this setting may be the best one too. The interval may still exclude 0. A ",
    emphasis("rank"),
    " is 1 + the number of settings that are significantly better, corrected for all pairs of settings (Holm). It is a range where "
    "further settings may be better without a significant difference. It answers more questions, so even a winner may have a range. "
    "Intervals hold possible scores only. With one seed nothing is tested, and no setting is called the best. A setting is ",
    emphasis("incomplete"),
    " where it lacks a score for a seed that others have. It stands below the others, whatever its mean.",
)


def answer(given: ReportInput) -> Section:
    """Return a paragraph for each task and budget: the best setting, the next one, and the best baseline."""
    tasks = {board.task for board in given.boards}
    of_run = [Paragraph("With the budgets and prices of the run:")] if given.found.repriced else []
    paragraphs = [Paragraph(_outcome(board, f"{board.task}: at" if len(tasks) > 1 else "At", given)) for board in given.boards]
    return Section(id="answer", title="Answer", blocks=(*of_run, *paragraphs) if paragraphs else (Paragraph("No arm has ended yet."),))


def certainty(given: ReportInput) -> Section | None:
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


def how_to_read(given: ReportInput) -> Section | None:
    return Section(id="reading", title="How to read the scores", blocks=(Paragraph(HOW_TO_READ),)) if given.boards else None


def tied(board: Board) -> list[Line]:
    """Return the compared settings that are not significantly worse than the best. Without a test only equal means tie."""
    best, *rivals = board.compared
    gaps = [(line, board.difference(best, line)) for line in rivals]
    return [line for line, gap in gaps if gap is None or (not gap.significant if gap.tested else gap.mean == 0)]


def _outcome(board: Board, at: str, given: ReportInput) -> Text:
    at = f"{at} {board.budget_usd:g} USD"
    if not board.scored:
        statuses, primary = sum((Counter(line.statuses) for line in board.settings), Counter()), board.primary.name
        reasons = sorted({found.reason for found in given.missing if found.metric == primary and board.task in found.tasks})
        missing = f"nothing is ranked, because {primary} is missing ({'; '.join(reasons)})"
        return (strong(f"{at} {missing if statuses['done'] and reasons else f'no setting has a score ({ended(statuses)})'}."),)
    if found := until_decided.decision_at(board, given):
        leader = next((line for line in board.scored if line.name in found[1].playing[:1]), board.scored[0])
        return sentences([*until_decided.verdict(board, at, *found), _beside(board, leader)])
    best, *rivals = board.compared
    so_far = "" if best.complete else " so far"
    value = f"{board.primary.name} {score(best.scores[board.primary.name])}"
    if not rivals:
        seeds = " for every seed" if len(board.scored) > 1 else ""
        return sentences([strong(f"{at}{so_far} only {best.name} has a score{seeds}: {value}."), _beside(board, best)])
    equal = tied(board)
    second = (equal or rivals)[0]
    gap = board.difference(best, second)
    corrected = f" (corrected {chance(gap)})" if gap and gap.tested else ""
    runner_up = f"{second.name} is {score(gap)} behind{corrected}." if gap else f"{second.name} {_compared(gap)[0]} it."
    if equal:
        first: list[Text] = [strong(f"{at} there is no clear winner{so_far}."), f"Best guess: {best.name}, {value}; {runner_up}"]
        if gap and gap.tested and gap.low > 0:
            first.append("The interval is for this pair alone; corrected for comparisons with the best, the difference is not significant.")
        if len(equal) > 1:
            first.append(f"In all, {count(len(equal), 'setting')} are {_as_good(gap)}.")
    elif gap and gap.tested:
        first = [strong(f"{at} {best.name} is best{so_far}, {value}."), f"Next, {runner_up}"]
    else:
        first = [strong(f"{at} {best.name} has the best mean{so_far}, {value}."), f"Next, {runner_up} This difference is not tested."]
    return sentences([*first, _beside(board, best)])


def _as_good(gap: Estimate | None) -> str:
    """Return in what way settings tie with the best one, given the difference of one of them."""
    if gap is None:
        return "not comparable with it"
    return "not significantly worse" if gap.tested else "equally good on average"


def _beside(board: Board, best: Line) -> str:
    """Return how the best setting compares with the best baseline and with its own teacher."""
    others = {"the best baseline": board.baseline, "its teacher": best.teacher}
    verdicts: dict[str, list[str]] = {}
    for what, other in others.items():
        if other and (found := other.scores.get(board.primary.name)):
            verb, _ = _compared(board.difference(best, other))
            verdicts.setdefault(verb, []).append(f"{what} ({score(found)})")
    clauses = [f"{verb} {conjoined(whats)}" for verb, whats in verdicts.items()]
    return f"{best.name} {conjoined(clauses)}." if clauses else ""


def _details(board: Board, metrics: Sequence[Metric]) -> Iterator[str]:
    """Yield what ties with the best setting, what could have been found, the limits of the scores, and what baselines reach."""
    best, equal, primary = board.compared[0], tied(board), board.primary
    found, least = best.scores[primary.name], board.ranking.detectable()
    yield count(found.seeds, "seed") + (f" and {count(found.examples, 'test example')}" if found.examples else "") + "."
    if len(equal) > 1:
        ties = _as_good(board.difference(best, equal[0]))
        yield f"Beside {best.name}, these settings are {ties}: {listed([line.name for line in equal])}."
    if least > TOO_SMALL:
        needed, ranked = f"{least:.2g} {primary.unit}".strip(), board.ranking
        more = f"with twice the seeds {ranked.detectable(seeds=2):.2g}, with twice the test examples {ranked.detectable(examples=2):.2g}"
        yield f"To win in 4 of 5 cases, a setting must be {needed} ahead of the next one; {more}."
    if found.seeds == 1:
        yield "There is one seed only. Another seed may change the order, so no setting is called the best."
    if not found.has_interval:
        none = "is only one test example" if found.examples else "are no values by example"
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
