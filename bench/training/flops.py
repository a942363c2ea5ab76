"""Model FLOPs of an encoder-decoder or a decoder-only model, from its config alone.

The convention of PaLM (Chowdhery et al. 2022, appendix B): what the model needs, not what the hardware did. Two FLOPs for
each multiply-add of the linear layers and of the two attention products (no discount for the causal mask); padding,
recomputation, normalisation, softmax and the optimiser do not count. So a figure depends on shapes and on the numbers of
real tokens only, and is the same on every machine.

    forward          encoder(s) + cross keys and values(s) + decoder(s, t) + head(t)
    training         3 x where weights learn: forward, gradient of the inputs, gradient of the weights
                     embeddings frozen: head 2 x (its inputs still need their gradient)
                     encoder frozen: encoder 1 x; cross keys and values 2 x (their inputs need no gradient)
    generation       encoder once; then, for each beam, cross keys and values once and t cached steps of one token

A decoder-only model reads source and target as one text in its decoder:

    forward          decoder(s + t) + head(s + t): logits are computed at all positions, also where no label is
    training         as above, and no encoder to freeze
    generation       for each beam decoder(s), then t - 1 cached steps of one token, and t times the head

Rotary positions are no layer and do not count.
"""

from __future__ import annotations

import functools
import json
from dataclasses import dataclass
from typing import Any

import torch

from bench.training.models import model_class
from bench.training.tuning import Freeze, check_freeze

CROSS_ATTENTION = ("EncDecAttention", "encoder_attn")
QUERIES = ("q", "q_proj")
KEYS = ("k", "k_proj")
VALUES = ("v", "v_proj")


@dataclass(frozen=True)
class FlopModel:
    """Coefficients, in FLOPs, for s source and t target tokens of one example.

    encoder: per source token. encoder_pairs: per (source, source) pair. cross: keys and values, per source token.
    decoder: the other linear layers, per target token. decoder_pairs: per (target, target) pair, cross_pairs: per
    (target, source) pair. head: output layer, per target token. causal: decoder-only; then target is source and target, and the
    encoder's and cross coefficients are 0.
    """

    encoder: int
    encoder_pairs: int
    cross: int
    decoder: int
    decoder_pairs: int
    cross_pairs: int
    head: int
    causal: bool = False

    def forward(self, source: int, target: int) -> int:
        """One pass over one example, all target positions at once."""
        source, target = self._stacks(source, target)
        return self._encode(source) + self.cross * source + self._decode(source, target) + self.head * target

    def training(self, source: int, target: int, freeze: Freeze = "none") -> int:
        """Forward and backward of one example. Raises CheckpointError where the encoder is to be frozen and there is none."""
        check_freeze(freeze, self.causal)
        source, target = self._stacks(source, target)
        encoder_passes = 1 if freeze == "encoder" else 3
        cross_passes = 2 if freeze == "encoder" else 3
        head_passes = 3 if freeze == "none" else 2
        return (
            encoder_passes * self._encode(source)
            + cross_passes * self.cross * source
            + 3 * self._decode(source, target)
            + head_passes * self.head * target
        )

    def generation(self, source: int, target: float, beams: int = 1) -> float:
        """Generate `target` tokens, one at least, the end token among them, with a key-value cache. An estimate may be fractional."""
        if self.causal:
            steps = target - 1  # reading the source gives the first token
            pairs = self.decoder_pairs * (source + target / 2) * steps
            return beams * (self._decode(0, source) + self.decoder * steps + pairs + self.head * target)
        steps = (self.decoder + self.head + self.cross_pairs * source) * target
        pairs = self.decoder_pairs * target * (target + 1) / 2
        return self._encode(source) + beams * (self.cross * source + steps + pairs)

    def _stacks(self, source: int, target: int) -> tuple[int, int]:
        """Tokens that go through the encoder and the decoder."""
        return (0, source + target) if self.causal else (source, target)

    def _encode(self, source: int) -> int:
        return self.encoder * source + self.encoder_pairs * source * source

    def _decode(self, source: int, target: int) -> int:
        return self.decoder * target + self.decoder_pairs * target * target + self.cross_pairs * source * target


def flop_model(config: Any) -> FlopModel:
    """Coefficients of the architecture `config`; no weights are made."""
    return _count(config.to_json_string(use_diff=False))


@functools.lru_cache(maxsize=64)
def _count(config_json: str) -> FlopModel:
    from transformers import AutoConfig

    config = AutoConfig.for_model(**json.loads(config_json))
    with torch.device("meta"):
        model = model_class(config).from_config(config)
    causal = not config.is_encoder_decoder
    encoder, encoder_pairs, _, _ = (0, 0, 0, 0) if causal else _walk(model.get_encoder())
    decoder, decoder_pairs, cross, cross_pairs = _walk(model.get_decoder())
    head = _linear(model.get_output_embeddings())
    return FlopModel(encoder, encoder_pairs, cross, decoder, decoder_pairs, cross_pairs, head, causal)


def _walk(stack: Any) -> tuple[int, int, int, int]:
    """(linear layers, self-attention pairs, cross keys and values, cross-attention pairs) of one stack."""
    linear = pairs = cross = cross_pairs = 0
    for path, module in stack.named_modules():
        if not isinstance(module, torch.nn.Linear):
            continue
        *parents, name = path.split(".")
        is_cross = any(parent in CROSS_ATTENTION for parent in parents)
        # queries x keys and weights x values: as many heads as queries have, where several of them share their keys too
        products = 4 * module.out_features if name in QUERIES else 0
        if is_cross:
            cross_pairs += products
        else:
            pairs += products
        if is_cross and name in KEYS + VALUES:
            cross += _linear(module)
        else:
            linear += _linear(module)
    return linear, pairs, cross, cross_pairs


def _linear(layer: Any) -> int:
    return 2 * int(layer.in_features) * int(layer.out_features)
