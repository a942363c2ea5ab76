"""The recipe for a model that is fine-tuned on labelled examples."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar, Self

from bench.contracts import ITEMS, BuildContext, Example, OutputLengths
from bench.errors import FIRST_DOES_NOT_FIT, OverBudget
from bench.training.batches import Encoded, encode, plan_batches
from bench.training.calibration import CALIBRATION_STEPS, sample
from bench.training.encoder_states import Kept, room_for
from bench.training.loop import Planned, forecast_steps, step_flops
from bench.training.output_lengths import with_expected_labels
from bench.training.recipes import Trained


@dataclass(frozen=True, kw_only=True)
class Finetuned(Trained):
    """A model trained on labelled examples."""

    imitates_labels: ClassVar[bool] = True

    examples: Sequence[Example]
    prefix: str
    max_source_tokens: int
    max_target_tokens: int

    def forecast_items(self, context: BuildContext) -> int:  # noqa: ARG002
        """All examples count with the first step."""
        if self.limit and self.limit.meter is ITEMS and len(self.examples) > self.limit.amount:
            raise OverBudget(FIRST_DOES_NOT_FIT)
        return len(self.examples)

    @property
    def examples_at_once(self) -> int:
        return min(self.tuning.at_once, len(self.examples) or self.tuning.at_once)

    def expected_flops(self, lengths: OutputLengths, context: BuildContext) -> float | None:
        if not lengths.concern(self.examples):
            return None
        longest, order = self.plan(context)
        expected = with_expected_labels(longest, self.examples, lengths, self.tokenizer_folder(context.cache, 0), self.max_target_tokens)
        flops, objective = self.flop_model(context.cache), self.objective(context, ready=False)
        return math.fsum(forecast_steps(expected, order, self.tuning, flops, objective, None, self.room_for_states(context)))

    def ceiling_flops(self, context: BuildContext) -> float:
        """Return the most FLOPs where some examples are shorter or missing: `min_steps` then repeats the others."""
        data, _ = self.plan(context)
        flops, objective = self.flop_model(context.cache), self.objective(context, ready=False)
        costs = sorted((step_flops([one], flops, self.tuning, objective) for one in data), reverse=True)
        return max(self.forecast_flops(context), self.tuning.min_steps * math.fsum(costs[: self.tuning.batch_size]))

    def room_for_states(self, context: BuildContext) -> int:
        if not self.tuning.encodes_once or self.objective(context, ready=False).reads_layers:
            return 0
        return room_for(self.plan(context)[0])

    def kept_steps(self, context: BuildContext) -> Mapping[int, float]:
        kept, found = Kept(self.room_for_states(context)), dict[int, float]()
        if not kept.room:
            return found
        data, order = self.plan(context)
        for step, cost in enumerate(self._costs(context)):
            sources = [data[i].source for i in order.batch(step, 0.0)]
            if all(source in kept.starts for source in sources):
                found[step] = cost
            kept.add(sources)
        return found

    def calibration_run(self, step_flops: float, context: BuildContext) -> Self:
        """Return a short version of one epoch. Where states are kept, further epochs read those of the first.

        The first epoch is shorter the longer its steps take, because the clock ends a calibration.
        """
        short = super().calibration_run(step_flops, context)
        batch = short.tuning.batch_size
        short = replace(short, examples=sample(self.examples, CALIBRATION_STEPS * batch))
        if not self.room_for_states(context):
            return short
        quick = math.floor(step_flops * short.training_steps(context) / short.forecast_flops(context))
        steps = max(2, min(CALIBRATION_STEPS // 3, quick))
        tuning = short.tuning.model_copy(update={"epochs": CALIBRATION_STEPS // steps})
        return replace(short, tuning=tuning, examples=sample(self.examples, steps * batch))

    def plan(self, context: BuildContext) -> tuple[Sequence[Encoded], Planned]:
        folder = self.tokenizer_folder(context.cache, self.max_source_tokens, self.max_target_tokens)
        data = encode(folder, self.examples, self.prefix, self.max_source_tokens, self.max_target_tokens)
        return data, Planned(plan_batches(data, self.tuning.batch_size, self.tuning.epochs, self.tuning.min_steps, self.seed))
