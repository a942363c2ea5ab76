"""Compares the training loop with transformers' Seq2SeqTrainer, and a frozen encoder with and without its kept states.

    python -m benchmarks.training            flan-t5-small with random weights, batch 16, one thread; ten minutes
    python -m benchmarks.training --tiny     a model of 100,000 parameters, for the tests

All sides train the same model on the same examples, without dropout, and all but one in the same batches. That one is Seq2SeqTrainer as
it is: its batches are random, and hold more padding. Sources have between half of the named tokens and all of them, and targets likewise.
"""

from __future__ import annotations

import argparse
import copy
import random
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch

from bench.contracts import Precision, Unmetered
from bench.forecast.memory import find
from bench.training.batches import Encoded, collate, plan_batches
from bench.training.encoder_states import room_for
from bench.training.flops import flop_model
from bench.training.lean_operators import with_lean_operators
from bench.training.loop import Planned, forecast_steps, train
from bench.training.objectives import LabelObjective
from bench.training.settings import Tuning
from bench.training.trainable import freeze
from benchmarks.memory import real_model
from benchmarks.pairs import Ratio, compared, in_turn, write

SHAPES = ((48, 12, 1.5), (128, 32, 1.25))
"""Source tokens, target tokens, and the mark against Seq2SeqTrainer with batches of its own."""

FROZEN = ((48, 12, 3), (96, 24, 4))
"""Source tokens, target tokens, and decoder layers of a student whose encoder is frozen."""

SHARE = 0.85
"""Share of the speed-up that the FLOPs allow, which keeping the states should reach."""


