"""A small suite with trivial work, run by `bench run` on a disk that may have a fault."""

from __future__ import annotations

import io
import shutil
import traceback
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext, redirect_stderr, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from bench.api import arms
from bench.cli import console
from bench.contracts import AGAIN, BuildContext, Job, Outcome, Phase, Recipe, Score, no_progress
from bench.execution import worker
from bench.execution.ledger import rows
from bench.executors.local import Local
from bench.strategies.annotate import Annotate
from bench.system import fingerprints, leases, machine, processes
from tests.execution.fake_worker import SUITE, Ended, bench, records
from tests.execution.test_interrupted_runs import MEASURED
from tests.faults import Disk, Fault, Point, in_fork

STEPS = 2
LEASE_OF_HASHES = f"{fingerprints.MEMORY}.lease"
"""A file that a killed process may leave in the cache. The next process that hashes a file takes it over."""


@dataclass(frozen=True)
class Counted(Recipe):
    """A number that takes two steps, with a checkpoint after each."""

    number: int

    def forecast_flops(self, context: BuildContext) -> float:
        return float(STEPS)

    def make(self, folder: Path, context: BuildContext) -> None:
        done = 0

        def read(path: Path) -> None:
            nonlocal done
            done = int((path / "done").read_text())

        assert context.checkpoints
        context.checkpoints.restore(read)
        for step in range(done + 1, STEPS + 1):
            context.usage.record_step(1)
            context.checkpoints.step_done(step, lambda path, step=step: (path / "done").write_text(str(step)))  # type: ignore[misc]
        (folder / "number").write_text(str(self.number))

    def read(self, folder: Path) -> int:
        return int((folder / "number").read_text())


def trivial(self: Annotate, job: Job) -> Outcome:
    """Buys labels, and has two numbers made: one for all arms, and one of its own."""
    job.labels(self.label_share)
    job.make(Counted(0), Phase.TEACHER_TUNING)
    return Outcome(student=job.make(Counted(round(job.budget_usd)), Phase.STUDENT_TRAINING))


class TrivialEvaluation:
    """Scores an arm by its number."""

    def __init__(self, *, job: Any, outcome: Outcome, splits: Any, **_: object) -> None:
        self._score, self._count = float(job.read(outcome.student)), len(splits.test)

    def predictions(self) -> dict[str, list[str]]:
        return {"student": ["a text"] * self._count}

    def scores(self, *_: object) -> dict[str, list[Score]]:
        return {"student": [Score("rouge2", self._score, "points", "higher", per_example=(self._score,) * self._count)]}

    def log_probs(self) -> dict[str, Any]:
        return {}

    output_log_probs = log_probs

    def facts(self, _: object) -> tuple[()]:
        return ()


def one_after_the_other(commands: Mapping[str, Sequence[str]], logs: Mapping[str, Path], ended: Ended) -> None:
    """Does the work of arms here. An error ends an arm alone, as if it had a process of its own; a kill ends the run."""
    waiting = list(commands)
    while waiting:
        arm = waiting.pop(0)
        logs[arm].parent.mkdir(parents=True, exist_ok=True)
        logs[arm].open("ab").close()
        status = _status(commands[arm], logs[arm])
        if status == AGAIN:
            waiting.append(arm)
        else:
            ended(arm, status)


def _status(command: Sequence[str], log: Path) -> int:
    status = 0
    with redirect_stderr(io.StringIO()) as said:
        try:
            worker.main(command[-7:])
        except SystemExit as end:
            status = int(end.code or 0)
        except Exception:
            traceback.print_exc()
            status = 1
    with suppress(OSError), log.open("a") as file:
        file.write(said.getvalue())
    return status


@dataclass(frozen=True, kw_only=True)
class End:
    """How `bench run` ended."""

    status: int
    out: str
    err: str
    points: Sequence[Point]


class NoReport:
    """Stands in for the results that a run shows in the end."""

    def document(self) -> dict[str, Any]:
        return {}

    def blocks(self, width: int, notes: Sequence[str]) -> Sequence[str]:
        return notes


