"""Published figures: their source, which strategy is ahead in how many cells, and scores that equal the share
of one class."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import pandas as pd

from bench.report.analysis.leaderboard import FLOOR, Board, label
from bench.report.analysis.pareto import TradeOff
from bench.report.markdown import conjoined, count, escape
from bench.report.sections.cells import ended
from bench.results.published import EQUALS_CLASS_SHARE
from bench.results.table import Results

NOT_RUN = "Nothing was run here: the figures are published ones, and neither machine nor versions belong to them."

NO_DOLLARS = "No dollars were published: where this report says 0 USD, nothing is known."

HOW_TIMED = "*ms per example* is as published; what was timed, and on which machine, is for the source to say."

COSTS = "Here costs are as published: whatever is said above of how an answer is measured, what was timed is for the source to say."

NAMED = 20
"""Largest number of cells that are named one by one."""


def is_published(found: Results) -> bool:
    """Return whether the arms are published figures, written by `bench import published`."""
    return isinstance(found.suite.get("published"), Mapping)


def how_timed(found: Results) -> str:
    """Return how the times of published figures were measured; '' for results of runs."""
    return HOW_TIMED if is_published(found) else ""


def costs(found: Results, trade_offs: Sequence[TradeOff]) -> list[str]:
    """Return the same remark for the cost axes, where there are any."""
    return [COSTS] if is_published(found) and trade_offs else []


def section(found: Results, boards: Sequence[Board]) -> list[str]:
    """Return Markdown: the source, the count of cells, and scores that are not informative. Empty for results
    of runs."""
    if not is_published(found):
        return []
    about = found.suite["published"]
    said = [f"Not measured by this project. Source: {escape(about.get('source', 'not given'))}."]
    said += ["\n".join(f"- {escape(line)}" for line in about["told"])] if about.get("told") else []
    return [*said, *_ahead(found, boards), *_constants(found)]


def _ahead(found: Results, boards: Sequence[Board]) -> list[str]:
    """Return in how many cells each strategy has the best mean. A cell is a task at a budget.

    Only cells with at least two strategies count.
    """
    pairs = zip(found.table["strategy"], found.table["setting"], strict=True)
    strategies = {label(strategy, setting): strategy for strategy, setting in dict.fromkeys(pairs)}
    cells = [board for board in boards if board.scored and len({strategies[line.name] for line in board.settings}) > 1]
    cells = [board for board in cells if not any(line.scores[board.primary.name].has_interval for line in board.scored)]
    won: dict[str, list[Board]] = {}
    for board in cells:
        won.setdefault(_first(board, strategies), []).append(board)
    if not won:
        return []
    (best, most), *others = sorted(won.items(), key=lambda item: (item[0] == "", -len(item[1]), item[0]))
    who = f"{escape(best)} is ahead" if best else "equal means"
    clauses = [f"{who} in {len(most)} of {count(len(cells), 'cell')} (published means, no intervals)"]
    clauses += [f"{escape(name) or 'equal means'} in {len(of_name)}: {_named(of_name)}" for name, of_name in others]
    return ["; ".join(clauses) + "."]


def _first(board: Board, strategies: Mapping[str, str]) -> str:
    """Return the strategy with the best mean, or '' where several share it.

    A strategy without a score, because it could not be paid, is not ahead.
    """
    best = board.scored[0].scores[board.primary.name].mean
    names = {strategies[line.name] for line in board.scored if line.scores[board.primary.name].mean == best}
    return names.pop() if len(names) == 1 else ""


def _named(boards: Sequence[Board]) -> str:
    shown = [_cell(board) for board in boards[:NAMED]]
    return "; ".join([*shown, *([f"and {len(boards) - NAMED:,} more"] if len(boards) > NAMED else [])])


def _cell(board: Board) -> str:
    without = [f"{escape(line.name)}: {', '.join(ended(line.statuses))}" for line in board.settings if line not in board.scored]
    return f"{escape(board.task)}, at {board.budget_usd:g} USD" + (f" ({'; '.join(without)})" if without else "")


def _constants(found: Results) -> list[str]:
    """Return the scores that, as printed, equal the share of one class."""
    lines = [*_flags(found.table)]
    if not lines:
        return []
    cells = int((found.table["quantity"] == EQUALS_CLASS_SHARE).sum())
    head = f"{count(cells, 'cell')} {'equals' if cells == 1 else 'equal'} the share of one class"
    why = "Equal as printed, which is no proof: what the models answered was not published. Such cells may show a training that failed."
    return [f"{head}, as a model that always answers the same would score:", "\n".join(lines), why]


def _flags(table: pd.DataFrame) -> Iterator[str]:
    """Yield lines such as '- FEVER: annotate at 50, 75 and 100 USD: 49.7; always SUPPORTS 49.71'."""
    flags = table[(table["row"] == "fact") & (table["quantity"] == EQUALS_CLASS_SHARE)]
    scores = table[(table["row"] == "score") & table["arm"].isin(flags["arm"])]
    for (task, strategy, share), rows in flags.groupby(["task", "strategy", "value"], sort=False):
        own = scores[scores["arm"].isin(rows["arm"])]
        floors = own[own["subject"].str.startswith(FLOOR) & (own["value"] == share)]
        reached = own.loc[own["subject"] == "student", "value"].unique()
        names = [escape(name.removeprefix(FLOOR)) for name in floors["subject"].unique()]
        budgets = conjoined([f"{usd:g}" for usd in sorted(rows["budget_usd"])])
        said = conjoined([f"{value:g}" for value in reached])
        yield f"- {escape(task)}: {escape(strategy)} at {budgets} USD: {said}; {conjoined(names) or 'one class'} would score {share:.2f}"
