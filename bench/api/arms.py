"""Runs the arms of a suite. Nothing here imports pandas or torch into this process while arms run."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from bench.api import places
from bench.contracts import Executor, Progress
from bench.errors import BenchError
from bench.execution.defaults import CHECKPOINT_MINUTES

if TYPE_CHECKING:
    from bench.execution.prepare import Fetched
    from bench.execution.prepared_suite import PreparedSuite
    from bench.execution.record import Record
    from bench.forecast.arm import Forecast
    from bench.suite.arms import Arm


@dataclass(frozen=True, kw_only=True)
class RunOptions:
    """What to run of a suite, and where. See `bench.api.running.run`."""

    suite: Path
    only: str | None = None
    retry: bool = False
    join: bool = False
    """Whether to share the arms with a run that is at work in the same results folder."""
    max_usd: float | None = None
    until_decided: bool = False
    max_seeds: int | None = None
    max_hours: float | None = None
    margin: float | None = None
    device: str = "auto"
    workers: int | None = None
    executor: str | None = None
    """Name of the executor. None: that of the suite."""
    executor_settings: Mapping[str, Any] = field(default_factory=dict)
    """Settings of the executor that replace those of the suite."""
    checkpoint_minutes: float = CHECKPOINT_MINUTES
    """Minutes between two checkpoints of a training."""
    parent: Path = places.RESULTS
    cache: Path | None = None


class Screen(Protocol):
    """Receives what happens in a run. `bench.execution.runner.Screen` says what `planned` and `ended` get."""

    def preparing(self) -> AbstractContextManager[Progress]:
        """Return a context for the work before the arms run. It is entered in a process of its own where that can be."""
        ...

    def say(self, line: str) -> None: ...

    def planned(self, folder: Path, arms: Sequence[Arm], sealed: Mapping[str, Record]) -> None: ...

    def ended(self, record: Record) -> None: ...


def run_arms(options: RunOptions, screen: Screen) -> tuple[Path, list[Record]]:
    """Run the arms, and return the results folder and the records of the arms. Raises as `bench.api.running.run`."""
    given = {"max_seeds": options.max_seeds, "max_hours": options.max_hours, "margin": options.margin}
    if not options.until_decided and (alone := [name for name, value in given.items() if value is not None]):
        raise ValueError(f"{', '.join(alone)}: only with until_decided")
    if options.join and options.until_decided:
        raise ValueError("join: not with until_decided, which decides alone which arms come next")
    from bench.execution import runner
    from bench.system import processes

    # torch and the data would otherwise stay in the memory of this process while arms run
    prepare = partial(prepared_or_error, options, screen.preparing)
    found = processes.in_child(prepare) if processes.has_one_thread() else prepare()
    if isinstance(found, BenchError):
        raise found
    prepared, fetched, lines, planned = found
    prepared = replace(prepared, checkpoint_minutes=options.checkpoint_minutes)
    for line in lines:
        screen.say(line)
    executor = _for_device(prepared.suite.executor, prepared.device)
    if not options.until_decided:
        return prepared.results, runner.run(prepared, executor, screen, retry=options.retry, fetched=fetched, join=options.join)
    from bench.adaptive import loop
    from bench.adaptive.limits import Limits

    limits = Limits(
        max_seeds=options.max_seeds,
        max_hours=options.max_hours,
        max_usd=options.max_usd,
        margin=options.margin or 1.0,
        planned=planned,
    )
    records = loop.run(prepared, executor, screen, retry=options.retry, fetched=fetched, limits=limits, say=screen.say)
    return prepared.results, records


def _for_device(executor: Executor, device: str) -> Executor:
    """Return the executor. Where arms compute on the CPU of a machine with GPUs, its GPUs do not limit the number of local processes."""
    from bench.executors.local import Local
    from bench.system import processes

    if isinstance(executor, Local) and device == "cpu":
        return executor.model_copy(update={"workers": executor.workers or processes.concurrency(), "per_device": 1})
    return executor


def prepared_or_error(
    options: RunOptions, preparing: Callable[[], AbstractContextManager[Progress]]
) -> tuple[PreparedSuite, Fetched | None, tuple[str, ...], dict[Arm, Forecast]] | BenchError:
    """Return the suite without its examples, what was fetched where arms have to run, and lines for the user.

    The suite has the executor that was chosen, and the device is that of its processes.
    Forecasts of the arms come last, where dollars limit a run until decided.
    A BenchError is returned with its message alone, because not every kind can pass between processes.
    """
    from bench.execution import prepare, runner
    from bench.executors.local import Local
    from bench.suite import executor as executors
    from bench.suite import suite_file
    from bench.system import processes

    until_decided, max_usd = options.until_decided, options.max_usd
    settings = {**({"workers": options.workers} if options.workers else {}), **options.executor_settings}
    try:
        executor = executors.chosen(suite_file.read(options.suite), options.executor, settings)
        with preparing() as progress:
            prepared = prepare.load(
                options.suite,
                results=options.parent,
                cache=places.cache_folder(options.cache),
                device="auto" if executor.device else options.device,
                only=options.only,
                progress=progress,
            )
            prepared = replace(prepared, suite=replace(prepared.suite, executor=executor))
            kept = runner.kept(prepared, options.retry, progress)
            if not until_decided and None not in kept.values():
                return prepared.without_examples(), None, (), {}
            from bench.execution.store import DryStore
            from bench.forecast import gpu_sharing
            from bench.forecast import suite as forecast

            prepared = prepared.on_device()
            fetched = prepare.fetch(prepared, progress)
            store = DryStore(prepared.cache, progress)
            forecast.refuse_failing(prepared, [arm for arm in prepared.arms if not kept[arm.id]], store, progress)
            by_memory = isinstance(executor, Local) and executor.per_device == "auto" and prepared.device == "cuda"
            obstacle = gpu_sharing.obstacle(prepared.suite) if by_memory else ""
            shares = by_memory and not obstacle
            planned = forecast.forecasts(prepared, store, progress, reuse=not until_decided) if shares or max_usd is not None else {}
            if max_usd is not None and not until_decided:
                forecast.refuse_above(forecast.suite_forecast(prepared.suite, planned, None, 1, kept), max_usd)
            if shares:
                needed = gpu_sharing.gpu_bytes(prepared, planned, store, progress, processes.concurrency())
                prepared = replace(prepared, gpu_bytes=needed)
            if executor.device:
                prepared = replace(prepared, device=executor.device if options.device == "auto" else options.device)
        alone = (f"each arm has a GPU of its own, because {obstacle}",) if obstacle else ()
        lines = (*fetched.layers, *fetched.warnings, *prepare.warnings(prepared), *alone)
        return prepared.without_examples(), fetched, lines, planned if until_decided else {}
    except BenchError as error:
        return BenchError(str(error))
