"""Examples as tokens, and the order in which training sees them."""

from __future__ import annotations

import functools
import math
import random
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path

import torch

from bench.contracts import Example
from bench.errors import DataError
from bench.training.models import load_tokenizer

IGNORED = -100
"""Label of a padded position: no loss is taken there."""

BUCKET = 16
"""Batches whose examples are sorted by length together: enough that little is padded, few enough that order stays random."""


@dataclass(frozen=True)
class Encoded:
    """Token ids of one example, end tokens included, both cut at the task's limits."""

    source: tuple[int, ...]
    target: tuple[int, ...]


@functools.lru_cache(maxsize=4)  # a forecast and the training after it ask for the same
def encode(folder: Path, examples: tuple[Example, ...], prefix: str, max_source_tokens: int, max_target_tokens: int) -> tuple[Encoded, ...]:
    """Tokens of labelled examples, by the tokenizer in `folder`. Raises DataError where one has no target."""
    for example in examples:
        if example.target is None:
            raise DataError(f"example {example.id} has no target, so nothing can be learnt from it")
    if not examples:
        return ()
    sources = encode_sources(folder, examples, prefix, max_source_tokens)
    encoded = load_tokenizer(folder)(text_target=[e.target for e in examples], truncation=True, max_length=max_target_tokens)
    return tuple(Encoded(source, tuple(target)) for source, target in zip(sources, encoded["input_ids"], strict=True))


@functools.lru_cache(maxsize=4)
def encode_sources(folder: Path, examples: tuple[Example, ...], prefix: str, max_source_tokens: int) -> tuple[tuple[int, ...], ...]:
    """Token ids of the documents behind the prefix, cut at the limit."""
    if not examples:
        return ()
    encoded = load_tokenizer(folder)([prefix + e.source for e in examples], truncation=True, max_length=max_source_tokens)
    return tuple(map(tuple, encoded["input_ids"]))


def plan_batches(data: Sequence[Encoded], batch_size: int, epochs: int, min_steps: int, seed: int) -> list[list[int]]:
    """Positions in `data`, step by step; the same for the same lengths and seed.

    Every epoch is shuffled anew, cut into groups of 16 batches, sorted by length within a group, and its batches shuffled.
    Where `epochs` make fewer than `min_steps` steps, further epochs follow until so many are made.
    """
    if not data:
        raise DataError("there is no example to train on")
    order = random.Random(seed)  # noqa: S311 - no secret
    steps = max(epochs * math.ceil(len(data) / batch_size), min_steps)
    endless = chain.from_iterable(_epoch(data, batch_size, order) for _ in range(steps))
    return list(islice(endless, steps))


def _epoch(data: Sequence[Encoded], batch_size: int, order: random.Random) -> list[list[int]]:
    shuffled = list(range(len(data)))
    order.shuffle(shuffled)
    batches = []
    for start in range(0, len(shuffled), BUCKET * batch_size):
        group = sorted(shuffled[start : start + BUCKET * batch_size], key=lambda i: (len(data[i].source), len(data[i].target)))
        batches += [group[at : at + batch_size] for at in range(0, len(group), batch_size)]
    order.shuffle(batches)
    return batches


def pad(rows: Sequence[Sequence[int]], value: int) -> torch.Tensor:
    """(rows, longest row) int64, padded on the right with `value`."""
    longest = max(map(len, rows))
    return torch.tensor([[*row, *[value] * (longest - len(row))] for row in rows])


def collate(batch: Sequence[Encoded], pad_token: int, device: str) -> dict[str, torch.Tensor]:
    """What a model's forward takes: input_ids, attention_mask (batch, source) and labels (batch, target), -100 where padded."""
    sources = [e.source for e in batch]
    mask = pad([[1] * len(s) for s in sources], 0)
    tensors = {"input_ids": pad(sources, pad_token), "attention_mask": mask, "labels": pad([e.target for e in batch], IGNORED)}
    return {name: tensor.to(device) for name, tensor in tensors.items()}
