"""Spend on somebody else's LLM: it labels the pool as it is asked to, and the compact model learns from that.

Sources: Wang et al. 2021, Want To Reduce Labeling Cost? GPT-3 Can Help (labels of an LLM, alone and beside human ones, under one
budget); Ding et al. 2023, Is GPT-3 a Good Data Annotator?. The teacher is prompted, never tuned.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Self

from pydantic import Field, model_validator

from bench.contracts import Example, Job, ModelLabel, Outcome, Strategy
from bench.errors import NotEnough, OverBudget
from bench.training.endpoint import Endpoint
from bench.training.prompting import Prompt, Sampling
from bench.training.tuning import Tuning

if TYPE_CHECKING:
    from bench.training.labelling import EndpointLabels, Labelling, PromptedLabels

    Ask = Callable[[tuple[Example, ...]], EndpointLabels | PromptedLabels]


class LlmLabel(Strategy):
    """Have an LLM label the pool as far as the money goes, train the compact model on that."""

    label_share: float = Field(default=0.0, ge=0, le=1)
    """Part of the budget that buys labels; the rest pays the LLM and training."""
    pseudo_share: float = Field(default=0.5, gt=0, lt=1)
    """Part of the money left that the LLM's labels may take; the rest trains the student."""
    endpoint: Endpoint | None = None
    """Where the LLM is, paid by tokens. Either this or `teacher`."""
    teacher: ModelLabel | None = None
    """A decoder-only model under `models`, run on the suite's device and paid by its meter. Either this or `endpoint`."""
    prompt: Prompt = Prompt()
    """How a document is put to it; its examples are labels owned, never of dev or test."""
    sampling: Sampling = Sampling()
    """How it chooses its words."""
    gold: bool = True
    """Whether the labels owned are trained on together with the LLM's."""
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

        if not job.unlabelled:
            raise NotEnough("there is no unlabelled pool to label")
        labels = job.labels(self.label_share)
        labellings = _label(job, self._asking(job, labels), self.pseudo_share * job.left_usd())
        pseudo = tuple(example for labelling in labellings for example in labelling.examples)
        base = _steps.compact(job, _steps.large(job))
        student = _steps.tune(job, base, pseudo + (labels if self.gold else ()), self.student, "student_training")
        facts = {
            "pseudo_labels": len(pseudo),
            "invalid_answers": sum(labelling.invalid for labelling in labellings),
            "prompt_tokens": sum(labelling.prompt_tokens for labelling in labellings),
            "output_tokens": sum(labelling.output_tokens for labelling in labellings),
        }
        return Outcome(student, facts=facts)

    def _asking(self, job: Job, labels: tuple[Example, ...]) -> Ask:
        """Documents -> the recipe of their labels."""
        from bench.training.labelling import EndpointLabels, PromptedLabels
        from bench.training.recipes import Pretrained

        shots, cut = labels[: self.prompt.few_shot], job.task.max_source_tokens
        if len(shots) < self.prompt.few_shot:
            raise NotEnough(f"the prompt shows {self.prompt.few_shot} examples, {len(shots)} labels are owned")
        if (endpoint := self.endpoint) is not None:
            return lambda chunk: EndpointLabels(endpoint, self.sampling, self.prompt, shots, chunk, job.large, cut)
        assert self.teacher is not None
        model = Pretrained(job.model(self.teacher))
        return lambda chunk: PromptedLabels(
            model=model,
            examples=chunk,
            prefix="",
            max_source_tokens=cut,
            max_target_tokens=self.sampling.max_output_tokens,
            decoding=job.decoding.model_copy(update={"beams": 1}),
            precision=job.precision,
            prompt=self.prompt,
            shots=shots,
        )


def _label(job: Job, asking: Ask, at_most_usd: float) -> list[Labelling]:
    """The pool, in its order, as far as the money goes, chunk by chunk. Raises OverBudget where it buys no label.

    Tokens are bought whole or not at all: where a chunk of them does not fit, half of it is tried, and so on.
    """
    from bench.strategies._steps import CHUNK

    labellings: list[Labelling] = []
    stop_at, start, size = job.left_usd() - at_most_usd, 0, min(CHUNK, len(job.unlabelled))
    while start < len(job.unlabelled):
        recipe = asking(job.unlabelled[start : start + size])
        try:
            made = job.make(recipe, "pseudo_labelling", shorten=True, at_most_usd=job.left_usd() - stop_at)
        except OverBudget:
            if not recipe.on_device and size > 1:
                size //= 2
                continue
            if not labellings:
                raise
            break
        labellings.append(job.read(made))
        if labellings[-1].documents < len(recipe.examples):
            break
        start += size
    return labellings
