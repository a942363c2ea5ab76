"""What a person sees in the terminal: progress, the leaderboard so far, the plan, the parts."""

from __future__ import annotations

import json
import math
import os
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

from bench import job, registry, results, runner
from bench import plan as planning
from bench import report as reporting
from bench import suite as reading
from bench.contracts import Part
from bench.errors import BenchError
from bench.executors.local import Local
from bench.job import Forecast
from bench.ledger import Record
from bench.plan import Arm
from bench.store import DryStore
from bench.suite import Suite

WORKERS_AT_MOST = 8
SECONDS_BETWEEN_BOARDS = 30.0
WIDTH_OF_A_FILE = 150


def run(path: Path, folder: Path, cache: Path, only: str | None, retry: bool, workers: int | None, device: str) -> bool:
    """Run a suite's arms, with the leaderboard on the screen; whether any of them failed."""
    console = _console()
    suite = reading.read(path)
    arms = _chosen(suite, only)
    where = runner.Where((folder / suite.spec.suite).absolute(), cache, device)
    with _preparing(console) as progress:
        splits = runner.data(suite, cache, progress)
        if any(record is None for record in runner.kept(arms, splits, where.results, retry).values()):
            suite.large.folder(cache)
    executor = Local(workers=workers or _workers(device))
    with RunScreen(console) as screen:
        records = runner.run(suite, arms, splits, where, executor, screen, retry)
    written = reporting.write(where.results)
    console.print(reporting.terminal(results.read(where.results)))
    counts = Counter(record.status for record in records)
    console.print(
        f"{len(records)} arms: " + ", ".join(f"{n} {status}" for status, n in counts.items()) + f"\nreport: {written}", highlight=False
    )
    for record in records:
        if record.status == "failed":
            console.print(f"failed: {record.arm}: {record.reason}", highlight=False, markup=False)
    return counts["failed"] > 0


def _console() -> Console:
    """As wide as the terminal; wide enough for the tables where output goes to a file."""
    console = Console()
    return console if console.is_terminal else Console(width=WIDTH_OF_A_FILE)


def _workers(device: str) -> int:
    """One process a core, each of one thread; a GPU takes one."""
    from bench import machine

    return 1 if machine.device(device) == "cuda" else min(os.cpu_count() or 1, WORKERS_AT_MOST)


def _chosen(suite: Suite, only: str | None) -> tuple[Arm, ...]:
    arms = planning.arms(suite)
    if not only:
        return arms
    chosen = planning.only(arms, only)
    if not chosen:
        near = registry.nearest(only, [arm.id for arm in arms])
        raise BenchError(f"no arm matches '{only}'" + (f"; the nearest is '{near}'" if near else ""))
    return chosen


@contextmanager
def _preparing(console: Console) -> Iterator[Any]:
    """A progress bar for what is done once before the arms."""
    bar = Progress(TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn(), console=console, transient=True)
    tasks: dict[str, TaskID] = {}

    def progress(what: str, done: float, total: float) -> None:
        if what not in tasks:
            tasks[what] = bar.add_task(what, total=total)
            if not console.is_terminal:
                console.print(f"{what} ...", highlight=False)
        bar.update(tasks[what], completed=done, total=total)

    with bar:
        yield progress


@dataclass
class RunScreen:
    """A runner.Screen: live in a terminal, a line for each arm and a leaderboard now and then elsewhere."""

    console: Console
    _arms: Sequence[Arm] = ()
    _folder: Path = Path()
    _ended: dict[str, Record] = field(default_factory=dict)
    _before: int = 0
    _began: float = 0.0
    _drawn: float = -math.inf
    _board: RenderableType = ""

    def __enter__(self) -> RunScreen:
        self._live = Live(get_renderable=self._render, console=self.console, refresh_per_second=2, transient=True)
        if self.console.is_terminal:
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._live.stop()

    def planned(self, folder: Path, arms: Sequence[Arm], sealed: Mapping[str, Record]) -> None:
        self._arms, self._folder, self._ended = arms, folder, dict(sealed)
        self._before, self._began = len(sealed), time.monotonic()
        if not self.console.is_terminal:
            self.console.print(f"{len(arms)} arms, {len(sealed)} of them ended before", highlight=False)

    def ended(self, record: Record) -> None:
        self._ended[record.arm] = record
        board = reporting.terminal(results.read(self._folder))
        if self.console.is_terminal:
            self._board = board
            return
        self.console.print(
            f"[{len(self._ended)}/{len(self._arms)}] {record.arm}: {_ending(record)}; {self._left()}", highlight=False, markup=False
        )
        if record.status == "done" and time.monotonic() - self._drawn > SECONDS_BETWEEN_BOARDS:
            self._drawn = time.monotonic()
            self.console.print(board)

    def _left(self) -> str:
        ran = len(self._ended) - self._before
        if ran == 0:
            return "time left not known yet"
        seconds = (time.monotonic() - self._began) / ran * (len(self._arms) - len(self._ended))
        return f"about {math.ceil(seconds / 60)} min left"

    def _render(self) -> RenderableType:
        table = Table(box=None, show_header=False, padding=(0, 1))
        for arm in self._arms:
            state = _progress(self._folder / arm.id) if arm.id not in self._ended else None
            if state:
                share = f"{100 * state['done'] / state['total']:3.0f} %" if state["total"] else ""
                table.add_row(arm.id, state["what"], share)
        return Group(self._board, f"{len(self._ended)} of {len(self._arms)} arms ended, {self._left()}", table)


