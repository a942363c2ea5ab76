"""Plots quality against the cost of an answer, one panel for each cost axis, with the Pareto front."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from bench.report.analysis.pareto import AXES, Axis, TradeOff
from bench.report.plots import style

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def draw(trade_offs: Sequence[TradeOff], names: Sequence[str], path: Path) -> None:
    """Draw the primary score against each cost axis, a row for each budget. The trade-offs are of one task.

    `names` are the settings that have a colour and a marker. Others are small grey points.
    """
    figure = style.figure(1.0)
    rows = figure.subplots(len(trade_offs), len(AXES), squeeze=False)
    for row, found in zip(rows, trade_offs, strict=True):
        for axes, axis in zip(row, AXES, strict=True):
            if axis in found.places:
                _front(axes, found, axis, names)
            else:
                axes.set_visible(False)
    style.legend(figure, rows.flatten(), names, 1.0 + 3.6 * len(trade_offs))
    title = "quality against what an answer costs (filled: on the Pareto front; hollow: inefficient)"
    figure.suptitle(style.text(f"{trade_offs[0].board.task}: {title}"))
    style.save(figure, path)


def _front(axes: Axes, found: TradeOff, axis: Axis, names: Sequence[str]) -> None:
    """Draw one panel: a point for each setting in the colour and marker of its place, and the Pareto front."""
    from matplotlib.ticker import LogLocator, NullLocator, StrMethodFormatter

    primary, places = found.board.primary, found.places[axis]
    at = {line.name: (axis.shown(places[line.name].cost), line.scores[primary.name]) for line in found.lines if line.name in places}
    for name in sorted(at.keys() & set(names)):
        (cost, score), place = at[name], names.index(name)
        drawn = {**style.look(place), **({"markerfacecolor": "white"} if places[name].by else {})}
        style.points(axes, name, [cost], [score], **drawn, markersize=8, linestyle="none", elinewidth=1.0, capsize=2)
    if others := [point for name, point in at.items() if name not in names]:
        axes.plot([x for x, _ in others], [score.mean for _, score in others], ".", color="0.6", label="other settings", zorder=1)
    front = sorted((at[line.name][0], at[line.name][1].mean) for line in found.front(axis))
    reach = "steps-pre" if axis.shown(1) > axis.shown(2) else "steps-post"  # a step line: who may pay more reaches no less
    axes.plot(*zip(*front, strict=True), color="black", linewidth=1.0, drawstyle=reach, label="Pareto front", zorder=1)
    style.baselines(axes, found.board, primary)
    shown = [x for x, _ in at.values()]
    if max(shown) >= 8 * min(shown):
        axes.set_xscale("log")
        axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axes.xaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
        axes.xaxis.set_minor_locator(NullLocator())
    axes.set_xlabel(style.text(axis.title.rstrip("↑↓ ")))
    axes.set_ylabel(style.text(f"{primary.name} ({primary.unit}, {primary.direction} is better)"))
    axes.set_title(f"budget {found.board.budget_usd:g} USD", fontsize=10)
    style.grid(axes)
