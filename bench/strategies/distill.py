"""Spend on a teacher: tune the large model on the labels, let it label the pool, train the compact model on that.

Sources: strategy "Dist." of Kang, Xu, Ritter 2023 (teacher and distillation paid from the added budget); pseudo-labels (PL) and
logit distillation (KD) of Shleifer & Rush 2020, section 3, after Kim & Rush 2016 and Hinton et al. 2015.
"""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from bench.contracts import Job, Outcome, Strategy
from bench.errors import NotEnough
from bench.training.tuning import Tuning


class Distill(Strategy):
    """Tune the large model, pseudo-label the pool as far as the money goes, train the compact model."""

    label_share: float = Field(default=0.0, ge=0, le=1)
    """Part of the budget that buys labels; the rest pays teacher, pseudo-labels and training."""
    pseudo_share: float = Field(default=0.5, gt=0, lt=1)
    """Part of the money left after tuning the teacher that pseudo-labels may take; the rest trains the student."""
    method: Literal["pseudo_labels", "logits"] = "pseudo_labels"
    """Learn the teacher's outputs, or its next-token distributions over them too (`student.kd_weight` mixes the two)."""
    start_from: Literal["large", "teacher"] = "large"
    """What the compact model is cut from: the untuned large model (Kang et al.) or the tuned teacher (Shleifer & Rush)."""
    gold: bool = True
    """Whether the labels owned are trained on together with the pseudo-labels."""
    teacher: Tuning = Tuning()
    """How the large model is tuned."""
    student: Tuning = Tuning()
    """How the compact model is trained."""

    @model_validator(mode="after")
    def _logits_need_a_weight(self) -> Self:
        if (self.method == "logits") != (self.student.kd_weight > 0):
            raise ValueError("student.kd_weight is above 0 with method 'logits', and 0 without")
        return self

    def run(self, job: Job) -> Outcome:
        from bench.strategies import _steps

        if not job.unlabelled:
            raise NotEnough("there is no unlabelled pool to distill on")
        labels = job.labels(self.label_share)
        large = _steps.large(job)
        teacher = _steps.tune(job, large, labels, self.teacher, "teacher_tuning")
        pseudo = _steps.pseudo_label(job, teacher, self.pseudo_share * job.left_usd())
        student = _steps.tune(
            job,
            _steps.compact(job, teacher if self.start_from == "teacher" else large),
            pseudo + (labels if self.gold else ()),
            self.student,
            "student_training",
            teacher if self.method == "logits" else None,
        )
        return Outcome(student, teacher, {"pseudo_labels": len(pseudo)})