@dataclass(kw_only=True)
class Place:
    """A results folder with a cache of its own, and `bench run` of two arms in it, with a checkpoint after every step."""

    folder: Path
    suite: Path
    found: Any
    """What `prepared_or_error` returned for the suite."""
    cache: Path
    """A cache that holds what the suite reads."""
    prepares: bool = False
    """Whether each run prepares the suite by itself, with an empty cache at first."""
    reports: bool = False
    """Whether each run writes a report."""
    strategy: Callable[[Annotate, Job], Outcome] = trivial
    also: Callable[[pytest.MonkeyPatch], object] = lambda patch: None
    """Changes more in the process of a run."""

    @property
    def results(self) -> Path:
        return self.folder / "results" / "smoke"

    def begin(self, before: Path | None = None) -> None:
        """Begin with no results, or with a copy of what lies in `before`."""
        shutil.rmtree(self.folder, ignore_errors=True)
        if before:
            shutil.copytree(before, self.folder, symlinks=True)
            return
        (self.folder / "cache").mkdir(parents=True)
        for made in () if self.prepares else self.cache.iterdir():
            if not made.name.startswith(fingerprints.MEMORY):
                (self.folder / "cache" / made.name).symlink_to(made)

    def run(self, *options: str, fault: Fault | None = None, at: int = 0) -> End | None:
        """Run the suite in a process of its own. None: it was killed."""
        return in_fork(lambda: self.run_here(options, Disk(self.folder, fault, at)))

    def run_here(self, options: Sequence[str], disk: Disk) -> End:
        """Run the suite in this process."""
        with pytest.MonkeyPatch.context() as patch, disk.mounted():
            self._change(patch)
            places = "--results", self.folder / "results", "--cache", self.folder / "cache"
            result = bench("run", self.suite, *places, "--only", "*annotate*", "--device", "cpu", "--checkpoint-minutes", "0", *options)
        assert result.exception is None or isinstance(result.exception, SystemExit), result.output
        return End(status=result.exit_code, out=result.stdout, err=result.stderr, points=disk.points)

    def _change(self, patch: pytest.MonkeyPatch) -> None:
        """Leave out what takes long and changes nothing here, and do the work of arms in this process."""
        prepared, fetched, lines, planned = self.found

        def at_once(asked: arms.RunOptions, _: object) -> Any:
            return replace(prepared, results=asked.parent / "smoke", cache=asked.cache), fetched, lines, planned

        if self.prepares:
            patch.setattr("bench.forecast.suite.refuse_failing", lambda *_: None)  # the trivial student is no model
        else:
            patch.setattr(arms, "prepared_or_error", at_once)
        patch.setattr(processes, "has_one_thread", lambda: False)
        patch.setattr(processes, "cores", lambda: 1)
        patch.setattr(Local, "run", lambda self, commands, logs, ended, gpu_bytes: one_after_the_other(commands, logs, ended))
        patch.setattr(Annotate, "run", self.strategy)
        patch.setattr(worker, "Evaluation", TrivialEvaluation)
        patch.setattr(machine, "facts", dict)
        patch.setattr(machine, "version", lambda package: "1")
        patch.setattr(console, "leaderboard", lambda *_: "")
        patch.setattr(leases, "EXPIRY_S", 0.05)  # a lease whose holder was killed before it had written its name
        patch.setattr(fingerprints, "RACY_NS", 0)
        if not self.reports:
            patch.setattr("bench.api.results.with_report", lambda _: (NoReport(), False))
        self.also(patch)

    def state(self) -> tuple[dict[str, Any], set[str]]:
        """Return how each arm ended, and the names of all files, without what is measured anew each time."""
        return {arm: self._ended(arm) for arm in records(self.results)}, self._files()

    def lost(self, expected: tuple[dict[str, Any], set[str]]) -> list[object]:
        """Return the arms that ended in another way than expected, and the files that are missing or left."""
        found, files = self.state()
        arms = [(arm, found.get(arm), end) for arm, end in expected[0].items() if found.get(arm) != end]
        return [*arms, *sorted(files ^ expected[1])]

    def _ended(self, arm: str) -> dict[str, Any]:
        record, folder = records(self.results)[arm], self.results / arm
        exact = [row for row in rows(folder) if row["row"] in ("charge", "score") and row.get("unit") not in MEASURED]
        facts = {name: value for name, value in record.facts.items() if not name.endswith("_s")}
        kept = {name: getattr(record, name) for name in ("status", "reason", "spent_usd", "student", "data_fingerprint")}
        return {**kept, "facts": facts, "rows": exact, "predictions": (folder / "predictions.jsonl").read_text().splitlines()}

    def _files(self) -> set[str]:
        found = (path.relative_to(self.folder).as_posix() for path in self.folder.rglob("*") if path.is_file())
        return {name for name in found if ".attempt-" not in name and not name.endswith(LEASE_OF_HASHES)}


def place(folder: Path) -> Place:
    """Prepare the suite in a cache of its own, and return a place for its runs."""
    suite, cache = folder / "smoke.yaml", folder / "prepared"
    suite.write_text(Path(SUITE).read_text() + "profilers: {wall: {use: wall}}\n")  # the others take a second for each artifact
    options = arms.RunOptions(suite=suite, only="*annotate*", device="cpu", parent=folder / "none", cache=cache)
    found = arms.prepared_or_error(options, lambda: nullcontext(no_progress))
    there = Place(folder=folder / "place", suite=suite, found=found, cache=cache, reports=True)
    there.begin()
    there.run_here((), Disk(there.folder))  # forks import nothing anew
    return replace(there, reports=False)
