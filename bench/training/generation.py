"""Generates text from a model.

From a checkpoint's own generation settings only the start and end tokens are kept: decoder start, bos, eos,
pad and forced bos. A BART that was tuned to begin with its forced bos needs it. Lengths, beams, penalties and
bans are dropped. For example facebook/bart-large-cnn brings min_length 56 and no_repeat_ngram_size 3. With
these a task of ten-word labels cannot be answered, and models of different origin cannot be compared. The
suite's `Decoding` sets how all models decode.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from bench.contracts import Decoding, Limit, Precision, Progress, UsageMeter
from bench.errors import FIRST_DOES_NOT_FIT, OverBudget
from bench.training.batches import decode, pad
from bench.training.checkpoints import STARTS_AND_ENDS
from bench.training.flops import FlopModel

WINDOW = 8
"""Number of batches whose sources are sorted by length together.

Work that may stop early sorts within one batch only. Then it ends with a prefix of the documents, and not
with the longest ones.
"""


@dataclass(frozen=True)
class Output:
    """One generated text."""

    text: str
    tokens: int
    """Number of generated tokens, including the end token."""
    ended: bool
    """Whether the model ended the text itself, and did not run into the longest allowed length."""


def generate(
    model: Any,
    tokenizer: Any,
    sources: Sequence[Sequence[int]],
    *,
    max_target_tokens: int,
    decoding: Decoding,
    precision: Precision,
    device: str,
    flops: FlopModel,
    usage: UsageMeter,
    progress: Progress,
    may_stop_early: bool,
    min_target_tokens: int = 0,
) -> Iterator[tuple[int, Output]]:
    """Yield (position, output) for tokenised sources, batch by batch. Every position comes once, unless the
    work stops early.

    A batch starts only where there is room for it at full length; `batches` says which. Then `usage` counts
    the tokens that it really generated. Raises OverBudget where work that may not stop early has no room.
    """
    config = generation_config(model, decoding, max_target_tokens, min_target_tokens)
    costs, done = [flops.generation(len(source), max_target_tokens, decoding.beams) for source in sources], 0
    for batch in batches(sources, costs, decoding.batch_size, usage.can_afford, may_stop_early):
        outputs = generate_batch(model, tokenizer, [sources[i] for i in batch], config, precision, device)
        pairs = zip(batch, outputs, strict=True)
        usage.record_step(sum(flops.generation(len(sources[i]), output.tokens, decoding.beams) for i, output in pairs), len(batch))
        done += len(batch)
        progress("generating", done, len(sources))
        yield from zip(batch, outputs, strict=True)


def batches(
    sources: Sequence[Sequence[int]], costs: Sequence[float], size: int, can_afford: Callable[[float, int], bool], may_stop_early: bool
) -> Iterator[list[int]]:
    """Positions of the sources that are read together, batch by batch, as long as `can_afford` has room for one.

    costs: FLOPs of each source at full length. size: sources in a batch. can_afford: is asked for a batch once the one before is done.
    Where a batch does not fit, half of it is tried, and so on. Raises OverBudget where work that may not stop early has no room.
    """
    width = size * (1 if may_stop_early else WINDOW)
    for waiting in _windows(sources, width):
        while waiting:
            batch = waiting[:size]
            if can_afford(sum(costs[i] for i in batch), len(batch)):
                yield batch
                waiting = waiting[len(batch) :]
            elif not may_stop_early:
                raise OverBudget("the remaining budget does not pay for the outputs")
            elif len(batch) == 1:
                return
            else:
                size = len(batch) // 2


def reached(sources: Sequence[Sequence[int]], costs: Sequence[float], size: int, limit: Limit | None) -> list[int]:
    """Positions of the sources that `generate` reads within a limit, in its order, where every output is as long as allowed.

    A limit in seconds or kWh is not known to end anything. Raises OverBudget where not even one source fits.
    """
    room, found = _Room(limit), list[int]()
    for batch in batches(sources, costs, size, room.has, limit is not None):
        room.used += room.takes(sum(costs[i] for i in batch), len(batch))
        found += batch
    if sources and not found:
        raise OverBudget(FIRST_DOES_NOT_FIT)
    return found


@dataclass
class _Room:
    """What is left of a limit while nothing is made. used: so far, of the limit's meter."""

    limit: Limit | None
    used: float = 0.0

    def takes(self, flops: float, items: int) -> float:
        return self.limit.meter.of_step(flops, items) if self.limit and self.limit.meter.known_in_advance else flops

    def has(self, flops: float, items: int) -> bool:
        if self.limit is None or not self.limit.meter.known_in_advance:
            return True
        return self.used + self.takes(flops, items) <= self.limit.amount


def _windows(sources: Sequence[Sequence[int]], width: int) -> Iterator[list[int]]:
    """Yield the positions of the sources, `width` at a time, longest first within each window."""
    for start in range(0, len(sources), width):
        yield sorted(range(start, min(start + width, len(sources))), key=lambda i: (-len(sources[i]), i))


def generation_config(model: Any, decoding: Decoding, max_tokens: int, min_tokens: int = 0) -> Any:
    """Return a configuration for deterministic decoding of at most `max_tokens` new tokens."""
    from transformers import GenerationConfig

    starts_and_ends = {name: getattr(model.generation_config, name) for name in STARTS_AND_ENDS}
    beam_search = {"length_penalty": decoding.length_penalty, "early_stopping": False} if decoding.beams > 1 else {}
    return GenerationConfig(
        **starts_and_ends,
        **beam_search,
        do_sample=False,
        num_beams=decoding.beams,
        max_new_tokens=max_tokens,
        **({"min_new_tokens": min_tokens} if min_tokens else {}),
    )


def generate_batch(
    model: Any, tokenizer: Any, sources: Sequence[Sequence[int]], config: Any, precision: Precision, device: str
) -> list[Output]:
    """Return the generated texts for one batch of tokenised sources, in order. `model` is on `device`.

    Sources of a decoder-only model are padded on the left, so that all outputs continue from the same
    position. The source is then cut off from the output.
    """
    causal = not model.config.is_encoder_decoder
    ids = pad(sources, model.config.pad_token_id, left=causal).to(device)
    mask = pad([[1] * len(s) for s in sources], 0, left=causal).to(device)
    with torch.inference_mode(), torch.autocast(device.partition(":")[0], dtype=torch.bfloat16, enabled=precision == "bf16"):
        generated = model.generate(input_ids=ids, attention_mask=mask, generation_config=config, **_cache(model))
    given = ids.shape[1] if causal else 1  # the decoder's start token
    rows = [_until_end(row, config.eos_token_id) for row in generated[:, given:].tolist()]
    ended = [bool(row) and row[-1] in config.eos_token_id for row in rows]
    return [Output(text, len(row), end) for text, row, end in zip(decode(tokenizer, rows), rows, ended, strict=True)]


def _cache(model: Any) -> dict[str, Any]:
    """Return an empty key-value cache where `generate` would make one with too few layers.

    transformers 5.23 makes one layer of cache for each encoder layer of T5. A deeper decoder then fails with
    an IndexError.
    """
    from transformers import DynamicCache, EncoderDecoderCache

    decoder = model.get_decoder().config
    if decoder.num_hidden_layers <= model.config.num_hidden_layers:
        return {}
    return {"past_key_values": EncoderDecoderCache(DynamicCache(config=decoder), DynamicCache(config=decoder))}


def _until_end(row: list[int], ends: Sequence[int]) -> list[int]:
    for position, token in enumerate(row):
        if token in ends:
            return row[: position + 1]
    return row
