"""Buys labels from an LLM: it labels the pool, and the compact model is trained on those labels.

Sources: Wang et al. 2021, Want To Reduce Labeling Cost? GPT-3 Can Help (labels of an LLM, alone and beside human ones, under one budget);
Ding et al. 2023, Is GPT-3 a Good Data Annotator?. The teacher is prompted, never tuned.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Self

from pydantic import Field, model_validator

from bench.contracts import Example, Fact, Job, ModelLabel, Outcome, Phase, Strategy
from bench.errors import BenchError, NotEnough, OverBudget
from bench.system.sequences import joined
from bench.training.llm_endpoint import Endpoint
from bench.training.llm_prompt import Prompt, Sampling
from bench.training.settings import Tuning

if TYPE_CHECKING:
    from bench.training.llm_labels import EndpointLabels, Labelling, PromptedLabels
    from bench.training.recipes import Pretrained

    Ask = Callable[[Sequence[Example]], EndpointLabels | PromptedLabels]


class LlmLabel(Strategy):
    """Let an LLM label the pool as far as the budget allows, and train the compact model on these labels."""

    label_share: float = Field(default=0.0, ge=0, le=1)
    """Part of the budget that buys labels; the rest pays the LLM and training."""
    pseudo_share: float = Field(default=0.5, gt=0, lt=1)
    """Part of the remaining money that the LLM's labels may cost; the rest trains the student."""
    endpoint: Endpoint | None = None
    """Endpoint of the LLM, paid by tokens. Set either this or `teacher`."""
    teacher: ModelLabel | None = None
    """A decoder-only model under `models`, run on the suite's device and paid by its meter. Set either this or `endpoint`."""
    prompt: Prompt = Prompt()
    """How a document is presented to the LLM. Its examples are labels owned, never from dev or test."""
    sampling: Sampling = Sampling()
    """How the LLM samples its output."""
    score_teacher: bool = False
    """Whether an endpoint's LLM also labels the test documents, and is scored beside the student. No purse
    pays for these tokens, but you do. A `teacher` is always scored."""
    gold: bool = True
    """Whether the labels owned are trained on together with the LLM's labels."""
    student: Tuning = Tuning()
    """How the compact model is trained."""

    @model_validator(mode="after")
    def _one_teacher(self) -> Self:
        if (self.endpoint is None) == (self.teacher is None):
            raise ValueError("expected either endpoint or teacher")
        if self.teacher is not None and self.sampling.temperature != 0:
            raise ValueError("a teacher under models is decoded at sampling.temperature 0")
        return self

    def run(self, job: Job) -> Outcome:
        from bench.strategies import _steps
        from bench.training.llm_labels import Answers

        _steps.check_installed(self.student)
        if not job.unlabelled:
            raise NotEnough("there is no unlabelled pool to label")
        labels = job.labels(self.label_share)
        base = _steps.cut(job, _steps.large(job))
        if labels:
            job.check(_steps.finetuned(job, base, labels, self.student, Phase.STUDENT_TRAINING))
        ask = self._asking(job, labels)
        labellings = _label(job, ask, self.prompt, self.pseudo_share * job.left_usd())
        pseudo = joined(labelling.examples for labelling in labellings)
        student = _steps.tune(job, base, joined((pseudo, labels if self.gold else ())), self.student, Phase.STUDENT_TRAINING)
        facts = [
            Fact(name="pseudo_labels", value=len(pseudo), unit="labels"),
            Fact(name="invalid_answers", value=sum(labelling.invalid for labelling in labellings)),
            Fact(name="prompt_tokens", value=sum(labelling.prompt_tokens for labelling in labellings)),
            Fact(name="output_tokens", value=sum(labelling.output_tokens for labelling in labellings)),
        ]
        thoughts = [labelling.thought_tokens for labelling in labellings]
        if None not in thoughts:
            facts.append(Fact(name="thought_tokens", value=sum(filter(None, thoughts))))
        scored = self.teacher or self.score_teacher
        answers = (lambda documents: Answers(replace(ask(documents), to_the_end=True))) if scored else None
        return Outcome(student=student, teacher=self._model(job), facts=tuple(facts), answers=answers)

    def _model(self, job: Job) -> Pretrained | None:
        from bench.training.recipes import Pretrained

        return None if self.teacher is None else Pretrained(job.model(self.teacher))

    def _asking(self, job: Job, labels: tuple[Example, ...]) -> Ask:
        """Return a function from documents to the recipe of their labels."""
        from bench.training.llm_labels import EndpointLabels, PromptedLabels

        shots, cut = labels[: self.prompt.few_shot], job.task.max_source_tokens
        if len(shots) < self.prompt.few_shot:
            raise NotEnough(f"the prompt shows {self.prompt.few_shot} examples, {len(shots)} labels are owned")
        asked: dict[str, Any] = {"prompt": self.prompt, "shots": shots, "sampling": self.sampling, "max_source_tokens": cut}
        if (endpoint := self.endpoint) is not None:
            return lambda chunk: EndpointLabels(endpoint=endpoint, examples=chunk, tokenizer=job.large, **asked)
        model = self._model(job)
        assert model is not None
        return lambda chunk: PromptedLabels(
            model=model,
            examples=chunk,
            prefix="",
            max_target_tokens=self.sampling.max_tokens,
            decoding=job.decoding.model_copy(update={"beams": 1}),
            engine=job.engine,
            precision=job.precision,
            **asked,
        )


def _label(job: Job, ask: Ask, prompt: Prompt, max_usd: float) -> list[Labelling]:
    """Label the pool in its order, chunk by chunk, until the money is spent.

    Tokens of a chunk are bought completely or not at all. If a chunk does not fit, half of it is tried, and so on. Raises OverBudget where
    the money buys no label, and BenchError where more than half of the answers are the same text.
    """
    from bench.strategies._steps import CHUNK
    from bench.training.llm_thoughts import repeated_answer

    labellings: list[Labelling] = []
    answers: list[str] = []
    stop_at, start, size = job.left_usd() - max_usd, 0, min(CHUNK, len(job.unlabelled))
    while start < len(job.unlabelled):
        recipe = ask(job.unlabelled[start : start + size])
        try:
            made = job.make(recipe, Phase.PSEUDO_LABELLING, allow_partial=True, max_usd=job.left_usd() - stop_at)
        except OverBudget:
            if not recipe.on_device and size > 1:
                size //= 2
                continue
            if not labellings:
                raise
            break
        labellings.append(job.read(made))
        answers += labellings[-1].answers
        if reason := labellings[-1].repeated_answer or repeated_answer(prompt, answers):
            raise BenchError(f"the LLM gets no more documents to label: {reason}")
        if labellings[-1].documents < len(recipe.examples):
            break
        start += size
    return labellings
