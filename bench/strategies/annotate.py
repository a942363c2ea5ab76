"""Spends on labels: the compact model, cut from the untuned large one, learns from all labels owned and bought.

Source: strategy "Ann." of Kang, Xu, Ritter 2023 (Distill or Annotate?, arXiv 2305.01645). They count the student's training as free. Here
the suite sets who pays for it. Where `compact.model` names a pretrained model, that model learns instead.
"""

from __future__ import annotations

from pydantic import Field

from bench.contracts import Job, Outcome, Phase, Strategy
from bench.training.settings import Tuning


class Annotate(Strategy):
    """Buy labels, and fine-tune the compact model on them."""

    label_share: float = Field(default=0.9, ge=0, le=1)
    """Part of the budget that buys labels. The rest pays for training."""
    student: Tuning = Tuning()
    """Settings of the compact model's training."""

    def run(self, job: Job) -> Outcome:
        from bench.strategies import _steps

        _steps.check_installed(self.student)
        examples = job.labels(self.label_share)
        return Outcome(student=_steps.tune(job, _steps.compact(job), examples, self.student, Phase.STUDENT_TRAINING))
