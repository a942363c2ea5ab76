"""Encodes examples as tokens, and plans the order in which training sees them.

    encoder-decoder    source: prefix, document, as the tokenizer ends it    target: label, as the tokenizer ends it
    decoder-only       source: prefix, document, a new line                  target: label, the end token

A decoder-only model reads both as one text. Its answer begins after the new line, which stays when a document is cut. The new line is
encoded separately, so that it is the same token after any document, also in generation. Tokenizers of such models add no end token.
"""

from __future__ import annotations

import functools
import math
import random
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch

from bench.contracts import Example
from bench.errors import DataError
from bench.system.sequences import changed, collect
from bench.training.checkpoints import load_tokenizer, read_config

Ids = TypeVar("Ids", bound=Sequence[int])

IGNORED = -100
"""Label of a padded position, for which no loss is computed."""

TEXTS_AT_ONCE = 1000
"""Texts that the tokenizer gets at once."""

BUCKET = 16
"""Number of batches whose examples are sorted by length together: enough to avoid padding, few enough to keep the order random."""


@dataclass(frozen=True)
class Encoded:
    """Token ids of one example, cut at the task's limits. End tokens and the new line are included."""

    source: tuple[int, ...]
    target: tuple[int, ...]


@functools.lru_cache(maxsize=4)  # a forecast and the later training need the same
def encode(folder: Path, examples: Sequence[Example], prefix: str, max_source_tokens: int, max_target_tokens: int) -> Sequence[Encoded]:
    """Return the tokens of labelled examples, by the tokenizer in `folder`. Raises DataError where one has no target."""
    for example in examples:
        if example.target is None:
            raise DataError(f"example {example.id} has no target, so nothing can be learnt from it")
    if not examples:
        return ()
    sources = encode_sources(folder, examples, prefix, max_source_tokens)
    targets = encode_targets(folder, (str(e.target) for e in examples), max_target_tokens)
    encoded = changed(range(len(examples)), lambda i: Encoded(sources[i], targets[i]))
    return tuple(encoded) if isinstance(sources, tuple) else encoded


def encode_targets(folder: Path, texts: Iterable[str], max_tokens: int) -> Sequence[tuple[int, ...]]:
    """Return the token ids of labels by the tokenizer in `folder`, end token included, cut at the limit."""
    tokenizer, encoder_decoder = load_tokenizer(folder), read_config(folder).is_encoder_decoder
    return collect(in_parts(texts, lambda some: target_ids(tokenizer, encoder_decoder, some, max_tokens)))


def in_parts(texts: Iterable[str], ids_of: Callable[[list[str]], Sequence[Ids]]) -> Iterator[Ids]:
    """Yield the token ids of all texts. The tokenizer gets some texts at a time, because it holds much more of a text than its ids."""
    waiting = iter(texts)
    while some := [*islice(waiting, TEXTS_AT_ONCE)]:
        yield from ids_of(some)


def target_ids(tokenizer: Any, encoder_decoder: bool, texts: list[str], max_tokens: int) -> list[tuple[int, ...]]:
    """Return the token ids of labels, end token included, cut at the limit."""
    if encoder_decoder:
        return [tuple(ids) for ids in tokenizer(text_target=texts, truncation=True, max_length=max_tokens)["input_ids"]]
    rows = tokenizer(texts, add_special_tokens=False, truncation=True, max_length=max_tokens - 1)["input_ids"]
    return [(*ids, tokenizer.eos_token_id) for ids in rows]


def decode(tokenizer: Any, rows: Sequence[Sequence[int]]) -> list[str]:
    """Return the texts of generated token ids, without special tokens and outer white space."""
    return [text.strip() for text in tokenizer.batch_decode(rows, skip_special_tokens=True)]


@functools.lru_cache(maxsize=4)
def encode_sources(folder: Path, examples: Sequence[Example], prefix: str, max_source_tokens: int) -> Sequence[tuple[int, ...]]:
    """Return the token ids of the documents after the prefix, cut at the limit."""
    if not examples:
        return ()
    tokenizer = load_tokenizer(folder)
    behind = [] if read_config(folder).is_encoder_decoder else tokenizer("\n", add_special_tokens=False)["input_ids"]
    limit = max_source_tokens - len(behind)

    def ids_of(texts: list[str]) -> list[tuple[int, ...]]:
        return [(*ids, *behind) for ids in tokenizer(texts, truncation=True, max_length=limit)["input_ids"]]

    return collect(in_parts((prefix + e.source for e in examples), ids_of))


def plan_batches(data: Sequence[Encoded], batch_size: int, epochs: int, min_steps: int, seed: int) -> list[list[int]]:
    """Return positions in `data` for each step. The same lengths and seed give the same plan.

    Every epoch is shuffled anew, cut into groups of 16 batches, sorted by length within a group, and its batches are shuffled. Where
    `epochs` give fewer than `min_steps` steps, further epochs follow until there are that many.
    """
    if not data:
        raise DataError("there is no example to train on")
    order = random.Random(seed)  # noqa: S311 - no secret
    lengths = [(len(one.source), len(one.target)) for one in data]
    steps = max(epochs * math.ceil(len(data) / batch_size), min_steps)
    plan: list[list[int]] = []
    while len(plan) < steps:
        shuffled, batches = list(range(len(data))), []
        order.shuffle(shuffled)
        for start in range(0, len(shuffled), BUCKET * batch_size):
            group = sorted(shuffled[start : start + BUCKET * batch_size], key=lengths.__getitem__)
            batches += [group[at : at + batch_size] for at in range(0, len(group), batch_size)]
        order.shuffle(batches)
        plan += batches
    return plan[:steps]


def pad(rows: Sequence[Sequence[int]], value: int, left: bool = False) -> torch.Tensor:
    """Return (rows, longest row) int64, padded with `value` on the right, or on the left."""
    longest = max(map(len, rows))
    padding = [[value] * (longest - len(row)) for row in rows]
    padded = [[*fill, *row] if left else [*row, *fill] for row, fill in zip(rows, padding, strict=True)]
    return torch.tensor(np.array(padded, dtype=np.int64))  # torch reads lists several times slower


def collate(batch: Sequence[Encoded], config: Any, device: str) -> dict[str, torch.Tensor]:
    """Return the input of `forward`: input_ids and attention_mask (batch, source), and labels (batch, target).

    `config` is that of a loaded model. Labels are -100 at padding. For a decoder-only model all three are (batch, source + target). Every
    example's target directly follows its source, and labels are -100 on the sources as well. predicting and predicted, both (label
    tokens), are the positions of the decoder that predict a label, counted through the whole batch, and these labels. Nothing predicts
    the first token of a text that a decoder-only model reads.
    """
    causal = not config.is_encoder_decoder
    inputs = [(*e.source, *e.target) if causal else e.source for e in batch]
    labels = [(*[IGNORED] * len(e.source), *e.target) if causal else e.target for e in batch]
    width, predicting, predicted = max(map(len, labels)), list[int](), list[int]()
    for row, one in enumerate(batch):
        end, skipped = row * width + len(labels[row]) - causal, causal and not one.source
        predicting += range(end - len(one.target) + skipped, end)
        predicted += one.target[skipped:]
    tensors = {
        "input_ids": pad(inputs, config.pad_token_id),
        "attention_mask": pad([[1] * len(row) for row in inputs], 0),
        "labels": pad(labels, IGNORED),
        "predicting": torch.tensor(predicting, dtype=torch.int64),
        "predicted": torch.tensor(predicted, dtype=torch.int64),
    }
    return {name: tensor.to(device) for name, tensor in tensors.items()}
