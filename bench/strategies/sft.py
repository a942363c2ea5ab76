"""Shrink and fine-tune: tunes the large model on the labels, copies some of its layers, and fine-tunes these.

Source: "shrink and fine-tune" of Shleifer and Rush 2020 (Pre-trained Summarization Distillation, arXiv
2010.13002). The layers come from their tables (make_student.py).
"""

from __future__ import annotations

from pydantic import Field

from bench.contracts import Job, Outcome, Phase, Strategy
from bench.training.settings import Tuning


class Sft(Strategy):
    """Tune the large model, shrink it, and fine-tune the remaining layers on the same labels."""

    label_share: float = Field(default=0.8, ge=0, le=1)
    """Part of the budget that buys labels. The rest pays for tuning and training."""
    teacher: Tuning | None = Tuning()
    """Settings of the large model's tuning. null: it is a checkpoint that knows the task already, and is the teacher without tuning."""
    student: Tuning = Tuning()
    """Settings of the shrunk model's training."""

    def run(self, job: Job) -> Outcome:
        from bench.strategies import _steps

        _steps.check_installed(self.teacher, self.student)
        examples = job.labels(self.label_share)
        teacher = _steps.teacher(job, examples, self.teacher)
        student = _steps.finetuned(job, _steps.cut(job, teacher), examples, self.student, Phase.STUDENT_TRAINING)
        job.check(student)
        job.make(teacher, Phase.TEACHER_TUNING)
        return Outcome(student=job.make(student, Phase.STUDENT_TRAINING, allow_partial=True), teacher=teacher)
