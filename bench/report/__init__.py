"""Stage 5: what a person reads. Imports no part and no torch.

stats        mean and interval over seeds and test examples
board        task and budget -> settings from best to worst, with the teachers and the floors
axes         quality against parameters, FLOPs and speed: the Pareto front, and what is inefficient
missing      scores that no metric could give, and why
answer       who is ahead, in words
cells        what stands in one cell of the leaderboard
tables       dollars, readings, facts, all metrics: a line for each setting
conditions   how money is counted, the models and texts, the data, the machines
figures      the plots: quality against dollars; where the dollars went
pareto       the plot of quality against the cost axes
drawing      what the plots share
markdown     text that is nobody's -> Markdown that shows it and does nothing else
page         report.md
screen       the same leaderboard in the terminal
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import RenderableType

    from bench.results import Results


def write(folder: Path) -> Path:
    """Read the arms in `folder` (`results/<suite>/`); write table.parquet, table.csv, the plots and report.md beside them.

    Returns the path of report.md. Raises BenchError where there is no such folder.
    """
    from bench import results
    from bench.report import axes, board, figures, page

    everything = results.read(folder)
    results.save(everything, folder)
    found = board.current(everything)
    metrics = board.metrics(found)
    boards = board.boards(found, metrics)
    trade_offs = [trade_off for one in boards if (trade_off := axes.trade_off(one))]
    plots = figures.draw(boards, metrics, trade_offs, folder)
    text = page.page(found, everything, metrics, boards, trade_offs, plots)
    part = folder / "report.md.part"
    part.write_text(text, encoding="utf-8")
    return part.replace(folder / "report.md")


def terminal(results: Results, width: int | None = None) -> RenderableType:
    """The leaderboard, for rich, in `width` columns, those of the terminal by default; also while arms are still running."""
    from bench.report import screen

    return screen.leaderboard(results, width or shutil.get_terminal_size().columns)
