"""Plots of quality against dollars, and of where the dollars went. `pareto` adds quality against the cost of an answer."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from bench.contracts import Phase
from bench.report.analysis.leaderboard import Board
from bench.report.analysis.line import Kind, Line
from bench.report.analysis.metric import Metric
from bench.report.analysis.pareto import TradeOff
from bench.report.analysis.significance import Estimate
from bench.report.plots import pareto, style
from bench.report.plots.style import COLOURS, Plot
from bench.results import arm_columns

if TYPE_CHECKING:
    from matplotlib.axes import Axes

PURPOSES = ["labels", *Phase]
SETTINGS_SHOWN, BUDGETS_SHOWN = 20, 12
"""Largest number of settings and of budgets in a plot: the best settings, and the greatest budgets. More would not be readable."""


def plots(boards: Sequence[Board], metrics: Sequence[Metric], trade_offs: Sequence[TradeOff], folder: Path) -> dict[Path, Plot]:
    """Return PNG path -> function that draws it, for each task with a score.

    The plots are quality, dollars, and Pareto fronts where there are any.
    """
    found: dict[Path, Plot] = {}
    for task in sorted({board.task for board in boards}):
        of_task = [board for board in boards if board.task == task][-BUDGETS_SHOWN:]
        if any(board.scored for board in of_task):
            found[style.path(folder, "quality", task)] = partial(quality, of_task, metrics[:2])
            if any(board.budget_usd for board in of_task):
                found[style.path(folder, "dollars", task)] = partial(dollars, of_task)
            if costs := [trade_off for trade_off in trade_offs if trade_off.board.task == task][-BUDGETS_SHOWN:]:
                found[style.path(folder, "pareto", task)] = partial(pareto.draw, costs, _shown(of_task))
    return found


def draw(plots: Mapping[Path, Plot]) -> None:
    """Draw all plots."""
    for path, plot in plots.items():
        plot(path)


def left_out(boards: Sequence[Board]) -> list[str]:
    """Return a sentence for each task whose plots do not show everything."""
    sentences = []
    for task in sorted({board.task for board in boards}):
        of_task = [board for board in boards if board.task == task]
        if not any(board.scored for board in of_task[-BUDGETS_SHOWN:]):
            continue
        settings = len(_best_first(of_task[-BUDGETS_SHOWN:]))
        if settings > SETTINGS_SHOWN:
            sentences.append(f"{task}: the plots name the best {SETTINGS_SHOWN} of {settings} settings, best at the greatest budget.")
        if len(of_task) > BUDGETS_SHOWN:
            sentences.append(f"{task}: the plots show the greatest {BUDGETS_SHOWN} of {len(of_task)} budgets.")
    return sentences


def _best_first(boards: Sequence[Board]) -> list[str]:
    """Return the names of settings by their rank at the greatest budget at which they were run."""
    return list(dict.fromkeys(line.name for board in reversed(boards) for line in board.settings))


def _shown(boards: Sequence[Board]) -> list[str]:
    """Return the settings that have a colour and a marker, sorted by name."""
    scored = {line.name for board in boards for line in board.scored}
    return sorted([name for name in _best_first(boards) if name in scored][:SETTINGS_SHOWN])


def quality(boards: Sequence[Board], metrics: Sequence[Metric], path: Path) -> None:
    """Draw scores against dollars added, one panel for each metric. The boards are of one task, by budget."""
    names, figure = _shown(boards), style.figure(5.6)
    panels = figure.subplots(1, len(metrics), squeeze=False)[0]
    for axes, metric in zip(panels, metrics, strict=True):
        _curves(axes, boards, metric, names)
        style.baselines(axes, boards[-1], metric)
        _dollar_axis(axes, boards)
        axes.set_ylabel(style.text(f"{metric.name} ({metric.unit}, {metric.direction} is better)"))
    style.legend(figure, panels, names, 5.0)
    figure.suptitle(style.text(f"{boards[0].task}: quality against dollars (mean and 95 % interval over seeds and test examples)"))
    style.save(figure, path)


def dollars(boards: Sequence[Board], path: Path) -> None:
    """Draw mean dollars from the purse by purpose: a bar for each setting, a panel for each budget. The boards are of one task."""
    columns = min(4, len(boards))
    rows = -(-len(boards) // columns)
    names = _best_first(boards)[:SETTINGS_SHOWN][::-1]
    figure = style.figure(1.8 + rows * (0.9 + 0.32 * len(names)))
    panels = figure.subplots(rows, columns, squeeze=False, sharey=True).flatten()
    for axes in panels[len(boards) :]:
        axes.set_visible(False)
    purposes = [purpose for purpose in PURPOSES if any(line.facts.get(f"usd {purpose}") for board in boards for line in board.settings)]
    for axes, board in zip(panels, boards, strict=False):
        lines: dict[str, Line] = {line.name: line for line in board.settings}
        left = [0.0] * len(names)
        for purpose in purposes:
            widths = [lines[name].facts.get(f"usd {purpose}", 0.0) if name in lines else 0.0 for name in names]
            colour, label = COLOURS[PURPOSES.index(purpose)], purpose.replace("_", " ")
            axes.barh(range(len(names)), widths, left=left, color=colour, edgecolor="white", label=label, height=0.7)
            left = [a + b for a, b in zip(left, widths, strict=True)]
        for place, name in enumerate(names):
            unknown = name in lines and arm_columns.SPENT_USD not in lines[name].facts
            unscored = name in lines and lines[name] not in board.scored
            if about := ", ".join(["dollars not known"] * unknown + ["no score"] * unscored):
                axes.annotate(about, (left[place], place), xytext=(4, 0), textcoords="offset points", va="center", color="0.35")
        axes.axvline(board.budget_usd, color="black", linestyle=(0, (5, 2)), linewidth=1.2)
        axes.set_xlim(0, board.budget_usd * 1.04)
        axes.set_yticks(range(len(names)), [style.text(name) for name in names])
        axes.set_title(f"budget {board.budget_usd:g} USD (dashed)", fontsize=10)
        axes.set_xlabel("spent, mean of arms (USD)")
        axes.spines[["top", "right"]].set_visible(False)
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=max(1, len(handles)), frameon=False)
    figure.suptitle(style.text(f"{boards[0].task}: where the dollars went"))
    style.save(figure, path)


def _curves(axes: Axes, boards: Sequence[Board], metric: Metric, names: Sequence[str]) -> None:
    """Draw settings over the budgets, shifted a little so that intervals do not cover each other, and their teachers. A teacher has the
    style of the first setting that it taught."""
    for place, name in enumerate(names):
        found, share = _scores(boards, metric, "setting", name), (place - (len(names) - 1) / 2) / len(names)
        at, scores = [_aside(budget, share, boards) for budget, _ in found], [score for _, score in found]
        style.points(axes, name, at, scores, **style.look(place), markersize=7, linewidth=1.6, elinewidth=1.2, capsize=3)
    teachers = {line.name: line.taught for board in boards for line in board.references if line.kind == "teacher"}
    for name, taught in teachers.items():
        of_first = next((place for place, setting in enumerate(names) if setting in taught), None)
        found = _scores(boards, metric, "teacher", name)
        if of_first is not None and found:
            budgets, means = [budget for budget, _ in found], [score.mean for _, score in found]
            look = {**style.look(of_first), "markerfacecolor": "white", "linestyle": (0, (5, 3)), "linewidth": 1.2}
            axes.plot(budgets, means, label=style.text(name), **look)


def _scores(boards: Sequence[Board], metric: Metric, kind: Kind, name: str) -> list[tuple[float, Estimate]]:
    """Return (budget, score) of one line, where it has a score."""
    lines = [(b.budget_usd, line) for b in boards for line in (*b.settings, *b.references) if (line.kind, line.name) == (kind, name)]
    return [(budget, line.scores[metric.name]) for budget, line in lines if metric.name in line.scores]


def _logarithmic(boards: Sequence[Board]) -> bool:
    return boards[-1].budget_usd >= 8 * boards[0].budget_usd > 0


def _aside(budget: float, share: float, boards: Sequence[Board]) -> float:
    """Return `budget` shifted by a part of the smallest gap between budgets. `share` is from -0.5 to 0.5."""
    pairs = [*itertools.pairwise(board.budget_usd for board in boards)]
    if _logarithmic(boards):
        return float(budget * min(b / a for a, b in pairs) ** (0.35 * share))
    return budget + 0.35 * share * min((b - a for a, b in pairs), default=budget)


def _dollar_axis(axes: Axes, boards: Sequence[Board]) -> None:
    from matplotlib.ticker import NullLocator

    if _logarithmic(boards):
        axes.set_xscale("log")
    axes.xaxis.set_minor_locator(NullLocator())
    axes.set_xticks([board.budget_usd for board in boards], [f"{board.budget_usd:g}" for board in boards])
    axes.set_xlabel("budget: dollars added to the starting labels (USD)")
    style.grid(axes, "y")
