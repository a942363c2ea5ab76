"""The plots: quality against dollars, and where the dollars went.

Colours are those of Okabe and Ito (2008, Color Universal Design), which people with any common colour vision tell apart; every
setting has its own marker too, so that a plot reads in black and white.
"""

from __future__ import annotations

import itertools
import re
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from bench.report.board import Board, Kind, Line, Metric
from bench.report.markdown import plain
from bench.report.stats import Estimate

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLOURS = ["#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#8C6D00"]
MARKERS = ["o", "s", "^", "D", "v", "P", "X", "<", ">", "h"]
FLOOR_DASHES = [(0, (5, 2)), (0, (2, 2)), (0, (6, 2, 1, 2)), (0, (1, 3))]
PURPOSES = ["labels", "teacher_tuning", "pseudo_labelling", "student_training", "evaluation"]
INCHES_WIDE, DOTS_PER_INCH = 12.0, 100
LEGEND_CHARACTERS = 160
"""So many stand in one line of a legend; a marker takes the room of six."""
SETTINGS_SHOWN, BUDGETS_SHOWN = 20, 12
"""No plot shows more: the best settings, and the greatest budgets. More could not be read, and would in the end not be drawn."""


def draw(boards: Sequence[Board], metrics: Sequence[Metric], folder: Path) -> list[Path]:
    """Two PNG files for each task that has a score, 1,200 pixels wide, in this order: quality, dollars."""
    drawn = []
    for task in sorted({board.task for board in boards}):
        of_task = [board for board in boards if board.task == task][-BUDGETS_SHOWN:]
        if any(board.scored for board in of_task):
            drawn += [quality(of_task, metrics[:2], folder), dollars(of_task, folder)]
    return drawn


def left_out(boards: Sequence[Board]) -> list[str]:
    """A sentence for each task of which the plots do not show everything."""
    said = []
    for task in sorted({board.task for board in boards}):
        of_task = [board for board in boards if board.task == task]
        if not any(board.scored for board in of_task[-BUDGETS_SHOWN:]):
            continue
        settings = len(_best_first(of_task[-BUDGETS_SHOWN:]))
        if settings > SETTINGS_SHOWN:
            said.append(f"{task}: the plots show the best {SETTINGS_SHOWN} of {settings} settings, best at the greatest budget.")
        if len(of_task) > BUDGETS_SHOWN:
            said.append(f"{task}: the plots show the greatest {BUDGETS_SHOWN} of {len(of_task)} budgets.")
    return said


def _best_first(boards: Sequence[Board]) -> list[str]:
    """Names of settings by their place at the greatest budget at which they are."""
    return list(dict.fromkeys(line.name for board in reversed(boards) for line in board.settings))


