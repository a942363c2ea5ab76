"""Ways to train, and what each holds and computes."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from itertools import product
from typing import Any, Literal, get_args

from bench.contracts import Precision
from bench.training.flops import flop_model
from bench.training.memory import Architecture, Peak, Step, Texts, kept_by_optimizer, step_moments, with_optimizer
from bench.training.tuning import Freeze, Tuning

Optimizer = Literal["adamw", "adafactor"]


@dataclass(frozen=True)
class Setting:
    """A way to train. checkpointing: a layer's activations are computed twice instead of being kept. dropout: its rate, or 0."""

    precision: Precision = "bf16"
    optimizer: Optimizer = "adamw"
    freeze: Freeze = "embeddings"
    checkpointing: bool = False
    dropout: float = 0.0

    @property
    def tuning(self) -> Tuning:
        """As a suite says it."""
        return Tuning(optimizer=self.optimizer, freeze=self.freeze, dropout=self.dropout)

    @property
    def words(self) -> tuple[str, str, str, str]:
        """Such as 'bf16', 'adafactor', 'encoder frozen', 'checkpointing'."""
        frozen = "nothing frozen" if self.freeze == "none" else f"{self.freeze} frozen"
        return self.precision, self.optimizer, frozen, "checkpointing" if self.checkpointing else "no checkpointing"

    def __str__(self) -> str:
        """All words; checkpointing only where there is any."""
        return ", ".join(self.words if self.checkpointing else self.words[:-1])

    def changes(self, other: Setting) -> list[str]:
        """The words in which it differs."""
        return [mine for mine, its in zip(self.words, other.words, strict=True) if mine != its]

    def flops(self, architecture: Architecture, texts: Texts) -> float:
        """Model FLOPs of an example, with those that checkpointing computes twice: the layers that something is learnt through."""
        model = flop_model(architecture.config)
        cost = model.training(texts.source, texts.target, self.freeze)
        if not self.checkpointing:
            return float(cost)
        again = model.forward(texts.source, texts.target) - model.head * (texts.target + texts.source * model.causal)
        frozen = model.encoder * texts.source + model.encoder_pairs * texts.source**2 if self.freeze == "encoder" else 0
        return float(cost + again - frozen)


def worth_a_look(asked: Setting, architecture: Architecture, computes_bf16: bool) -> tuple[Setting, ...]:
    """All settings in the precision that was asked, and what was asked in the other one."""
    possible = [one for one in every(asked, architecture) if one.precision == "fp32" or computes_bf16]
    same = (asked.freeze, asked.checkpointing)
    return tuple(one for one in possible if one.precision == asked.precision or (one.freeze, one.checkpointing) == same)


def every(asked: Setting, architecture: Architecture) -> tuple[Setting, ...]:
    """All settings with the dropout that was asked; without an encoder, none that freezes it."""
    freezes = [one for one in get_args(Freeze) if one != "encoder" or architecture.config.is_encoder_decoder]
    return tuple(Setting(*one, asked.dropout) for one in product(get_args(Precision), get_args(Optimizer), freezes, (False, True)))


def peaks(steps: Mapping[Setting, Step]) -> dict[Setting, Peak]:
    """Of settings that differ from these in the optimiser alone as well."""
    found = {}
    for setting, step in steps.items():
        for optimizer in get_args(Optimizer):
            one = replace(setting, optimizer=optimizer)
            found[one] = with_optimizer(step, kept_by_optimizer(step.learning, one.tuning))
    return found


def step(architecture: Architecture, texts: Texts, setting: Setting) -> Step:
    """A training step up to its optimiser."""
    return step_moments(architecture, setting.tuning, setting.precision, texts, setting.checkpointing, "cuda")


@contextmanager
def at_once(work: Sequence[Callable[[], Any]], workers: int | None = None) -> Iterator[Iterator[Any]]:
    """What each piece of work gives, in order, on so many processes (None: one a core, at most 4).

    They are forked, since importing all again would take longer than the work; where there is no fork, one works after the other.
    """
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    workers = min(workers or min(cores, 4), len(work))
    if workers < 2 or "fork" not in multiprocessing.get_all_start_methods():
        yield (one() for one in work)
        return
    with ProcessPoolExecutor(workers, multiprocessing.get_context("fork")) as pool:
        yield pool.map(_do, work)


def _do(work: Callable[[], Any]) -> Any:
    return work()


def work_of(architecture: Architecture, texts: Texts, settings: Sequence[Setting]) -> dict[Setting, Callable[[], Step]]:
    """What has to be run for these settings: one step for all optimisers."""
    longest_first = sorted(settings, key=lambda one: not one.checkpointing)
    without_optimizer = dict.fromkeys(replace(one, optimizer="adamw") for one in longest_first)
    return {setting: partial(step, architecture, texts, setting) for setting in without_optimizer}
