"""Tiny random models whose outputs have different lengths, and what transformers returns for them, by `generate` or token by token."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from bench.contracts import Decoding
from bench.engines._decoder_only import moved_rows
from bench.training.batches import pad
from bench.training.checkpoints import load

SOURCES = [[7, 8, 9, 10, 11, 12, 1], [20, 21, 22, 1], [30, 31, 32, 33, 34, 1], [40, 1], [50, 51, 52, 53, 1], [60, 61, 62, 1]]
TOKENS = 12


def model_that_ends(folder, tied: bool = False) -> tuple[Any, Any]:
    """Return (model, tokenizer). Its outputs depend on the source, and four tokens end one, so that lengths differ.

    tied: whether the output layer stays as it is, so that the model can be saved. Lengths may then be equal.
    """
    model, tokenizer = load(folder)
    head = model.get_output_embeddings()
    if not tied:
        head.weight = torch.nn.Parameter(torch.randn(head.weight.shape, generator=torch.Generator().manual_seed(3)) * 3)
    with torch.no_grad():
        for module in model.modules() if model.config.model_type == "bart" else ():
            if isinstance(module, torch.nn.Linear) and module is not head:
                module.weight *= 10
    written = by_transformers(model, Decoding())
    chosen = [row[min(place, len(row) - 1)] for row, place in zip(written, (2, 5, 8), strict=False)]
    model.generation_config.eos_token_id = [tokenizer.eos_token_id, *chosen]
    return model, tokenizer


def by_transformers(model: Any, decoding: Decoding, tokens: int = TOKENS, least: int = 0, cache: bool = True) -> list[list[int]]:
    """Return the token ids that `generate` gives for SOURCES, including the end token."""
    from transformers import GenerationConfig

    names = ("decoder_start_token_id", "bos_token_id", "eos_token_id", "pad_token_id", "forced_bos_token_id")
    kept = {name: getattr(model.generation_config, name) for name in names}
    beams = {"length_penalty": decoding.length_penalty, "early_stopping": False} if decoding.beams > 1 else {}
    lengths = {"max_new_tokens": tokens, **({"min_new_tokens": least} if least else {})}
    config = GenerationConfig(**kept, **beams, **lengths, do_sample=False, num_beams=decoding.beams, use_cache=cache)
    left = not model.config.is_encoder_decoder
    ids = pad(SOURCES, model.config.pad_token_id, left=left)
    mask = pad([[1] * len(source) for source in SOURCES], 0, left=left)
    rows = model.generate(input_ids=ids, attention_mask=mask, generation_config=config)
    rows = rows[:, ids.shape[1] if left else 1 :].tolist()
    ends = model.generation_config.eos_token_id
    return [row[: next((i + 1 for i, token in enumerate(row) if token in ends), len(row))] for row in rows]


class EncoderDecoder:
    """A Decoder that runs the code of transformers. It keeps a copy of the encoder's states for each beam."""

    def __init__(self, model: Any, start_token: int) -> None:
        self._model, self._start_token = model, start_token

    def start(self, ids: Tensor, mask: Tensor, beams: int, max_tokens: int) -> Tensor:
        from transformers import DynamicCache, EncoderDecoderCache

        states = self._model.get_encoder()(input_ids=ids, attention_mask=mask)[0]
        self._states, self._mask, self._beams = states.repeat_interleave(beams, 0), mask.repeat_interleave(beams, 0), beams
        config = self._model.get_decoder().config  # the model would make a layer of cache for each layer of the encoder
        self._cache = EncoderDecoderCache(DynamicCache(config=config), DynamicCache(config=config))
        return self.step(ids.new_full((len(self._states),), self._start_token))

    def step(self, tokens: Tensor) -> Tensor:
        out = self._model(
            encoder_outputs=(self._states,),
            attention_mask=self._mask,
            decoder_input_ids=tokens[:, None],
            past_key_values=self._cache,
            use_cache=True,
        )
        logits: Tensor = out.logits[:, -1].float()
        return logits

    def reorder(self, origin: Tensor) -> None:
        self._cache.self_attention_cache.reorder_cache(origin)

    def forget(self) -> None:
        del self._states, self._mask, self._cache

    def move(self, to: Tensor, origin: Tensor, left: int) -> None:
        rows = moved_rows(to, origin, left, self._beams)
        self._states, self._mask = self._states[rows], self._mask[rows]
        self._cache.batch_select_indices(rows)
