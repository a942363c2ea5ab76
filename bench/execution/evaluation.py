"""Scores an arm: outputs for the test documents, likelihoods of the references, and speed.

All of this work is done by recipes, so that a forecast can request the same ones without making any.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TypeVar

from bench.contracts import BuildContext, Example, Fact, Form, Outcome, Phase, Recipe, Rule, Score, Splits, TokenMetric
from bench.errors import BenchError
from bench.execution.job import ArmJob
from bench.suite.arms import Arm
from bench.suite.suite_file import Suite
from bench.training.checkpoints import count_parameters, load, load_tokenizer
from bench.training.generated import Predictions
from bench.training.likelihood import LogProbs, References
from bench.training.recipes import ModelRecipe, Pretrained
from bench.training.speed import InferenceSpeed
from bench.training.text_coverage import comparison_form

Known = TypeVar("Known")

TIMED_DOCUMENTS, TIMED_ROUNDS = 16, 3
"""Number of documents on which inference is timed, and number of repetitions."""
DEV_DOCUMENTS = 500
"""Largest number of dev documents on which baselines are scored."""


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """Everything that is needed to score one arm."""

    suite: Suite
    arm: Arm
    splits: Splits
    job: ArmJob
    outcome: Outcome
    """What its strategy returned."""

    @cached_property
    def models(self) -> dict[str, ModelRecipe]:
        """'student' -> its recipe, and 'teacher' -> its recipe where there is one.

        Raises BenchError where a strategy returned something that is not a model, or that it did not pay for.
        """
        given = {"student": self.outcome.student} | ({"teacher": self.outcome.teacher} if self.outcome.teacher else {})
        for name, recipe in given.items():
            if not isinstance(recipe, ModelRecipe):
                raise BenchError(f"the strategy's {name} is a {type(recipe).__name__}, which is not a model")
            if not self.job.has_made(recipe):
                raise BenchError(f"the strategy returns a {name} that job.make did not make; return the recipe that job.make returned")
        return {name: recipe for name, recipe in given.items() if isinstance(recipe, ModelRecipe)}

    def recipes(self) -> Iterator[Recipe]:
        """Yield all recipes of the evaluation, in the order in which they are made."""
        yield from self._answers.values()
        yield from self._references.values()
        yield self._speed

    def predictions(self) -> dict[str, list[str]]:
        """Return subject -> outputs on the test documents: student, teacher, and every baseline as 'floor:
        NAME'.

        None of them sees the labels of these documents.
        """
        made: dict[str, list[str]] = {
            name: self.job.read(self.job.make(recipe, Phase.EVALUATION)) for name, recipe in self._answers.items()
        }
        return made | {f"floor: {name}": [rule(document.source) for document in self._documents] for name, rule in self._rules.items()}

    def output_log_probs(self) -> dict[str, list[float]]:
        """Return subject -> log-probability of each output on the test documents, where the artifact has them."""
        return self._artifact_facts(Predictions.log_probs)

    def log_probs(self) -> dict[str, LogProbs]:
        """Return subject -> log-probability of each token of the references.

        Subjects are the models, and token frequencies as the baseline. The result is {} where no metric needs
        it.
        """
        recipes = self._references
        if not recipes:
            return {}
        made: dict[str, LogProbs] = {name: self.job.read(self.job.make(recipe, Phase.EVALUATION)) for name, recipe in recipes.items()}
        return made | {"floor: token frequencies": recipes["student"].by_frequency(self.job.start_labels(), self.job.context)}

    def scores(self, predictions: Mapping[str, Sequence[str]], log_probs: Mapping[str, LogProbs]) -> dict[str, list[Score]]:
        """Return the scores of each subject by every metric, for texts and likelihoods.

        References and the outputs of all subjects are compared in one form, that of the student's tokenizer. Every baseline is also
        scored on dev documents, as 'baseline on dev: NAME', in the metric that ranks: a report compares models with the best one there.
        """
        form = self._form()
        references = [form(example.target or "") for example in self.splits.test]
        compared = {subject: [form(output) for output in outputs] for subject, outputs in predictions.items()}
        found: dict[str, list[Score]] = {subject: [] for subject in (*predictions, *log_probs)}
        for metric in self.suite.metrics.values():
            in_form = metric.in_form(form)
            for subject, outputs in compared.items():
                found[subject] += in_form.score(outputs, references)
            if isinstance(metric, TokenMetric):
                for subject, tokens in log_probs.items():
                    found[subject] += metric.score_tokens(tokens)
        return found | self._baselines_on_dev(form)

    def _baselines_on_dev(self, form: Form) -> dict[str, list[Score]]:
        """Return the scores of baselines in the metric that ranks, without values by example. They are {} where dev cannot be scored."""
        dev = self.splits.dev[:DEV_DOCUMENTS]
        if not dev:
            return {}
        wanted, references = self.suite.spec.rank_by, [form(example.target or "") for example in dev]
        found: dict[str, list[Score]] = {}
        for metric in self.suite.metrics.values():
            if wanted in metric.score_names:
                for name, rule in self._rules.items():
                    try:
                        scores = metric.in_form(form).score([form(rule(example.source)) for example in dev], references)
                    except BenchError:  # only the references of test were checked before
                        return {}
                    known = [replace(score, per_example=None) for score in scores if score.name == wanted and score.value is not None]
                    found |= {f"baseline on dev: {name}": known} if known else {}
        return found

    def _form(self) -> Form:
        folder = self.models["student"].origin.checkpoint.folder(self.job.context.cache)
        return comparison_form(load_tokenizer(folder))

    def facts(self, context: BuildContext) -> tuple[Fact, ...]:
        """Return the sizes of the models, and milliseconds and FLOPs per example of the large and the compact
        model, and the share of outputs on which the engine agrees with its reference."""
        sizes = {name: count_parameters(load(model.folder(context))[0]) for name, model in self.models.items()}
        speed: tuple[Fact, ...] = self.job.read(self.job.make(self._speed, Phase.EVALUATION))
        agreements = self._artifact_facts(Predictions.agreement)
        return (
            *(Fact(name=f"{name}_parameters", value=size, unit="parameters") for name, size in sizes.items()),
            *(Fact(name=f"{name}_agreement", value=share, unit="share") for name, share in agreements.items()),
            *speed,
        )

    def _artifact_facts(self, read: Callable[[Predictions, Path], Known | None]) -> dict[str, Known]:
        """Return subject -> what the artifact of its outputs holds beside the texts, where it does."""
        recipes = {name: recipe for name, recipe in self._answers.items() if isinstance(recipe, Predictions)}
        found = {name: read(recipe, self.job.context.artifact(recipe)) for name, recipe in recipes.items()}
        return {name: value for name, value in found.items() if value is not None}

    @cached_property
    def _rules(self) -> Mapping[str, Rule]:
        return self.arm.task.trivial_rules(self.job.start_labels())

    @cached_property
    def _documents(self) -> tuple[Example, ...]:
        return tuple(replace(example, target=None) for example in self.splits.test)

    @cached_property
    def _answers(self) -> dict[str, Recipe]:
        recipes: dict[str, Recipe] = {name: Predictions.of(self.job, model, self._documents) for name, model in self.models.items()}
        return recipes | ({"teacher": self.outcome.answers(self._documents)} if self.outcome.answers else {})

    @cached_property
    def _references(self) -> dict[str, References]:
        """References by model; empty where no metric needs likelihoods."""
        if not any(isinstance(metric, TokenMetric) for metric in self.suite.metrics.values()):
            return {}
        return {name: References.of(self.job, model, self.splits.test) for name, model in self.models.items()}

    @cached_property
    def _speed(self) -> InferenceSpeed:
        """The recipe that times inference, with the longest document and label that the task allows."""
        return InferenceSpeed(
            large=Pretrained(self.job.large),
            student=self.models["student"].untrained,
            source_tokens=self.job.task.max_source_tokens,
            target_tokens=self.job.task.max_target_tokens,
            documents=TIMED_DOCUMENTS,
            rounds=TIMED_ROUNDS,
            precision=self.job.precision,
            decoding=self.job.decoding,
            engine=self.job.engine,
        )
