"""Runs a model over examples without training it; examples of similar length share a batch."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

import torch

from bench.contracts import BuildContext, Example, Precision
from bench.errors import OverBudget
from bench.training.batches import Encoded, collate
from bench.training.calibration import sample, smaller_batch
from bench.training.checkpoints import load
from bench.training.forward import Forward, forward
from bench.training.recipes import ModelRecipe

BATCH = 16
"""Examples in a batch."""

CALIBRATION_BATCHES = 4
"""Batches that a calibration runs."""

Kept = TypeVar("Kept")


def passes(
    recipe: ModelRecipe,
    data: Sequence[Encoded],
    context: BuildContext,
    precision: Precision,
    what: str,
    keep: Callable[[Forward], Sequence[Kept]],
) -> Iterator[tuple[int, Kept]]:
    """Yield (position, kept value) for the examples. `keep` returns one value for each example of a batch.

    Raises OverBudget where a batch does not fit. What was yielded before is then incomplete and of no use.
    """
    flops = recipe.flop_model(context.cache)
    model = load(recipe.folder(context))[0].to(context.device)
    order = sorted(range(len(data)), key=lambda i: (len(data[i].source), len(data[i].target)))
    for at in range(0, len(order), BATCH):
        positions = order[at : at + BATCH]
        cost = sum(flops.forward(len(data[i].source), len(data[i].target)) for i in positions)
        if not context.usage.can_afford(cost):
            raise OverBudget(f"the remaining budget does not pay for the {what}")
        batch = collate([data[i] for i in positions], model.config, context.device)
        with torch.inference_mode(), torch.autocast(context.device.partition(":")[0], dtype=torch.bfloat16, enabled=precision == "bf16"):
            kept = keep(forward(model, batch))
        context.usage.record_step(cost)
        context.progress(what, at + len(positions), len(data))
        yield from zip(positions, kept, strict=True)


def fewer(examples: Sequence[Example], flops: float, step_flops: float) -> Sequence[Example]:
    """Return a sample of the examples for a calibration. `flops` is the cost of a pass over all of them."""
    each = flops / max(1, len(examples))
    batch = smaller_batch(BATCH, BATCH * each, step_flops)
    return sample(examples, CALIBRATION_BATCHES * batch if batch == BATCH else batch)