def examples(count: int, source: int, target: int, vocabulary: int) -> list[Encoded]:
    """Return examples of random tokens."""
    rng = random.Random(0)  # noqa: S311 - no secret

    def tokens(most: int) -> tuple[int, ...]:
        return (*(rng.randrange(10, vocabulary) for _ in range(rng.randint(most // 2, most) - 1)), 1)

    return [Encoded(tokens(source), tokens(target)) for _ in range(count)]


def no_tick() -> None:
    """Do nothing after a step."""


def ours(
    model: Any,
    data: Sequence[Encoded],
    tuning: Tuning,
    keep: bool,
    precision: Precision = "fp32",
    device: str = "cpu",
    tick: Callable[[], None] = no_tick,
) -> float:
    """Train a copy of the model with the loop of bench, and return its last loss.

    keep: whether the states of a frozen encoder are kept. tick: called after each step.
    """
    student = with_lean_operators(copy.deepcopy(model))
    batches = plan_batches(data, tuning.batch_size, tuning.epochs, 0, seed=0)
    with tempfile.TemporaryDirectory() as folder:
        return train(
            student,
            data,
            Planned(batches),
            tuning,
            flop_model(model.config),
            LabelObjective(),
            precision=precision,
            device=device,
            seed=0,
            usage=Unmetered(),
            progress=lambda *_: tick(),
            may_stop_early=False,
            room=room_for(data) if keep else 0,
            folder=Path(folder),
        ).loss


def theirs(
    model: Any,
    data: Sequence[Encoded],
    tuning: Tuning,
    precision: Precision = "fp32",
    device: str = "cpu",
    tick: Callable[[], None] = no_tick,
    sorted_batches: bool = True,
) -> float:
    """Train a copy of the model with Seq2SeqTrainer, and return the mean loss of its last tenth.

    sorted_batches: whether it gets the batches of `plan_batches`, which hold texts of similar length, or makes its own.
    """
    from torch.utils.data import DataLoader
    from transformers import PrinterCallback, Seq2SeqTrainer, Seq2SeqTrainingArguments, TrainerCallback

    student, batches = copy.deepcopy(model), plan_batches(data, tuning.batch_size, tuning.epochs, 0, seed=0)
    freeze(student, tuning.freeze)
    losses: list[float] = []
    examples: Any = list(data)  # a data loader needs an index and a length only

    def as_ours(batch: Sequence[Encoded]) -> dict[str, torch.Tensor]:
        return collate(batch, student.config, "cpu")

    class Trainer(Seq2SeqTrainer):  # type: ignore[misc]
        def get_train_dataloader(self) -> Any:
            if not sorted_batches:
                return super().get_train_dataloader()
            return DataLoader(examples, batch_sampler=batches, collate_fn=as_ours)

    class Keep(TrainerCallback):  # type: ignore[misc]
        def on_log(self, *_: Any, logs: dict[str, float], **__: Any) -> None:
            losses.extend([logs["loss"]] if "loss" in logs else [])

        def on_step_end(self, *_: Any, **__: Any) -> None:
            tick()

    with tempfile.TemporaryDirectory() as folder:
        arguments = Seq2SeqTrainingArguments(
            output_dir=folder,
            max_steps=len(batches),
            per_device_train_batch_size=tuning.batch_size,
            learning_rate=tuning.learning_rate,
            lr_scheduler_type="constant",
            weight_decay=tuning.weight_decay,
            max_grad_norm=tuning.clip_norm,
            logging_steps=max(1, len(batches) // 10),
            save_strategy="no",
            report_to=[],
            use_cpu=device == "cpu",
            bf16=precision == "bf16",
            disable_tqdm=True,
            remove_unused_columns=False,
        )
        trainer = Trainer(model=student, args=arguments, train_dataset=examples, data_collator=as_ours, callbacks=[Keep()])
        trainer.remove_callback(PrinterCallback)  # the ratios alone are printed
        trainer.train()
    return losses[-1]


def with_trainer(model: Any, source: int, target: int, mark: float, count: int) -> list[Ratio]:
    """Compare the loop with Seq2SeqTrainer for one length of texts: on the same batches, and on batches that it makes itself."""
    data, tuning = (
        examples(count, source, target, model.config.vocab_size),
        Tuning(epochs=1, batch_size=16, schedule="constant", warmup_share=0.0),
    )
    losses: dict[str, float] = {}

    def run(name: str, train: Any) -> Any:
        return lambda: losses.update({name: train()})

    same, own = "Seq2SeqTrainer, same batches", "Seq2SeqTrainer"
    sides = {
        "bench": run("bench", lambda: ours(model, data, tuning, keep=False)),
        same: run(same, lambda: theirs(model, data, tuning)),
        own: run(own, lambda: theirs(model, data, tuning, sorted_batches=False)),
    }
    seconds = in_turn(sides, warm_up=False)
    work = f"training, batch 16, sources of up to {source} tokens, targets of up to {target}, fp32"

    def against(other: str, mark: float | None) -> Ratio:
        return compared(seconds, work, "bench", other, mark, f"last losses {losses['bench']:.4f} and {losses[other]:.4f}")

    return [against(same, None), against(own, mark)]


def with_states_kept(large: Any, source: int, target: int, layers: int, count: int) -> Ratio:
    """Compare the loop with and without kept encoder states over three epochs. The mark is SHARE of the ratio of FLOPs."""
    config = copy.deepcopy(large.config)
    config.num_decoder_layers = min(layers, config.num_decoder_layers)
    model = type(large)(config)
    data, tuning = examples(count, source, target, config.vocab_size), Tuning(epochs=3, batch_size=16, freeze="encoder")
    flops, order = flop_model(config), Planned(plan_batches(data, 16, 3, 0, seed=0))
    rooms = {True: room_for(data), False: 0}
    cost = {keep: sum(forecast_steps(data, order, tuning, flops, LabelObjective(), None, room)) for keep, room in rooms.items()}
    bound = cost[False] / cost[True]
    losses: dict[bool, float] = {}
    sides = {
        "states kept": lambda: losses.update({True: ours(model, data, tuning, keep=True)}),
        "encoder in every step": lambda: losses.update({False: ours(model, data, tuning, keep=False)}),
    }
    seconds = in_turn(sides, warm_up=False)
    work = (
        f"training with a frozen encoder, {config.num_layers}+{config.num_decoder_layers} layers, 3 epochs, "
        f"{source}/{target} tokens, fp32; FLOPs allow {bound:.2f}"
    )
    same = f"last losses {losses[True]:.5f} and {losses[False]:.5f}"
    return compared(seconds, work, "states kept", "encoder in every step", SHARE * bound, same)


def main() -> None:
    """Print the ratios as JSON."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--tiny", action="store_true")
    parser.add_argument("--out", type=Path)
    asked = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    model = real_model(find("google/flan-t5-small").architecture, 0.0)
    if asked.tiny:
        config = copy.deepcopy(model.config)
        config.update({"num_layers": 2, "num_decoder_layers": 2, "d_model": 16, "d_ff": 16, "d_kv": 8, "num_heads": 2, "vocab_size": 200})
        model = type(model)(config)
    count = 32 if asked.tiny else 160
    ratios = [ratio for shape in SHAPES for ratio in with_trainer(model, *shape, count)]
    write(ratios + [with_states_kept(model, *shape, count // 2) for shape in FROZEN], asked.out)


if __name__ == "__main__":
    main()
