"""Shrink and fine-tune: tune the large model on the labels, copy some of its layers, fine-tune those again.

Source: "shrink and fine-tune" of Shleifer and Rush 2020 (Pre-trained Summarization Distillation, arXiv 2010.13002); layers by their
tables (make_student.py).
"""

from __future__ import annotations

from pydantic import Field

from bench.contracts import Job, Outcome, Strategy
from bench.training.settings import Tuning


class Sft(Strategy):
    """Tune the large model, shrink it, fine-tune what is left on the same labels."""

    label_share: float = Field(default=0.8, ge=0, le=1)
    """Part of the budget that buys labels; the rest tunes and trains."""
    teacher: Tuning | None = Tuning()
    """How the large model is tuned; null where it is a checkpoint that knows the task already, and is the teacher as it comes."""
    student: Tuning = Tuning()
    """How the shrunk model is trained."""

    def run(self, job: Job) -> Outcome:
        from bench.strategies import _steps

        _steps.check_installed(self.teacher, self.student)
        examples = job.labels(self.label_share)
        teacher = _steps.teacher(job, examples, self.teacher)
        student = _steps.finetuned(job, _steps.cut(job, teacher), examples, self.student, "student_training")
        job.check(student)
        job.make(teacher, "teacher_tuning")
        return Outcome(job.make(student, "student_training", shorten=True), teacher)