def _ending(record: Record) -> str:
    return f"{record.status}, ${record.spent_usd:.2f} of ${record.budget_usd:.2f}" + (f" ({record.reason})" if record.reason else "")


def _progress(folder: Path) -> dict[str, Any] | None:
    try:
        state: dict[str, Any] = json.loads((folder / "progress.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return state


def plan(path: Path, cache: Path, only: str | None) -> None:
    """Print what each arm will buy and cost."""
    console = _console()
    suite = reading.read(path)
    arms = _chosen(suite, only)
    with _preparing(console) as progress:
        splits = runner.data(suite, cache, progress)
        suite.large.folder(cache)
        store = DryStore(cache, progress)
        forecasts = []
        for i, arm in enumerate(arms):
            progress("planning arms", i, len(arms))
            forecasts.append(job.forecast(suite, arm, splits[arm.task_label], store))
    meter = suite.spec.prices.meter
    console.print(f"{suite.spec.suite}: {len(arms)} arms, {suite.spec.start_labels} labels owned, compute paid by {meter}", highlight=False)
    console.print(_plan_table(arms, forecasts, meter == "flops"))
    if meter != "flops":
        console.print(f"What compute costs by {meter} is known when it has been measured; the purse stops it at the budget.")
    most = math.fsum(c.usd for f in forecasts for c in f.charges if c.paid_by == "purse")
    console.print(
        f"At most ${most:.2f} of ${math.fsum(arm.budget_usd for arm in arms):.2f} are spent on paper; work that arms share is done once.",
        highlight=False,
    )


def _plan_table(arms: Sequence[Arm], forecasts: Sequence[Forecast], compute_known: bool) -> Table:
    table = Table("task", "strategy (setting)", box=None, padding=(0, 1))
    for head in ("seed", "budget", "labels bought", "pseudo-labels", "labels $", "teacher $", "pseudo $", "student $", "left $"):
        table.add_column(head, justify="right")
    table.add_column("")
    for arm, forecast in zip(arms, forecasts, strict=True):
        usd = {phase: _dollars(forecast, phase) for phase in ("labels", "teacher_tuning", "pseudo_labelling", "student_training")}
        cells = [f"{amount:.2f}" if phase == "labels" or compute_known else "?" for phase, amount in usd.items()]
        left = f"{arm.budget_usd - math.fsum(usd.values()):.2f}" if compute_known else "?"
        counts = [f"{forecast.facts.get(name, 0):,.0f}" for name in ("labels_bought", "pseudo_labels")]
        stops = f"stops: {forecast.stops}" if forecast.stops else ""
        table.add_row(arm.task_label, arm.column, str(arm.seed), f"${arm.budget_usd:g}", *counts, *cells, left, stops)
    return table


def _dollars(forecast: Forecast, phase: str) -> float:
    return math.fsum(c.usd for c in forecast.charges if c.phase == phase and c.paid_by == "purse")


def parts(name: str | None) -> None:
    """Print every part, or the settings of one."""
    console = _console()
    if name is None:
        for shelf in registry.SHELVES:
            console.print(f"\n{shelf}/", style="bold")
            table = Table(box=None, show_header=False, padding=(0, 1))
            for part in registry.names(shelf):
                table.add_row(f"  {part}", _first_line(registry.find(shelf, part)))
            console.print(table)
        return
    shelves = [shelf for shelf in registry.SHELVES if name in registry.names(shelf)]
    if not shelves:
        near = registry.nearest(name, [n for shelf in registry.SHELVES for n in registry.names(shelf)])
        raise BenchError(f"no part '{name}'" + (f"; did you mean '{near}'?" if near else "; `bench list` names them all"))
    for shelf in shelves:
        kind = registry.find(shelf, name)
        console.print(f"{shelf}/{name}: {_first_line(kind)}\n", highlight=False, markup=False)
        console.print(_settings_table(kind, ""))


def _settings_table(kind: type[Part], prefix: str) -> Table:
    table = Table("setting", "default", "meaning", box=None, padding=(0, 1))
    for row in _settings(kind, prefix):
        table.add_row(*row)
    return table


def _settings(kind: type[Part], prefix: str) -> Iterator[tuple[str, str, str]]:
    for field_name, info in kind.model_fields.items():
        default = "required" if info.is_required() else info.get_default(call_default_factory=True)
        if isinstance(default, Part):
            yield from _settings(type(default), f"{prefix}{field_name}.")
        else:
            yield (
                f"{prefix}{field_name}",
                json.dumps(default) if default != "required" else default,
                " ".join((info.description or "").split()),
            )


def _first_line(kind: type[Part]) -> str:
    return (kind.__doc__ or "").strip().splitlines()[0] if kind.__doc__ else ""


def report(folder: Path, folder_of_results: Path) -> None:
    """Write a report again; `folder` may be the suite file that the results came from."""
    console = _console()
    if folder.is_file():
        folder = folder_of_results / reading.read(folder).spec.suite
    written = reporting.write(folder)
    console.print(reporting.terminal(results.read(folder)))
    console.print(f"report: {written}", highlight=False)
