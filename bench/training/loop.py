"""The one training loop.

    train(model, data, batches)                      one call, one model, in place
      │
      ├── freeze, optimiser                          what is frozen has no gradient and no optimiser state
      └── for each batch:
            ├── tally.room_for(flops)                no room: the loop ends here
            ├── rate(step, tally.fraction())         warm-up, then a straight line to 0
            ├── forward, loss                        bf16 autocast or fp32; the teacher's logits where one is given
            ├── backward, clip, step
            ├── tally.advance(flops)
            └── progress("training", step, steps)

The rate is a function of how much is used up: of the steps, or of the money, whichever is further. So a run that ends
because the money does ends at a rate of nearly 0 as well (budgeted training: Li, Yumer and Ramanan, ICLR 2020).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch

from bench.contracts import Precision, Progress, Tally
from bench.errors import BenchError, OverBudget
from bench.training.batches import Encoded, collate
from bench.training.flops import FlopModel
from bench.training.losses import label_loss, mixed_loss
from bench.training.tuning import Freeze, Tuning


@dataclass(frozen=True)
class Training:
    """What became of a training. loss: mean of the last tenth of the steps."""

    steps_planned: int
    steps_made: int
    examples_seen: int
    loss: float


def step_flops(batch: Sequence[Encoded], student: FlopModel, freeze: Freeze, teacher: FlopModel | None) -> int:
    """Model FLOPs of one step: forward and backward of the student, forward of the teacher where there is one."""
    shapes = [(len(e.source), len(e.target)) for e in batch]
    taught = sum(teacher.forward(s, t) for s, t in shapes) if teacher else 0
    return taught + sum(student.training(s, t, freeze) for s, t in shapes)


def train(
    model: Any,
    data: Sequence[Encoded],
    batches: Sequence[Sequence[int]],
    tuning: Tuning,
    flops: FlopModel,
    *,
    precision: Precision,
    device: str,
    seed: int,
    tally: Tally,
    progress: Progress,
    may_stop_early: bool,
    teacher: tuple[Any, FlopModel] | None = None,
) -> Training:
    """Train `model` in place, and leave it on `device` in eval mode. On one CPU thread the same seed gives the same bits.

    teacher: its model and FLOPs, where tuning.kd_weight is above 0.
    Raises OverBudget where the first step does not fit, or a later one of a training that may not stop early; BenchError
    where the loss is no longer a number.
    """
    model.to(device).train()
    freeze(model, tuning.freeze)
    optimizer = _optimizer(model, tuning)
    losses: list[float] = []
    seen = 0
    forked = [torch.device(device)] if device.startswith("cuda") else []
    with torch.random.fork_rng(devices=forked):
        torch.manual_seed(seed)  # dropout; the order of batches was drawn before
        for step, positions in enumerate(batches):
            batch = [data[i] for i in positions]
            cost = step_flops(batch, flops, tuning.freeze, teacher[1] if teacher else None)
            if not tally.room_for(cost):
                if step == 0 or not may_stop_early:
                    raise OverBudget(f"training step {step + 1} of {len(batches)} does not fit into what is left")
                break
            # without a limit the money left must not show in the result: the recipe's key does not hold it
            spent = tally.fraction() if may_stop_early else 0.0
            _set_rate(optimizer, tuning, step, len(batches), spent)
            loss = _loss(model, collate(batch, model.config.pad_token_id, device), tuning, precision, teacher[0] if teacher else None)
            losses.append(_step(model, optimizer, loss, tuning, step))
            seen += len(batch)
            tally.advance(cost)
            progress("training", step + 1, len(batches))
    model.eval()
    last = losses[-math.ceil(len(losses) / 10) :]
    return Training(len(batches), len(losses), seen, math.fsum(last) / len(last))


def freeze(model: Any, what: Freeze) -> None:
    """Stop gradients of the embeddings, positions and output layer, or of these and the encoder."""
    if what == "none":
        return
    stacks = (model.get_encoder(), model.get_decoder())
    embeddings = [model.get_input_embeddings(), model.get_output_embeddings(), *(stack.embed_tokens for stack in stacks)]
    positions = [stack.embed_positions for stack in stacks if hasattr(stack, "embed_positions")]
    encoder = [model.get_encoder()] if what == "encoder" else []
    for module in embeddings + positions + encoder:
        module.requires_grad_(False)


def learning_rate(tuning: Tuning, step: int, steps: int, spent: float) -> float:
    """Rate of step `step` (from 0) of `steps`, with the share `spent` of the allowance gone."""
    done = max(step / steps, spent)
    rising = (done + 1 / steps) / tuning.warmup_share if tuning.warmup_share else 1.0
    falling = (1 - done) / (1 - tuning.warmup_share)
    return tuning.learning_rate * max(0.0, min(1.0, rising, falling))


def _set_rate(optimizer: torch.optim.Optimizer, tuning: Tuning, step: int, steps: int, spent: float) -> None:
    for group in optimizer.param_groups:
        group["lr"] = learning_rate(tuning, step, steps, spent)


def _optimizer(model: Any, tuning: Tuning) -> torch.optim.Optimizer:
    from transformers.optimization import Adafactor

    learning = [p for p in model.parameters() if p.requires_grad]
    groups = [
        {"params": [p for p in learning if p.ndim >= 2], "weight_decay": tuning.weight_decay},
        {"params": [p for p in learning if p.ndim < 2], "weight_decay": 0.0},
    ]
    if tuning.optimizer == "adafactor":
        optimizer: torch.optim.Optimizer = Adafactor(groups, lr=tuning.learning_rate, scale_parameter=False, relative_step=False)
        return optimizer
    return torch.optim.AdamW(groups, lr=tuning.learning_rate, fused=True)


def _loss(model: Any, batch: dict[str, torch.Tensor], tuning: Tuning, precision: Precision, teacher: Any | None) -> torch.Tensor:
    labels = batch["labels"]
    with torch.autocast(labels.device.type, dtype=torch.bfloat16, enabled=precision == "bf16"):
        inputs = {**batch, "decoder_input_ids": model.prepare_decoder_input_ids_from_labels(labels)}
        del inputs["labels"]  # given them, the model would compute a loss of its own as well
        logits = model(**inputs, use_cache=False).logits
        if teacher is None:
            return label_loss(logits, labels, tuning.label_smoothing)
        with torch.no_grad():
            taught = teacher(**inputs, use_cache=False).logits
    return mixed_loss(logits, labels, taught, tuning.label_smoothing, tuning.kd_weight, tuning.kd_temperature)


def _step(model: Any, optimizer: torch.optim.Optimizer, loss: torch.Tensor, tuning: Tuning, step: int) -> float:
    value = loss.item()
    if not math.isfinite(value):
        raise BenchError(f"training step {step + 1}: the loss is {value}; a lower learning_rate or precision fp32 may help")
    loss.backward()  # type: ignore[no-untyped-call]
    torch.nn.utils.clip_grad_norm_([p for p in model.parameters() if p.grad is not None], tuning.clip_norm)
    optimizer.step()
    optimizer.zero_grad(set_to_none=True)
    return value
