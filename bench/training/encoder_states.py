"""The outputs of a frozen encoder, computed once per source and kept on disk while a training lasts.

A frozen encoder without dropout gives the same states for the same source in every epoch. Its first pass is paid and kept.
Later epochs read the states from a memory-mapped file, whose pages the system takes back when it needs memory.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
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


class EncoderStates:
    """A memory-mapped file with one row for each source token that is kept, in the order in which the sources were first computed.

    Rows do not change once they are written. A training checkpoint therefore names how many of them belong to it, and their hash.
    """

    def __init__(self, path: Path, kept: Kept) -> None:
        self.path, self.kept = path, kept
        self.rows: torch.Tensor | None = None
        self._hashed, self._sha256 = 0, hashlib.sha256()

    def reserve(self, like: torch.Tensor) -> torch.Tensor:
        """Make the file for rows such as those of `like`. Its space is reserved, because a full disk would kill the process later. Raises
        BenchError where the disk is full."""
        size = self.kept.room * like.shape[-1]
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with self.path.open("wb") as file:
                os.posix_fallocate(file.fileno(), 0, size * like.element_size())
        except OSError as error:
            raise BenchError(
                f"no room on the disk for the states of a frozen encoder ({error.strerror}); set cache_encoder: false"
            ) from error
        self.rows = self._mapped(like.shape[-1], like.dtype)
        return self.rows

    def written(self) -> dict[str, Any] | None:
        """Write all rows so far to the disk, and return what `restore` needs, as JSON. None: there is no file yet."""
        if self.rows is None:
            return None
        self._hash(self.rows)
        with self.path.open("rb") as file:
            os.fsync(file.fileno())
        dtype = str(self.rows.dtype).removeprefix("torch.")
        return {"tokens": self._hashed, "width": self.rows.shape[-1], "dtype": dtype, "sha256": self._sha256.hexdigest()}

    def restore(self, written: Mapping[str, Any] | None, kept: Kept) -> None:
        """Use the rows that another process wrote. kept: the sources that they belong to. Raises OSError or ValueError where the file is
        missing or has other rows, and has changed nothing by then."""
        if written is None:
            return
        dtype = getattr(torch, written["dtype"])
        if self.path.stat().st_size != self.kept.room * written["width"] * dtype.itemsize or kept.tokens != written["tokens"]:
            raise ValueError("its file of encoder states has another size")
        again = EncoderStates(self.path, kept)
        rows = again._mapped(written["width"], dtype)
        again._hash(rows)
        if again._sha256.hexdigest() != written["sha256"]:
            raise ValueError("its file of encoder states is damaged")
        self.rows, self._hashed, self._sha256 = rows, again._hashed, again._sha256
        self.kept.starts, self.kept.tokens = kept.starts, kept.tokens

    def _mapped(self, width: int, dtype: torch.dtype) -> torch.Tensor:
        room = self.kept.room
        return torch.from_file(str(self.path), shared=True, size=room * width, dtype=dtype).view(room, width)

    def _hash(self, rows: torch.Tensor) -> None:
        """Add the rows that are not hashed yet."""
        self._sha256.update(rows[self._hashed : self.kept.tokens].view(torch.uint8).view(-1).numpy().data)
        self._hashed = self.kept.tokens


@contextlib.contextmanager
def kept_on_disk(model: Any, folder: Path, kept: Kept, lasting: bool = False) -> Iterator[EncoderStates]:
    """Let the encoder of `model` compute each source once. Its states lie in a file in `folder` until the block ends.

    kept: filled with each source that is computed. The states of a source do not depend on the padding of its batch, except for
    rounding. lasting: leave the file where a checkpoint lies beside it, for a process that continues. Raises BenchError where the disk is
    full.
    """
    file = EncoderStates(folder / "encoder_states.bin", kept)
    if not kept.room:
        yield file
        return
    from transformers.modeling_outputs import BaseModelOutput

    encoder = model.get_encoder().eval()  # nothing in it may be drawn at random, such as the layers that BART can drop
    compute = encoder.forward

    def forward(input_ids: torch.Tensor, attention_mask: torch.Tensor, **_: Any) -> BaseModelOutput:
        lengths = attention_mask.sum(dim=1).tolist()
        sources = [tuple(ids[:length]) for ids, length in zip(input_ids.tolist(), lengths, strict=True)]
        new = [i for i, source in enumerate(sources) if source not in kept.starts]
        computed = input_ids.new_zeros(0)
        if new:
            longest = max(lengths[i] for i in new)
            with torch.no_grad():
                computed = compute(input_ids=input_ids[new, :longest], attention_mask=attention_mask[new, :longest])[0].cpu()
            if file.rows is None:
                file.reserve(computed)
            kept.add(sources[i] for i in new)
        rows = file.rows
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
        yield file
    finally:
        del encoder.forward  # the method of its class is seen again
        if not (lasting and any(beside.is_dir() for beside in folder.glob("*"))):
            file.path.unlink(missing_ok=True)
