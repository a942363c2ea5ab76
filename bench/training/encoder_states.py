"""The outputs of a frozen encoder, computed once per source and kept on disk while a training lasts.

A frozen encoder without dropout gives the same states for the same source in every epoch. Its first pass is paid and kept.
Later epochs read the states from a memory-mapped file, whose pages the system takes back when it needs memory.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from bench.errors import BenchError
from bench.training.batches import Encoded

AT_MOST = 1_000_000
"""Most source tokens that are kept: 2 GB of states of width 512 in fp32, 4 GB of width 1,024."""


@dataclass
class Kept:
    """The sources whose states are kept. A forecast and a training fill it in the same order."""

    room: int
    """Most tokens that are kept. 0 keeps none, so that the encoder runs in every step."""
    starts: dict[Sequence[int], int] = field(default_factory=dict)
    """Token ids of a source -> the row at which its states begin."""
    tokens: int = 0

    def add(self, sources: Iterable[Sequence[int]]) -> None:
        """Keep the sources that are not kept yet and for which there is room."""
        for source in sources if self.room else ():
            if source not in self.starts and self.tokens + len(source) <= self.room:
                self.starts[source] = self.tokens
                self.tokens += len(source)


def room_for(data: Iterable[Encoded]) -> int:
    """Return the tokens of all distinct sources, or AT_MOST where they are more."""
    kept = Kept(AT_MOST)
    for one in data:
        if kept.tokens + len(one.source) > AT_MOST and one.source not in kept.starts:
            return AT_MOST
        kept.add([one.source])
    return kept.tokens


@contextlib.contextmanager
def kept_on_disk(model: Any, folder: Path, kept: Kept) -> Iterator[None]:
    """Let the encoder of `model` compute each source once. Its states lie in a file in `folder` until the block ends.

    kept: filled with each source that is computed. The states of a source do not depend on the padding of its batch, except for
    rounding. Raises BenchError where the disk is full.
    """
    if not kept.room:
        yield
        return
    from transformers.modeling_outputs import BaseModelOutput

    encoder = model.get_encoder().eval()  # nothing in it may be drawn at random, such as the layers that BART can drop
    compute, path = encoder.forward, folder / "encoder_states.bin"
    rows: torch.Tensor | None = None

    def forward(input_ids: torch.Tensor, attention_mask: torch.Tensor, **_: Any) -> BaseModelOutput:
        nonlocal rows
        lengths = attention_mask.sum(dim=1).tolist()
        sources = [tuple(ids[:length]) for ids, length in zip(input_ids.tolist(), lengths, strict=True)]
        new = [i for i, source in enumerate(sources) if source not in kept.starts]
        computed = input_ids.new_zeros(0)
        if new:
            longest = max(lengths[i] for i in new)
            with torch.no_grad():
                computed = compute(input_ids=input_ids[new, :longest], attention_mask=attention_mask[new, :longest])[0].cpu()
            rows = _reserved(path, kept.room, computed) if rows is None else rows
            kept.add(sources[i] for i in new)
        assert rows is not None
        states = rows.new_zeros((*input_ids.shape, rows.shape[-1]))
        for i, states_of_new in zip(new, computed, strict=True):
            states[i, : lengths[i]] = states_of_new[: lengths[i]]
            if (start := kept.starts.get(sources[i])) is not None:
                rows[start : start + lengths[i]] = states_of_new[: lengths[i]]
        for i in set(range(len(sources))) - set(new):
            start = kept.starts[sources[i]]
            states[i, : lengths[i]] = rows[start : start + lengths[i]]
        return BaseModelOutput(last_hidden_state=states.to(input_ids.device))

    encoder.forward = forward
    try:
        yield
    finally:
        del encoder.forward  # the method of its class is seen again
        path.unlink(missing_ok=True)


def _reserved(path: Path, room: int, like: torch.Tensor) -> torch.Tensor:
    """Return a memory-mapped (room, width) tensor. The space is reserved, because a full disk would kill the process later."""
    size = room * like.shape[-1]
    try:
        with path.open("wb") as file:
            os.posix_fallocate(file.fileno(), 0, size * like.element_size())
    except OSError as error:
        raise BenchError(f"no room on the disk for the states of a frozen encoder ({error.strerror}); set cache_encoder: false") from error
    return torch.from_file(str(path), shared=True, size=size, dtype=like.dtype).view(room, -1)