def quality(boards: Sequence[Board], metrics: Sequence[Metric], folder: Path) -> Path:
    """Scores against dollars added, one panel for each metric; boards of one task, by budget."""
    scored = {line.name for board in boards for line in board.scored}
    names = sorted([name for name in _best_first(boards) if name in scored][:SETTINGS_SHOWN])
    figure = _figure(5.6)
    panels = figure.subplots(1, len(metrics), squeeze=False)[0]
    for axes, metric in zip(panels, metrics, strict=True):
        for place, name in enumerate(names):
            _curve(axes, boards, metric, name, place, len(names))
        _references(axes, boards, metric, names)
        _dollar_axis(axes, boards)
        axes.set_ylabel(_text(f"{metric.name} ({metric.unit}, {metric.direction} is better)"))
    found = {label: handle for axes in panels for handle, label in zip(*axes.get_legend_handles_labels(), strict=True)}
    handles = dict(sorted(found.items(), key=lambda item: item[0] not in map(_text, names)))
    columns = max(1, min(4, len(handles), LEGEND_CHARACTERS // (6 + max(map(len, handles)))))
    figure.set_figheight(5.0 + 0.2 * -(-len(handles) // columns))
    figure.legend(list(handles.values()), list(handles), loc="outside lower center", ncols=columns, frameon=False)
    figure.suptitle(_text(f"{boards[0].task}: quality against dollars (mean and 95 % interval over seeds and test examples)"))
    return _save(figure, folder, "quality", boards[0].task)


def dollars(boards: Sequence[Board], folder: Path) -> Path:
    """Mean dollars from the purse by purpose, a bar for each setting, a panel for each budget; boards of one task."""
    columns = min(4, len(boards))
    rows = -(-len(boards) // columns)
    names = _best_first(boards)[:SETTINGS_SHOWN][::-1]
    figure = _figure(1.8 + rows * (0.9 + 0.32 * len(names)))
    panels = figure.subplots(rows, columns, squeeze=False, sharey=True).flatten()
    for axes in panels[len(boards) :]:
        axes.set_visible(False)
    for axes, board in zip(panels, boards, strict=False):
        _bars(axes, board, names)
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=max(1, len(handles)), frameon=False)
    figure.suptitle(_text(f"{boards[0].task}: where the dollars went"))
    return _save(figure, folder, "dollars", boards[0].task)


def _curve(axes: Axes, boards: Sequence[Board], metric: Metric, name: str, place: int, of: int) -> None:
    """One setting over the budgets, moved aside a little so that intervals do not cover each other."""
    found = _scores(boards, metric, "setting", name)
    # A missing interval is NaN, for which no bar is drawn.
    axes.errorbar(
        [_aside(budget, (place - (of - 1) / 2) / of, boards) for budget, _ in found],
        [score.mean for _, score in found],
        yerr=[[score.mean - score.low for _, score in found], [score.high - score.mean for _, score in found]],
        label=_text(name),
        color=COLOURS[place % len(COLOURS)],
        marker=MARKERS[place % len(MARKERS)],
        markersize=7,
        linewidth=1.6,
        elinewidth=1.2,
        capsize=3,
    )


def _references(axes: Axes, boards: Sequence[Board], metric: Metric, names: Sequence[str]) -> None:
    """The teachers of the settings shown, in the colour and marker of the first they taught, and the floors."""
    teachers = {line.name: line.taught for board in boards for line in board.references if line.kind == "teacher"}
    for name, taught in teachers.items():
        place = next((place for place, setting in enumerate(names) if setting in taught), None)
        found = _scores(boards, metric, "teacher", name)
        if place is not None and found:
            colour, marker = COLOURS[place % len(COLOURS)], MARKERS[place % len(MARKERS)]
            axes.plot(
                [budget for budget, _ in found],
                [score.mean for _, score in found],
                label=_text(name),
                color=colour,
                marker=marker,
                markerfacecolor="white",
                linestyle=(0, (5, 3)),
                linewidth=1.2,
            )
    for floor, dashes in zip(boards[-1].floors, itertools.cycle(FLOOR_DASHES), strict=False):
        if metric.name in floor.scores:
            axes.axhline(floor.scores[metric.name].mean, color="0.45", linestyle=dashes, linewidth=1.4, label=_text(f"floor: {floor.name}"))


def _scores(boards: Sequence[Board], metric: Metric, kind: Kind, name: str) -> list[tuple[float, Estimate]]:
    """(budget, score) of one line wherever it has one."""
    lines = [(b.budget_usd, line) for b in boards for line in (*b.settings, *b.references) if (line.kind, line.name) == (kind, name)]
    return [(budget, line.scores[metric.name]) for budget, line in lines if metric.name in line.scores]


def _logarithmic(boards: Sequence[Board]) -> bool:
    return boards[-1].budget_usd >= 8 * boards[0].budget_usd > 0


def _aside(budget: float, share: float, boards: Sequence[Board]) -> float:
    """`budget`, moved by a part of the smallest gap between budgets; share from -0.5 to 0.5."""
    budgets = [board.budget_usd for board in boards]
    if _logarithmic(boards):
        gap = min(b / a for a, b in itertools.pairwise(budgets))
        return float(budget * gap ** (0.35 * share))
    return budget + 0.35 * share * min((b - a for a, b in itertools.pairwise(budgets)), default=budget)


def _dollar_axis(axes: Axes, boards: Sequence[Board]) -> None:
    from matplotlib.ticker import NullLocator

    if _logarithmic(boards):
        axes.set_xscale("log")
    axes.xaxis.set_minor_locator(NullLocator())
    axes.set_xticks([board.budget_usd for board in boards], [f"{board.budget_usd:g}" for board in boards])
    axes.set_xlabel("budget: dollars added to the starting labels (USD)")
    axes.grid(axis="y", color="0.9")
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)


def _bars(axes: Axes, board: Board, names: Sequence[str]) -> None:
    lines: dict[str, Line] = {line.name: line for line in board.settings}
    left = [0.0] * len(names)
    for purpose, colour in zip(PURPOSES, COLOURS, strict=False):
        widths = [lines[name].facts.get(f"usd {purpose}", 0.0) if name in lines else 0.0 for name in names]
        if purpose != "evaluation" or any(widths):
            axes.barh(range(len(names)), widths, left=left, color=colour, edgecolor="white", label=purpose.replace("_", " "), height=0.7)
        left = [a + b for a, b in zip(left, widths, strict=True)]
    for place, name in enumerate(names):
        if name in lines and lines[name] not in board.scored:
            axes.annotate("no score", (left[place], place), xytext=(4, 0), textcoords="offset points", va="center", color="0.35")
    axes.axvline(board.budget_usd, color="black", linestyle=(0, (5, 2)), linewidth=1.2)
    axes.set_xlim(0, board.budget_usd * 1.04)
    axes.set_yticks(range(len(names)), [_text(name) for name in names])
    axes.set_title(f"budget {board.budget_usd:g} USD (dashed)", fontsize=10)
    axes.set_xlabel("spent, mean of arms (USD)")
    axes.spines[["top", "right"]].set_visible(False)


def _figure(inches_high: float) -> Figure:
    # Not pyplot: it keeps every figure, and asks the environment for a window.
    from matplotlib.figure import Figure

    return Figure(figsize=(INCHES_WIDE, inches_high), dpi=DOTS_PER_INCH, layout="constrained")


def _text(text: str) -> str:
    """Without mathematics, and never hidden from the legend, as a label that starts with '_' would be."""
    line = plain(text).replace("$", r"\$")
    return f" {line}" if line.startswith("_") else line


def _save(figure: Figure, folder: Path, kind: str, task: str) -> Path:
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    path = folder / f"{kind}-{re.sub(r'[^A-Za-z0-9_-]', '-', task)}.png"
    part = path.with_suffix(".png.part")
    with warnings.catch_warnings():
        # A character that the font lacks is drawn as a box; the report has the text.
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        figure.set_canvas(FigureCanvasAgg(figure))
        figure.savefig(part, format="png", metadata={"Software": None})
    part.replace(path)
    return path
