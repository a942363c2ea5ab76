"""Model FLOPs of an encoder-decoder, from its config alone.

The convention of PaLM (Chowdhery et al. 2022, appendix B): what the model needs, not what the hardware did. Two FLOPs for
each multiply-add of the linear layers and of the two attention products (no discount for the causal mask); padding,
recomputation, normalisation, softmax and the optimiser do not count. So a figure depends on shapes and on the numbers of
real tokens only, and is the same on every machine.

    forward          encoder(s) + cross keys and values(s) + decoder(s, t) + head(t)
    training         3 x where weights learn: forward, gradient of the inputs, gradient of the weights
                     embeddings frozen: head 2 x (its inputs still need their gradient)
                     encoder frozen: encoder 1 x; cross keys and values 2 x (their inputs need no gradient)
    generation       encoder once; then, for each beam, cross keys and values once and t cached steps of one token
"""

from __future__ import annotations

import copy
import functools
import json
from dataclasses import dataclass
from typing import Any

import torch

from bench.training.shrinking import layer_counts, set_layer_counts
from bench.training.tuning import Freeze

CROSS_ATTENTION = ("EncDecAttention", "encoder_attn")
KEYS = ("k", "k_proj")
VALUES = ("v", "v_proj")


@dataclass(frozen=True)
class FlopModel:
    """Coefficients, in FLOPs, for s source and t target tokens of one example.

    encoder: per source token. encoder_pairs: per (source, source) pair. cross: keys and values, per source token.
    decoder: the other linear layers, per target token. decoder_pairs: per (target, target) pair, cross_pairs: per
    (target, source) pair. head: output layer, per target token.
    """

    encoder: int
    encoder_pairs: int
    cross: int
    decoder: int
    decoder_pairs: int
    cross_pairs: int
    head: int

    def forward(self, source: int, target: int) -> int:
        """One pass over one example, all target positions at once."""
        return self._encode(source) + self.cross * source + self._decode(source, target) + self.head * target

    def training(self, source: int, target: int, freeze: Freeze = "none") -> int:
        """Forward and backward of one example."""
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
        """Generate `target` tokens, the end token among them, with a key-value cache. An estimate may be fractional."""
        steps = (self.decoder + self.head + self.cross_pairs * source) * target
        pairs = self.decoder_pairs * target * (target + 1) / 2
        return self._encode(source) + beams * (self.cross * source + steps + pairs)

    def _encode(self, source: int) -> int:
        return self.encoder * source + self.encoder_pairs * source * source

    def _decode(self, source: int, target: int) -> int:
        return self.decoder * target + self.decoder_pairs * target * target + self.cross_pairs * source * target


def flop_model(config: Any, encoder_layers: int | None = None, decoder_layers: int | None = None) -> FlopModel:
    """Coefficients of the architecture `config`, shrunk to so many layers where given; no weights are made."""
    shape = copy.deepcopy(config)
    encoder, decoder = layer_counts(config)
    set_layer_counts(shape, encoder_layers or encoder, decoder_layers or decoder)
    return _count(shape.to_json_string(use_diff=False))


@functools.lru_cache(maxsize=64)
def _count(config_json: str) -> FlopModel:
    from transformers import AutoConfig, AutoModelForSeq2SeqLM

    with torch.device("meta"):
        model = AutoModelForSeq2SeqLM.from_config(AutoConfig.for_model(**json.loads(config_json)))
    encoder, encoder_pairs, _, _ = _walk(model.get_encoder())
    decoder, decoder_pairs, cross, cross_pairs = _walk(model.get_decoder())
    return FlopModel(encoder, encoder_pairs, cross, decoder, decoder_pairs, cross_pairs, _linear(model.get_output_embeddings()))


def _walk(stack: Any) -> tuple[int, int, int, int]:
    """(linear layers, self-attention pairs, cross keys and values, cross-attention pairs) of one stack."""
    linear = pairs = cross = cross_pairs = 0
    for path, module in stack.named_modules():
        if not isinstance(module, torch.nn.Linear):
            continue
        *parents, name = path.split(".")
        is_cross = any(parent in CROSS_ATTENTION for parent in parents)
        products = 4 * module.out_features if name in KEYS else 0  # queries x keys and weights x values
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
