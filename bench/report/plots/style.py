"""What the plots share: colours, markers, the legend, safe text, atomic writes.

The colours are those of Okabe and Ito (2008, Color Universal Design), which remain distinct with any common
form of colour blindness. Every setting has its own marker too, so a plot can be read in black and white.
"""

from __future__ import annotations

import itertools
import re
import warnings
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from bench.report.analysis.leaderboard import Board
from bench.report.analysis.metric import Metric
from bench.report.analysis.significance import Estimate
from bench.report.text import plain
from bench.system.files import atomic_write

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLOURS = ["#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#8C6D00"]
MARKERS = ["o", "s", "^", "D", "v", "P", "X", "<", ">", "h"]
BASELINE_DASHES = [(0, (5, 2)), (0, (2, 2)), (0, (6, 2, 1, 2)), (0, (1, 3))]
INCHES_WIDE, DOTS_PER_INCH = 12.0, 100
Plot = Callable[[Path], None]
"""Draws a plot and writes it to the given path."""
LEGEND_CHARACTERS = 160
"""Largest number of characters in one line of a legend. A marker takes the room of six characters."""


def figure(inches_high: float) -> Figure:
    """Return an empty figure, 1,200 pixels wide."""
    # pyplot would keep every figure, and ask the environment for a window.
    from matplotlib.figure import Figure

    return Figure(figsize=(INCHES_WIDE, inches_high), dpi=DOTS_PER_INCH, layout="constrained")


def legend(figure: Figure, panels: Iterable[Axes], names: Sequence[str], inches_high: float) -> None:
    """Draw one legend below the panels, settings first, each entry once. The figure is made higher to make room."""
    found = {label: handle for axes in panels for handle, label in zip(*axes.get_legend_handles_labels(), strict=True)}
    handles = dict(sorted(found.items(), key=lambda item: item[0] not in map(text, names)))
    columns = max(1, min(4, len(handles), LEGEND_CHARACTERS // (6 + max(map(len, handles)))))
    figure.set_figheight(inches_high + 0.2 * -(-len(handles) // columns))
    figure.legend(list(handles.values()), list(handles), loc="outside lower center", ncols=columns, frameon=False)


def baselines(axes: Axes, board: Board, metric: Metric) -> None:
    """Draw a horizontal line for each baseline of a board."""
    for baseline, dashes in zip(board.baselines, itertools.cycle(BASELINE_DASHES), strict=False):
        if metric.name in baseline.scores:
            name = text(f"baseline: {baseline.name}")
            axes.axhline(baseline.scores[metric.name].mean, color="0.45", linestyle=dashes, linewidth=1.4, label=name)


def look(place: int) -> dict[str, Any]:
    """Return the colour and the marker of a setting."""
    return {"color": COLOURS[place % len(COLOURS)], "marker": MARKERS[place % len(MARKERS)]}


def points(axes: Axes, name: str, at: Sequence[float], scores: Sequence[Estimate], **drawn: Any) -> None:
    """Draw scores with their intervals. Nothing is drawn for an interval of NaN."""
    reach = np.array([[score.mean - score.low for score in scores], [score.high - score.mean for score in scores]])
    not_below = np.maximum(reach, 0)  # with equal scores the interval has no width, and rounding may put the mean outside it
    axes.errorbar(at, [score.mean for score in scores], yerr=not_below, label=text(name), **drawn)


def grid(axes: Axes, axis: Literal["both", "y"] = "both") -> None:
    """Draw a grid behind the points, and no frame above and to the right."""
    axes.grid(axis=axis, color="0.9")
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)


def text(of: str) -> str:
    """Return text for a plot, without mathematics.

    A label that starts with '_' would be left out of the legend, so it gets a space in front.
    """
    line = plain(of).replace("$", r"\$")
    return f" {line}" if line.startswith("_") else line


def path(folder: Path, kind: str, task: str) -> Path:
    """Return the path KIND-TASK.png."""
    return folder / f"{kind}-{re.sub(r'[^A-Za-z0-9_-]', '-', task)}.png"


def save(figure: Figure, path: Path) -> None:
    """Write a figure as PNG by an atomic write."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    with atomic_write(path) as part, warnings.catch_warnings():
        # A character that the font lacks is drawn as a box. The report has the text.
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        # figure.savefig would draw everything twice, because the layout has to be found first.
        FigureCanvasAgg(figure).print_png(part, metadata={"Software": None})  # type: ignore[no-untyped-call]
