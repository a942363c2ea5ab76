"""Buys labels from an LLM: it labels the pool, and the compact model is trained on those labels.

Sources: Wang et al. 2021, Want To Reduce Labeling Cost? GPT-3 Can Help (labels of an LLM, alone and beside human ones, under one budget);
Ding et al. 2023, Is GPT-3 a Good Data Annotator?. The teacher is prompted, never tuned.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Self

from pydantic import Field, model_validator

from bench.contracts import Example, Fact, Job, ModelLabel, Outcome, Phase, Strategy, content_hash
from bench.errors import BenchError, NotEnough, OverBudget
from bench.system.sequences import joined
from bench.training.llm_endpoint import Endpoint
from bench.training.llm_prompt import Prompt, Sampling
from bench.training.llm_written import Written, audit, in_order
from bench.training.settings import Tuning

if TYPE_CHECKING:
    from bench.training.llm_labels import EndpointLabels, Labelling, PromptedLabels
    from bench.training.llm_written_labels import WrittenLabels
    from bench.training.recipes import Pretrained

    Ask = Callable[[Sequence[Example]], EndpointLabels | PromptedLabels]
    Buy = Callable[[Sequence[Example]], EndpointLabels | PromptedLabels | WrittenLabels]


class LlmLabel(Strategy):
    """Let an LLM label the pool as far as the budget allows, and train the compact model on these labels.

    With `written`, labels that an LLM wrote elsewhere are bought instead, and the pool is not read.
    """

    label_share: float = Field(default=0.0, ge=0, le=1)
    """Part of the budget that buys labels; the rest pays the LLM and training."""
    pseudo_share: float = Field(default=0.5, gt=0, lt=1)
    """Part of the remaining money that the LLM's labels may cost; the rest trains the student."""
    endpoint: Endpoint | None = None
    """Endpoint of the LLM, paid by tokens. Set one of this, `teacher` and `written`."""
    teacher: ModelLabel | None = None
    """A decoder-only model under `models`, run on the suite's device and paid by its meter."""
    written: Written | None = None
    """Labels that an LLM wrote elsewhere, in place of `endpoint` and `teacher`. They are audited against the labels owned."""
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
        if [self.endpoint, self.teacher, self.written].count(None) != 2:
            raise ValueError("expected one of endpoint, teacher and written")
        if self.written is not None:
            self._check_nobody_is_asked()
        if self.teacher is not None and self.sampling.temperature != 0:
            raise ValueError("a teacher under models is decoded at sampling.temperature 0")
        return self

    def _check_nobody_is_asked(self) -> None:
        """Raise ValueError where a setting is for an LLM that is asked, and `written` takes its labels from a file."""
        if self.score_teacher:
            raise ValueError("score_teacher needs an endpoint: nobody can ask the LLM that wrote a file")
        for name, given in (("prompt", self.prompt), ("sampling", self.sampling)):
            for field, info in type(given).model_fields.items():
                if field not in ("answers", "stop_at_newline") and getattr(given, field) != info.default:
                    raise ValueError(f"{name}.{field} has no effect with written; remove it")

    def needed_prices(self) -> Mapping[str, str]:
        return self.written.needed_prices() if self.written else {}

    def run(self, job: Job) -> Outcome:
        from bench.strategies import _steps
        from bench.training.llm_labels import Answers

        _steps.check_installed(self.student)
        if not job.unlabelled and self.written is None:
            raise NotEnough("there is no unlabelled pool to label")
        labels = job.labels(self.label_share)
        owned = {content_hash(example.source): example.target or "" for example in labels}
        documents, held_out = self._documents(job, owned)
        base = _steps.cut(job, _steps.large(job))
        if labels:
            job.check(_steps.finetuned(job, base, labels, self.student, Phase.STUDENT_TRAINING))
        buy = self._asking(job, labels) if self.written is None else _buying(self.written, self.prompt)
        labellings = _label(job, documents, buy, self.prompt if self.written is None else None, self.pseudo_share * job.left_usd())
        bought = pseudo = joined(labelling.examples for labelling in labellings)
        if self.written is not None:  # labels of documents whose label is owned serve the audit alone
            pseudo = tuple(example for example in bought if content_hash(example.source) not in owned)
        student = _steps.tune(job, base, joined((pseudo, labels if self.gold else ())), self.student, Phase.STUDENT_TRAINING)
        facts = [
            Fact(name="pseudo_labels", value=len(pseudo), unit="labels"),
            Fact(name="invalid_answers", value=sum(labelling.invalid for labelling in labellings)),
            Fact(name="prompt_tokens", value=sum(labelling.prompt_tokens for labelling in labellings)),
            Fact(name="output_tokens", value=sum(labelling.output_tokens for labelling in labellings)),
        ]
        thoughts = [labelling.thought_tokens for labelling in labellings]
        if self.written is not None:
            facts.append(Fact(name="held_out_documents", value=held_out))
            facts += audit(bought, owned, job.charged_usd(Phase.PSEUDO_LABELLING))
        elif None not in thoughts:
            facts.append(Fact(name="thought_tokens", value=sum(filter(None, thoughts))))
        answers = None
        if self.teacher or self.score_teacher:
            ask = self._asking(job, labels)
            answers = lambda documents: Answers(replace(ask(documents), to_the_end=True))  # noqa: E731 - an outcome holds a function
        return Outcome(student=student, teacher=self._model(job), facts=tuple(facts), answers=answers)

    def _documents(self, job: Job, owned: Mapping[str, str]) -> tuple[Sequence[Example], int]:
        """Return the documents to label, which are the pool or those of a file with its labels, and how many dev and test hold."""
        if self.written is None:
            return job.unlabelled, 0
        labelled, held_out = job.labelled_text(self.written.text)
        if labelled:
            return in_order(labelled, owned), held_out
        if held_out:
            raise NotEnough(f"all {held_out} labelled documents of the text '{self.written.text}' are in dev or test")
        raise NotEnough(f"the text '{self.written.text}' has no labels; name their column as its `target`")

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


def _buying(written: Written, prompt: Prompt) -> Buy:
    """Return a function from documents of a file to the recipe of their labels. A label has as many lines as the file gives it."""
    from bench.training.llm_written_labels import WrittenLabels

    whole = prompt.model_copy(update={"stop_at_newline": False})

    return lambda chunk: WrittenLabels(
        examples=chunk,
        prompt=whole,
        usd_per_label=written.usd_per_label or 0.0,
        prompt_tokens=written.prompt_tokens_per_label,
        output_tokens=written.output_tokens_per_label,
    )


def _label(job: Job, documents: Sequence[Example], buy: Buy, prompt: Prompt | None, max_usd: float) -> list[Labelling]:
    """Label documents in their order, chunk by chunk, until the money is spent.

    Tokens of a chunk are bought completely or not at all. If a chunk does not fit, half of it is tried, and so on. Raises OverBudget where
    the money buys no label, and BenchError where more than half of the answers to `prompt` are the same text. None: nobody is asked.
    """
    from bench.strategies._steps import CHUNK
    from bench.training.llm_thoughts import repeated_answer

    labellings: list[Labelling] = []
    answers: list[str] = []
    stop_at, start, size = job.left_usd() - max_usd, 0, min(CHUNK, len(documents))
    while start < len(documents):
        recipe = buy(documents[start : start + size])
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
        if prompt and (reason := labellings[-1].repeated_answer or repeated_answer(prompt, answers)):
            raise BenchError(f"the LLM gets no more documents to label: {reason}")
        if labellings[-1].documents < len(recipe.examples):
            break
        start += size
    return labellings
