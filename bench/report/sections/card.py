"""The answer card: for each task and budget at most four short sentences.

1. Who wins, or why there is no winner. A rule that is better than the best model comes first.
2. What to buy, and which settings left most of their budget unspent.
3. The score, and beside it those of the teacher and of the best baseline.
4. The next setting, and what would separate it from the best one.

`bench recommend` shares sentences of `advice`.
"""

from __future__ import annotations

import shlex
from collections import Counter

from bench.report.analysis.format import score
from bench.report.analysis.leaderboard import Board
from bench.report.analysis.line import Line
from bench.report.analysis.report_input import ReportInput
from bench.report.analysis.significance import Estimate
from bench.report.analysis.standing import Standing, decision_at, standing
from bench.report.blocks import Block, Paragraph, Points, Section, Text, code, strong
from bench.report.sections import until_decided
from bench.report.sections.advice import Advice, add_seeds, next_one, recommended
from bench.report.text import conjoined, count, dollars, ended, named, two_digits
from bench.results import arm_columns as columns

UNSPENT = 0.5
"""A setting that spends a smaller share of its budget is named."""
OTHER_PRICES = "At the budgets of the run, in dollars at these prices:"


def section(given: ReportInput) -> Section:
    """Return for each task and budget a paragraph with the outcome and points below it, then the commands to run."""
    if not given.boards:
        return Section(id="answer", title="Answer", blocks=(Paragraph("No arm has ended yet."),))
    tasks = {board.task for board in given.boards}
    blocks: list[Block] = [Paragraph(OTHER_PRICES)] if given.found.repriced else []
    for board in given.boards:
        first, *others = sentences(board, f"{board.task}: at" if len(tasks) > 1 else "At", given)
        blocks += [Paragraph(first), *([Points(tuple(others))] if others else [])]
    pairs = [leads.pair for board in given.boards if (leads := standing(board, given.until_decided)).pair]
    if any(line.scores[board.primary.name].has_interval for board in given.boards for line in board.scored):
        seeds = {line.seeds for board in given.boards for line in board.scored}
        over = f" over {count(seeds.pop(), 'seed')}" if len(seeds) == 1 else ""
        blocks.append(Paragraph(f"Square brackets hold 95 % intervals{over}."))
    blocks += [Paragraph(text) for text in (_missing_arms(given), add_seeds(pairs, given.found.suite_path)) if text]
    return Section(id="answer", title="Answer", blocks=tuple(blocks))


def sentences(board: Board, at: str, given: ReportInput) -> list[Text]:
    """Return the sentences of one task and budget. The first stands out. `at` is how it begins, such as 'At'."""
    run = given.until_decided
    at, leads, decision = f"{at} {board.budget_usd:g} USD", standing(board, run), decision_at(board, run)
    if not leads.best:
        return [strong(f"{at} {_why_nothing(board, given)}.")]
    best, pair, rule = leads.best, leads.pair, board.baseline
    outcome, last = _outcome(board, best, leads), ""
    if run and decision:
        outcome, last = until_decided.outcome(board, leads, run, decision), until_decided.closing(board, run, decision)
    elif pair:
        last = next_one(pair)
    advice: Advice = "take" if leads.wins else "guess" if decision or pair else "only"
    lead = board.difference(rule, best) if rule else None
    if rule and lead and lead.mean > 0:
        outcome, rule = f'use a rule, not a model: "{rule.name}" scores {_mean(board, rule)}, {_ahead_of_models(board, rule, lead)}', None
        advice = "take a model" if leads.wins else "only model" if advice == "only" else "guess a model"
    bought = "; ".join(filter(None, [_bought(board, best), _unspent(board, best)]))
    found = [strong(f"{at} {outcome}."), recommended(best.name, bought, advice), _scores(board, best, rule), last]
    return [sentence for sentence in found if sentence]


def _outcome(board: Board, best: Line, leads: Standing) -> str:
    """Return a clause with who wins, or why there is no winner, in a run of given seeds."""
    if not leads.pair:
        return f"only {best.name} has a score{' for every seed' if len(board.scored) > 1 else ''}{_so_far(best)}"
    return until_decided.winner(leads) or _why_no_winner(board, best, leads.pair.gap)


def _missing_arms(given: ReportInput) -> Text:
    """Return the command that runs the arms that have no score yet; '' where there are none."""
    statuses = Counter(given.found.by_arm["status"])  # boards hold no arm that has not begun
    failed, missing = statuses["failed"], statuses["failed"] + statuses["unfinished"]
    options = (" --until-decided" if given.until_decided else "") + (" --retry" if failed else "")
    what = f"{count(missing, 'arm')} without a score can still run: "
    return (what, code(f"bench run {shlex.quote(given.found.suite_path)}{options}")) if missing else ""


