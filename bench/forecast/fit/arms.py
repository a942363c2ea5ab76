"""Finds what fits where a training of a suite does not fit the GPU."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from bench.contracts import BuildContext, Progress
from bench.forecast.fit.options import Setting
from bench.forecast.fit.search import Answer, FitQuery, what_fits
from bench.forecast.gpus import CONTEXT_BYTES, Card
from bench.forecast.memory import NamedModel, TrainingStep, workload_of
from bench.forecast.suite import SuiteForecast
from bench.suite.arms import Arm


@dataclass(frozen=True, kw_only=True)
class TooLarge:
    """The training that needs most memory of those that do not fit, and what fits instead."""

    arm: Arm
    """One of the arms that need it."""
    phase: str
    """What it is for, such as 'teacher_tuning'."""
    card: Card
    """GPU that it does not fit."""
    answer: Answer

    def document(self) -> dict[str, Any]:
        """Return the batch, and what makes it fit, as JSON."""
        found, card = self.answer, self.card
        gpu = found.smallest_gpu(found.row)
        return {
            "arm": self.arm.id,
            "phase": self.phase,
            "batch_size": found.query.batch,
            "micro_batch_size": found.largest_part(card) or None,
            "changes": [row.setting.changes(found.query.setting) for row in found.nearest_that_fit(card)],
            "gpu": gpu.name if gpu else None,
        }


def too_large(
    plan: SuiteForecast, context: BuildContext, table: tuple[Card, ...], progress: Progress, workers: int | None = None
) -> TooLarge | None:
    """Return the training that needs most memory of those that do not fit. None: the device is a CPU, or all trainings fit.

    table: GPUs to choose a larger one from, in order of memory. workers: processes that simulate at a time; see `memory.peaks`.
    """
    device = plan.device
    if device is None or device.card is None:
        return None
    trainings = [(arm, work) for arm in plan.too_large for work in plan.planned[arm].works if work.recipe.activity == "training"]
    needs = [device.takes(work).peak_bytes or 0.0 for _, work in trainings]
    most = max(needs, default=0.0)
    if most <= device.room_bytes:
        return None
    arm, work = trainings[needs.index(most)]
    (batch,) = work.recipe.batches(context)
    step, beside = workload_of(batch, context.cache, "cuda")
    assert isinstance(step, TrainingStep)
    query = FitQuery(
        lengths=step.lengths,
        setting=Setting(precision=step.precision, tuning=step.settings),
        taught=step.taught,
        batch=batch.examples,
        card=device.card,
        context_bytes=CONTEXT_BYTES + beside,
        table=table,
    )
    answer = what_fits(NamedModel(work.phase, step.architecture, "the suite"), query, progress, workers)
    return TooLarge(arm=arm, phase=work.phase, card=device.card, answer=answer)
