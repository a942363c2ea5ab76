"""Ways to train, and what each holds and computes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product
from typing import get_args

from bench.contracts import Precision
from bench.errors import BenchError
from bench.forecast.gpus import Card
from bench.forecast.memory.optimizer_state import kept_by_optimizer
from bench.forecast.memory.peak import Architecture, Peak, Step, Texts, shapes, step_moments, with_optimizer
from bench.training.flops import flop_model
from bench.training.settings import Freeze, Lora, Optimizer, Tuning, check_optimizer, is_installed

RANK = Lora().rank
"""Of the adapters that are looked at where none were asked for."""


@dataclass(frozen=True)
class Setting:
    """A way to train. checkpointing: a layer's activations are computed twice instead of being kept. dropout: its rate, or 0.
    lora: rank of adapters, or 0. divided: whether a step adds up the gradients of micro-batches."""

    precision: Precision = "bf16"
    optimizer: Optimizer = "adamw"
    freeze: Freeze = "embeddings"
    checkpointing: bool = False
    dropout: float = 0.0
    lora: int = 0
    divided: bool = False

    @property
    def tuning(self) -> Tuning:
        """As a suite says it."""
        lora = Lora(rank=self.lora) if self.lora else None
        return Tuning(
            optimizer=self.optimizer,
            freeze=self.freeze,
            dropout=self.dropout,
            lora=lora,
            checkpointing=self.checkpointing,
            micro_batch_size=1 if self.divided else None,
        )

    @property
    def words(self) -> tuple[str, ...]:
        """Such as 'bf16', 'adafactor', 'encoder frozen', 'no LoRA', 'checkpointing'."""
        frozen = "nothing frozen" if self.freeze == "none" else f"{self.freeze} frozen"
        lora = f"LoRA of rank {self.lora}" if self.lora else "no LoRA"
        return self.precision, self.optimizer, frozen, lora, "checkpointing" if self.checkpointing else "no checkpointing"

    def __str__(self) -> str:
        """All words; LoRA and checkpointing only where there is any."""
        return ", ".join(word for word in self.words if not word.startswith("no "))

    def changes(self, other: Setting) -> list[str]:
        """The words in which it differs."""
        return [mine for mine, its in zip(self.words, other.words, strict=True) if mine != its]

    def flops(self, architecture: Architecture, texts: Texts) -> float:
        """Model FLOPs of an example, with those that checkpointing computes twice: the layers that something is learnt through."""
        model = flop_model(architecture.config)
        cost = model.training(texts.source, texts.target, self.freeze, self.lora)
        if not self.checkpointing:
            return float(cost)
        again = model.forward(texts.source, texts.target) - model.head * (texts.target + texts.source * model.causal)
        again += model.adapters(texts.source, texts.target, self.freeze, self.lora)
        frozen = model.encoder * texts.source + model.encoder_pairs * texts.source**2 if self.freeze == "encoder" else 0
        return float(cost + again - frozen)


def check(asked: Setting, card: Card | None) -> None:
    """Raises BenchError where nothing can be trained like that: its optimiser is not installed, LoRA is to leave nothing frozen, or the
    card does not compute in that precision."""
    if card and not card.computes_bf16 and asked.precision == "bf16":
        raise BenchError(f"{card.name} has no bf16 in hardware: --precision fp32, or another card")
    check_optimizer(asked.optimizer)
    if asked.lora and asked.freeze == "none":
        raise BenchError("--lora-rank trains adapters and no weights: use it with --freeze embeddings or --freeze encoder")


def worth_a_look(asked: Setting, architecture: Architecture, computes_bf16: bool) -> tuple[Setting, ...]:
    """Settings in the precision that was asked, and what was asked in the other one.

    Left out, to be done in seconds: LoRA with anything else frozen or another optimiser than was asked; and checkpointing with nothing
    frozen, unless that was asked.
    """
    possible = [one for one in every(asked, architecture) if one.precision == "fp32" or computes_bf16]
    like = (asked.freeze, asked.checkpointing, asked.lora)
    return tuple(
        one
        for one in possible
        if (_is_looked_at(one, asked) if one.precision == asked.precision else (one.freeze, one.checkpointing, one.lora) == like)
    )


def _is_looked_at(one: Setting, asked: Setting) -> bool:
    if one.lora:
        return (one.freeze, one.optimizer) == ("embeddings" if asked.freeze == "none" else asked.freeze, asked.optimizer)
    return not one.checkpointing or one.freeze in (asked.freeze, "embeddings", "encoder")


def every(asked: Setting, architecture: Architecture) -> tuple[Setting, ...]:
    """All settings with the dropout that was asked, and the rank; without an encoder, none that freezes it."""
    freezes = [one for one in get_args(Freeze) if one != "encoder" or architecture.config.is_encoder_decoder]
    ways = product(get_args(Precision), optimizers(), freezes, (False, True), (asked.dropout,), (0, asked.lora or RANK))
    return tuple(one for way in ways if not (one := Setting(*way)).lora or one.freeze != "none")


def optimizers() -> tuple[Optimizer, ...]:
    """Those that are installed."""
    return tuple(one for one in get_args(Optimizer) if is_installed(one))


def look_at_optimizers(architecture: Architecture, settings: Sequence[Setting]) -> None:
    """What they keep of the model's shapes; it is remembered, so that `peaks` has less to do."""
    found = shapes(architecture)
    for optimizer in dict.fromkeys(one.optimizer for one in settings):
        kept_by_optimizer(found, Tuning(optimizer=optimizer))


def peaks(settings: Sequence[Setting], steps: Mapping[Setting, Step]) -> dict[Setting, Peak]:
    """Of settings, by the `steps` that are their work."""
    found = {}
    for setting in settings:
        step = steps[_without_optimizer(setting)]
        found[setting] = with_optimizer(step, kept_by_optimizer(step.learning, setting.tuning))
    return found


def steps(architecture: Architecture, texts: Texts, settings: Sequence[Setting]) -> list[Step]:
    """A training step of each, up to its optimiser."""
    return [step_moments(architecture, setting.tuning, setting.precision, texts, "cuda") for setting in settings]


def work_of(settings: Sequence[Setting]) -> list[list[Setting]]:
    """What has to be run for these settings, the longest first: one step for all optimisers.

    LoRA's in one process, as peft takes as long to import as a step.
    """
    ways = dict.fromkeys(_without_optimizer(one) for one in sorted(settings, key=lambda one: not one.checkpointing))
    lora = [way for way in ways if way.lora]
    return [*([lora] if lora else []), *([way] for way in ways if not way.lora)]


def _without_optimizer(setting: Setting) -> Setting:
    """What holds the same up to its optimiser."""
    return replace(setting, optimizer="adamw")
