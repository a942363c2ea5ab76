"""The commands, behind the command line: each reads a suite or a results folder, has the work done, and shows it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench import registry
from bench import report as reporting
from bench.cli import console as screen
from bench.contracts import Progress, Splits
from bench.errors import BenchError
from bench.execution import runner
from bench.execution.ledger import Record
from bench.execution.prepare import prepare
from bench.execution.store import DryStore
from bench.executors.local import Local
from bench.suite import arms as planning
from bench.suite import suite_file as reading
from bench.suite.arms import Arm
from bench.suite.suite_file import Suite
from bench.system import machine, processes

if TYPE_CHECKING:
    from bench.forecast.device import Device

WORKERS_AT_MOST = 8

SLOW = 2.0
"""Times as long as in fp32, from which on bf16 is warned of."""


def run(
    path: Path, folder: Path, cache: Path, only: str | None, retry: bool, workers: int | None, device: str, max_usd: float | None = None
) -> bool:
    """Run a suite's arms, with the leaderboard on the screen, and report; whether any of them failed.

    Raises BenchError where those that have to run may spend more than max_usd.
    """
    console = screen.console()
    suite = reading.read(path)
    arms = _chosen(suite, only)
    where, layers = runner.Where((folder / suite.spec.suite).absolute(), cache, device), None
    with screen.preparing(console) as progress:
        splits = runner.data(suite, cache, progress)
        kept = runner.kept(suite, arms, splits, where, retry)
        if None in kept.values():
            layers = prepare(suite, arms, splits, cache, progress)
            if max_usd is not None:
                _refuse_above(max_usd, suite, arms, splits, where, kept, progress)
    for line in (*(layers or ()), *(() if layers is None else _slow(suite, device))):
        console.print(line)
    executor = Local(workers=workers or _workers(device))
    with screen.RunScreen(console) as shown:
        records = runner.run(suite, arms, splits, where, executor, shown, retry, layers)
    written = reporting.write(where.results)
    console.print(screen.leaderboard(where.results, console))
    screen.summary(records, written, console)
    return any(record.status == "failed" for record in records)


def plan(path: Path, cache: Path, only: str | None, folder: Path, on: Mapping[str, Any], max_usd: float | None) -> None:
    """Print what each arm will buy and cost, and take; what it takes here is kept for the report.

    on: device, workers, again, rehearse; card, cards, training and generating, the shares of its speed that are assumed to be used.
    """
    from bench.forecast import gpus, saved, terminal
    from bench.forecast import suite as looking
    from bench.forecast.calibration_cache import Finder

    console, suite = screen.console(), reading.read(path)
    arms, workers = _chosen(suite, only), on["workers"] or _workers(on["device"])
    card = gpus.find(on["card"], gpus.cards(on["cards"])) if on["card"] else None
    with screen.preparing(console) as progress:
        splits = runner.data(suite, cache, progress)
        layers = prepare(suite, arms, splits, cache, progress)
        store, where = DryStore(cache, progress), runner.Where(folder / suite.spec.suite, cache, machine.device(on["device"]))
        kept = {} if card else runner.kept(suite, arms, splits, where, retry=False)  # nothing here was made on a card of the table
        made = None if card else partial(runner.made, suite, where, progress)
        planned = looking.forecasts(suite, arms, splits, store, progress, made)
        data = "-".join(found.fingerprint for found in splits.values())
        finder = Finder(cache, where.device, workers, suite.profilers, data, on["again"])
        device: Device | None = None
        if card:
            device = looking.on_card(card, on["training"], on["generating"], finder, planned, store, progress)
        elif on["rehearse"]:
            device = looking.here(finder, planned, store, progress)
    ahead = looking.look(suite, planned, device, 1 if card else workers, kept)
    console.print(
        f"{suite.spec.suite}: {len(arms)} arms, {suite.spec.start_labels} labels owned, compute paid by {suite.spec.prices.meter}"
    )
    for block in (*layers, *([] if card else _slow(suite, on["device"])), *terminal.blocks(ahead)):
        console.print(block)
    if device and not card:
        saved.write(where.results, ahead.written)
    looking.refuse_above(ahead, max_usd)


def _refuse_above(
    max_usd: float,
    suite: Suite,
    arms: Sequence[Arm],
    splits: Mapping[str, Splits],
    where: runner.Where,
    kept: Mapping[str, Record | None],
    progress: Progress,
) -> None:
    from bench.forecast import suite as looking

    made = partial(runner.made, suite, where, progress)
    planned = looking.forecasts(suite, arms, splits, DryStore(where.cache, progress), progress, made)
    looking.refuse_above(looking.look(suite, planned, None, 1, kept), max_usd)


def _slow(suite: Suite, device: str) -> list[str]:
    """A warning where the suite asks of this CPU what it can hardly do."""
    if suite.spec.precision == "fp32" or machine.device(device) != "cpu" or (times := machine.bf16_slowdown()) < SLOW:
        return []
    return [f"warning: this CPU has no bf16 in hardware, and multiplies {times:.0f} times slower in it; `precision: fp32` is faster here"]


def _workers(device: str) -> int:
    """One process a core that this process may use, each of one thread; a GPU takes one."""
    cores = processes.cores()
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