def _why_nothing(board: Board, given: ReportInput) -> str:
    statuses = sum((Counter(line.statuses) for line in board.settings), Counter[str]())
    primary = board.primary.name
    if any(primary in line.scores for line in board.settings):
        return f"nothing is ranked, because neither a higher nor a lower {primary} is better"
    reasons = sorted({found.reason for found in given.missing if found.metric == primary and board.task in found.tasks})
    if statuses["done"] and reasons:
        return f"nothing is ranked, because {primary} is missing ({'; '.join(reasons)})"
    too_little = ": the money ends before there is a model" if [*statuses] == ["infeasible"] else ""
    return f"no setting has a score ({ended(statuses)}){too_little}"


def _why_no_winner(board: Board, best: Line, gap: Estimate | None) -> str:
    none = f"there is no winner{_so_far(best)}"
    if gap is None:
        return f"{none}, because settings have no seed in common"
    if not gap.has_interval:
        return f"{none}, because there are too few scores by example"
    if not gap.tested:
        return f"{none}, because there is only one seed"
    if gap.mean == 0:
        return f"{none}: the best two score the same"
    least, unit = board.ranking.detectable(), board.primary.unit
    if least <= gap.mean:
        return f"{none}: the lead of {gap.mean:z.2f} {unit}".strip() + " may be chance"
    needed = f"{two_digits(least)} {unit}".strip()
    return f"{none}: this run is too small to see leads under {needed}, and the best leads by {gap.mean:z.2f}"


def _ahead_of_models(board: Board, rule: Line, lead: Estimate) -> str:
    """Return how far a rule is ahead of the best model, or of all models. `lead` is that over the best one."""
    if lead.significant:
        gaps = [board.difference(rule, line) for line in board.scored]
        return f"significantly better than {'every' if all(gap and gap.mean > 0 and gap.significant for gap in gaps) else 'the best'} model"
    return f"and its lead of {lead.mean:.2f} over the best model {'may be chance' if lead.tested else 'is not tested'}"


def _so_far(best: Line) -> str:
    return "" if best.complete else " so far"


def _mean(board: Board, line: Line) -> str:
    return f"{line.scores[board.primary.name].mean:z.2f} {board.primary.name}"


def _bought(board: Board, line: Line) -> str:
    """Return what to buy, such as 'buy 160 labels and spend 18.63 USD in all'."""
    labels, spent = line.facts.get(columns.LABELS_BOUGHT), line.fact(columns.SPENT_USD)
    buy = [] if labels is None else [f"buy {count(round(labels), 'label')}" if round(labels) else "buy no labels"]
    return conjoined([*buy, *([_spend(board, spent)] if spent == spent else [])])


def _spend(board: Board, usd: float, ending: str = "") -> str:
    """Return how much is spent, such as 'spend 2.80 USD in all'. Where most of the budget is left, it is named beside it."""
    whole = f"of {board.budget_usd:g} USD" if 0 < usd < UNSPENT * board.budget_usd else "USD in all"
    return f"spend{ending} {dollars(usd)} {whole}"


def _unspent(board: Board, best: Line) -> str:
    """Return the other settings that left most of their budget unspent."""
    idle = [line for line in board.scored if line is not best and 0 < line.fact(columns.SPENT_USD) < UNSPENT * board.budget_usd]
    if len(idle) == 1:
        return f"{idle[0].name} {_spend(board, idle[0].fact(columns.SPENT_USD), 's')}"
    return f"{named([line.name for line in idle])} spend less than half of the budget" if idle else ""


def _scores(board: Board, best: Line, rule: Line | None) -> str:
    """Return the sentence with the scores of the best setting, its teacher and a rule."""
    metric = board.primary.name
    lower = " (lower is better)" if board.primary.direction == "lower" else ""
    scores = f"It scores {score(best.scores[metric])} {metric}{lower}"
    if best.teacher and metric in best.teacher.scores:
        scores += f" and its teacher {best.teacher.scores[metric].mean:z.2f}"
    if not rule or metric not in rule.scores:
        return f"{scores}."
    ahead, certain = board.difference(best, rule), ""
    if ahead and ahead.mean == 0:
        return f'{scores}; the rule "{rule.name}" scores the same.'
    if ahead and ahead.tested:
        certain = ", significantly worse" if ahead.significant else ", and the lead over it may be chance"
    return f'{scores}; the rule "{rule.name}" scores {rule.scores[metric].mean:z.2f}{certain}.'
