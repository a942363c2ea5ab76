"""Greedy and beam search over a decoder. Both return what `generate` of transformers does. Complete sources leave the batch at once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

NEVER = -1.0e9
"""Score of a beam that must not be chosen; transformers uses the same number."""

CHUNK = 128
"""Numbers in a chunk of `top`."""


class Decoder(Protocol):
    """A model that reads a batch of sources, and then gives logits token by token."""

    def start(self, ids: Tensor, mask: Tensor, beams: int, max_tokens: int) -> Tensor:
        """Read the sources. Return the logits of the first token, (sources * beams, vocabulary).

        Args:
            ids: (sources, tokens), padded.
            mask: (sources, tokens), 1 at real tokens.
            beams: Rows for each source.
            max_tokens: Most tokens that are generated.
        """
        ...

    def step(self, tokens: Tensor) -> Tensor:
        """Return the logits after one more token of each row, (rows, vocabulary) in fp32. They may be overwritten.

        tokens: (rows).
        """
        ...

    def reorder(self, origin: Tensor) -> None:
        """Let each row continue from the state of another. origin: (rows), the row to continue from."""
        ...

    def forget(self) -> None:
        """Free what is kept of the batch."""
        ...

    def move(self, to: Tensor, origin: Tensor, left: int) -> None:
        """Copy the sources at `origin` to the places `to`, and keep the first `left` sources only."""
        ...


@dataclass(frozen=True, kw_only=True)
class Limits:
    """When outputs begin and end."""

    max_tokens: int
    min_tokens: int
    ends: Tensor
    """Tokens that end an output, int64."""
    forced_first: int | None
    """Token with which every output begins. None: any."""

    def best(self, logits: Tensor, count: int, step: int) -> tuple[Tensor, Tensor]:
        """Return the log-probabilities of the likeliest tokens and the tokens, each (rows, count), best first.

        logits: (rows, vocabulary). They are overwritten.
        """
        forced = step == 0 and self.forced_first is not None
        if forced or step < self.min_tokens:
            log_probs = logits.log_softmax(-1)
            if forced:
                log_probs.fill_(-torch.inf)[:, self.forced_first] = 0
            else:
                log_probs[:, self.ends] = -torch.inf
            return top(log_probs, count)
        values, tokens = top(logits, count)
        highest = values[:, :1].clone()
        return values.sub_(highest).sub_(logits.sub_(highest).exp_().sum(-1, keepdim=True).log_()), tokens

    def hit(self, tokens: Tensor) -> Tensor:
        """Return whether each token ends an output."""
        return torch.isin(tokens, self.ends)


@dataclass(frozen=True)
class Found:
    """The output for one source."""

    tokens: list[int]
    """Generated tokens, including the end token if there is one."""
    log_prob: float
    """Sum of the log-probabilities of the tokens."""


EachToken = Callable[[], None]
"""Called before the first token, and after each one."""


def greedy(decoder: Decoder, ids: Tensor, mask: Tensor, limits: Limits, each_token: EachToken) -> list[Found]:
    """Return the output of each source where every token is the likeliest one."""
    count = len(ids)
    written = ids.new_zeros(count, limits.max_tokens)
    lengths = ids.new_full((count,), limits.max_tokens)
    log_probs = torch.zeros(count, device=ids.device)
    rows = torch.arange(count, device=ids.device)
    each_token()
    logits = decoder.start(ids, mask, 1, limits.max_tokens)
    for step in range(limits.max_tokens):
        gained, chosen = (best[:, 0] for best in limits.best(logits, 1, step))
        written[rows, step] = chosen
        log_probs[rows] += gained
        if step + 1 == limits.max_tokens:
            each_token()
            break
        ended = limits.hit(chosen)
        if ended.any():
            lengths[rows[ended]] = step + 1
            to, origin, left = closed_up(ended)
            if not left:
                break
            decoder.move(to, origin, left)
            rows, chosen = (_moved(kept, to, origin, left) for kept in (rows, chosen))
        each_token()
        logits = decoder.step(chosen)
    found = zip(written.tolist(), lengths.tolist(), log_probs.tolist(), strict=True)
    return [Found(tokens[:length], log_prob) for tokens, length, log_prob in found]


def top(values: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """Return the largest values of each row and their places, each (rows, count), largest first.

    It is what `topk` returns, many times faster on a CPU: the maximum of each chunk of a row is found first, and only as many
    chunks as values are wanted are searched further. values: (rows, size).
    """
    rows, size = values.shape
    chunks = size // CHUNK
    if chunks <= count:
        largest, places = values.topk(count)
        return largest, places
    cut = chunks * CHUNK
    parts = values[:, :cut].view(rows, chunks, CHUNK)
    chosen = parts.amax(-1).topk(count).indices
    found = parts.gather(1, chosen[:, :, None].expand(-1, -1, CHUNK)).flatten(1)
    places = (chosen[:, :, None] * CHUNK + torch.arange(CHUNK, device=values.device)).flatten(1)
    rest = torch.arange(cut, size, device=values.device).expand(rows, -1)
    largest, where = torch.cat([found, values[:, cut:]], 1).topk(count)
    return largest, torch.cat([places, rest], 1).gather(1, where)


def closed_up(ended: Tensor) -> tuple[Tensor, Tensor, int]:
    """Return (places to fill, places they are filled from, how many are left), so that those left come first.

    ended: (sources), whether a source leaves.
    """
    stay = (~ended).nonzero()[:, 0]
    left = len(stay)
    return ended[:left].nonzero()[:, 0], stay[stay >= left], left


def _moved(values: Tensor, to: Tensor, origin: Tensor, left: int) -> Tensor:
    values[to] = values[origin]
    return values[:left]


@dataclass(kw_only=True)
class _Beams:
    """Beams of the sources that are still open. The first dimension of every tensor is the source, the second the beam."""

    rows: Tensor
    """(sources), position of each source in the batch."""
    tokens: Tensor
    """(sources, beams, max_tokens)."""
    scores: Tensor
    """(sources, beams), log-probabilities of the open beams, highest first."""
    done: Tensor
    """(sources, beams), whether a place of the finished beams is taken."""
    done_tokens: Tensor
    """(sources, beams, max_tokens)."""
    done_scores: Tensor
    """(sources, beams), log-probabilities divided by the length to the power of the penalty, highest first."""
    done_log_probs: Tensor
    """(sources, beams)."""
    done_lengths: Tensor
    """(sources, beams), in tokens."""

    def gathered(self, index: Tensor) -> _Beams:
        """Return the beams of some sources."""
        return _Beams(**{name: getattr(self, name)[index] for name in self.__dataclass_fields__})


def beam_search(
    decoder: Decoder, ids: Tensor, mask: Tensor, limits: Limits, beams: int, length_penalty: float, each_token: EachToken
) -> list[Found]:
    """Return the best output of each source that a search with `beams` beams finds.

    A source is done as soon as no open beam, at its present length, is better than its worst finished beam.
    """
    count, found = len(ids), dict[int, Found]()
    kept = max(2, 1 + len(limits.ends)) * beams
    open_ = _first_beams(ids, beams, limits.max_tokens)
    each_token()
    logits = decoder.start(ids, mask, beams, limits.max_tokens)
    for step in range(limits.max_tokens):
        log_probs, origin, tokens = _continuations(logits, open_.scores, kept, step, limits)
        last = step + 1 == limits.max_tokens
        hits = limits.hit(tokens) | last
        sequences = open_.tokens.gather(1, origin[:, :, None].expand(-1, -1, limits.max_tokens))
        sequences[:, :, step] = tokens
        _finish(open_, sequences, log_probs, hits, step + 1, length_penalty)
        open_.scores, order = (log_probs + hits * NEVER).topk(beams)
        open_.tokens = sequences.gather(1, order[:, :, None].expand(-1, -1, limits.max_tokens))
        origin, tokens = origin.gather(1, order), tokens.gather(1, order)
        worst = torch.where(open_.done, open_.done_scores[:, -1:], NEVER)
        over = (open_.scores[:, :1] / (step + 1) ** length_penalty <= worst).all(-1)
        if last:
            each_token()
            found |= _best(open_, range(len(over)))
            break
        if over.any():
            found |= _best(open_, over.nonzero()[:, 0].tolist())
            to, moved, left = closed_up(over)
            if not left:
                break
            decoder.move(to, moved, left)
            order = torch.arange(left, device=ids.device)
            order[to] = moved
            open_, origin, tokens = open_.gathered(order), origin[order], tokens[order]
        rows = torch.arange(len(origin), device=ids.device)[:, None] * beams
        decoder.reorder((rows + origin).flatten())
        each_token()
        logits = decoder.step(tokens.flatten())
    return [found[i] for i in range(count)]


def _best(open_: _Beams, sources: Sequence[int]) -> dict[int, Found]:
    """Return position in the batch -> best finished beam, for some of the open sources."""
    found = {}
    for source in sources:
        length = int(open_.done_lengths[source, 0])
        tokens = open_.done_tokens[source, 0, :length].tolist()
        found[int(open_.rows[source])] = Found(tokens, float(open_.done_log_probs[source, 0]))
    return found


def _first_beams(ids: Tensor, beams: int, max_tokens: int) -> _Beams:
    """Return beams of which only the first one counts, so that the first step does not choose one token several times."""
    count = len(ids)
    never = torch.full((count, beams), NEVER, device=ids.device)
    scores = never.clone()
    scores[:, 0] = 0
    tokens = ids.new_zeros(count, beams, max_tokens)
    return _Beams(
        rows=torch.arange(count, device=ids.device),
        tokens=tokens,
        scores=scores,
        done=torch.zeros_like(never, dtype=torch.bool),
        done_tokens=tokens.clone(),
        done_scores=never,
        done_log_probs=torch.zeros_like(never),
        done_lengths=ids.new_zeros(count, beams),
    )


def _continuations(logits: Tensor, scores: Tensor, kept: int, step: int, limits: Limits) -> tuple[Tensor, Tensor, Tensor]:
    """Return (log-probability, beam it continues, token) of the best continuations, each (sources, kept), best first."""
    sources, beams = scores.shape
    best, tokens = limits.best(logits, kept, step)
    log_probs = best.view(sources, beams, kept) + scores[:, :, None]
    found, place = log_probs.view(sources, -1).topk(kept)
    return found, place // kept, tokens.view(sources, -1).gather(1, place)


def _finish(open_: _Beams, sequences: Tensor, log_probs: Tensor, hits: Tensor, length: int, length_penalty: float) -> None:
    """Put the continuations that end among the finished beams, if they are better. Only the best `beams` ones count."""
    beams = open_.scores.shape[1]
    counts = hits.clone()
    counts[:, beams:] = False
    scores = log_probs / length**length_penalty + ~counts * NEVER
    lengths = torch.full_like(sequences[:, :, 0], length)
    open_.done_scores, order = torch.cat([open_.done_scores, scores], 1).topk(beams)
    open_.done = torch.cat([open_.done, counts], 1).gather(1, order)
    open_.done_log_probs = torch.cat([open_.done_log_probs, log_probs], 1).gather(1, order)
    open_.done_lengths = torch.cat([open_.done_lengths, lengths], 1).gather(1, order)
    places = order[:, :, None].expand(-1, -1, sequences.shape[2])
    open_.done_tokens = torch.cat([open_.done_tokens, sequences], 1).gather(1, places)


def search(
    decoder: Decoder, ids: Tensor, mask: Tensor, limits: Limits, beams: int, length_penalty: float, each_token: EachToken = lambda: None
) -> Sequence[Found]:
    """Return the output of each source, in order."""
    try:
        if beams == 1:
            return greedy(decoder, ids, mask, limits, each_token)
        return beam_search(decoder, ids, mask, limits, beams, length_penalty, each_token)
    finally:
        decoder.forget()  # the next batch would be read beside it
