"""The decoder of a decoder-only model, which runs through transformers' own code."""

from __future__ import annotations

import inspect
from typing import Any

import torch
from torch import Tensor


class DecoderOnly:
    """A decoder-only model of any family. Sources are padded on the left."""

    def __init__(self, model: Any) -> None:
        self._model = model
        self._takes = inspect.signature(model.forward).parameters

    def start(self, ids: Tensor, mask: Tensor, beams: int, max_tokens: int) -> Tensor:  # noqa: ARG002
        from transformers import DynamicCache

        self._beams, self._cache = beams, DynamicCache(config=self._model.config)
        self._mask, self._positions = mask, (mask.cumsum(-1) - 1).clamp_(min=0)
        logits = self._run(ids)
        if beams > 1:
            self._cache.batch_repeat_interleave(beams)
            self._mask, self._positions, logits = (t.repeat_interleave(beams, 0) for t in (self._mask, self._positions, logits))
        return logits

    def step(self, tokens: Tensor) -> Tensor:
        self._mask = torch.cat([self._mask, self._mask.new_ones(len(tokens), 1)], 1)
        self._positions = self._positions[:, -1:] + 1
        return self._run(tokens[:, None])

    def _run(self, ids: Tensor) -> Tensor:
        wanted = {"position_ids": self._positions, "logits_to_keep": 1}
        taken = {name: value for name, value in wanted.items() if name in self._takes}
        out = self._model(input_ids=ids, attention_mask=self._mask, past_key_values=self._cache, use_cache=True, **taken)
        logits: Tensor = out.logits[:, -1].float()
        return logits

    def reorder(self, origin: Tensor) -> None:
        self._cache.reorder_cache(origin)

    def forget(self) -> None:
        del self._mask, self._positions, self._cache

    def move(self, to: Tensor, origin: Tensor, left: int) -> None:
        rows = moved_rows(to, origin, left, self._beams)
        self._mask, self._positions = self._mask[rows], self._positions[rows]
        self._cache.batch_select_indices(rows)


def moved_rows(to: Tensor, origin: Tensor, left: int, beams: int) -> Tensor:
    """Return which row each of the rows left is copied from, (left * beams)."""
    sources = torch.arange(left, device=to.device)
    sources[to] = origin
    rows = sources[:, None] * beams + torch.arange(beams, device=to.device)
    return rows.flatten()
