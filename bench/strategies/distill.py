"""Spends on a teacher: tunes the large model on the labels, then trains the compact model on its outputs.

Sources: "pseudo-labels" (PL) and "direct knowledge distillation" (KD) of Shleifer and Rush 2020 (Pre-trained Summarization Distillation,
arXiv 2010.13002), after Kim and Rush 2016 and Hinton et al. 2015. Strategy "Dist." of Kang, Xu, Ritter 2023 (Distill or Annotate?, arXiv
2305.01645), in which teacher and distillation are paid from the added budget.

    method    the student reads             and learns
    pl        pool, labels where `gold`     the teacher's outputs as if they were labels
    kd        labels                        the labels, and the teacher's distributions given them (Shleifer and Rush)
    kd+pl     pool, labels where `gold`     the teacher's outputs, and its distributions given them

Kang et al. is kd+pl with gold false, kd.logit_weight 1 and kd.label_weight 0.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal, Self

from pydantic import Field, model_validator

from bench.contracts import Example, Fact, Job, Outcome, Phase, Strategy
from bench.errors import NotEnough
from bench.system.sequences import joined
from bench.training.settings import Distillation, Tuning

if TYPE_CHECKING:
    from bench.training.recipes import ModelRecipe
    from bench.training.soft_labels import SoftLabels


class Distill(Strategy):
    """Tune the large model, and train the compact model on its outputs, its distributions, or both."""

    label_share: float = Field(default=0.0, ge=0, le=1)
    """Part of the budget that buys labels. The rest pays for teacher, pseudo-labels and training."""
    pseudo_share: float = Field(default=0.5, gt=0, le=1)
    """Part of the remaining money that the teacher's work on the pool may take. The rest trains the student. What remains is counted after
    the teacher is tuned and, where they are cached, its distributions over the labels are made. The work on the pool is its outputs and,
    with method 'kd+pl' and cached outputs, its distributions over them."""
    method: Literal["pl", "kd", "kd+pl"] = "pl"
    """'pl': learn the teacher's outputs on the pool. 'kd': learn its next-token distributions on the labels,
    without the pool. 'kd+pl': learn its outputs on the pool and its distributions over them."""
    kd: Distillation = Distillation()
    """Settings of learning from distributions. Used only with methods 'kd' and 'kd+pl'."""
    start_from: Literal["pretrained", "teacher"] = "pretrained"
    """What the compact model is cut from. 'pretrained': the untuned large model (Kang et al.), or the model
    that `compact.model` names. 'teacher': the tuned teacher (Shleifer and Rush)."""
    gold: bool = True
    """Whether the student also trains on the labels, together with the pool."""
    teacher: Tuning | None = Tuning()
    """Settings of the large model's tuning. null: it is a checkpoint that knows the task already, and is the teacher without tuning."""
    student: Tuning = Tuning()
    """Settings of the compact model's training."""

    @model_validator(mode="after")
    def _settings_go_with_the_method(self) -> Self:
        if self.method == "pl" and self.kd != Distillation():
            raise ValueError("kd counts only with method 'kd' or 'kd+pl'")
        if self.method == "kd" and not self.gold:
            raise ValueError("method 'kd' trains on the labels alone, so gold cannot be false")
        return self

    def run(self, job: Job) -> Outcome:
        from bench.strategies import _steps

        _steps.check_installed(self.teacher, self.student)
        if self.method != "kd" and not job.unlabelled:
            raise NotEnough("there is no unlabelled pool to distill on")
        labels = job.labels(self.label_share)
        large = _steps.large(job)
        teacher = _steps.teacher(job, labels, self.teacher)
        base = _steps.cut(job, teacher if self.start_from == "teacher" else large)
        if labels:
            job.check(self._student(job, base, teacher, labels))
        job.make(teacher, Phase.TEACHER_TUNING)
        keep = self.kd if self.method != "pl" and self.kd.teacher_outputs == "cached" else None
        gold = labels if self.gold else ()
        gold_kept = (_steps.soft_labels(job, teacher, gold, keep),) if keep and gold else ()
        reads_pool = self.method != "kd"
        pseudo, kept = _steps.pseudo_label(job, teacher, self.pseudo_share * job.left_usd(), keep) if reads_pool else ((), ())
        student = self._student(job, base, kept + gold_kept if keep else teacher, joined((pseudo, gold)))
        return Outcome(
            student=job.make(student, Phase.STUDENT_TRAINING, allow_partial=True),
            teacher=teacher,
            facts=(Fact(name="pseudo_labels", value=len(pseudo), unit="labels"),),
        )

    def _student(
        self, job: Job, base: ModelRecipe, taught_by: tuple[SoftLabels, ...] | ModelRecipe, examples: Sequence[Example]
    ) -> ModelRecipe:
        from bench.strategies import _steps

        if self.method == "pl":
            return _steps.finetuned(job, base, examples, self.student, Phase.STUDENT_TRAINING)
        return _steps.distilled(job, base, taught_by, examples, self.student, self.kd)
