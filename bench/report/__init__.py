"""Stage 5: what a person reads. Imports no part and no torch.

stats        mean and interval over seeds and test examples
board        task and budget -> settings from best to worst, with the teachers and the floors
answer       who is ahead, in words
cells        what stands in one cell of the leaderboard
conditions   how money is counted, the data, the machines
figures      quality against dollars; where the dollars went
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
    from bench.report import board, figures, page

    everything = results.read(folder)
    results.save(everything, folder)
    found = board.current(everything)
    metrics = board.metrics(found)
    boards = board.boards(found, metrics)
    plots = figures.draw(boards, metrics, folder)
    text = page.page(found, everything, boards, metrics, plots)
    part = folder / "report.md.part"
    part.write_text(text, encoding="utf-8")
    return part.replace(folder / "report.md")


def terminal(results: Results, width: int | None = None) -> RenderableType:
    """The leaderboard, for rich, in `width` columns, those of the terminal by default; also while arms are still running."""
    from bench.report import screen

    return screen.leaderboard(results, width or shutil.get_terminal_size().columns)
