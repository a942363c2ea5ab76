"""Spend on a teacher: tune the large model on the labels, train the compact model on what it says.

Sources: "pseudo-labels" (PL) and "direct knowledge distillation" (KD) of Shleifer and Rush 2020 (Pre-trained Summarization
Distillation, arXiv 2010.13002), after Kim and Rush 2016 and Hinton et al. 2015; strategy "Dist." of Kang, Xu, Ritter 2023 (Distill or
Annotate?, arXiv 2305.01645), in which teacher and distillation are paid from the added budget.

    method    the student reads             and learns
    pl        pool, labels where `gold`     the teacher's outputs as if they were labels
    kd        labels                        the labels, and the teacher's next-token distributions given them (Shleifer and Rush)
    kd+pl     pool, labels where `gold`     the teacher's outputs, and its distributions given them

Kang et al. is kd+pl with gold false, kd.logit_weight 1 and kd.label_weight 0.
"""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from bench.contracts import Job, Outcome, Strategy
from bench.errors import NotEnough
from bench.training.tuning import Distillation, Tuning


class Distill(Strategy):
    """Tune the large model, train the compact model on its outputs, its next-token distributions, or both."""

    label_share: float = Field(default=0.0, ge=0, le=1)
    """Part of the budget that buys labels; the rest pays teacher, pseudo-labels and training."""
    pseudo_share: float = Field(default=0.5, gt=0, le=1)
    """Part of the money left after tuning the teacher that its work on the pool may take; the rest trains the student. With method
    'kd+pl' and cached outputs, half of this is for its outputs: keeping its distributions over them takes as much again."""
    method: Literal["pl", "kd", "kd+pl"] = "pl"
    """'pl': learn the teacher's outputs on the pool. 'kd': learn its next-token distributions on the labels, the pool is not used.
    'kd+pl': learn its outputs on the pool and its distributions over them."""
    kd: Distillation = Distillation()
    """How distributions are learnt; counts only with the methods that do."""
    start_from: Literal["pretrained", "teacher"] = "pretrained"
    """What the compact model is cut from: the untuned large model (Kang et al.), or the model that `compact.model` names; or the
    tuned teacher (Shleifer and Rush)."""
    gold: bool = True
    """Whether the labels are trained on together with the pool."""
    teacher: Tuning = Tuning()
    """How the large model is tuned."""
    student: Tuning = Tuning()
    """How the compact model is trained."""

    @model_validator(mode="after")
    def _settings_go_with_the_method(self) -> Self:
        if self.method == "pl" and self.kd != Distillation():
            raise ValueError("kd counts only with method 'kd' or 'kd+pl'")
        if self.method == "kd" and not self.gold:
            raise ValueError("method 'kd' trains on the labels alone, so gold cannot be false")
        return self

    def run(self, job: Job) -> Outcome:
        from bench.strategies import _steps

        reads_pool = self.method != "kd"
        if reads_pool and not job.unlabelled:
            raise NotEnough("there is no unlabelled pool to distill on")
        labels = job.labels(self.label_share)
        large = _steps.large(job)
        teacher = _steps.tune(job, large, labels, self.teacher, "teacher_tuning")
        pseudo = _steps.pseudo_label(job, teacher, self._outputs_share() * job.left_usd()) if reads_pool else ()
        examples = pseudo + (labels if self.gold else ())
        base = _steps.compact(job, teacher if self.start_from == "teacher" else large)
        if self.method == "pl":
            student = _steps.tune(job, base, examples, self.student, "student_training")
        else:
            student = _steps.distill(job, base, teacher, examples, self.student, self.kd)
        return Outcome(student, teacher, {"pseudo_labels": len(pseudo)})

    def _outputs_share(self) -> float:
        return self.pseudo_share / 2 if self.method == "kd+pl" and self.kd.teacher_outputs == "cached" else self.pseudo_share
