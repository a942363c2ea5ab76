"""Stage 3 inside the process: one arm spends its purse, predicts, and is scored.

    suite -> data -> strategy spends (store makes, purse pays, a window measures) -> predict -> score -> outcome.json

Run as `python -m bench.execution.worker SUITE ARM SEED CHECKPOINT_MINUTES RESULTS CACHE DEVICE`. The process that
started it writes the arm's record.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
import threading
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch

from bench.contracts import AGAIN, PARENT_PIPE, Example, Fact, Progress, Score, numbers
from bench.errors import BenchError, Stop
from bench.execution import inherited_data, known_paths, shared_folder
from bench.execution.defaults import CHECKPOINT_MINUTES
from bench.execution.evaluation import Evaluation
from bench.execution.job import ArmJob, inputs_fingerprint, metrics_fingerprint
from bench.execution.ledger import Ledger
from bench.execution.prepared_suite import PreparedSuite
from bench.execution.purse import Purse
from bench.execution.record import Ending, Status, status_of
from bench.execution.stored import USED
from bench.suite import arms, suite_file
from bench.suite.arms import Arm
from bench.suite.suite_file import Suite
from bench.system import leases, machine
from bench.system.files import atomic_write, write_json
from bench.system.results_folder import OUTCOME, POSTPONED, PREDICTIONS, PROGRESS, RECORD
from bench.training.checkpoints import load_tokenizer, model_class, read_config

USED_LATER = ("bench.strategies._steps",)
"""Modules that are imported only while an arm is at work."""


class ProgressFile:
    """Writes the current step of the arm to `folder/progress.json`, at most twice a second."""

    def __init__(self, folder: Path) -> None:
        self._path, self._what, self._at = folder / PROGRESS, "", 0.0
        self._part = folder / f"{PROGRESS}.{os.urandom(4).hex()}.part"  # not that of a process that lost this arm

    def __call__(self, what: str, done: float, total: float) -> None:
        now = time.monotonic()
        if what == self._what and done < total and now - self._at < 0.5:
            return
        self._what, self._at = what, now
        with atomic_write(self._path, self._part) as part:
            part.write_text(json.dumps({"what": what, "done": done, "total": total}), encoding="utf-8")


def run(
    suite_path: Path,
    arm_id: str,
    seed: int,
    results: Path,
    cache: Path,
    device: str,
    checkpoint_minutes: float = CHECKPOINT_MINUTES,
    check: Callable[[], object] = lambda: None,
) -> Ending:
    """Run one arm, and return how it ended, also where that is an error. Its seed need not be one of the suite's.

    check: called before anything is written that the next process of the arm writes too. It may end the process.

    Raises BenchError where the suite cannot be read.
    """
    folder = results / arm_id
    loaded = known_paths.known(suite_file.read(suite_path), results, cache)
    arm = next(a for a in arms.arms(loaded, (seed,)) if a.id == arm_id)
    progress, ledger = ProgressFile(folder), Ledger(folder, check)
    purse = Purse(arm.budget_usd, ledger)
    job: ArmJob | None = None
    about: dict[str, Any] = {"machine": machine.facts(), "started": datetime.now(UTC).isoformat(timespec="seconds")}
    begun = time.monotonic()

    def ending(status: Status, facts: Sequence[Fact], **more: Any) -> Ending:
        took = round(time.monotonic() - begun, 3)
        return Ending(status=status, spent_usd=purse.spent_usd, facts=numbers(facts), duration_s=took, **about, **more)

    def before_waiting() -> None:
        if job and all(work.shared for work in job.works) and _is_first_time(folder):
            ledger.discard()
            raise SystemExit(AGAIN)

    try:
        prepared = replace(prepare_arm(loaded, arm, results, cache, device, progress, about), checkpoint_minutes=checkpoint_minutes)
        splits, store = prepared.splits[arm.task_label], prepared.store(arm, progress, before_waiting)
        job = ArmJob(loaded, arm, splits, purse, store, ledger)
        outcome = arm.cell.strategy.run(job)
        evaluation = Evaluation(suite=loaded, arm=arm, splits=splits, job=job, outcome=outcome)
        predictions = evaluation.predictions()
        scores = evaluation.scores(predictions, evaluation.log_probs())
        check()
        _write_predictions(folder / PREDICTIONS, splits.test, predictions, scores, evaluation.output_log_probs())
        facts: tuple[Fact, ...] = (*job.facts, *outcome.facts, *evaluation.facts(store.context))
        for subject, found in scores.items():
            for score in found:
                ledger.score(subject, score)
        for fact in facts:
            ledger.fact(fact)
        student = str(store.artifact(outcome.student).relative_to(results))
        return ending("done", facts, student=student)
    except Exception as error:
        if not isinstance(error, Stop):
            traceback.print_exc()
        facts = job.facts if job else ()
        for fact in facts:
            ledger.fact(fact)
        reason = str(error) if isinstance(error, BenchError) else f"{type(error).__name__}: {error}"
        return ending(status_of(error), facts, reason=" ".join(reason.split()))
    finally:
        if job:
            check()
            used = [job.context.artifact(work.recipe) for work in job.works]
            write_json(folder / USED, {"artifacts": [path.relative_to(results).as_posix() for path in used]})


def _is_first_time(folder: Path) -> bool:
    """Return whether the arm lets others go first, which it does once: its process ends, and is started again after theirs."""
    postponed = folder / POSTPONED
    if postponed.exists():
        return False
    postponed.touch()
    return True


def prepare_arm(
    loaded: Suite, arm: Arm, results: Path, cache: Path, device: str, progress: Progress, about: dict[str, Any]
) -> PreparedSuite:
    """Do what an arm needs before its strategy starts: read the data, prepare the profilers, take fingerprints.

    `about` receives the fingerprints one by one, so that an arm that fails here has those before.
    """
    where = machine.device(device)
    if loaded.spec.precision == "bf16" and not machine.bf16_supported(where):
        raise BenchError("this GPU has no bf16; say `precision: fp32` in the suite")
    splits = inherited_data.splits(arm.task, cache, progress)
    about["data_fingerprint"] = splits.fingerprint
    progress("preparing", 0, 0)
    for profiler in loaded.profilers.values():
        profiler.prepare()
    about["inputs_fingerprint"] = inputs_fingerprint(loaded, arm, cache, progress)
    about["metrics_fingerprint"] = metrics_fingerprint(loaded, cache, progress)
    return PreparedSuite(suite=loaded, arms=(arm,), splits={arm.task_label: splits}, results=results, cache=cache, device=where)


def _write_predictions(
    path: Path,
    examples: Sequence[Example],
    predictions: Mapping[str, Sequence[str]],
    scores: Mapping[str, Sequence[Score]],
    log_probs: Mapping[str, Sequence[float]],
) -> None:
    """Write one line per test document: the outputs of all subjects, their log-probabilities where known, and their scores."""
    with atomic_write(path) as part, part.open("w", encoding="utf-8") as lines:
        for i, example in enumerate(examples):
            row = {
                "id": example.id,
                "source": example.source,
                "reference": example.target,
                "predictions": {subject: outputs[i] for subject, outputs in predictions.items()},
                "log_probs": {subject: found[i] for subject, found in log_probs.items()},
                "scores": {s: {x.name: x.per_example[i] for x in found if x.per_example} for s, found in scores.items()},
            }
            lines.write(json.dumps(row) + "\n")


def before_fork(arguments: Sequence[str]) -> None:
    """Import what the arms of a suite use, and read its data, in the process of which theirs are forks. No GPU is used here."""
    suite_path, *_, cache, _ = arguments
    suite = suite_file.read(Path(suite_path))  # imports its parts
    for module in USED_LATER:
        importlib.import_module(module)
    for profiler in suite.profilers.values():
        profiler.import_libraries()
    folder = suite.large.folder(Path(cache))
    config = read_config(folder)
    with torch.device("meta"):
        model_class(config).from_config(config)
    load_tokenizer(folder)
    inherited_data.read_before_fork(suite.tasks.values(), Path(cache))


def _end_with_parent() -> None:
    """End this process when its parent ends. A killed `bench run` then leaves no process that writes into its
    results."""

    def wait() -> None:
        while os.read(0, 1024):  # not sys.stdin: a daemon thread that holds its lock is fatal when the interpreter ends
            pass
        os._exit(1)

    threading.Thread(target=wait, daemon=True).start()


def main(arguments: Sequence[str]) -> None:
    """Run the process of one arm."""
    if os.environ.get(PARENT_PIPE):
        _end_with_parent()
    suite_path, arm_id, seed, minutes, results, cache, device = arguments
    folder = Path(results) / arm_id

    def at_work_elsewhere(_: leases.Lease) -> None:
        if _is_first_time(folder):
            raise SystemExit(AGAIN)

    with leases.hold(folder / shared_folder.ARM, at_work_elsewhere) as lease:

        def check() -> None:
            if not lease.is_held:  # this process was suspended for so long that another one has begun the arm again
                raise SystemExit(AGAIN)

        if any((folder / name).exists() for name in (RECORD, OUTCOME)):  # a run that shares the arms was faster
            return
        ending = run(Path(suite_path), arm_id, int(seed), Path(results), Path(cache), device, float(minutes), check)
        check()
        write_json(folder / OUTCOME, asdict(ending))


if __name__ == "__main__":
    main(sys.argv[1:])
