"""Calibrations, peaks and start times that are cached. Missing ones are measured in fresh processes.

    <kind>.json                   the Throughput on this machine, with this number of processes and these versions
    <kind>-<kernels>-peak.json    bytes, with these versions
    start-<hash>.json             seconds in which the process of an arm starts

The number of processes equals that of the later run, each with one thread, because parallel processes slow
each other down.
"""

from __future__ import annotations

import hashlib
import json
import multiprocessing
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from bench import __version__
from bench.contracts import Batch, BuildContext, Profiler, Progress, Recipe, identify
from bench.errors import BenchError
from bench.execution.training_checkpoints import PACKAGES
from bench.forecast import start_up
from bench.forecast.calibrate import Throughput, calibrate, checkpoints, kind
from bench.forecast.memory import Kernels, batches_peak_bytes
from bench.suite.arms import Arm
from bench.system import machine, processes
from bench.system.files import build_once
from bench.system.fingerprints import of_folder

REASON = "reason"
"""Key of an answer that failed."""

_processes = partial(ProcessPoolExecutor, mp_context=multiprocessing.get_context("spawn"))


@dataclass(frozen=True, kw_only=True)
class CalibrationCache:
    """Measures work on one device."""

    cache: Path
    device: str
    workers: int
    """Processes at a time. 0 means in this process."""
    profilers: Mapping[str, Profiler]
    data: str
    """Fingerprints of the tasks' data."""
    again: bool = False
    """Whether cached results are measured again."""
    reasons: dict[str, str] = field(default_factory=dict)
    """Kind of recipe -> why one of them could not be calibrated."""

    def throughputs(self, recipes: Sequence[Recipe], progress: Progress) -> dict[str, Throughput | None]:
        """Return recipe key -> its speed, or None where it could not be calibrated."""
        described = [recipe for recipe in recipes if recipe.activity != "unknown"]
        kinds = {recipe.key: self._kind(recipe, _conditions(self.device, self.workers)) for recipe in described}
        work = {kinds[recipe.key]: partial(_calibrated, recipe, self) for recipe in described}
        found = self._found(work, "timing a few steps", progress)
        self.reasons.update(undescribed(recipes))
        throughputs = {key: Throughput(**answer) if (answer := found[one]) else None for key, one in kinds.items()}
        return {recipe.key: throughputs.get(recipe.key) for recipe in recipes}

    def peaks(self, recipes: Sequence[Recipe], kernels: Kernels, context: BuildContext, progress: Progress) -> dict[str, int | None]:
        """Return recipe key -> peak bytes of tensors, or None where no peak is forecast."""
        batches = {recipe.key: longest for recipe in recipes if (longest := recipe.batches(context))}
        versions = _versions()
        conditions = {key: json.dumps([[batch.size for batch in found], versions]) for key, found in batches.items()}
        kinds = {r.key: f"{self._kind(r, conditions[r.key])}-{kernels}-peak" for r in recipes if r.key in batches}
        work = {kind: partial(_peak, batches[key], self.cache, kernels) for key, kind in kinds.items()}
        found = self._found(work, "simulating memory", progress)
        return {recipe.key: (found[kinds[recipe.key]] or {}).get("bytes") if recipe.key in kinds else None for recipe in recipes}

    def starts(self, suite: Path, arms: Iterable[Arm], results: Path, progress: Progress) -> dict[str, float | None]:
        """Return task label -> seconds from starting the process of an arm to its strategy.

        None where that process failed. `suite` is the path of the suite file.
        """
        first = {arm.task_label: arm for arm in reversed(list(arms))}
        conditions = [_conditions(self.device, self.workers), self.data, [identify(one) for one in self.profilers.values()]]
        kinds = {label: f"start-{_hash(json.dumps(['fork', *conditions, label]))}" for label in first}
        work = {kinds[label]: partial(start_up.measure, suite, arm.id, results, self.cache, self.device) for label, arm in first.items()}
        found = self._found(work, "timing the start of an arm", progress, ThreadPoolExecutor)  # each starts a process of its own
        return {label: answer["seconds"] if (answer := found[kind]) else None for label, kind in kinds.items()}

    def _kind(self, recipe: Recipe, conditions: str) -> str:
        models = [of_folder(model.folder(self.cache), self.cache) for model in checkpoints(recipe)]
        return kind(recipe, " ".join([self.data, *models, conditions]))

    def _found(
        self,
        work: Mapping[str, Callable[[], dict[str, Any]]],
        what: str,
        progress: Progress,
        pool: Callable[[int], Executor] = _processes,
    ) -> dict[str, dict[str, Any] | None]:
        folder = self.cache / "foresight"
        if self.again:
            for one in work:
                (folder / f"{one}.json").unlink(missing_ok=True)
        missing = {one: find for one, find in work.items() if not (folder / f"{one}.json").exists()}
        for done, (one, answer) in enumerate(_at_once(missing, self.workers, pool), 1):
            if REASON in answer:
                self.reasons[one.partition("-")[0]] = str(answer[REASON])
            else:
                build_once(folder / f"{one}.json", partial(_write, answer))
            progress(what, done, len(missing))
        return {one: _read(folder / f"{one}.json") for one in work}


