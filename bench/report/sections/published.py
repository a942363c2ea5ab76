"""Published figures: their source, which strategy has the best mean in how many cells, and scores that equal the share of one class."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import pandas as pd

from bench.report.analysis.leaderboard import BASELINE, label
from bench.report.analysis.report_input import ReportInput
from bench.report.blocks import Block, Paragraph, Points, Section, Text, emphasis
from bench.report.text import conjoined, count, ended
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


def section(given: ReportInput) -> Section | None:
    """Return the source, the count of cells, and scores that are not informative. None for results of runs."""
    if not is_published(given.found):
        return None
    about = given.found.suite["published"]
    blocks: list[Block] = [Paragraph(f"Not measured by this project. Source: {about.get('source', 'not given')}.")]
    blocks += [Points(tuple(about["told"]))] if about.get("told") else []
    blocks += [*_best(given), *_constants(given.found.table)]
    return Section(id="published", title="Published figures", blocks=tuple(blocks))


def _best(given: ReportInput) -> Iterator[Block]:
    """Yield in how many cells each strategy has the best mean. A cell is a task at a budget. Only cells with at least two strategies count.
    A strategy without a score, because it could not be paid, is never the best."""
    table = given.found.table
    pairs = dict.fromkeys(zip(table["strategy"], table["setting"], strict=True))
    strategies = {label(strategy, setting): strategy for strategy, setting in pairs}
    compared = [board for board in given.boards if board.scored and len({strategies[line.name] for line in board.settings}) > 1]
    cells = [board for board in compared if not any(line.scores[board.primary.name].has_interval for line in board.scored)]
    won: dict[str, list[str]] = {}  # strategy, or '' where several share the best mean -> cells
    for board in cells:
        means = {line.name: line.scores[board.primary.name].mean for line in board.scored}
        best = {strategies[name] for name, mean in means.items() if mean == means[board.scored[0].name]}
        without = [f"{line.name}: {ended(line.statuses)}" for line in board.settings if line not in board.scored]
        cell = f"{board.task}, at {board.budget_usd:g} USD" + (f" ({'; '.join(without)})" if without else "")
        won.setdefault(best.pop() if len(best) == 1 else "", []).append(cell)
    if won:
        (first, most), *others = sorted(won.items(), key=lambda item: (item[0] == "", -len(item[1]), item[0]))
        who = f"{first} has the best mean" if first else "equal means"
        clauses = [f"{who} in {len(most)} of {count(len(cells), 'cell')} (published means, no intervals)"]
        for name, of_name in others:
            named = [*of_name[:NAMED], *([f"and {len(of_name) - NAMED:,} more"] if len(of_name) > NAMED else [])]
            clauses.append(f"{name or 'equal means'} in {len(of_name)}: {'; '.join(named)}")
        yield Paragraph("; ".join(clauses) + ".")


def _constants(table: pd.DataFrame) -> Iterator[Block]:
    """Yield the scores that, as printed, equal the share of one class. Their texts are such as 'FEVER: annotate at 50, 75 and 100 USD:
    49.7; always SUPPORTS would score 49.71'."""
    lines, flags = [], table[(table["row"] == "fact") & (table["quantity"] == EQUALS_CLASS_SHARE)]
    scores = table[(table["row"] == "score") & table["arm"].isin(flags["arm"])]
    for (task, strategy, share), rows in flags.groupby(["task", "strategy", "value"], sort=False):
        own = scores[scores["arm"].isin(rows["arm"])]
        baselines = own[own["subject"].str.startswith(BASELINE) & (own["value"] == share)]
        names = conjoined([name.removeprefix(BASELINE) for name in baselines["subject"].unique()]) or "one class"
        budgets = conjoined([f"{usd:g}" for usd in sorted(rows["budget_usd"])])
        means = conjoined([f"{value:g}" for value in own.loc[own["subject"] == "student", "value"].unique()])
        lines.append(f"{task}: {strategy} at {budgets} USD: {means}; {names} would score {share:.2f}")
    if lines:
        cells = int((table["quantity"] == EQUALS_CLASS_SHARE).sum())
        head = f"{count(cells, 'cell')} {'equals' if cells == 1 else 'equal'} the share of one class"
        yield Paragraph(f"{head}, as a model that always gives the same answer would score:")
        yield Points(tuple(lines))
        yield Paragraph("This is no proof, because the answers were not published. Such cells may show a training that failed.")
