"""Settings of a training, and their FLOPs."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from typing import get_args

from bench.contracts import Precision
from bench.errors import BenchError
from bench.forecast.gpus import Card
from bench.forecast.memory import Architecture, SequenceLengths, TrainingStep
from bench.training.flops import flop_model
from bench.training.settings import Freeze, Lora, Optimizer, Tuning, check_optimizer, is_installed

RANK = Lora().rank
"""Rank of the adapters that are tried where the query names none."""


@dataclass(frozen=True, kw_only=True)
class Setting:
    """One way to train a model."""

    precision: Precision = "bf16"
    optimizer: Optimizer = "adamw"
    freeze: Freeze = "embeddings"
    checkpointing: bool = False
    """Whether the activations of a layer are computed twice instead of being kept."""
    dropout: float = 0.0
    """Dropout rate."""
    lora: int = 0
    """Rank of the adapters; 0 trains the weights."""
    micro_batches: bool = False
    """Whether a step adds up the gradients of micro-batches."""

    @property
    def tuning(self) -> Tuning:
        """The same settings as a suite has them."""
        lora = Lora(rank=self.lora) if self.lora else None
        return Tuning(
            optimizer=self.optimizer,
            freeze=self.freeze,
            dropout=self.dropout,
            lora=lora,
            checkpointing=self.checkpointing,
            micro_batch_size=1 if self.micro_batches else None,
        )

    @property
    def words(self) -> tuple[str, ...]:
        """The settings in words: 'bf16', 'adafactor', 'encoder frozen', 'no LoRA', 'checkpointing'."""
        frozen = "nothing frozen" if self.freeze == "none" else f"{self.freeze} frozen"
        lora = f"LoRA of rank {self.lora}" if self.lora else "no LoRA"
        return self.precision, self.optimizer, frozen, lora, "checkpointing" if self.checkpointing else "no checkpointing"

    def __str__(self) -> str:
        """Return the words, but omit LoRA and checkpointing where they are off."""
        return ", ".join(word for word in self.words if not word.startswith("no "))

    def changes(self, other: Setting) -> list[str]:
        """Return the words in which this setting differs from another."""
        return [mine for mine, its in zip(self.words, other.words, strict=True) if mine != its]

    def step(self, architecture: Architecture, lengths: SequenceLengths) -> TrainingStep:
        """Return the training step of a model on a GPU, as a workload of the memory simulation."""
        return TrainingStep(architecture=architecture, settings=self.tuning, precision=self.precision, lengths=lengths)

    def flops(self, architecture: Architecture, lengths: SequenceLengths) -> float:
        """Return the model FLOPs of an example.

        With checkpointing, layers that a gradient passes run their forward pass twice.
        """
        model, source, target = flop_model(architecture.config), lengths.source, lengths.target
        cost = model.training(source, target, self.freeze, self.lora)
        if not self.checkpointing:
            return float(cost)
        again = model.forward(source, target) - model.head * (target + source * model.causal)
        again += model.adapters(source, target, self.freeze, self.lora)
        frozen = model.encoder * source + model.encoder_pairs * source**2 if self.freeze == "encoder" else 0
        return float(cost + again - frozen)


def check(asked: Setting, card: Card | None) -> None:
    """Raise BenchError where the setting is impossible.

    It is so where its optimizer is not installed, LoRA goes with nothing frozen, or the GPU does not compute
    in its precision.
    """
    if card and not card.computes_bf16 and asked.precision == "bf16":
        raise BenchError(f"{card.name} has no bf16 in hardware: --precision fp32, or another card")
    check_optimizer(asked.optimizer)
    if asked.lora and asked.freeze == "none":
        raise BenchError("--lora-rank trains adapters and no weights: use it with --freeze embeddings or --freeze encoder")


def candidate_settings(asked: Setting, architecture: Architecture, computes_bf16: bool) -> tuple[Setting, ...]:
    """Return the settings to compare: those in the query's precision, and the query in the other precision.

    To answer within seconds, two kinds are left out: LoRA with another optimizer or freeze than the query
    has, and checkpointing with nothing frozen unless the query asks for it.
    """
    possible = [one for one in all_settings(asked, architecture) if one.precision == "fp32" or computes_bf16]
    like = (asked.freeze, asked.checkpointing, asked.lora)
    return tuple(
        one
        for one in possible
        if (_is_candidate(one, asked) if one.precision == asked.precision else (one.freeze, one.checkpointing, one.lora) == like)
    )


def _is_candidate(one: Setting, asked: Setting) -> bool:
    if one.lora:
        return (one.freeze, one.optimizer) == ("embeddings" if asked.freeze == "none" else asked.freeze, asked.optimizer)
    return not one.checkpointing or one.freeze in (asked.freeze, "embeddings", "encoder")


def all_settings(asked: Setting, architecture: Architecture) -> tuple[Setting, ...]:
    """Return all settings with the dropout and the LoRA rank of the query.

    A model without an encoder has none that freezes it.
    """
    freezes = [one for one in get_args(Freeze) if one != "encoder" or architecture.config.is_encoder_decoder]
    ways = product(get_args(Precision), optimizers(), freezes, (False, True), (0, asked.lora or RANK))
    return tuple(
        Setting(precision=precision, optimizer=optimizer, freeze=freeze, checkpointing=checkpointing, dropout=asked.dropout, lora=lora)
        for precision, optimizer, freeze, checkpointing, lora in ways
        if not lora or freeze != "none"
    )


def optimizers() -> tuple[Optimizer, ...]:
    """Return the optimizers that are installed."""
    return tuple(one for one in get_args(Optimizer) if is_installed(one))
