"""The decision map, as a picture and as a table."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from string import ascii_uppercase
from typing import TYPE_CHECKING

from bench.report import drawing
from bench.report.breakeven import MOVED, BreakEven
from bench.report.decision import DecisionMap, Verdict
from bench.report.drawing import COLOURS
from bench.report.markdown import DASH, escape, table

if TYPE_CHECKING:
    from matplotlib.axes import Axes

HOW_TO_READ = """A letter is the setting that is best there; with a question mark it cannot be told from another one. A dash: fewer than two
settings were run with what that budget buys at that price, and nothing is told. Between budgets that were run, scores are interpolated;
outside, nothing is. At another price of a label the same work stands for the budget of which it spends the same share; a setting that
money did not hold back stands for every budget that covers it. Compute stays at the price asked."""


def names(found: DecisionMap) -> dict[str, str]:
    """Setting -> its letter (AA and on after Z)."""
    letters = [*ascii_uppercase, *(a + b for a in ascii_uppercase for b in ascii_uppercase)]
    return dict(zip(found.winners, letters, strict=False))


def section(maps: Sequence[DecisionMap], even: Sequence[tuple[str, Sequence[BreakEven]]], plots: Sequence[Path]) -> list[str]:
    """Markdown. even: task -> where two strategies tie."""
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
    cells = [[_cell(verdict, letters) for verdict in row] for row in found.verdicts]
    rows = [[f"{usd:.3g}", *row] for usd, row in zip(found.label_usd, cells, strict=True)]
    key = "; ".join(f"**{letter}** {escape(name)}" for name, letter in letters.items())
    return [f"### {escape(found.field.task)}: best for a budget, by the price of a label", key, table(heads, rows)]


def _cell(verdict: Verdict, letters: dict[str, str]) -> str:
    if not verdict.best or len(verdict.candidates) < 2:
        return DASH
    return letters[verdict.best.name] + ("" if verdict.sure else "?")


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
    """'[0.04, 0.2]'; an end beyond what was run is said to lie under or over that."""
    return DASH if math.isnan(tie.low) else f"[{_end(tie.low, tie)}, {_end(tie.high, tie)}]"


def _end(usd: float, tie: BreakEven) -> str:
    return f"under {tie.least:.3g}" if usd <= tie.least else f"over {tie.most:.3g}" if usd >= tie.most else f"{usd:.3g}"


def draw(found: DecisionMap, path: Path) -> None:
    """A field for each budget and price; hatched where the best is not alone, white where nothing is told."""
    letters = names(found)
    figure = drawing.figure(5.6)
    axes = figure.subplots()
    for row, verdicts in enumerate(found.verdicts):
        for column, verdict in enumerate(verdicts):
            _field(axes, column, row, verdict, letters)
    axes.set_xlim(0, len(found.budgets_usd))
    axes.set_ylim(0, len(found.label_usd))
    axes.set_xticks([place + 0.5 for place in range(len(found.budgets_usd))], [f"{budget:g}" for budget in found.budgets_usd])
    axes.set_yticks([place + 0.5 for place in range(len(found.label_usd))], [f"{usd:.3g}" for usd in found.label_usd])
    axes.set_xlabel("budget (USD; not to scale)")
    axes.set_ylabel("price of a label (USD; each twice the one below)")
    _legend(axes, letters)
    figure.suptitle(drawing.text(f"{found.field.task}: the best setting (hatched: cannot be told from another; white: not run)"))
    drawing.save(figure, path)


def _field(axes: Axes, column: int, row: int, verdict: Verdict, letters: dict[str, str]) -> None:
    from matplotlib.patches import Rectangle

    if not verdict.best or len(verdict.candidates) < 2:
        return
    colour = COLOURS[list(letters).index(verdict.best.name) % len(COLOURS)]
    full, hatched = Rectangle((column, row), 1, 1, facecolor=colour, edgecolor="white"), Rectangle((column, row), 1, 1, hatch="///")
    hatched.set(facecolor="white", edgecolor=colour)
    axes.add_patch(full if verdict.sure else hatched)
    ink = "white" if verdict.sure else "black"
    axes.text(column + 0.5, row + 0.5, _cell(verdict, letters), ha="center", va="center", color=ink, fontsize=11, fontweight="bold")


def _legend(axes: Axes, letters: dict[str, str]) -> None:
    from matplotlib.patches import Patch

    shown = [(COLOURS[place % len(COLOURS)], f"{letter}  {name}") for place, (name, letter) in enumerate(letters.items())]
    patches = [Patch(facecolor=colour, label=drawing.text(said)) for colour, said in shown]
    axes.figure.legend(handles=patches, loc="outside lower center", ncols=min(3, len(patches)), frameon=False)
