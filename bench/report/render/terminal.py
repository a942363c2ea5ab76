"""Renders the leaderboard in the terminal, also during a run."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from bench.report.analysis import leaderboard as boarding
from bench.report.analysis.active_arms import current
from bench.report.analysis.leaderboard import Board, Line, Metric
from bench.report.analysis.missing_scores import missing
from bench.report.markdown import DASH, number, plain
from bench.report.sections.cells import behind, rank, reached, statuses
from bench.results.table import Results

MEDIUM, WIDE = 100, 150
"""Terminal widths from which more is shown.

From MEDIUM on it is a second metric. From WIDE on it is also size, speed and the distance to the best.
"""


def leaderboard(found: Results, width: int) -> RenderableType:
    """Return a table for each task and budget, and the number of arms in each status."""
    found = current(found)
    metrics = boarding.metrics(found)[: 2 if width >= MEDIUM else 1]
    boards = boarding.boards(found, metrics)
    ended = Counter(found.table.loc[found.table["row"] == "record", "status"])
    counts = ", ".join(f"{count} {status}" for status, count in sorted(ended.items())) or "none has ended yet"
    unranked = metrics[0].name if metrics and not any(board.scored for board in boards) else ""
    lacking = [Text(f"{DASH} {plain(one.sentence)}" + ("; nothing is ranked" if one.metric == unranked else "")) for one in missing(found)]
    return Group(*(_table(board, metrics, width) for board in boards), *lacking, Text(f"arms: {counts}"))


def _table(board: Board, metrics: Sequence[Metric], width: int) -> Table:
    title = Text(f"{plain(board.task)}, {board.budget_usd:g} USD added", style="bold")
    drawn = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
    drawn.add_column(Text("strategy (setting)"), overflow="fold", min_width=18)
    heads = ["rank", *(plain(metric.title) for metric in metrics), "spent USD ↓"]
    heads += ["behind the best", "params M ↓", "ms ↓", "speed-up ↑"] if width >= WIDE else []
    for head in heads:
        drawn.add_column(Text(head), justify="right", no_wrap=True)
    drawn.add_column(Text("arms"), overflow="fold")
    for line in board.settings:
        drawn.add_row(*_cells(board, line, metrics, width))
    drawn.add_section()
    for line in board.references:
        drawn.add_row(*_cells(board, line, metrics, width), style="dim")
    return drawn


def _cells(board: Board, line: Line, metrics: Sequence[Metric], width: int) -> list[Text]:
    setting, facts = line.kind == "setting", line.facts
    parameters = facts.get("student_parameters")
    cells = [f"floor: {plain(line.name)}" if line.kind == "floor" else plain(line.name)]
    cells += [rank(board, line), *(reached(line, metric) for metric in metrics)]
    cells += [number(facts.get("usd spent")) if setting else ""]
    model = [number(parameters and parameters / 1e6, 1), number(facts.get("student_ms"), 1), number(facts.get("speed_up"))]
    cells += [behind(board, line), *(model if line.kind != "floor" else [""] * 3)] if width >= WIDE else []
    return [Text(cell) for cell in [*cells, statuses(line) if setting else ""]]
