"""Shrink and fine-tune: tune the large model on the labels, copy some of its layers, fine-tune those again.

Source: "shrink and fine-tune" of Shleifer and Rush 2020 (Pre-trained Summarization Distillation, arXiv 2010.13002); layers by their
tables (make_student.py).
"""

from __future__ import annotations

from pydantic import Field

from bench.contracts import Job, Outcome, Strategy
from bench.training.tuning import Tuning


class Sft(Strategy):
    """Tune the large model, shrink it, fine-tune what is left on the same labels."""

    label_share: float = Field(default=0.8, ge=0, le=1)
    """Part of the budget that buys labels; the rest tunes and trains."""
    teacher: Tuning = Tuning()
    """How the large model is tuned."""
    student: Tuning = Tuning()
    """How the shrunk model is trained."""

    def run(self, job: Job) -> Outcome:
        from bench.strategies import _steps

        examples = job.labels(self.label_share)
        teacher = _steps.finetuned(job, _steps.large(job), examples, self.teacher, "teacher_tuning")
        student = _steps.finetuned(job, _steps.cut(job, teacher), examples, self.student, "student_training")
        _steps.check(job, student)
        job.make(teacher, "teacher_tuning")
        return Outcome(job.make(student, "student_training", shorten=True), teacher)
