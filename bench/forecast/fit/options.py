"""Settings of a training, and their FLOPs."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import product
from typing import get_args

from bench.contracts import Precision
from bench.errors import BenchError
from bench.forecast.gpus import Card
from bench.forecast.memory import Architecture, SequenceLengths
from bench.training.flops import flop_model
from bench.training.settings import Freeze, Lora, Optimizer, Tuning, check_optimizer, is_installed


@dataclass(frozen=True, kw_only=True)
class Setting:
    """One way to train a model."""

    precision: Precision = "bf16"
    tuning: Tuning = field(default_factory=Tuning)
    """Only what memory and FLOPs depend on is compared: optimizer, freeze, dropout, LoRA and checkpointing."""

    @property
    def words(self) -> tuple[str, ...]:
        """The settings in words: 'bf16', 'adafactor', 'encoder frozen', 'no LoRA', 'checkpointing'."""
        tuning = self.tuning
        frozen = "nothing frozen" if tuning.freeze == "none" else f"{tuning.freeze} frozen"
        lora = f"LoRA of rank {tuning.rank}" if tuning.lora else "no LoRA"
        return self.precision, tuning.optimizer, frozen, lora, "checkpointing" if tuning.checkpointing else "no checkpointing"

    def __str__(self) -> str:
        """Return the words, but omit LoRA and checkpointing where they are off."""
        return ", ".join(word for word in self.words if not word.startswith("no "))

    def changes(self, other: Setting) -> list[str]:
        """Return the words in which this setting differs from another."""
        return [mine for mine, its in zip(self.words, other.words, strict=True) if mine != its]

    def flops(self, architecture: Architecture, lengths: SequenceLengths) -> float:
        """Return the model FLOPs of an example. With checkpointing, layers that a gradient passes run their forward pass twice."""
        model, source, target = flop_model(architecture.config), lengths.source, lengths.target
        freeze, rank = self.tuning.freeze, self.tuning.rank
        cost = model.training(source, target, freeze, rank)
        if not self.tuning.checkpointing:
            return float(cost)
        again = model.layers(source, target) + model.adapters(source, target, freeze, rank)
        frozen = model.encoding(source) if freeze == "encoder" else 0
        return float(cost + again - frozen)


def check(asked: Setting, card: Card | None) -> None:
    """Raise BenchError where the optimizer is not installed, or the GPU does not compute in the precision."""
    if card and not card.computes_bf16 and asked.precision == "bf16":
        raise BenchError(f"{card.name} has no bf16 in hardware: use --precision fp32, or another GPU")
    check_optimizer(asked.tuning.optimizer)


def candidate_settings(asked: Setting, architecture: Architecture, computes_bf16: bool) -> tuple[Setting, ...]:
    """Return the settings to compare: those in the query's precision, and the query in the other precision.

    All have the dropout and the LoRA rank of the query. A model without an encoder has none that freezes it. To answer within seconds, two
    kinds are left out: LoRA with another optimizer or freeze than the query has, and checkpointing with nothing frozen unless the query
    asks for it.
    """
    wanted, found = asked.tuning, []
    freezes = [one for one in get_args(Freeze) if one != "encoder" or architecture.config.is_encoder_decoder]
    optimizers = [one for one in get_args(Optimizer) if is_installed(one)]
    ways = product(get_args(Precision), optimizers, freezes, (False, True), (None, wanted.lora or Lora()))
    for precision, optimizer, freeze, checkpointing, lora in ways:
        changed = {"optimizer": optimizer, "freeze": freeze, "checkpointing": checkpointing, "lora": lora}
        tuning = wanted.model_copy(update=changed)
        if precision != asked.precision:
            compared = tuning.model_copy(update={"optimizer": wanted.optimizer}) == wanted
        elif lora:
            compared = (freeze, optimizer) == ("embeddings" if wanted.freeze == "none" else wanted.freeze, wanted.optimizer)
        else:
            compared = not checkpointing or freeze in (wanted.freeze, "embeddings", "encoder")
        if compared and (precision == "fp32" or computes_bf16) and (not lora or freeze != "none"):
            found.append(Setting(precision=precision, tuning=tuning))
    return tuple(found)
