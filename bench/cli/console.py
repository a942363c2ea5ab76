"""Terminal output: progress, the leaderboard so far, and how a run ended."""

from __future__ import annotations

import json
import math
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from bench.contracts import Progress as Progressing
from bench.execution.record import Record
from bench.suite.arms import Arm
from bench.system.one_line import printable
from bench.system.results_folder import PROGRESS

SECONDS_BETWEEN_BOARDS = 30.0


def _is_live(console: Console) -> bool:
    """Return whether lines can be drawn over. A dumb terminal, as in an editor, cannot do that."""
    return console.is_terminal and not console.is_dumb_terminal


@contextmanager
def preparing(console: Console) -> Iterator[Any]:
    """Show a progress bar for work before the arms run. The bar is drawn by a thread, which starts with the first progress: work may fork
    processes until then."""
    bar = Progress(TextColumn("{task.description}", markup=False), BarColumn(), TimeElapsedColumn(), console=console, transient=True)
    tasks: dict[str, TaskID] = {}

    def progress(what: str, done: float, total: float) -> None:
        if what not in tasks:
            bar.start()
            tasks[what] = bar.add_task(printable(what), total=total)
            if not _is_live(console):
                console.print(f"{what} ...")
        bar.update(tasks[what], completed=done, total=total)

    try:
        yield progress
    finally:
        bar.stop()


def leaderboard(folder: Path, where: Console) -> RenderableType:
    """Return the leaderboard of a results folder, or a line with the reason where it cannot be drawn."""
    from bench import report as reporting  # pandas and pyarrow, whose threads would make a fork before the arms run unsafe
    from bench.report.sections import leaderboard as board
    from bench.results import table as results

    try:
        return reporting.terminal(results.read(folder), where.width, [board.brief])
    except Exception as error:  # no error here may stop a run, because arms are running
        return Text(printable(f"no leaderboard: {type(error).__name__}: {error}"))


@dataclass(kw_only=True)
class RunScreen:
    """The screen of a run. In a terminal it is live. Elsewhere it prints a line for each arm, and a leaderboard at times."""

    console: Console
    _arms: Sequence[Arm] = ()
    _folder: Path = Path()
    _ended: dict[str, Record] = field(default_factory=dict)
    _before: int = 0
    _began: float = 0.0
    _drawn: float = -math.inf
    _drawing_s: float = 0.0
    _board: RenderableType = ""

    def __enter__(self) -> RunScreen:
        self._live = Live(get_renderable=self._render, console=self.console, refresh_per_second=2, transient=True)
        if _is_live(self.console):
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._live.stop()

    def preparing(self) -> AbstractContextManager[Progressing]:
        return preparing(self.console)

    def say(self, line: str) -> None:
        self.console.print(line)

    def planned(self, folder: Path, arms: Sequence[Arm], sealed: Mapping[str, Record]) -> None:
        self._arms, self._folder, self._ended = arms, folder, dict(sealed)
        self._before, self._began = len(sealed), time.monotonic()
        if not _is_live(self.console):
            self.console.print(f"{len(arms)} arms, {len(sealed)} of them ended before")

    def ended(self, record: Record) -> None:
        self._ended[record.arm] = record
        if _is_live(self.console):
            self._draw(at_least_s=0)
            return
        spent = "?" if record.spent_usd is None else f"{record.spent_usd:.2f}"
        ending = f"{record.status}, ${spent} of ${record.budget_usd:.2f}" + (f" ({record.reason})" if record.reason else "")
        self.console.print(f"[{len(self._ended)}/{len(self._arms)}] {record.arm}: {ending}; {self._left()}")
        if record.status == "done" and self._draw(SECONDS_BETWEEN_BOARDS):
            self.console.print(self._board)

    def _draw(self, at_least_s: float) -> bool:
        """Draw the leaderboard again if enough time has passed since the last time. Return whether it was drawn. No process is started
        while it is drawn."""
        begun = time.monotonic()
        due = begun - self._drawn > max(at_least_s, 20 * self._drawing_s)
        if due:
            self._board, self._drawn = leaderboard(self._folder, self.console), time.monotonic()
            self._drawing_s = self._drawn - begun
        return due

    def _left(self) -> str:
        ran = len(self._ended) - self._before
        if ran == 0:
            return "time left not known yet"
        seconds = (time.monotonic() - self._began) / ran * (len(self._arms) - len(self._ended))
        return f"about {math.ceil(seconds / 60)} min left"

    def _render(self) -> RenderableType:
        table = Table(box=None, show_header=False, padding=(0, 1))
        for arm in self._arms:
            if arm.id in self._ended:
                continue
            try:
                state = json.loads((self._folder / arm.id / PROGRESS).read_text(encoding="utf-8"))
                share = f"{100 * state['done'] / state['total']:3.0f} %" if state["total"] else ""
                table.add_row(arm.id, str(state["what"]), share)
            except (OSError, ValueError, TypeError, KeyError):  # not begun, or being written
                continue
        return Group(f"{len(self._ended)} of {len(self._arms)} arms ended, {self._left()}", table, self._board)


def summary(records: Sequence[Record], report: Path, kept: bool = False) -> list[str]:
    """Return lines: how many arms ended in each status, why arms failed, and the paths of the report; see `paths`."""
    counts = Counter(record.status for record in records)
    failed = [f"failed: {record.arm}: {record.reason}" for record in records if record.status == "failed"]
    return [f"{len(records)} arms: " + ", ".join(f"{n} {status}" for status, n in counts.items()), *failed, *paths(report, kept)]


def paths(report: Path, kept: bool = False) -> list[str]:
    """Return lines with the paths of a report. `report` is that of report.md. `kept`: it was not written again."""
    return [f"report: {report}" + (" (unchanged)" if kept else ""), f"report in a browser: {report.with_suffix('.html')}"]
