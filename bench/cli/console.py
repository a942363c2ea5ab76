"""Terminal output: progress, the leaderboard so far, the plan, the parts."""

from __future__ import annotations

import json
import math
import sys
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from bench import registry
from bench.contracts import Part
from bench.errors import BenchError
from bench.execution.record import Record
from bench.suite.arms import Arm
from bench.system.names import nearest

SECONDS_BETWEEN_BOARDS = 30.0
WIDTH_OF_A_FILE = 150


def console() -> Console:
    """Return a console as wide as the terminal, or wide enough for the tables where output goes to a file."""
    found = Console(file=sys.stdout, highlight=False, markup=False)  # rich asks the file for its encoding, to draw lines in it
    return found if found.is_terminal else Console(file=sys.stdout, width=WIDTH_OF_A_FILE, highlight=False, markup=False)


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
            tasks[what] = bar.add_task(what, total=total)
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
    from bench.results import table as results

    try:
        return reporting.terminal(results.read(folder), where.width)
    except Exception as error:  # no error here may stop a run, because arms are running
        return Text(f"no leaderboard: {type(error).__name__}: {error}")


@dataclass(kw_only=True)
class RunScreen:
    """A runner.Screen. In a terminal it is live. Elsewhere it prints a line for each arm, and a leaderboard at times."""

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
                state = json.loads((self._folder / arm.id / "progress.json").read_text(encoding="utf-8"))
            except (OSError, ValueError):  # not begun, or being written
                continue
            share = f"{100 * state['done'] / state['total']:3.0f} %" if state["total"] else ""
            table.add_row(arm.id, state["what"], share)
        return Group(f"{len(self._ended)} of {len(self._arms)} arms ended, {self._left()}", table, self._board)


def summary(records: Sequence[Record], report: Path, where: Console, kept: bool = False) -> None:
    """Print how many arms ended in each status, why arms failed, and where the report is. `kept`: it was not written again."""
    counts = Counter(record.status for record in records)
    where.print(f"{len(records)} arms: " + ", ".join(f"{n} {status}" for status, n in counts.items()))
    for record in records:
        if record.status == "failed":
            where.print(f"failed: {record.arm}: {record.reason}")
    where.print(f"report: {report}" + (" (unchanged)" if kept else ""))


def every_part(where: Console) -> None:
    """Print all parts, shelf by shelf."""
    for shelf in registry.SHELVES:
        where.print(f"\n{shelf}/", style="bold")
        table = Table(box=None, show_header=False, padding=(0, 1))
        for part in registry.names(shelf):
            table.add_row(f"  {part}", _first_line(registry.find(shelf, part)))
        where.print(table)


def one_part(name: str, where: Console) -> None:
    """Print the settings of the part on every shelf that has one of this name. Raises BenchError where no shelf has one."""
    shelves = [shelf for shelf in registry.SHELVES if name in registry.names(shelf)]
    if not shelves:
        near = nearest(name, tuple(n for shelf in registry.SHELVES for n in registry.names(shelf)))
        raise BenchError(f"no part '{name}'; " + (f"did you mean '{near}'?" if near else "`bench list` shows all parts"))
    for shelf in shelves:
        kind = registry.find(shelf, name)
        where.print(f"{shelf}/{name}: {_first_line(kind)}\n")
        table = Table("setting", "default", "meaning", box=None, padding=(0, 1))
        for row in _settings(kind, ""):
            table.add_row(*row)
        where.print(table)


def _settings(kind: type[Part], prefix: str) -> Iterator[tuple[str, str, str]]:
    for field_name, info in kind.model_fields.items():
        default = "required" if info.is_required() else info.get_default(call_default_factory=True)
        if isinstance(default, Part):
            yield from _settings(type(default), f"{prefix}{field_name}.")
        else:
            shown = default if default == "required" else json.dumps(default)
            yield f"{prefix}{field_name}", shown, " ".join((info.description or "").split())


def _first_line(kind: type[Part]) -> str:
    return (kind.__doc__ or "").strip().splitlines()[0] if kind.__doc__ else ""
