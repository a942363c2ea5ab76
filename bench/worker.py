"""Stage 3, inside the process: one arm spends its purse, predicts, and is scored.

    suite -> data -> strategy spends (store makes, purse pays, a window measures) -> predict -> score -> outcome.json

Run as `python -m bench.worker SUITE ARM RESULTS CACHE DEVICE`. The process that started it seals the arm.
"""

from __future__ import annotations

import json
import os
import sys
import threading
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bench import machine, plan, suite
from bench.contracts import PARENT_PIPE, Example, Outcome, Recipe, Score, Splits, TokenMetric
from bench.errors import BenchError, OverBudget, Stop
from bench.job import ArmJob, inputs_fingerprint, models_fingerprint
from bench.ledger import Ending, Ledger, Purse, write_whole
from bench.plan import Arm
from bench.store import Store
from bench.suite import Suite
from bench.training.likelihood import LogProbs, References
from bench.training.models import count_parameters, load
from bench.training.outputs import Predictions
from bench.training.recipes import ModelRecipe, Pretrained
from bench.training.speed import InferenceSpeed

TIMED_DOCUMENTS, TIMED_ROUNDS = 16, 3
"""Inference is timed on so many documents, so many times over."""


class ProgressFile:
    """Says in `folder/progress.json` what the arm is at, twice a second at most."""

    def __init__(self, folder: Path) -> None:
        self._path, self._what, self._at = folder / "progress.json", "", 0.0

    def __call__(self, what: str, done: float, total: float) -> None:
        now = time.monotonic()
        if what == self._what and done < total and now - self._at < 0.5:
            return
        self._what, self._at = what, now
        write_whole(self._path, {"what": what, "done": done, "total": total})


def run(suite_path: Path, arm_id: str, results: Path, cache: Path, device: str) -> Ending:
    """Run one arm; every way it can end is an Ending, but for the process being killed."""
    folder = results / arm_id
    loaded = suite.read(suite_path)
    arm = next(a for a in plan.arms(loaded) if a.id == arm_id)
    progress, ledger = ProgressFile(folder), Ledger(folder)
    purse = Purse(arm.budget_usd, ledger)
    job: ArmJob | None = None
    about: dict[str, Any] = {"machine": machine.facts(), "started": datetime.now(UTC).isoformat(timespec="seconds")}
    try:
        where = machine.device(device)
        if loaded.spec.precision == "bf16" and not machine.bf16_supported(where):
            raise BenchError("this GPU has no bf16; say `precision: fp32` in the suite")
        splits = arm.task.splits(cache, progress)
        about["data_fingerprint"] = splits.fingerprint
        progress("preparing", 0, 0)
        for profiler in loaded.profilers.values():
            profiler.prepare()
        about["inputs_fingerprint"] = inputs_fingerprint(loaded, arm, cache, progress)
        models_key = models_fingerprint(loaded, arm, cache)
        store = Store(results / "store", cache, where, loaded.profilers, progress, models_key)
        job = ArmJob(loaded, arm, splits, purse, store, ledger)
        outcome = arm.cell.strategy.run(job)
        models = _models(outcome, job)
        evaluation = _Evaluation(loaded, arm, splits, job, store)
        predictions = evaluation.predictions(models, outcome.answers)
        scores = evaluation.scores(predictions, evaluation.log_probs(models))
        _write_predictions(folder / "predictions.jsonl", splits.test, predictions, scores)
        facts = {**job.facts, **outcome.facts, **evaluation.facts(models)}
        for subject, found in scores.items():
            for score in found:
                ledger.score(subject, score)
        ledger.facts(facts)
        student = str(store.artifact(outcome.student).relative_to(results))
        return Ending("done", "", purse.spent_usd, facts, student=student, **about)
    except Stop as stop:
        facts = job.facts if job else {}
        ledger.facts(facts)
        return Ending("infeasible" if isinstance(stop, OverBudget) else "skipped", str(stop), purse.spent_usd, facts, **about)
    except Exception as error:
        traceback.print_exc()
        reason = str(error) if isinstance(error, BenchError) else f"{type(error).__name__}: {error}"
        return Ending("failed", " ".join(reason.split()), purse.spent_usd, **about)


