"""T5, mT5, BART and Pegasus, token by token.

Differences from transformers' own code, all of which give the same numbers up to rounding:

- Keys and values of self-attention are written into tensors of the full length, not concatenated for each token.
- Keys and values of cross-attention are computed once for each source, and its beams share them.
- Queries, keys and values of a layer are one product, and so are the two inner layers of a gated feed-forward part.
- Masks are made once. A batch without padding has none.
- A source that leaves is replaced by one from the end of the batch, so nothing else is copied.
"""

from __future__ import annotations

from functools import partial

import torch
from torch import Tensor
from torch.nn import functional

from bench.engines._weights import Apply, Block, Cross, Stacks


class StackDecoder:
    """A Decoder (see `_search`) of a known family."""

    def __init__(self, stacks: Stacks, start_token: int) -> None:
        self._stacks, self._start_token = stacks, start_token

    def start(self, ids: Tensor, mask: Tensor, beams: int, max_tokens: int) -> Tensor:
        stacks, side = self._stacks, self._stacks.decoder
        self._beams, self._length, self._sources = beams, 0, len(ids)
        self._mask = None if mask.all() else _additive(mask, stacks.dtype)
        states = self._encode(ids)
        self._cross = [_split(cross.keys_values(states), 2, side.heads).contiguous() for cross in stacks.cross]
        del states
        keys = self._cross[0]
        shape = (2, len(ids) * beams, side.heads, max_tokens, keys.shape[-1])
        self._kept = [keys.new_empty(shape) for _ in side.blocks]
        self._bias = side.bias(max_tokens).to(keys.dtype) if side.bias else None
        return self.step(ids.new_full((len(ids) * beams,), self._start_token))

    def _encode(self, ids: Tensor) -> Tensor:
        """Return the output of the encoder, (sources, tokens, width)."""
        side, scale = self._stacks.encoder, self._stacks.scale
        states = side.embed(ids, torch.arange(ids.shape[1], device=ids.device))
        added = self._mask
        if side.bias:
            bias = side.bias(ids.shape[1]).to(self._stacks.dtype)
            added = bias if added is None else bias + added

        def attend(block: Block, states: Tensor) -> Tensor:
            queries, keys, values = _split(block.queries_keys_values(states), 3, side.heads)
            out = functional.scaled_dot_product_attention(queries, keys, values, added, scale=scale)
            return block.out(out.transpose(1, 2).flatten(2))

        for block in side.blocks:
            states = self._change(states, block.norm, partial(attend, block))
            states = self._change(states, block.feed_forward_norm, block.feed_forward)
        return side.final(states)

    def step(self, tokens: Tensor) -> Tensor:
        side, position = self._stacks.decoder, tokens.new_full((1,), self._length)
        self._length += 1
        bias = self._bias[..., self._bias.shape[-1] - self._length :].contiguous() if self._bias is not None else None
        states = side.embed(tokens[:, None], position)[:, 0]
        for block, cross, kept, keys_values in zip(side.blocks, self._stacks.cross, self._kept, self._cross, strict=True):
            states = self._change(states, block.norm, partial(self._attend, block, kept, bias))
            states = self._change(states, cross.norm, partial(self._attend_across, cross, keys_values))
            states = self._change(states, block.feed_forward_norm, block.feed_forward)
        return self._stacks.head(side.final(states)).float()

    def _change(self, states: Tensor, norm: Apply, change: Apply) -> Tensor:
        return states + change(norm(states)) if self._stacks.norm_first else norm(states + change(states))

    def _attend(self, block: Block, kept: Tensor, bias: Tensor | None, states: Tensor) -> Tensor:
        rows = len(states)
        queries, *keys_values = block.queries_keys_values(states).view(rows, 3, self._stacks.decoder.heads, -1).unbind(1)
        for place, new in zip(kept, keys_values, strict=True):
            place[:rows, :, self._length - 1] = new
        keys, values = kept[:, :rows, :, : self._length]
        out = functional.scaled_dot_product_attention(queries[:, :, None], keys, values, bias, scale=self._stacks.scale)
        return block.out(out.reshape(rows, -1))

    def _attend_across(self, cross: Cross, keys_values: Tensor, states: Tensor) -> Tensor:
        rows = len(states)
        queries = cross.queries(states).view(self._sources, self._beams, self._stacks.decoder.heads, -1).transpose(1, 2)
        keys, values = keys_values[:, : self._sources]
        mask = self._mask[: self._sources] if self._mask is not None else None
        out = functional.scaled_dot_product_attention(queries, keys, values, mask, scale=self._stacks.scale)
        return cross.out(out.transpose(1, 2).reshape(rows, -1))

    def reorder(self, origin: Tensor) -> None:
        for kept in self._kept:
            now = kept[:, : len(origin), :, : self._length]
            now.copy_(now[:, origin])

    def forget(self) -> None:
        del self._kept, self._cross, self._mask, self._bias

    def move(self, to: Tensor, origin: Tensor, left: int) -> None:
        beams = torch.arange(self._beams, device=to.device)
        to_rows, from_rows = ((places[:, None] * self._beams + beams).flatten() for places in (to, origin))
        for kept in self._kept:
            now = kept[:, :, :, : self._length]
            now[:, to_rows] = now[:, from_rows]
        for cross in self._cross:
            cross[:, to] = cross[:, origin]
        if self._mask is not None:
            self._mask[to] = self._mask[origin]
        self._sources = left


def _split(states: Tensor, parts: int, heads: int) -> Tensor:
    """(sources, tokens, parts * heads * size) -> (parts, sources, heads, tokens, size)."""
    return states.view(*states.shape[:2], parts, heads, -1).permute(2, 0, 3, 1, 4)


def _additive(mask: Tensor, dtype: torch.dtype) -> Tensor:
    """Return what is added to the scores of attention to the source, (sources, 1, 1, tokens)."""
    added = torch.zeros(mask.shape, dtype=dtype, device=mask.device).masked_fill_(mask == 0, torch.finfo(dtype).min)
    return added[:, None, None]
