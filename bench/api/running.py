"""A suite -> its arms are run -> results."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, validate_call

from bench.api import places
from bench.api.arms import RunOptions, run_arms
from bench.api.results import Results, with_report
from bench.contracts import Progress, no_progress
from bench.execution.defaults import CHECKPOINT_MINUTES
from bench.execution.record import Record
from bench.suite.arms import Arm

Count = Annotated[int, Field(ge=1)]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]


@dataclass(frozen=True, kw_only=True)
class _Lines:
    """A Screen that gives a function one line for each arm."""

    write: Callable[[str], object]

    def say(self, line: str) -> None:
        self.write(line)

    def preparing(self) -> AbstractContextManager[Progress]:
        return nullcontext(no_progress)

    def planned(self, folder: Path, arms: Sequence[Arm], sealed: Mapping[str, Record]) -> None:  # noqa: ARG002
        self.say(f"{len(arms)} arms, {len(sealed)} of them ended before")

    def ended(self, record: Record) -> None:
        self.say(f"{record.arm}: {record.status}" + (f" ({record.reason})" if record.reason else ""))


@validate_call
def run(
    suite: Path,
    *,
    only: str | None = None,
    retry: bool = False,
    join: bool = False,
    max_usd: Annotated[float, Field(ge=0)] | None = None,
    until_decided: bool = False,
    max_seeds: Count | None = None,
    max_hours: Positive | None = None,
    margin: Positive | None = None,
    device: Literal["auto", "cpu", "cuda"] = "auto",
    workers: Count | None = None,
    executor: str | None = None,
    executor_settings: Mapping[str, Any] | None = None,
    checkpoint_minutes: Annotated[float, Field(ge=0, allow_inf_nan=False)] = CHECKPOINT_MINUTES,
    results: Path = places.RESULTS,
    cache: Path | None = None,
    say: Callable[[str], object] | None = None,
) -> Results:
    """Run every unfinished arm of a suite, write the report, and return the results. An interrupted run continues where it stopped.

    suite: YAML file. only: pattern that arm ids have to match, such as '*distill*seed1*'. retry: run failed arms again.
    join: share the arms with a run that is at work in the same results folder, also on another machine.
    max_usd: refuse a suite that may spend more dollars. until_decided: add seeds until each budget has a winner, or settings that are
    equal within `margin`, in units of the score that ranks. max_seeds, max_hours: limits of that.
    device, workers: what computes, and how many arms at the same time. checkpoint_minutes: minutes between two checkpoints of a training.
    executor, executor_settings: where the arms run, such as 'slurm', and settings that replace those of the suite's `executor`.
    results: parent of all results folders.
    cache: folder for data, checkpoints and calibrations. say: called with a line for each arm that ends, such as `print`.

    An arm that fails has the status `failed` in `.arms`, and raises nothing. Raises SuiteError, DataError and BenchError before any arm
    runs, and ValueError where a limit is given without `until_decided`.
    """
    options = RunOptions(
        suite=suite,
        only=only,
        retry=retry,
        join=join,
        max_usd=max_usd,
        until_decided=until_decided,
        max_seeds=max_seeds,
        max_hours=max_hours,
        margin=margin,
        device=device,
        workers=workers,
        executor=executor,
        executor_settings=executor_settings or {},
        checkpoint_minutes=checkpoint_minutes,
        parent=results,
        cache=cache,
    )
    folder, _ = run_arms(options, _Lines(write=say or (lambda line: None)))  # noqa: ARG005
    return with_report(folder)[0]
