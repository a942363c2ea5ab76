"""The decision map as a plot."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from string import ascii_uppercase

from bench.report.analysis.decision import DecisionMap, Verdict
from bench.report.plots import style
from bench.report.plots.style import COLOURS, Plot
from bench.report.text import DASH


def names(found: DecisionMap) -> dict[str, str]:
    """Return setting -> its letter (AA and on after Z)."""
    letters = [*ascii_uppercase, *(a + b for a in ascii_uppercase for b in ascii_uppercase)]
    return dict(zip(found.winners, letters, strict=False))


def cell(verdict: Verdict, letters: dict[str, str]) -> str:
    """Return 'A', or 'A?' where the best setting ties with another, or a dash where fewer than two were run."""
    if not verdict.best or len(verdict.candidates) < 2:
        return DASH
    return letters[verdict.best.name] + ("" if verdict.has_winner else "?")


def plots(maps: Sequence[DecisionMap], folder: Path) -> dict[Path, Plot]:
    """Return the path of each map -> the function that draws it."""
    return {style.path(folder, "decision", found.field.task): partial(draw, found) for found in maps}


def draw(found: DecisionMap, path: Path) -> None:
    """Draw a cell for each budget and price. It is hatched where the best setting ties, and white where nothing was compared."""
    from matplotlib.patches import Patch, Rectangle

    letters = names(found)
    colours = {name: COLOURS[place % len(COLOURS)] for place, name in enumerate(letters)}
    figure = style.figure(5.6)
    axes = figure.subplots()
    for row, verdicts in enumerate(found.verdicts):
        for column, verdict in enumerate(verdicts):
            if verdict.best and len(verdict.candidates) > 1:
                colour, text = colours[verdict.best.name], cell(verdict, letters)
                face, edge, hatch, ink = (colour, "white", None, "white") if verdict.has_winner else ("white", colour, "///", "black")
                axes.add_patch(Rectangle((column, row), 1, 1, facecolor=face, edgecolor=edge, hatch=hatch))
                axes.text(column + 0.5, row + 0.5, text, ha="center", va="center", color=ink, fontsize=11, fontweight="bold")
    axes.set_xlim(0, len(found.budgets_usd))
    axes.set_ylim(0, len(found.label_usd))
    axes.set_xticks([place + 0.5 for place in range(len(found.budgets_usd))], [f"{budget:g}" for budget in found.budgets_usd])
    axes.set_yticks([place + 0.5 for place in range(len(found.label_usd))], [f"{usd:.3g}" for usd in found.label_usd])
    axes.set_xlabel("budget (USD; not to scale)")
    axes.set_ylabel("price of a label (USD; each twice the one below)")
    patches = [Patch(facecolor=colours[name], label=style.text(f"{letter}  {name}")) for name, letter in letters.items()]
    figure.legend(handles=patches, loc="outside lower center", ncols=min(3, len(patches)), frameon=False)
    figure.suptitle(style.text(f"{found.field.task}: the best setting (hatched: no clear winner; white: not run)"))
    style.save(figure, path)
