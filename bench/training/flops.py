"""Model FLOPs of an encoder-decoder or a decoder-only model, computed from its config alone.

The convention is that of PaLM (Chowdhery et al. 2022, appendix B): count what the model needs, not what the hardware did. Each multiply-add
of the linear layers and of the two attention products counts as two FLOPs. The causal mask brings no discount. Padding, recomputation,
normalisation, softmax and the optimiser do not count. Therefore a figure depends only on shapes and on the numbers of real tokens, and is
the same on every machine.

    forward          encoder(s) + cross keys and values(s) + decoder(s, t) + head(t)
    training         3 x where weights learn: forward, gradient of the inputs, gradient of the weights
                     embeddings frozen: head 2 x (its inputs still need their gradient)
                     encoder frozen: encoder 1 x, or only once for each source where its states are kept;
                     cross keys and values 2 x (their inputs need no gradient)
                     LoRA: weights 2 x (forward, gradient of the inputs), their adapters 3 x, head 2 x;
                     1 x less for both where no input needs a gradient: queries, keys and values of first
                     layers, cross keys and values beside a frozen encoder
    generation       encoder once; then, for each beam, cross keys and values once and t cached steps of one token

A decoder-only model reads source and target as one text in its decoder:

    forward          decoder(s + t) + head(t), or head(t - 1) where s is 0: nothing predicts the first token
    training         as above, and no encoder to freeze
    generation       for each beam decoder(s), then t - 1 cached steps of one token, and t times the head

Rotary positions are not a layer and do not count.
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
    """Totals over a set of linear layers, per token."""

    flops: int = 0
    """FLOPs of the weights in one forward pass."""
    inputs: int = 0
    """Input features, summed over the layers. A LoRA adapter of rank r adds 2 r forward FLOPs for each."""
    outputs: int = 0
    """Output features, summed over the layers. A LoRA adapter of rank r adds 2 r forward FLOPs for each."""

    def __add__(self, other: Linears) -> Linears:
        return Linears(self.flops + other.flops, self.inputs + other.inputs, self.outputs + other.outputs)

    def adapters(self, rank: int) -> int:
        """Return the forward FLOPs of LoRA adapters of this rank."""
        return 2 * rank * (self.inputs + self.outputs)

    def adapted(self, rank: int) -> int:
        """Return the forward and backward FLOPs of weights and adapters, where the inputs need a gradient."""
        return 2 * self.flops + 3 * self.adapters(rank)

    def gradient_of_inputs(self, rank: int) -> int:
        """Return the part of `adapted` that is saved where the inputs need no gradient."""
        return self.flops + 2 * rank * self.inputs


@dataclass(frozen=True, kw_only=True)
class Stack:
    """Totals over the layers of an encoder or a decoder."""

    linear: Linears = Linears()
    """All linear layers but the keys and values of cross-attention."""
    first: Linears = Linears()
    """Queries, keys and values of the first layer, which `linear` includes."""
    pairs: int = 0
    """FLOPs of self-attention per pair of tokens."""
    cross: Linears = Linears()
    """Keys and values of cross-attention."""
    cross_pairs: int = 0
    """FLOPs of cross-attention per pair of tokens."""


@dataclass(frozen=True, kw_only=True)
class FlopModel:
    """Coefficients, in FLOPs, for s source and t target tokens of one example."""

    encoder: int
    """Per source token. 0 for a decoder-only model."""
    encoder_pairs: int
    """Per (source, source) pair of tokens. 0 for a decoder-only model."""
    cross: int
    """Keys and values of cross-attention, per source token. 0 for a decoder-only model."""
    decoder: int
    """The other linear layers of the decoder, per target token."""
    decoder_pairs: int
    """Per (target, target) pair of tokens."""
    cross_pairs: int
    """Per (target, source) pair of tokens. 0 for a decoder-only model."""
    head: int
    """Output layer, per target token."""
    causal: bool = False
    """Whether the model is decoder-only. Its target is then source and target together."""
    stacks: tuple[Stack, Stack] = (Stack(), Stack())
    """Encoder and decoder, whose linear layers LoRA adapts."""

    def forward(self, source: int, target: int) -> int:
        """Return the FLOPs of one forward pass over one example, with all target positions at once."""
        _, _, labels = self._lengths(source, target)
        return self.layers(source, target) + self.head * labels

    def layers(self, source: int, target: int) -> int:
        """Return the part of `forward` that is not the output layer."""
        source, target, _ = self._lengths(source, target)
        return self.encoding(source) + self.cross * source + self._decode(source, target)

    def adapters(self, source: int, target: int, freeze: Freeze, rank: int) -> int:
        """Return the FLOPs of the LoRA adapters in one forward pass over one example. `forward` does not include them."""
        source, target, _ = self._lengths(source, target)
        encoder, decoder = self.stacks
        adapted = 0 if freeze == "encoder" else encoder.linear.adapters(rank)
        return (adapted + decoder.cross.adapters(rank)) * source + decoder.linear.adapters(rank) * target

    def training(self, source: int, target: int, freeze: Freeze = "none", rank: int = 0) -> int:
        """Return the FLOPs of the forward and backward pass of one example. `rank` is the rank of LoRA's adapters, or 0 where the weights
        themselves are trained. Raises CheckpointError where the encoder is to be frozen and the model has none."""
        check_freeze(freeze, self.causal)
        source, target, labels = self._lengths(source, target)
        if rank:
            return self._adapting(source, target, freeze == "encoder", rank) + 2 * self.head * labels
        encoder_passes, cross_passes = (1, 2) if freeze == "encoder" else (3, 3)
        head_passes = 3 if freeze == "none" else 2
        encoder = encoder_passes * self.encoding(source) + cross_passes * self.cross * source
        return encoder + 3 * self._decode(source, target) + head_passes * self.head * labels

    def _adapting(self, source: int, target: int, encoder_frozen: bool, rank: int) -> int:
        """Return the FLOPs of encoder and decoder where adapters learn."""
        encoder, decoder = self.stacks
        writing = decoder.linear.adapted(rank) - decoder.first.gradient_of_inputs(rank)
        cross = decoder.cross.adapted(rank) - (decoder.cross.gradient_of_inputs(rank) if encoder_frozen else 0)
        reading = encoder.linear.adapted(rank) - encoder.first.gradient_of_inputs(rank)
        pairs = 3 * (self.decoder_pairs * target * target + self.cross_pairs * source * target)
        encoding = self.encoding(source) if encoder_frozen else reading * source + 3 * self.encoder_pairs * source * source
        return encoding + cross * source + writing * target + pairs

    def generation(self, source: int, target: float, beams: int = 1) -> float:
        """Return the FLOPs of generating `target` tokens with a key-value cache. `target` is 1 or more and includes the end token. It may
        be a fraction where it is an estimate."""
        if self.causal:
            steps = target - 1  # the pass over the source gives the first token
            pairs = self.decoder_pairs * (source + target / 2) * steps
            return beams * (self._decode(0, source) + self.decoder * steps + pairs + self.head * target)
        steps = (self.decoder + self.head + self.cross_pairs * source) * target
        pairs = self.decoder_pairs * target * (target + 1) / 2
        return self.encoding(source) + beams * (self.cross * source + steps + pairs)

    def _lengths(self, source: int, target: int) -> tuple[int, int, int]:
        """Return how many tokens go through the encoder and through the decoder, and how many are predicted. Nothing predicts the first
        token of a text that a decoder-only model reads."""
        return (0, source + target, target if source else target - 1) if self.causal else (source, target, target)

    def encoding(self, source: int) -> int:
        """Return the FLOPs of one forward pass of the encoder over one example. 0 for a decoder-only model."""
        return self.encoder * source + self.encoder_pairs * source * source

    def _decode(self, source: int, target: int) -> int:
        return self.decoder * target + self.decoder_pairs * target * target + self.cross_pairs * source * target


def flop_model(config: Any) -> FlopModel:
    """Return the coefficients of the architecture in `config`, without making any weights."""
    described = json.loads(config.to_json_string(use_diff=False))
    return _count(json.dumps({name: value for name, value in described.items() if name != "_name_or_path"}))


@functools.lru_cache(maxsize=64)  # the same architecture in another folder has the same coefficients
def _count(config_json: str) -> FlopModel:
    from transformers import AutoConfig

    config = AutoConfig.for_model(**json.loads(config_json))
    with torch.device("meta"):
        model = model_class(config).from_config(config)
    causal = not config.is_encoder_decoder
    encoder = Stack() if causal else _walk(model.get_encoder())
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
        stacks=(encoder, decoder),
    )


def _walk(stack: Any) -> Stack:
    linear, first, cross, pairs, cross_pairs = Linears(), Linears(), Linears(), 0, 0
    for path, module in stack.named_modules():
        if not isinstance(module, torch.nn.Linear):
            continue
        *parents, name = path.split(".")
        is_cross = any(parent in CROSS_ATTENTION for parent in parents)
        # queries x keys and weights x values: count the heads of the queries, which may share their keys
        products, layer = 4 * module.out_features if name in QUERIES else 0, _linear(module)
        if is_cross:
            cross_pairs += products
        else:
            pairs += products
            if name in QUERIES + KEYS + VALUES and parents[1] == "0":  # block.0, layers.0
                first += layer
        if is_cross and name in KEYS + VALUES:
            cross += layer
        else:
            linear += layer
    return Stack(linear=linear, first=first, pairs=pairs, cross=cross, cross_pairs=cross_pairs)


def _linear(layer: Any) -> Linears:
    inputs, outputs = int(layer.in_features), int(layer.out_features)
    return Linears(2 * inputs * outputs, inputs, outputs)
