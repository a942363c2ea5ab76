"""Peak memory of training and of generation, known before any weight is loaded.

    training_peak     the loop of `loop.train`, run while pretending, up to its optimiser
                      + what that optimiser keeps of every parameter, from its second step on
    generation_peak   `generation.generate_batch`, run while pretending for a few tokens, and carried on to the last one: a token
                      adds the same keys and values every time

One run tells about every batch: what grows with it is held apart from what does not (`Allocations`).
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import chain
from typing import Any

import torch
from torch.optim.optimizer import register_optimizer_step_pre_hook

from bench.contracts import Decoding, NoTally, Precision, no_progress
from bench.forecast.memory.optimizer_state import Kept, kept_by_optimizer
from bench.forecast.memory.simulate import Kernels, empty_model, pretending
from bench.forecast.memory.tracker import USES, Allocations, Bytes, Moment, Use
from bench.training.batches import Encoded
from bench.training.checkpoints import DROPOUTS, count_parameters
from bench.training.flops import flop_model
from bench.training.generation import generate_batch, generation_config
from bench.training.loop import Planned, train
from bench.training.objectives import LabelObjective
from bench.training.settings import Tuning

PRIMES = (251, 257, 263, 269, 271, 277, 281, 283, 293, 307, 311, 313, 317, 331, 337, 347, 349)
"""Batches to run with, of which one divides no dimension of the model."""

TOKENS_RUN = 4
"""Tokens that a generation runs for; the first two differ from all others."""


@dataclass(frozen=True)
class Architecture:
    """A model without its weights.

    config: of transformers. tied: whether the output layer is the input embedding, which no T5 config tells rightly.
    """

    config: Any
    tied: bool


@dataclass(frozen=True)
class Texts:
    """Tokens of a document and of its label, or output, at most."""

    source: int
    target: int


@dataclass(frozen=True)
class Peak:
    """The most that is held at once. moments: one of them is the peak, whatever the batch."""

    moments: tuple[Moment, ...]

    def at(self, batch: int) -> dict[Use, int]:
        """Bytes by use, of a batch of so many examples; their sum is the peak."""
        return max((moment.at(batch) for moment in self.moments), key=lambda held: sum(held.values()))

    def total(self, batch: int) -> int:
        """Bytes in all."""
        return sum(self.at(batch).values())

    def largest_batch(self, room: float) -> int:
        """The largest batch that stays within so many bytes; 0 where one example does not."""
        return min((_batches(moment, room) for moment in self.moments), default=0)


def _batches(moment: Moment, room: float) -> int:
    total = sum(moment.held.values(), Bytes())
    left = room - total.fixed
    return 0 if left < total.each else int(left // total.each) if total.each else 2**31


def training_peak(architecture: Architecture, tuning: Tuning, precision: Precision, texts: Texts, kernels: Kernels = "cuda") -> Peak:
    """Of a step of `loop.train` that is not the first one, whose batch is as long as allowed.

    tuning: optimizer, freeze, dropout, label_smoothing, lora and checkpointing count, and whether its batch is divided: then the peak is
    asked for the examples that are in memory at a time. Raises CheckpointError as `freeze`, and BenchError where the optimiser is not
    installed.
    """
    step = step_moments(architecture, tuning, precision, texts, kernels)
    return with_optimizer(step, kept_by_optimizer(step.learning, tuning))


@dataclass(frozen=True)
class Step:
    """A training step up to its optimiser. learning: shapes of the parameters that learn. end: what is held when it is over."""

    moments: tuple[Moment, ...]
    learning: tuple[torch.Size, ...]
    end: Moment


def with_optimizer(step: Step, kept: Kept) -> Peak:
    """The peak of the step and of its optimiser."""
    states: dict[Use, Bytes] = {"optimiser states": Bytes(kept.states)}
    stepping = _plus(step.end, states | {"activations": Bytes(kept.working)})
    return Peak((*(_plus(moment, states) for moment in step.moments), stepping))


def _plus(moment: Moment, more: Mapping[Use, Bytes]) -> Moment:
    return Moment({use: moment.held[use] + more.get(use, Bytes()) for use in USES})


def step_moments(architecture: Architecture, tuning: Tuning, precision: Precision, texts: Texts, kernels: Kernels) -> Step:
    """What a training step holds, whatever its optimiser keeps."""
    config = with_dropout(architecture.config, tuning.dropout)
    batch = _prime(config, texts)
    parts = 1 if tuning.at_once == tuning.batch_size else 2  # in the second one, gradients of the first are there
    flops = flop_model(architecture.config)
    with pretending(kernels, batch, config.vocab_size, texts.target, ["peft"] if tuning.lora else []) as counted:
        model = _empty(architecture, config, counted)
        model.register_forward_pre_hook(lambda *_: _tell_apart(model, counted))  # by then it has its adapters
        seen: list[Moment] = []

        def before_optimizer(*_: Any) -> None:
            seen.extend(counted.moments())
            seen.append(counted.now())
            raise _Enough

        hook = register_optimizer_step_pre_hook(before_optimizer)
        try:
            with suppress(_Enough):
                train(
                    model,
                    [Encoded((1,) * texts.source, (1,) * texts.target)],
                    Planned([[0] * parts * batch]),
                    tuning.model_copy(update={"optimizer": "adamw", "batch_size": parts * batch, "micro_batch_size": batch}),
                    flops,
                    LabelObjective(tuning.label_smoothing),
                    precision=precision,
                    device="cpu",
                    seed=0,
                    tally=NoTally(),
                    progress=no_progress,
                    may_stop_early=False,
                )
        finally:
            hook.remove()
        learning = tuple(p.shape for p in model.parameters() if p.requires_grad)
    return Step(tuple(seen[:-1]), learning, seen[-1])


class _Enough(Exception):
    """All that was to be run has been."""


def _empty(architecture: Architecture, config: Any, counted: Allocations) -> Any:
    model = empty_model(config, architecture.tied)
    counted.mark(chain(model.parameters(), model.buffers()), "parameters")
    counted.moments()  # of its making
    return model


def _tell_apart(model: Any, counted: Allocations) -> None:
    """Parameters from activations, and gradients as they come."""
    counted.mark(model.parameters(), "parameters")
    counted.moments()  # of what was made until now
    for parameter in model.parameters():
        if parameter.requires_grad:
            parameter.register_post_accumulate_grad_hook(lambda learnt: counted.mark([learnt.grad], "gradients"))


def with_dropout(config: Any, dropout: float | None) -> Any:
    """A copy with this rate, as `models.load` sets it; None: as it was."""
    copied = copy.deepcopy(config)
    for name in DROPOUTS:
        if dropout is not None and hasattr(copied, name):
            setattr(copied, name, float(dropout))
    return copied


def _prime(config: Any, texts: Texts) -> int:
    numbers = {value for value in config.to_dict().values() if isinstance(value, int) and value > 1}
    numbers |= {texts.source, texts.target, texts.source + texts.target}
    return next(prime for prime in PRIMES if all(number % prime for number in numbers))


def generation_peak(architecture: Architecture, decoding: Decoding, precision: Precision, texts: Texts, kernels: Kernels = "cuda") -> Peak:
    """Of a batch of documents as long as allowed, whose outputs are so too."""
    config = with_dropout(architecture.config, 0.0)
    batch = _prime(config, texts)
    with pretending(kernels, batch, config.vocab_size) as counted:
        model = _empty(architecture, config, counted).eval()
        tokens = list(_tokens(model, counted, [(1,) * texts.source] * batch, generation_config(model, decoding, texts.target), precision))
    later = texts.target - TOKENS_RUN
    return Peak((*chain.from_iterable(tokens), *(_last(tokens[-2], tokens[-1], later) if later > 0 else ())))


def _tokens(
    model: Any, counted: Allocations, sources: Sequence[Sequence[int]], config: Any, precision: Precision
) -> Iterator[tuple[Moment, ...]]:
    """Moments until the first token begins, then of each token."""
    seen: list[tuple[Moment, ...]] = []

    def next_token(*_: Any) -> None:
        seen.append(counted.moments())
        if len(seen) > min(TOKENS_RUN, config.max_new_tokens):
            raise _Enough

    hook = model.get_decoder().register_forward_pre_hook(next_token)
    try:
        with suppress(_Enough):
            generate_batch(model, None, sources, config, precision, "cpu")
    finally:
        hook.remove()
    yield from seen


def _last(before: Sequence[Moment], after: Sequence[Moment], tokens: int) -> tuple[Moment, ...]:
    """The moments of a token that comes so many tokens after the latter of two. Where theirs are no pairs: no less than theirs."""
    if len(before) != len(after):
        before, after = [_bound(before)], [_bound(after)]
    pairs = zip(before, after, strict=True)
    return tuple(Moment({use: _carried_on(one.held[use], other.held[use], tokens) for use in USES}) for one, other in pairs)


def _bound(moments: Sequence[Moment]) -> Moment:
    sizes = {use: [moment.held[use] for moment in moments] for use in USES}
    return Moment({use: Bytes(max(one.fixed for one in held), max(one.each for one in held)) for use, held in sizes.items()})


def _carried_on(before: Bytes, after: Bytes, steps: int) -> Bytes:
    return Bytes(after.fixed + steps * (after.fixed - before.fixed), after.each + steps * (after.each - before.each))


def parameters(architecture: Architecture) -> int:
    """Parameters that are learned, a tied one once."""
    with pretending("cpu", 0, 0):
        return count_parameters(empty_model(architecture.config, architecture.tied))


def shapes(architecture: Architecture) -> tuple[torch.Size, ...]:
    """Of its parameters, a tied one once."""
    with pretending("cpu", 0, 0):
        return tuple(parameter.shape for parameter in empty_model(architecture.config, architecture.tied).parameters())
