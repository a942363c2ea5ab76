"""Model FLOPs of an encoder-decoder or a decoder-only model, from its config alone.

The convention of PaLM (Chowdhery et al. 2022, appendix B): what the model needs, not what the hardware did. Two FLOPs for
each multiply-add of the linear layers and of the two attention products (no discount for the causal mask); padding,
recomputation, normalisation, softmax and the optimiser do not count. So a figure depends on shapes and on the numbers of
real tokens only, and is the same on every machine.

    forward          encoder(s) + cross keys and values(s) + decoder(s, t) + head(t)
    training         3 x where weights learn: forward, gradient of the inputs, gradient of the weights
                     embeddings frozen: head 2 x (its inputs still need their gradient)
                     encoder frozen: encoder 1 x; cross keys and values 2 x (their inputs need no gradient)
                     LoRA: weights 2 x (forward, gradient of the inputs), their adapters 3 x, head 2 x; 1 x less for both where no input
                     needs a gradient: queries, keys and values of first layers, cross keys and values beside a frozen encoder
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

from bench.training.checkpoints import model_class
from bench.training.settings import Freeze, check_freeze

CROSS_ATTENTION = ("EncDecAttention", "encoder_attn")
QUERIES = ("q", "q_proj")
KEYS = ("k", "k_proj")
VALUES = ("v", "v_proj")


@dataclass(frozen=True)
class Linears:
    """Linear layers, per token. flops: of their weights. inputs, outputs: numbers that go into and come out of them, summed over layers:
    an adapter of rank r makes 2 r FLOPs of each of them forward."""

    flops: int = 0
    inputs: int = 0
    outputs: int = 0

    def __add__(self, other: Linears) -> Linears:
        return Linears(self.flops + other.flops, self.inputs + other.inputs, self.outputs + other.outputs)

    def adapters(self, rank: int) -> int:
        """FLOPs of adapters forward."""
        return 2 * rank * (self.inputs + self.outputs)

    def adapted(self, rank: int) -> int:
        """FLOPs forward and backward with adapters, where inputs need their gradient."""
        return 2 * self.flops + 3 * self.adapters(rank)

    def gradient_of_inputs(self, rank: int) -> int:
        """Of these, what is left out where they do not."""
        return self.flops + 2 * rank * self.inputs


@dataclass(frozen=True, kw_only=True)
class Adaptable:
    """What adapters are beside: all linear layers of a stack, and of these the first layer's queries, keys and values."""

    encoder: Linears = Linears()
    encoder_first: Linears = Linears()
    cross: Linears = Linears()
    decoder: Linears = Linears()
    decoder_first: Linears = Linears()


@dataclass(frozen=True, kw_only=True)
class FlopModel:
    """Coefficients, in FLOPs, for s source and t target tokens of one example.

    encoder: per source token. encoder_pairs: per (source, source) pair. cross: keys and values, per source token.
    decoder: the other linear layers, per target token. decoder_pairs: per (target, target) pair, cross_pairs: per
    (target, source) pair. head: output layer, per target token. causal: decoder-only; then target is source and target, and the
    encoder's and cross coefficients are 0. adaptable: what LoRA needs to know beside.
    """

    encoder: int
    encoder_pairs: int
    cross: int
    decoder: int
    decoder_pairs: int
    cross_pairs: int
    head: int
    causal: bool = False
    adaptable: Adaptable = Adaptable()

    def forward(self, source: int, target: int) -> int:
        """One pass over one example, all target positions at once."""
        source, target = self._stacks(source, target)
        return self._encode(source) + self.cross * source + self._decode(source, target) + self.head * target

    def adapters(self, source: int, target: int, freeze: Freeze, rank: int) -> int:
        """Of LoRA's adapters in one pass over one example, beside `forward`."""
        source, target = self._stacks(source, target)
        encoder = 0 if freeze == "encoder" else self.adaptable.encoder.adapters(rank)
        return (encoder + self.adaptable.cross.adapters(rank)) * source + self.adaptable.decoder.adapters(rank) * target

    def training(self, source: int, target: int, freeze: Freeze = "none", rank: int = 0) -> int:
        """Forward and backward of one example. rank: of LoRA's adapters, 0 where weights themselves learn.

        Raises CheckpointError where the encoder is to be frozen and there is none.
        """
        check_freeze(freeze, self.causal)
        source, target = self._stacks(source, target)
        if rank:
            return self._adapting(source, target, freeze == "encoder", rank)
        encoder_passes = 1 if freeze == "encoder" else 3
        cross_passes = 2 if freeze == "encoder" else 3
        head_passes = 3 if freeze == "none" else 2
        return (
            encoder_passes * self._encode(source)
            + cross_passes * self.cross * source
            + 3 * self._decode(source, target)
            + head_passes * self.head * target
        )

    def _adapting(self, source: int, target: int, encoder_frozen: bool, rank: int) -> int:
        layers = self.adaptable
        decoder = layers.decoder.adapted(rank) - layers.decoder_first.gradient_of_inputs(rank)
        cross = layers.cross.adapted(rank) - (layers.cross.gradient_of_inputs(rank) if encoder_frozen else 0)
        encoder = layers.encoder.adapted(rank) - layers.encoder_first.gradient_of_inputs(rank)
        return (
            (self._encode(source) if encoder_frozen else encoder * source + 3 * self.encoder_pairs * source * source)
            + cross * source
            + decoder * target
            + 3 * (self.decoder_pairs * target * target + self.cross_pairs * source * target)
            + 2 * self.head * target
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
    encoder = _Stack() if causal else _walk(model.get_encoder())
    decoder = _walk(model.get_decoder())
    return FlopModel(
        encoder=encoder.linear.flops,
        encoder_pairs=encoder.pairs,
        cross=decoder.cross.flops,
        decoder=decoder.linear.flops,
        decoder_pairs=decoder.pairs,
        cross_pairs=decoder.cross_pairs,
        head=_linear(model.get_output_embeddings()).flops,
        causal=causal,
        adaptable=Adaptable(
            encoder=encoder.linear, encoder_first=encoder.first, cross=decoder.cross, decoder=decoder.linear, decoder_first=decoder.first
        ),
    )


@dataclass(kw_only=True)
class _Stack:
    """linear: all but cross keys and values. first: of these, the first layer's queries, keys and values. pairs: of self-attention."""

    linear: Linears = Linears()
    first: Linears = Linears()
    pairs: int = 0
    cross: Linears = Linears()
    cross_pairs: int = 0


def _walk(stack: Any) -> _Stack:
    found = _Stack()
    for path, module in stack.named_modules():
        if not isinstance(module, torch.nn.Linear):
            continue
        *parents, name = path.split(".")
        is_cross = any(parent in CROSS_ATTENTION for parent in parents)
        # queries x keys and weights x values: as many heads as queries have, where several of them share their keys too
        products = 4 * module.out_features if name in QUERIES else 0
        if is_cross:
            found.cross_pairs += products
        else:
            found.pairs += products
        if is_cross and name in KEYS + VALUES:
            found.cross += _linear(module)
        else:
            found.linear += _linear(module)
        if not is_cross and name in QUERIES + KEYS + VALUES and parents[1] == "0":  # block.0, layers.0
            found.first += _linear(module)
    return found


def _linear(layer: Any) -> Linears:
    inputs, outputs = int(layer.in_features), int(layer.out_features)
    return Linears(2 * inputs * outputs, inputs, outputs)
