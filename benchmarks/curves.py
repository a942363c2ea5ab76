"""How a cost grows along one axis, beside the limit that it meets: rows of a table, and plots on log axes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np

from bench.report.plots import style

INCHES_WIDE, INCHES_HIGH = 6.0, 4.2


@dataclass(frozen=True, kw_only=True)
class Growth:
    """The seconds of a piece of work at several sizes, along one axis."""

    PLACE: ClassVar[str] = "growth"
    """Name of its table in docs/performance.md, and in ratios.json."""
    HEAD: ClassVar[tuple[str, ...]] = ("work", "along", "from", "to", "seconds", "slope", "limit", "share of the limit")

    axis: str
    """What grows, in one word: it is part of a file name."""
    unit: str
    """What is counted along the axis."""
    work: str
    sizes: Sequence[float]
    """Sizes in ascending order."""
    seconds: Sequence[float]
    """Seconds at each size."""
    limit: str
    """What bounds the speed, with the speed that was measured for it."""
    least: Sequence[float]
    """Seconds at each size if the limit alone decided."""

    @property
    def slope(self) -> float:
        """Exponent of the growth: 1 where the cost is proportional to the size."""
        slope, _ = np.polyfit(np.log(self.sizes), np.log(self.seconds), 1)
        return float(slope)

    @property
    def cells(self) -> tuple[str, ...]:
        """The cells of its line in the table."""
        ends = (0, -1)
        first, last = (_size(self.sizes[end]) for end in ends)
        seconds = " to ".join(f"{self.seconds[end]:.2g}" for end in ends)
        share = " to ".join(f"{self.least[end] / self.seconds[end]:.0%}" for end in ends)
        return self.work, self.unit, first, last, seconds, f"{self.slope:.2f}", self.limit, share


def _size(size: float) -> str:
    """Return a size with at most three digits, or all of a whole number from 100 on."""
    return f"{size:,.0f}" if size >= 100 else f"{size:.3g}"


def draw(rows: Sequence[Growth], folder: Path) -> list[str]:
    """Draw a plot for each axis into `folder`, and return the lines of Markdown that show them."""
    shown = []
    for axis in dict.fromkeys(row.axis for row in rows):
        of_axis = [row for row in rows if row.axis == axis]
        name = f"growth-{axis}.png"
        _draw(of_axis, folder / name)
        shown.append(f"![Seconds by {of_axis[0].unit}, on log axes]({name})")
    return shown


def _draw(rows: Sequence[Growth], path: Path) -> None:
    """Draw the seconds of each row as a line, and those of its limit as a dashed line of the same colour."""
    from matplotlib.ticker import NullLocator

    figure = style.figure(INCHES_HIGH)
    figure.set_figwidth(INCHES_WIDE)
    axes = figure.subplots()
    for place, row in enumerate(rows):
        look = style.look(place)
        axes.plot(row.sizes, row.seconds, **look, label=style.text(f"{row.work} (slope {row.slope:.2f})"))
        axes.plot(row.sizes, row.least, color=look["color"], linestyle=(0, (5, 2)), linewidth=1.2, label=style.text(row.limit))
    sizes = sorted({size for row in rows for size in row.sizes})
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.xaxis.set_minor_locator(NullLocator())
    axes.set_xticks(sizes, [_size(size) for size in sizes])
    axes.set_xlabel(style.text(rows[0].unit))
    axes.set_ylabel("seconds (dashed: the limit)")
    style.grid(axes)
    axes.legend(frameon=False, fontsize=8)
    style.save(figure, path)
