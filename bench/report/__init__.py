"""Stage 4: the report that people read. Nothing here imports a part or torch.

analysis/    significance and ranking, leaderboards, Pareto fronts, curves over dollars, decisions, comparisons
sections/    what the analysis found, section by section, as text and tables
plots/       PNG files
render/      report.md, and the leaderboard in the terminal
html/        report.html
markdown.py  untrusted text -> Markdown that is safe
"""

from __future__ import annotations

import shutil
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from bench.system import files
from bench.system.garbage import gc_disabled

if TYPE_CHECKING:
    from rich.console import RenderableType

    from bench.report.analysis.budget_curves import Field
    from bench.report.analysis.serving_cost import Use
    from bench.results.repricing import Quotes
    from bench.results.table import Results


@gc_disabled()
def write(folder: Path, quotes: Quotes | None = None, use: Use | None = None, out: Path | None = None, read: Results | None = None) -> Path:
    """Read the arms in `folder` (`results/<suite>/`), and write tables, plots, report.md and report.html to
    `out`.

    quotes: other prices than those at which the arms were run. use: how much the compact model will be used.
    out: `folder` by default. read: the results in `folder`, if they have been read already.

    Returns the path of report.md. Raises BenchError where there is no such folder, or where a price cannot be
    applied.
    """
    from bench.report import html
    from bench.report.analysis import leaderboard, pareto
    from bench.report.analysis.active_arms import current
    from bench.report.html.payload import Material
    from bench.report.plots import budget
    from bench.report.render import markdown
    from bench.report.sections.other_prices import priced
    from bench.results import archive, repricing, table
    from bench.system import processes

    read, out = read or table.read(folder), out or folder
    out.mkdir(parents=True, exist_ok=True)
    everything = repricing.reprice(read, quotes) if quotes else read
    with ThreadPoolExecutor(1) as aside:  # pyarrow writes while the rest continues
        saved = aside.submit(table.save, everything, out)
        asked, found = current(read), current(everything)
        metrics = leaderboard.metrics(found)
        boards = leaderboard.boards(found, metrics)
        saved.result()
    if out == folder and not read.kept:
        archive.write(folder, read.records, read.examples)
    trade_offs = [trade_off for one in boards if (trade_off := pareto.trade_off(one))]
    plots = budget.plots(boards, metrics, trade_offs, out)
    with processes.run_in_background(partial(budget.draw, plots)):
        matters = priced(asked, leaderboard.boards(asked, metrics) if quotes else boards, quotes, use)
        maps = matters.plots(out) if matters else {}
        with processes.run_in_background(partial(budget.draw, maps)):
            text = markdown.page(found, everything, metrics, boards, trade_offs, [*plots], matters, [*maps])
    told, drawn = (matters.fields, matters.maps) if matters else ((), ())
    html.write(
        Material(folder=folder, found=found, everything=everything, metrics=metrics, boards=boards, fields=told, maps=drawn, use=use),
        text,
        out,
    )
    files.write_text(out / "report.md", text)
    return out / "report.md"


def fields(found: Results, task: str | None = None, quotes: Quotes | None = None) -> list[Field]:
    """Return curves of quality over dollars, one for each task.

    `quotes` are other prices than those at which the arms were run. Raises BenchError where no arm has a
    score, or where there is no such task.
    """
    from bench.errors import BenchError
    from bench.report.analysis import budget_curves, leaderboard
    from bench.report.analysis.active_arms import current

    found = current(found)
    told = budget_curves.fields(found, leaderboard.boards(found, leaderboard.metrics(found)), quotes)
    chosen = [field for field in told if task in (None, field.task)]
    if not chosen:
        tasks = ", ".join(field.task for field in told)
        raise BenchError(f"no task '{task}' with a score in these results; they hold: {tasks}" if told else "no arm has a score yet")
    return chosen


def terminal(results: Results, width: int | None = None) -> RenderableType:
    """Return the leaderboard for rich, in `width` columns, by default those of the terminal. Arms may still
    be running."""
    from bench.report.render import terminal as screen

    return screen.leaderboard(results, width or shutil.get_terminal_size().columns)