@dataclass(frozen=True)
class _Evaluation:
    """Everything that scoring one arm needs."""

    suite: Suite
    arm: Arm
    splits: Splits
    job: ArmJob
    store: Store

    def facts(self, models: Mapping[str, ModelRecipe]) -> dict[str, float]:
        """Sizes of the models, and the speed of the student's architecture."""
        sizes = {f"{name}_parameters": count_parameters(load(model.folder(self.store.bench))[0]) for name, model in models.items()}
        return sizes | _speed(self.job, models["student"].untrained)

    def predictions(
        self, models: Mapping[str, ModelRecipe], answers: Callable[[tuple[Example, ...]], Recipe] | None
    ) -> dict[str, list[str]]:
        """Subject -> outputs on the test documents: student, teacher, and every trivial rule as a floor. None gets to see their labels."""
        documents = tuple(replace(example, target=None) for example in self.splits.test)
        recipes: dict[str, Recipe] = {name: Predictions.of(self.job, model, documents) for name, model in models.items()}
        if answers:
            recipes["teacher"] = answers(documents)
        made: dict[str, list[str]] = {name: self.job.read(self.job.make(recipe, "evaluation")) for name, recipe in recipes.items()}
        rules = self.arm.task.trivial_rules(self.job.start_labels())
        return made | {f"floor: {name}": [rule(document.source) for document in documents] for name, rule in rules.items()}

    def log_probs(self, models: Mapping[str, ModelRecipe]) -> dict[str, LogProbs]:
        """Subject -> how likely it finds each token of the references: models, and token frequencies as a floor; {} where none asks."""
        if not any(isinstance(metric, TokenMetric) for metric in self.suite.metrics.values()):
            return {}
        recipes = {name: References.of(self.job, model, self.splits.test) for name, model in models.items()}
        made: dict[str, LogProbs] = {name: self.job.read(self.job.make(recipe, "evaluation")) for name, recipe in recipes.items()}
        return made | {"floor: token frequencies": recipes["student"].by_frequency(self.job.start_labels(), self.store.bench)}

    def scores(self, predictions: Mapping[str, Sequence[str]], log_probs: Mapping[str, LogProbs]) -> dict[str, list[Score]]:
        """Subject -> what every metric gave, of texts and of likelihoods."""
        references = [example.target or "" for example in self.splits.test]
        found: dict[str, list[Score]] = {subject: [] for subject in (*predictions, *log_probs)}
        for metric in self.suite.metrics.values():
            for subject, outputs in predictions.items():
                found[subject] += metric.score(outputs, references)
            if isinstance(metric, TokenMetric):
                for subject, tokens in log_probs.items():
                    found[subject] += metric.score_tokens(tokens)
        return found


def _models(outcome: Outcome, job: ArmJob) -> dict[str, ModelRecipe]:
    """The models to evaluate. Raises BenchError where a strategy handed back something else, or did not pay for it."""
    models = {"student": outcome.student} | ({"teacher": outcome.teacher} if outcome.teacher else {})
    for name, recipe in models.items():
        if not isinstance(recipe, ModelRecipe):
            raise BenchError(f"the strategy's {name} is a {type(recipe).__name__}, which is no model")
        if not job.has_made(recipe):
            raise BenchError(f"the strategy's {name} was not made as it is: hand back the recipe that job.make returned")
    return {name: recipe for name, recipe in models.items() if isinstance(recipe, ModelRecipe)}


def _speed(job: ArmJob, student: ModelRecipe) -> dict[str, float]:
    """Milliseconds and FLOPs an example of the large and the compact model, at the longest document and label that the task allows."""
    recipe = InferenceSpeed(
        large=Pretrained(job.large),
        student=student,
        source_tokens=job.task.max_source_tokens,
        target_tokens=job.task.max_target_tokens,
        documents=TIMED_DOCUMENTS,
        rounds=TIMED_ROUNDS,
        precision=job.precision,
        decoding=job.decoding,
    )
    speed: dict[str, float] = job.read(job.make(recipe, "evaluation"))
    return speed


def _write_predictions(
    path: Path, examples: Sequence[Example], predictions: Mapping[str, Sequence[str]], scores: Mapping[str, Sequence[Score]]
) -> None:
    """One line a test document: what each subject said of it, and what that scored."""
    part = path.with_suffix(".part")
    with part.open("w", encoding="utf-8") as lines:
        for i, example in enumerate(examples):
            row = {
                "id": example.id,
                "source": example.source,
                "reference": example.target,
                "predictions": {subject: outputs[i] for subject, outputs in predictions.items()},
                "scores": {s: {x.name: x.per_example[i] for x in found if x.per_example} for s, found in scores.items()},
            }
            lines.write(json.dumps(row) + "\n")
    part.replace(path)


def _end_with_parent() -> None:
    """Die when the parent does: a killed `bench run` leaves no process that writes into its results."""

    def wait() -> None:
        while os.read(0, 1024):  # not sys.stdin: its lock, held by a daemon thread, is fatal when the interpreter ends
            pass
        os._exit(1)

    threading.Thread(target=wait, daemon=True).start()


def main(arguments: Sequence[str]) -> None:
    """The process of one arm."""
    if os.environ.get(PARENT_PIPE):
        _end_with_parent()
    suite_path, arm_id, results, cache, device = arguments
    ending = run(Path(suite_path), arm_id, Path(results), Path(cache), device)
    write_whole(Path(results) / arm_id / "outcome.json", asdict(ending))


if __name__ == "__main__":
    main(sys.argv[1:])