def takes_time(recipe: Recipe, flops: float) -> bool:
    """Return whether the time of this work is worth a forecast: it computes, copies a model, or is unknown."""
    return recipe.on_device and (flops > 0 or recipe.activity in ("copying", "unknown"))


def undescribed(recipes: Sequence[Recipe]) -> dict[str, str]:
    """Return kind of recipe -> why its time is not forecast, for recipes that do not describe their work."""
    return {type(recipe).__name__.lower(): "the recipe sets no activity" for recipe in recipes if recipe.activity == "unknown"}


def _calibrated(recipe: Recipe, finder: CalibrationCache) -> dict[str, Any]:
    return asdict(calibrate(recipe, finder.cache, finder.device, finder.profilers))


def _peak(batches: Sequence[Batch], cache: Path, kernels: Kernels) -> dict[str, Any]:
    return {"bytes": batches_peak_bytes(batches, cache, kernels)}


def _at_once(
    work: Mapping[str, Callable[[], dict[str, Any]]], workers: int, pool: Callable[[int], Executor]
) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the answer of each piece of work, in order. It holds only REASON where the work failed or its
    process died."""
    if not work:
        return
    if not workers:
        yield from ((one, _try(find)) for one, find in work.items())
        return
    with processes.one_thread(), pool(min(workers, len(work))) as started:
        futures = {one: started.submit(_try, find) for one, find in work.items()}
        try:
            yield from ((one, _answer(future)) for one, future in futures.items())
        finally:
            started.shutdown(wait=False, cancel_futures=True)  # after Ctrl-C nothing else starts


def _answer(future: Future[dict[str, Any]]) -> dict[str, Any]:
    try:
        return future.result()
    except BrokenProcessPool:
        return {REASON: "its process was killed, perhaps out of memory"}


def _try(find: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    try:
        return find()
    except (BenchError, MemoryError, RuntimeError, OSError) as error:  # torch's out-of-memory errors are RuntimeErrors
        return {REASON: f"{type(error).__name__}: {error}"}


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _conditions(device: str, workers: int) -> str:
    facts = machine.facts()
    known = {name: facts[name] for name in ("cpu", "logical_cores", "gpus")}
    return json.dumps([known, facts["packages"] | _versions(), device, workers], sort_keys=True)


def _versions() -> dict[str, str | None]:
    """Return the versions of the packages on which time and memory of all work depend."""
    return {"bench": __version__, **{name: machine.version(name) for name in PACKAGES}}


def _write(answer: dict[str, Any], path: Path) -> None:
    path.write_text(json.dumps(answer, allow_nan=False), encoding="utf-8")


def _read(path: Path) -> dict[str, Any] | None:
    return dict(json.loads(path.read_text(encoding="utf-8"))) if path.exists() else None
