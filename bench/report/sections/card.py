"""The answer card: for each task and budget at most four short sentences.

1. Who wins, or what this run could have found. A rule that beats every model comes first.
2. The best setting or the best guess, its score, and what to buy.
3. The next one, what the teacher and the best baseline reach, and money that was left unspent.
4. What would decide an open question.

`bench recommend` uses the same sentences.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from bench.report.analysis.format import score
from bench.report.analysis.leaderboard import Board, Line
from bench.report.analysis.report_input import ReportInput
from bench.report.analysis.significance import Estimate
from bench.report.blocks import Paragraph, Section, Text, code, sentences, strong
from bench.report.sections import until_decided
from bench.report.sections.answer import tied
from bench.report.text import conjoined, count, dollars, ended, listed
from bench.results import arm_columns as columns

SEEDS_AT_MOST = 30
"""A larger number of further seeds is not recommended."""
UNSPENT = 0.5
"""A setting that spends a smaller share of its budget is named."""
NAMED = 3
"""Number of settings that a sentence names."""
SUITE = "SUITE"
"""Stands for the path of a suite that is not known."""


def section(given: ReportInput) -> Section:
    """Return a paragraph for each task and budget."""
    tasks = {board.task for board in given.boards}
    paragraphs = [Paragraph(text(board, f"{board.task}: at" if len(tasks) > 1 else "At", given)) for board in given.boards]
    of_run = [Paragraph("With the budgets and prices of the run:")] if given.found.repriced else []
    blocks = (*of_run, *paragraphs) if paragraphs else (Paragraph("No arm has ended yet."),)
    return Section(id="answer", title="Answer", blocks=blocks)


@dataclass(frozen=True, kw_only=True)
class Standing:
    """Who leads at a task and budget."""

    best: Line | None = None
    """The best setting, or the best guess; None where no setting has a score."""
    wins: bool = False
    """Whether it is significantly better than all others."""
    second: Line | None = None
    """The next setting. None where there is no other, or where a run with --until-decided decided."""
    gap: Estimate | None = None
    """How much the best is ahead of the second; None where they cannot be paired."""


def standing(board: Board, given: ReportInput) -> Standing:
    """Return who leads at the task and budget of a board."""
    if not board.scored:
        return Standing()
    if found := until_decided.decision_at(board, given):
        leader = next((line for line in board.scored if line.name in found[1].playing[:1]), board.scored[0])
        return Standing(best=leader, wins=bool(found[1].winner))
    best, *rivals = board.compared
    if not rivals:
        return Standing(best=best)
    equal = tied(board)
    second = (equal or rivals)[0]
    gap = board.difference(best, second)
    return Standing(best=best, wins=not equal and gap is not None and gap.tested, second=second, gap=gap)


def text(board: Board, at: str, given: ReportInput) -> Text:
    """Return the sentences for a task and budget. `at` is how they begin, such as 'At'."""
    at = f"{at} {board.budget_usd:g} USD"
    leads = standing(board, given)
    best, second, gap = leads.best, leads.second, leads.gap
    if not best:
        return (strong(f"{at} {_why_nothing(board, given)}."),)
    if found := until_decided.decision_at(board, given):
        return sentences([*until_decided.verdict(board, at, *found), _sentence(_references(board, best))])
    if not second:
        seeds = " for every seed" if len(board.scored) > 1 else ""
        only = f"{at}{_so_far(best)} only {best.name} has a score{seeds}: {_value(board, best)}."
        return sentences([strong(only), _sentence(_references(board, best)), _sentence(_unspent(board))])
    beside = (next_one(second.name, gap, len(board.compared)), _references(board, best), _unspent(board))
    suite = str(given.found.suite.get("path", SUITE))
    decides = decide([best.name, second.name], gap, _seconds(best, second), suite) if tied(board) else ""
    return sentences(
        [
            strong(_outcome(board, at, best, gap, wins=leads.wins)),
            guess(best.name, f", {_value(board, best)}; {_bought(best)}", sure=leads.wins),
            _sentence(*beside),
            decides,
        ]
    )


def _outcome(board: Board, at: str, best: Line, gap: Estimate | None, *, wins: bool) -> str:
    """Return the first sentence."""
    rule, metric = board.baseline, board.primary
    ahead = board.difference(best, rule) if rule else None
    if rule and ahead and ahead.mean < 0:
        beaten = "beats every model" if ahead.significant else "scores higher than every model, though not significantly"
        return f'{at} use the rule "{rule.name}": with {_mean(rule.scores[metric.name])} {metric.name} it {beaten}.'
    if wins:
        return f"{at} {best.name} is best{_so_far(best)}."
    least = board.ranking.detectable()
    if gap is None or not gap.tested or math.isnan(least):
        return f"{at} nothing is tested{_so_far(best)}: a test needs two seeds, and scores by example."
    found = f"{least:.2g} {metric.unit}, and the best is {gap.mean:.2g} ahead"
    return f"No winner {at[0].lower()}{at[1:]}{_so_far(best)}: this run was too small, for it finds leads of {found}."


def guess(name: str, about: str, *, sure: bool) -> Text:
    """Return the sentence with the best setting. about: what follows its name, such as ': buy 160 labels'."""
    return ("Take " if sure else "Best guess: ", strong(name), f"{about}.")


def next_one(name: str, gap: Estimate | None, settings: int) -> str:
    """Return the clause with the next setting. gap: how much the best one is ahead. settings: how many are compared."""
    if gap is None:
        return f"{name} cannot be compared with it"
    alone = f"; among {settings} settings this is not significant" if gap.tested and not gap.significant and gap.low > 0 else ""
    return f"Next is {name}, {score(gap)} behind{alone}"


def decide(names: Sequence[str], gap: Estimate | None, seconds: float = math.nan, suite: str = SUITE) -> Text:
    """Return what would decide between two settings. seconds: time of one further seed of both; NaN where it is unknown."""
    if gap is None or not gap.has_interval:
        return ""
    further = further_seeds(gap)
    if further > SEEDS_AT_MOST:
        return f"More than {SEEDS_AT_MOST} further seeds would be needed to separate {conjoined(names)}, so take the cheaper one."
    time = f", about {count(max(1, round(further * seconds / 60)), 'minute')}" if seconds == seconds else ""
    what = f"{count(int(further), 'further seed')} would decide it if the difference stays as it is{time}: "
    return (what, code(f"bench run {suite} --until-decided"), ".")


def further_seeds(gap: Estimate) -> float:
    """Return how many further seeds would make a difference significant, if it is the true one. The width of an interval falls with the
    square root of the number of seeds. Infinity where the difference is 0."""
    if not gap.mean:
        return math.inf
    return max(math.ceil(gap.seeds * ((gap.high - gap.low) / 2 / gap.mean) ** 2) - gap.seeds, 1)


def _why_nothing(board: Board, given: ReportInput) -> str:
    statuses = sum((Counter(line.statuses) for line in board.settings), Counter[str]())
    primary = board.primary.name
    reasons = sorted({found.reason for found in given.missing if found.metric == primary and board.task in found.tasks})
    if statuses["done"] and reasons:
        return f"nothing is ranked, because {primary} is missing ({'; '.join(reasons)})"
    return f"no setting has a score ({ended(statuses)})"


def _so_far(best: Line) -> str:
    return "" if best.complete else " so far"


def _value(board: Board, line: Line) -> str:
    return f"{score(line.scores[board.primary.name])} {board.primary.name}"


def _mean(found: Estimate) -> str:
    return f"{found.mean:z.2f}"


def _bought(line: Line) -> str:
    labels, spent = line.facts.get(columns.LABELS_BOUGHT, 0.0), line.facts.get(columns.SPENT_USD)
    buy = f"buy {count(round(labels), 'label')}" if labels else "buy no labels"
    return buy if spent is None else f"{buy} and spend {dollars(spent)} USD in all"


def _references(board: Board, best: Line) -> str:
    """Return what the teacher of the best setting and the best baseline reach."""
    metric, found = board.primary.name, []
    if best.teacher and metric in best.teacher.scores:
        found.append(f"the teacher reaches {_mean(best.teacher.scores[metric])}")
    if (rule := board.baseline) and metric in rule.scores:
        found.append(f'the rule "{rule.name}" {"" if found else "reaches "}{_mean(rule.scores[metric])}')
    return conjoined(found)


def _sentence(*clauses: str) -> str:
    """Return the clauses that are not empty as one sentence, '' where there are none."""
    text = "; ".join(filter(None, clauses))
    return f"{text[0].upper()}{text[1:]}." if text else ""


def _unspent(board: Board) -> str:
    """Return the settings that left most of their budget unspent."""
    spent = {line.name: line.facts.get(columns.SPENT_USD, math.nan) for line in board.scored}
    idle = [f"{name} spends only {dollars(usd)} USD" for name, usd in spent.items() if 0 < usd < UNSPENT * board.budget_usd]
    return listed(idle, NAMED)


def _seconds(*lines: Line) -> float:
    """Return the mean time of one arm of each, in seconds; NaN where one was not measured."""
    return math.fsum(line.facts.get(columns.WALL_S, math.nan) for line in lines)
