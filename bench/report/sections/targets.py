"""What a score costs, and what more money brings."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from bench.report.analysis import targets
from bench.report.analysis.budget_curves import Field
from bench.report.analysis.format import score
from bench.report.analysis.leaderboard import Board
from bench.report.analysis.report_input import ReportInput
from bench.report.analysis.steps import Step, steps
from bench.report.analysis.targets import Need
from bench.report.blocks import Block, Column, Heading, Paragraph, Section, Table, sentences, strong
from bench.report.text import DASH, dollars, interval, number
from bench.results.repricing import Quotes

HOW_TO_READ = (
    "Each cell is the smallest budget at which the strategy reaches the score with its cheapest setting. The 95 % interval of that budget "
    "stands beside it. Between budgets that were run, scores are interpolated; beyond them nothing is known."
)
STOP = "no gain is shown, so stop here"
STEPS = (
    "A step goes from one budget that was run to the next. The setting is the one that is best at the largest budget. The gain is paired "
    "by seed and test example, with its 95 % interval. Where it includes 0, this run does not show that the further dollars help."
)
SAME = 0.005
"""Scores that differ by less are one row, in the unit of the metric."""


def section(given: ReportInput) -> Section | None:
    """Return a table for each task: dollars by strategy, for the scores of the best settings, the best teacher and the best baseline."""
    blocks: list[Block] = []
    for field in given.priced.fields if given.priced else ():
        boards = [board for board in given.boards if board.task == field.task]
        known = targets.paths(field, given.priced.quotes) if given.priced else []
        strategies = sorted({path.curve.strategy for path in known})
        rows = []
        for value, name in _targets(boards, field):
            by_strategy = {need.strategy: need for need in targets.needs(field, known, value)}
            rows.append((f"{value:.2f}", name, *(_cell(by_strategy[strategy]) for strategy in strategies)))
        columns = (Column(field.metric.title, number=True), Column("as high as"), *(Column(f"{strategy} (USD)") for strategy in strategies))
        blocks += [Heading(field.task), Table(columns, tuple(rows))] if rows and strategies else []
    return Section(id="targets", title="What a score costs", blocks=(*blocks, Paragraph(HOW_TO_READ))) if blocks else None


def more_money(given: ReportInput) -> Section | None:
    """Return a table for each task: what each strategy gains from one budget to the next."""
    blocks: list[Block] = []
    for field in given.priced.fields if given.priced else ():
        rows = [_step(step) for step in (steps(field, given.priced.quotes) if given.priced else ())]
        columns = (
            Column("strategy (setting)"),
            Column("from (USD)", number=True),
            Column("to (USD)", number=True),
            Column("further dollars", number=True),
            Column(f"gain in {field.metric.name} ({field.metric.unit})", number=True),
            Column("for each further 10 USD", number=True),
            Column("next purchase"),
        )
        blocks += [Heading(field.task), Table(columns, tuple(rows))] if rows else []
    return Section(id="more-money", title="What more money brings", blocks=(*blocks, Paragraph(STEPS))) if blocks else None


def _step(step: Step) -> tuple[str, ...]:
    gain, per_ten = step.gain, 10 * step.gain.mean / step.further_usd
    verdict = "not tested" if not gain.tested else "worth it" if gain.low > 0 else "makes it worse" if gain.high < 0 else STOP
    usd = (dollars(one, computed=True) for one in (step.before_usd, step.after_usd, step.further_usd))
    return (step.setting, *usd, score(gain), number(per_ten), verdict)


def answer(field: Field, quotes: Quotes, target: float) -> list[Block]:
    """Return what each strategy needs to reach one score: a sentence and a table."""
    found = targets.needs(field, targets.paths(field, quotes), target)
    metric, at = field.metric.name, f"a label at {quotes.price('label', field.task):.3g} USD"
    first = next(iter(found), None)
    if first is None:
        return [Paragraph(sentences([strong(f"{field.task}:"), "no setting has a score at these prices."]))]
    asked = f"{field.task}, {metric} {target:g}, {at}:"
    if first.usd is None:
        said = f"no budget that was run reaches it. The best is {first.setting} with {score(first.best)}."
    else:
        said = f"{first.setting} needs the smallest budget: USD {_usd(first)}."
    rows = [(need.strategy, need.setting, _usd(need), _interval(need), _labels(need), score(need.best)) for need in found]
    columns = (
        Column("strategy"),
        Column("cheapest setting"),
        Column("budget (USD)", number=True),
        Column("95 % interval", number=True),
        Column("labels to buy", number=True, spare=1),
        Column(f"its best {metric}", number=True, spare=2),
    )
    return [Paragraph(sentences([strong(asked), said])), Table(columns, tuple(rows))]


def _targets(boards: Sequence[Board], field: Field) -> Iterator[tuple[float, str]]:
    """Yield scores to reach and what has them, from the lowest to the highest."""
    metric, found = field.metric.name, list[tuple[float, str]]()
    for board in boards:
        if board.scored:
            best = board.compared[0]
            found.append((best.scores[metric].mean, f"{best.name} at {board.budget_usd:g} USD"))
    lines = [line for board in boards for line in board.references if metric in line.scores]
    for kind in ("teacher", "baseline"):
        of_kind = [line for line in lines if line.kind == kind]
        if of_kind:
            best = max(of_kind, key=lambda line: field.sign * line.scores[metric].mean)
            found.append((best.scores[metric].mean, f"the best {kind}" + (f", {best.name}" if kind == "baseline" else "")))
    last = -math.inf
    for value, name in sorted(found):
        if value - last >= SAME:
            yield value, name
        last = value


def _usd(need: Need) -> str:
    """Return the budget, such as '21.5', '20.0 or less' or 'not by 80.0'."""
    if need.usd is None:
        return "not with any budget" if need.most == math.inf else f"not by {dollars(need.most, computed=True)}"
    return dollars(need.usd, computed=True) + (" or less" if need.usd == need.least else "")


def _interval(need: Need) -> str:
    return DASH if need.low == math.inf else interval(need.low, need.high, need.least, need.most)


def _cell(need: Need) -> str:
    ends = _interval(need)
    return _usd(need) if need.usd is None or ends == DASH else f"{_usd(need)} {ends}"


def _labels(need: Need) -> str:
    return DASH if need.bought is None else f"{need.bought.amount('label'):,.0f}"
