"""Prepares a suite to be run or planned: data, models, texts and metrics, before anything is spent."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from bench.contracts import Checkpoint, Progress, Splits, Text
from bench.errors import BenchError, DataError
from bench.execution import checks, known_paths
from bench.execution.prepared_suite import PreparedSuite
from bench.suite import arms as planning
from bench.suite import suite_file
from bench.suite.arms import Arm
from bench.suite.suite_file import Suite
from bench.system import machine
from bench.system.names import nearest

SLOW = 2.0
"""A run warns of bf16 where it takes at least this many times as long as fp32."""


def load(path: Path, *, results: Path, cache: Path, device: str, only: str | None, progress: Progress) -> PreparedSuite:
    """Read a suite file and the data of its tasks.

    `results` is the folder that holds the results folders of all suites. `device` is 'auto', 'cpu' or 'cuda'; see
    `PreparedSuite.on_device` for 'auto'. `only` is a pattern that arm ids have to match; None chooses all arms.
    Raises SuiteError, BenchError where no arm matches or the device is missing, and DataError.
    """
    suite = suite_file.read(path)
    folder = (results / suite.spec.suite).absolute()
    suite = known_paths.known(suite, folder, cache, progress)
    return PreparedSuite(
        suite=suite,
        arms=_chosen(suite, only),
        splits=read_data(suite, cache, progress),
        results=folder,
        cache=cache,
        device=device if device == "auto" else machine.device(device),
    )


def _chosen(suite: Suite, only: str | None) -> tuple[Arm, ...]:
    arms = planning.arms(suite)
    if not only:
        return arms
    chosen = planning.only(arms, only)
    if not chosen:
        near = nearest(only, tuple(arm.id for arm in arms))
        raise BenchError(f"no arm matches '{only}'" + (f"; the nearest is '{near}'" if near else ""))
    return chosen


def read_data(suite: Suite, cache: Path, progress: Progress) -> dict[str, Splits]:
    """Read the data of every task. Raises DataError where a task has no test examples or too few labels."""
    found = {label: task.splits(cache, progress) for label, task in suite.tasks.items()}
    for label, splits in found.items():
        if not splits.test:
            raise DataError(f"task '{label}' has no test examples")
        if len(splits.train) < suite.spec.start_labels:
            raise DataError(f"task '{label}' holds {len(splits.train)} labels to train on, start_labels asks for {suite.spec.start_labels}")
    return found


@dataclass(frozen=True, kw_only=True)
class Fetched:
    """What is known of a suite after its models, texts and metrics are fetched."""

    layers: tuple[str, ...] = ()
    """A line for each stack of layers that a compact model cuts."""
    warnings: tuple[str, ...] = ()
    """Warnings of the checks, one line each."""


_FETCHED = TypeAdapter(Fetched)


def fetched_before(path: Path) -> Fetched:
    """Return what an earlier run wrote to suite.json; nothing where that file is missing or damaged, because it is then written anew."""
    try:
        return _FETCHED.validate_json(path.read_bytes())
    except (FileNotFoundError, ValidationError):
        return Fetched()


def fetch(prepared: PreparedSuite, progress: Progress) -> Fetched:
    """Fetch the models, texts and metrics of the arms, then run all checks.

    Raises BenchError with all faults at once, one line each: what cannot be fetched, a compact shape that
    does not fit the model from which it is cut, and the faults that the checks find. Nothing is checked
    before everything is fetched.
    """
    suite, arms = prepared.suite, prepared.arms
    faults: list[str] = []
    for metric in suite.metrics.values():
        with _noted(faults):
            metric.prepare()
    used = dict.fromkeys([suite.large, *(part for arm in arms for _, _, part in planning.named(suite, arm.cell.strategy))])
    for done, part in enumerate(used):
        progress("models and texts", done, len(used))
        with _noted(faults):
            if isinstance(part, Text):
                part.documents(prepared.cache, progress)
            elif isinstance(part, Checkpoint):
                part.folder(prepared.cache)
    progress("models and texts", len(used), len(used))
    _refuse(faults)
    layers, warnings = list[str](), list[str]()
    with _noted(faults):
        layers += dict.fromkeys(_layers_kept(prepared))
    with _noted(faults):
        warnings += checks.run(prepared)
    _refuse(faults)
    return Fetched(layers=tuple(layers), warnings=tuple(warnings))


@contextmanager
def _noted(faults: list[str]) -> Iterator[None]:
    """Note why the block fails, and continue."""
    try:
        yield
    except BenchError as error:
        faults += str(error).splitlines()


def _refuse(faults: list[str]) -> None:
    """Raise BenchError where there are faults."""
    if faults:
        raise BenchError("\n".join(dict.fromkeys(faults)))


def _layers_kept(prepared: PreparedSuite) -> Iterator[str]:
    from bench.training.checkpoints import read_config
    from bench.training.shrinking import describe

    suite = prepared.suite
    own = {arm.cell.strategy.compact: f"compact model of {arm.cell.label}" for arm in prepared.arms}
    for compact, user in {suite.spec.compact: "compact model", **own}.items():
        if compact is None:
            continue
        model = suite.models[compact.model] if compact.model else suite.large
        yield from (f"{user}, {line}" for line in describe(read_config(model.folder(prepared.cache)), compact))


def warnings(prepared: PreparedSuite) -> list[str]:
    """Return a warning where this CPU computes in the suite's precision much slower than in fp32."""
    if prepared.suite.spec.precision == "fp32" or prepared.device != "cpu" or (times := machine.bf16_slowdown()) < SLOW:
        return []
    return [f"warning: this CPU has no bf16 in hardware, and multiplies {times:.0f} times slower in it; `precision: fp32` is faster here"]
