"""Spends on pretraining: continues the compact model's pretraining, then fine-tunes it on all labels owned and bought.

Sources: Parmar et al. 2024 (Reuse, Don't Retrain, sections 4 and 5) start at the rate at which pretraining ended, without warm-up. The rate
falls as a cosine to a hundredth. General text comes first, and task-like text once the rate has fallen to a fifth. Bai, Ritter, Xu 2021
(Pre-train or Annotate?) pay labels and pretraining from one purse.
"""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import Field, model_validator

from bench.contracts import POOL, Fact, Job, Outcome, Phase, Strategy, TextLabel
from bench.errors import NotEnough
from bench.training.settings import Tuning

Weight = Annotated[float, Field(ge=0)]

RECIPE = Tuning(epochs=1, learning_rate=1e-4, warmup_share=0.0, schedule="cosine", final_rate_share=0.01, freeze="none")
"""Settings of Parmar et al.: no warm-up, cosine to a hundredth. Set the learning rate to the one at which the checkpoint's pretraining
ended."""


class ContinuePretraining(Strategy):
    """Continue the compact model's pretraining with part of the money, and fine-tune it with the rest."""

    label_share: float = Field(default=0.0, ge=0, le=1)
    """Part of the budget that buys labels. The rest pays for pretraining and fine-tuning."""
    pretraining_share: float = Field(default=0.5, gt=0, lt=1)
    """Part of the money left after the labels that pretraining may take. The rest pays for fine-tuning."""
    general: dict[TextLabel, Weight] = Field(default={POOL: 1.0}, min_length=1)
    """Blend of texts that is read first: text -> weight. `pool` is the task's unlabelled pool; others are named under `texts`."""
    task_like: dict[TextLabel, Weight] = Field(default={POOL: 1.0}, min_length=1)
    """Blend of texts that is read last: text -> weight."""
    switch_at_rate: float = Field(default=0.2, ge=0, le=1)
    """Share of the highest learning rate at which the second blend starts (Parmar et al.: a fifth)."""
    switch_at: float | None = Field(default=None, ge=0, le=1)
    """Share of the pretraining at which the second blend starts. Missing: set by `switch_at_rate`."""
    tokens: int = Field(default=128, ge=8)
    """Length of a piece of text, in the model's own tokens."""
    pretraining: Tuning = RECIPE
    """Settings of the pretraining. Pieces of text are drawn with replacement. The number of draws is at most
    `epochs` times the number of pieces, or `min_steps` steps where that is more."""
    student: Tuning = Tuning()
    """Settings of the fine-tuning on labels."""

    @model_validator(mode="after")
    def _every_mixture_can_be_read(self) -> Self:
        for name in ("general", "task_like"):
            if not sum(getattr(self, name).values()) > 0:
                raise ValueError(f"{name} has no text with a weight above 0")
        if self.pretraining.schedule == "constant" and self.switch_at is None and self.general != self.task_like:
            raise ValueError("a constant rate never falls; set switch_at to choose when the second blend starts")
        return self

    def run(self, job: Job) -> Outcome:
        from bench.strategies import _steps
        from bench.training.pretraining import FurtherPretrained, switch_point

        _steps.check_installed(self.pretraining, self.student)
        if not job.unlabelled and (self.general.get(POOL) or self.task_like.get(POOL)):
            raise NotEnough("there is no unlabelled pool to go on pretraining with")
        labels = job.labels(self.label_share)
        names = sorted(self.general | self.task_like)
        further = FurtherPretrained(
            base=_steps.compact(job),
            texts=tuple(job.text(name) for name in names),
            general=tuple(self.general.get(name, 0.0) for name in names),
            task_like=tuple(self.task_like.get(name, 0.0) for name in names),
            switch_at=switch_point(self.pretraining, self.switch_at_rate) if self.switch_at is None else self.switch_at,
            tokens=self.tokens,
            tuning=self.pretraining,
            precision=job.precision,
            seed=job.seed_for("pretraining"),
        )
        job.check(_steps.finetuned(job, further, labels, self.student, Phase.STUDENT_TRAINING))
        made = job.make(further, Phase.CONTINUED_PRETRAINING, allow_partial=True, max_usd=self.pretraining_share * job.left_usd())
        student = _steps.tune(job, made, labels, self.student, Phase.STUDENT_TRAINING)
        return Outcome(
            student=student, facts=tuple(Fact(name=f"pretraining_{name}", value=value) for name, value in job.read(made).items())
        )
