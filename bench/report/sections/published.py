"""Published figures: their source, which strategy has the best mean in how many cells, and scores that equal the share
of one class."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import pandas as pd

from bench.report.analysis.format import ended
from bench.report.analysis.leaderboard import BASELINE, Board, label
from bench.report.analysis.report_input import ReportInput
from bench.report.blocks import Block, Paragraph, Points, Section, Text, emphasis
from bench.report.text import conjoined, count
from bench.results.published import EQUALS_CLASS_SHARE
from bench.results.table import Results

NOT_RUN = "Nothing was run here. The figures are published ones; machine and versions are unknown."

NO_DOLLARS = "No dollars were published. Where this report shows 0 USD, the amount is unknown."

HOW_TIMED: Text = (emphasis("ms per example"), " is as published; see the source for what was timed and on which machine.")

COSTS = "Here costs are as published; see the source for what was timed."

NAMED = 20
"""Largest number of cells that are named one by one."""


def is_published(found: Results) -> bool:
    """Return whether the arms are published figures, written by `bench import published`."""
    return isinstance(found.suite.get("published"), Mapping)


def how_timed(found: Results) -> Text:
    """Return how the times of published figures were measured; '' for results of runs."""
    return HOW_TIMED if is_published(found) else ""


def costs(found: Results) -> list[Block]:
    """Return the same remark for the cost axes."""
    return [Paragraph(COSTS)] if is_published(found) else []


def section(given: ReportInput) -> Section | None:
    """Return the source, the count of cells, and scores that are not informative. None for results of runs."""
    if not is_published(given.found):
        return None
    about = given.found.suite["published"]
    blocks: list[Block] = [Paragraph(f"Not measured by this project. Source: {about.get('source', 'not given')}.")]
    blocks += [Points(tuple(about["told"]))] if about.get("told") else []
    blocks += [*_best(given), *_constants(given.found)]
    return Section(id="published", title="Published figures", blocks=tuple(blocks))


def _best(given: ReportInput) -> Iterator[Block]:
    """Yield in how many cells each strategy has the best mean. A cell is a task at a budget.

    Only cells with at least two strategies count.
    """
    table = given.found.table
    pairs = dict.fromkeys(zip(table["strategy"], table["setting"], strict=True))
    strategies = {label(strategy, setting): strategy for strategy, setting in pairs}
    cells = [board for board in given.boards if board.scored and len({strategies[line.name] for line in board.settings}) > 1]
    cells = [board for board in cells if not any(line.scores[board.primary.name].has_interval for line in board.scored)]
    won: dict[str, list[Board]] = {}
    for board in cells:
        won.setdefault(_first(board, strategies), []).append(board)
    if not won:
        return
    (best, most), *others = sorted(won.items(), key=lambda item: (item[0] == "", -len(item[1]), item[0]))
    who = f"{best} has the best mean" if best else "equal means"
    clauses = [f"{who} in {len(most)} of {count(len(cells), 'cell')} (published means, no intervals)"]
    clauses += [f"{name or 'equal means'} in {len(of_name)}: {_named(of_name)}" for name, of_name in others]
    yield Paragraph("; ".join(clauses) + ".")


def _first(board: Board, strategies: Mapping[str, str]) -> str:
    """Return the strategy with the best mean, or '' where several share it.

    A strategy without a score, because it could not be paid, does not count.
    """
    best = board.scored[0].scores[board.primary.name].mean
    names = {strategies[line.name] for line in board.scored if line.scores[board.primary.name].mean == best}
    return names.pop() if len(names) == 1 else ""


def _named(boards: Sequence[Board]) -> str:
    shown = []
    for board in boards[:NAMED]:
        without = [f"{line.name}: {ended(line.statuses)}" for line in board.settings if line not in board.scored]
        shown.append(f"{board.task}, at {board.budget_usd:g} USD" + (f" ({'; '.join(without)})" if without else ""))
    return "; ".join([*shown, *([f"and {len(boards) - NAMED:,} more"] if len(boards) > NAMED else [])])


def _constants(found: Results) -> Iterator[Block]:
    """Yield the scores that, as printed, equal the share of one class."""
    lines = tuple(_flags(found.table))
    if lines:
        cells = int((found.table["quantity"] == EQUALS_CLASS_SHARE).sum())
        head = f"{count(cells, 'cell')} {'equals' if cells == 1 else 'equal'} the share of one class"
        yield Paragraph(f"{head}, as a model that always gives the same answer would score:")
        yield Points(lines)
        yield Paragraph("This is no proof, because the answers were not published. Such cells may show a training that failed.")


def _flags(table: pd.DataFrame) -> Iterator[str]:
    """Yield texts such as 'FEVER: annotate at 50, 75 and 100 USD: 49.7; always SUPPORTS would score 49.71'."""
    flags = table[(table["row"] == "fact") & (table["quantity"] == EQUALS_CLASS_SHARE)]
    scores = table[(table["row"] == "score") & table["arm"].isin(flags["arm"])]
    for (task, strategy, share), rows in flags.groupby(["task", "strategy", "value"], sort=False):
        own = scores[scores["arm"].isin(rows["arm"])]
        baselines = own[own["subject"].str.startswith(BASELINE) & (own["value"] == share)]
        reached = own.loc[own["subject"] == "student", "value"].unique()
        names = [name.removeprefix(BASELINE) for name in baselines["subject"].unique()]
        budgets = conjoined([f"{usd:g}" for usd in sorted(rows["budget_usd"])])
        means = conjoined([f"{value:g}" for value in reached])
        yield f"{task}: {strategy} at {budgets} USD: {means}; {conjoined(names) or 'one class'} would score {share:.2f}"
