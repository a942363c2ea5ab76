"""The decision map as a table, and the prices at which two strategies break even."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

from bench.report.analysis.break_even import MOVED, BreakEven
from bench.report.analysis.decision import DecisionMap
from bench.report.markdown import DASH, escape, table
from bench.report.plots.decision_map import cell, names

HOW_TO_READ = """A letter is the setting that is best there; with a question mark it cannot be told from another one. A dash: fewer than two
settings were run with what that budget buys at that price, and nothing is told. Between budgets that were run, scores are interpolated;
outside, nothing is. At another price of a label the same work stands for the budget of which it spends the same share; a setting that
money did not hold back stands for every budget that covers it. Compute stays at the price asked."""


def section(maps: Sequence[DecisionMap], even: Sequence[tuple[str, Sequence[BreakEven]]], plots: Sequence[Path]) -> list[str]:
    """Return Markdown. `even` maps a task to its break-even points."""
    texts = [text for found in maps for text in _table(found)]
    texts += [f"![{escape(path.stem)}]({path.name})" for path in plots]
    texts += [HOW_TO_READ] if maps else []
    for task, ties in even:
        if ties:
            texts += [f"### {escape(task)}: where two strategies are worth the same", _break_evens(ties)]
    return texts


def _table(found: DecisionMap) -> list[str]:
    letters = names(found)
    heads = ["a label (USD)", *(f"{budget:g} USD" for budget in found.budgets_usd)]
    cells = [[cell(verdict, letters) for verdict in row] for row in found.verdicts]
    rows = [[f"{usd:.3g}", *row] for usd, row in zip(found.label_usd, cells, strict=True)]
    key = "; ".join(f"**{letter}** {escape(name)}" for name, letter in letters.items())
    return [f"### {escape(found.field.task)}: best for a budget, by the price of a label", key, table(heads, rows)]


def _break_evens(ties: Sequence[BreakEven]) -> str:
    heads = [
        "budget (USD)",
        "price of",
        "cheaper: better is",
        "dearer: better is",
        "they tie at (USD)",
        "95 % interval",
        "told between (USD)",
    ]
    rows = [
        [
            f"{tie.budget_usd:g}",
            MOVED[tie.moved],
            escape(tie.below),
            escape(tie.above) if tie.usd is not None else "the same",
            DASH if tie.usd is None else f"{tie.usd:.3g}",
            interval(tie),
            f"{tie.least:.3g} to {tie.most:.3g}",
        ]
        for tie in ties
    ]
    return table(heads, rows, numbers_from=4)


def interval(tie: BreakEven) -> str:
    """Return an interval such as '[0.04, 0.2]'. An end outside of what was run is shown as under or over the
    limit."""
    return DASH if math.isnan(tie.low) else f"[{_end(tie.low, tie)}, {_end(tie.high, tie)}]"


def _end(usd: float, tie: BreakEven) -> str:
    return f"under {tie.least:.3g}" if usd <= tie.least else f"over {tie.most:.3g}" if usd >= tie.most else f"{usd:.3g}"
