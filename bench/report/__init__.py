"""Stage 4: the report that people read. Nothing here imports a part or torch.

analysis/    significance and ranking, leaderboards, Pareto fronts, curves over dollars, decisions, comparisons
blocks.py    sections, paragraphs, lists, tables, pictures: the report as values
text.py      plain text, numbers and dollars
sections/    what the analysis found, section by section
plots/       PNG files
render/      sections -> report.md, and the terminal
html/        sections and live charts -> report.html
"""

from __future__ import annotations

import shutil
from collections.abc import Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from bench.system import files
from bench.system.garbage import gc_disabled

if TYPE_CHECKING:
    from rich.console import RenderableType

    from bench.report.analysis.budget_curves import Field
    from bench.report.analysis.leaderboard import Board
    from bench.report.analysis.serving_cost import Use
    from bench.report.sections import Maker
    from bench.results.repricing import Quotes
    from bench.results.table import Results


@gc_disabled()
def write(folder: Path, quotes: Quotes | None = None, use: Use | None = None, out: Path | None = None, read: Results | None = None) -> Path:
    """Read the arms in `folder` (`results/<suite>/`), and write tables, plots, report.md and report.html to `out`.

    quotes: other prices than those at which the arms were run. use: how much the compact model will be used.
    out: `folder` by default. read: the results in `folder`, if they have been read already.

    Returns the path of report.md. Raises BenchError where there is no such folder, or where a price cannot be applied.
    """
    from bench.report import html
    from bench.report.analysis.active_arms import current
    from bench.report.analysis.report_input import ReportInput, boards, priced
    from bench.report.plots import budget, decision_map
    from bench.report.render import markdown
    from bench.report.sections import sections
    from bench.results import archive, repricing, table, unchanged_arms
    from bench.system import processes

    read, out = read or table.read(folder), out or folder
    out.mkdir(parents=True, exist_ok=True)
    everything = repricing.reprice(read, quotes) if quotes else read

    def save() -> None:
        table.save(everything, out)
        if out == folder and not read.kept:
            archive.write(folder, read.records, read.examples, {} if quotes else unchanged_arms.note(folder, read.read_from))

    with ThreadPoolExecutor(1) as aside:  # pyarrow writes while the rest continues
        saved = aside.submit(save)
        asked, found = current(read), current(everything)
        metrics, at_prices = boards(found)
        saved.result()
    given = ReportInput(folder=folder, found=found, everything=everything, metrics=metrics, boards=at_prices, use=use)
    with processes.run_in_background(partial(budget.draw, budget.plots(given.boards, metrics, given.trade_offs, out))):
        given = replace(given, priced=priced(asked, boards(asked)[1] if quotes else at_prices, quotes))
        maps = decision_map.plots(given.priced.maps, out) if given.priced else {}
        with processes.run_in_background(partial(budget.draw, maps)):
            shown = sections(given)
    html.write(given, shown, out)
    suite = found.suite
    files.write_text(out / "report.md", markdown.page(suite.get("suite", "results"), shown, suite.get("question", "")))
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
    known = budget_curves.fields(found, leaderboard.boards(found, leaderboard.metrics(found)), quotes)
    chosen = [field for field in known if task in (None, field.task)]
    if not chosen:
        tasks = ", ".join(field.task for field in known)
        raise BenchError(f"no task '{task}' with a score in these results; they hold: {tasks}" if known else "no arm has a score yet")
    return chosen


def at_prices(found: Results, quotes: Quotes, tasks: Collection[str]) -> tuple[Results, list[Board]]:
    """Return the results at the prices of `quotes`, and the boards of some tasks."""
    from bench.report.analysis.active_arms import current
    from bench.report.analysis.report_input import boards
    from bench.results import repricing

    repriced = current(repricing.reprice(found, quotes))
    return repriced, [board for board in boards(repriced)[1] if board.task in tasks]


def terminal(results: Results, width: int | None = None, sections: Sequence[Maker] = (), notes: Sequence[str] = ()) -> RenderableType:
    """Return the leaderboard, `notes` and the answer for rich. The answer comes last, where a reader of a terminal looks first.

    Lines have `width` columns, by default those of the terminal. Arms may still be running. `sections` are shown in place of leaderboard
    and answer.
    """
    from bench.report.analysis.report_input import brief
    from bench.report.render import terminal as screen
    from bench.report.sections import card, until_decided
    from bench.report.sections import leaderboard as board

    given = brief(results)
    makers = sections or [board.brief, until_decided.section, _notes(notes)]
    if given.boards and not results.repriced and not sections:  # at other prices the answer would still be that of the run
        makers = [*makers, card.section]
    shown = [section for make in makers if (section := make(given))]
    return screen.page(shown, width or shutil.get_terminal_size().columns)


def _notes(notes: Sequence[str]) -> Maker:
    from bench.report.blocks import Points, Section

    return lambda _: Section(id="notes", title="", blocks=(Points(tuple(notes)),)) if notes else None
