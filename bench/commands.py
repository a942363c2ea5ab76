"""The commands, behind the command line: each reads a suite or a results folder, has the work done, and shows it."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from bench import job, machine, registry, runner, screen
from bench import plan as planning
from bench import report as reporting
from bench import suite as reading
from bench.contracts import Checkpoint, Progress, Splits, Text
from bench.errors import BenchError, SuiteError
from bench.executors.local import Local
from bench.plan import Arm
from bench.store import DryStore
from bench.suite import Suite

WORKERS_AT_MOST = 8


def run(path: Path, folder: Path, cache: Path, only: str | None, retry: bool, workers: int | None, device: str) -> bool:
    """Run a suite's arms, with the leaderboard on the screen, and report; whether any of them failed."""
    console = screen.console()
    suite = reading.read(path)
    arms = _chosen(suite, only)
    where, layers = runner.Where((folder / suite.spec.suite).absolute(), cache, device), None
    with screen.preparing(console) as progress:
        splits = runner.data(suite, cache, progress)
        if None in runner.kept(suite, arms, splits, where, retry).values():
            layers = _prepare(suite, arms, splits, cache, progress)
    for line in layers or ():
        console.print(line)
    executor = Local(workers=workers or _workers(device))
    with screen.RunScreen(console) as shown:
        records = runner.run(suite, arms, splits, where, executor, shown, retry, layers)
    written = reporting.write(where.results)
    console.print(screen.leaderboard(where.results, console))
    screen.summary(records, written, console)
    return any(record.status == "failed" for record in records)


def plan(path: Path, cache: Path, only: str | None) -> None:
    """Print what each arm will buy and cost."""
    console = screen.console()
    suite = reading.read(path)
    arms, meter = _chosen(suite, only), suite.spec.prices.meter
    with screen.preparing(console) as progress:
        splits = runner.data(suite, cache, progress)
        layers = _prepare(suite, arms, splits, cache, progress)
        store, forecasts = DryStore(cache, progress), []
        for i, arm in enumerate(arms):
            progress("planning arms", i, len(arms))
            forecasts.append(job.forecast(suite, arm, splits[arm.task_label], store))
    console.print(f"{suite.spec.suite}: {len(arms)} arms, {suite.spec.start_labels} labels owned, compute paid by {meter}")
    for line in layers:
        console.print(line)
    screen.plan(arms, forecasts, meter, console)


def check(paths: tuple[Path, ...]) -> dict[Path, int]:
    """Arms of each suite. Raises SuiteError with the faults of all of them."""
    arms: dict[Path, int] = {}
    faults: list[str] = []
    for path in paths:
        try:
            arms[path] = len(planning.arms(reading.read(path)))
        except SuiteError as error:
            faults += error.faults
    if faults:
        raise SuiteError(faults)
    return arms


def parts(name: str | None) -> None:
    """Print every part, or the settings of one."""
    console = screen.console()
    if name is None:
        screen.every_part(console)
    else:
        screen.one_part(name, console)


def report(folder: Path, folder_of_results: Path) -> None:
    """Write a report again; `folder` may be the suite file that the results came from."""
    console = screen.console()
    folder = _results(folder, folder_of_results)
    written = reporting.write(folder)
    console.print(screen.leaderboard(folder, console))
    console.print(f"report: {written}")


def clean(folder: Path, folder_of_results: Path) -> None:
    """Remove what no arm's compact model needs any more."""
    freed = runner.clean(_results(folder, folder_of_results))
    screen.console().print(f"{freed / 1e9:.1f} GB are free again; compact models, ledgers and reports are kept")


def _results(folder: Path, folder_of_results: Path) -> Path:
    """The results folder that a suite file writes to, or the folder itself."""
    return folder_of_results / reading.read(folder).spec.suite if folder.is_file() else folder


def _prepare(suite: Suite, arms: Sequence[Arm], splits: Mapping[str, Splits], cache: Path, progress: Progress) -> list[str]:
    """Have the models, texts and metrics of these arms at hand; which layers their compact models keep, in words.

    Raises BenchError where one cannot be had, or a compact shape is no part of the model it is cut from.
    """
    for metric in suite.metrics.values():
        metric.prepare()
        for task in dict.fromkeys(arm.task_label for arm in arms):
            metric.check([example.target or "" for example in splits[task].test])
    used = dict.fromkeys([suite.large, *(part for arm in arms for _, _, part in planning.named(suite, arm.cell.strategy))])
    for done, part in enumerate(used):
        progress("models and texts", done, len(used))
        if isinstance(part, Text):
            part.documents(cache, progress)
        elif isinstance(part, Checkpoint):
            part.folder(cache)
    progress("models and texts", len(used), len(used))
    return list(dict.fromkeys(_layers_kept(suite, arms, cache)))


def _layers_kept(suite: Suite, arms: Sequence[Arm], cache: Path) -> Iterator[str]:
    """A line for every stack of a compact model that does not keep all layers."""
    from bench.training.models import read_config
    from bench.training.shrinking import describe

    own = {arm.cell.strategy.compact: f"compact model of {arm.cell.label}" for arm in arms}
    for compact, user in {suite.spec.compact: "compact model", **own}.items():
        if compact is None:
            continue
        model = suite.models[compact.model] if compact.model else suite.large
        yield from (f"{user}, {line}" for line in describe(read_config(model.folder(cache)), compact))


def _workers(device: str) -> int:
    """One process a core that this process may use, each of one thread; a GPU takes one."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return 1 if machine.device(device) == "cuda" else min(cores, WORKERS_AT_MOST)


def _chosen(suite: Suite, only: str | None) -> tuple[Arm, ...]:
    arms = planning.arms(suite)
    if not only:
        return arms
    chosen = planning.only(arms, only)
    if not chosen:
        near = registry.nearest(only, tuple(arm.id for arm in arms))
        raise BenchError(f"no arm matches '{only}'" + (f"; the nearest is '{near}'" if near else ""))
    return chosen
