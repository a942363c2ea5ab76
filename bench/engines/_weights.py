"""Weights of T5, mT5, BART and Pegasus in the form in which `_stacks` computes with them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

Apply = Callable[[Tensor], Tensor]

PACKED_FOR = 64
"""Rows for which packed weights are laid out. They are as good for other numbers."""


class Linear(NamedTuple):
    """Weights of one or more linear layers that read the same input."""

    weight: Tensor
    """(outputs, inputs)."""
    bias: Tensor | None

    def __call__(self, states: Tensor) -> Tensor:
        return functional.linear(states, self.weight, self.bias)


@dataclass(frozen=True, kw_only=True)
class Block:
    """Self-attention and the feed-forward part of one layer."""

    norm: Apply
    queries_keys_values: Linear
    out: Linear
    feed_forward_norm: Apply
    feed_forward: Apply


@dataclass(frozen=True, kw_only=True)
class Cross:
    """Cross-attention of one layer of the decoder."""

    norm: Apply
    queries: Linear
    keys_values: Linear
    out: Linear


@dataclass(frozen=True, kw_only=True)
class Side:
    """The encoder or the decoder."""

    heads: int
    embed: Callable[[Tensor, Tensor], Tensor]
    """(tokens (rows, length), positions (length)) -> (rows, length, width)."""
    bias: Callable[[int], Tensor] | None
    """Number of tokens -> what is added to the scores of self-attention, (1, heads, tokens, tokens). In the decoder it is that
    of the last token, (1, heads, 1, tokens)."""
    blocks: Sequence[Block]
    final: Apply
    """Applied to the output of the last layer."""


@dataclass(frozen=True, kw_only=True)
class Stacks:
    """An encoder-decoder."""

    dtype: torch.dtype
    """Type of the weights of linear layers. Embeddings and norms are in fp32."""
    scale: float | None
    """Factor of the scores of attention. None: one over the root of a head's size."""
    norm_first: bool
    """Whether a layer normalises its input, and not its output."""
    encoder: Side
    decoder: Side
    cross: Sequence[Cross]
    head: Apply
    """Output of the decoder -> logits."""


def stacks_of(model: Any, dtype: torch.dtype, device: str, *, packed: bool = False) -> Stacks:
    """Return the weights of an encoder-decoder, on the device.

    None is kept twice: the linear layers of `model` get the type `dtype`, and become views of those that are returned. Only an output layer
    that is also the embedding stays as it is, and is copied. packed: whether the output layer may take its weights from `model`, which
    cannot run after that.
    """
    build = {"t5": _t5, "mt5": _t5, "bart": _bart, "pegasus": _bart}[model.config.model_type]
    with torch.no_grad():
        for layer in model.modules():
            if isinstance(layer, torch.nn.Linear) and layer.weight is not model.get_input_embeddings().weight:
                layer.to(dtype)  # before it goes to a GPU, which never holds it in fp32
        return build(model.to(device), dtype, packed=packed)


def _joined(layers: Sequence[Any], dtype: torch.dtype) -> Linear:
    """Return linear layers as one. They become views of it."""
    weight, bias = (_concatenated([getattr(layer, name) for layer in layers], dtype) for name in ("weight", "bias"))
    assert weight is not None
    return Linear(weight, bias)


def _concatenated(parameters: Sequence[Tensor | None], dtype: torch.dtype) -> Tensor | None:
    """Return parameters as one tensor, along their first dimension; None where the layers have none. A single one may have another type."""
    present = [parameter for parameter in parameters if parameter is not None]
    if len(present) <= 1:
        return present[0].detach().to(dtype) if present else None
    whole = torch.cat([parameter.detach() for parameter in present])
    start = 0
    for parameter in present:
        parameter.data = whole[start : start + len(parameter)]
        start += len(parameter)
    return whole


def _head(model: Any, dtype: torch.dtype, *, packed: bool) -> Apply:
    """Return the output layer.

    packed: whether the layout of oneDNN replaces weights that are fp32, on a CPU, and not the embedding too. On a CPU with AVX2 that is 1.5
    times as fast for 64 rows and 32,128 outputs, and twice as fast for 4 rows.
    """
    head, layer, operations = _joined([model.lm_head], dtype), model.lm_head, torch.ops.mkldnn
    known = torch.backends.mkldnn.is_available() and hasattr(operations, "_linear_pointwise")  # type: ignore[no-untyped-call]
    plain = head.weight.device.type == "cpu" and head.weight.dtype == torch.float32
    if not (packed and known and plain) or layer.weight is model.get_input_embeddings().weight:
        return partial(functional.linear, weight=head.weight, bias=head.bias)
    weight = operations._reorder_linear_weight(head.weight, PACKED_FOR)
    layer.weight.data = layer.weight.new_empty(0)
    return lambda states: operations._linear_pointwise(states, weight, head.bias, "none", [], "")


def _t5(model: Any, dtype: torch.dtype, *, packed: bool) -> Stacks:
    config, head = model.config, _head(model, dtype, packed=packed)
    factor = config.d_model**-0.5 if getattr(config, "scale_decoder_outputs", False) else None
    return Stacks(
        dtype=dtype,
        scale=1.0,
        norm_first=True,
        encoder=_t5_side(model.get_encoder(), dtype, lambda first, tokens: first.compute_bias(tokens, tokens)),
        decoder=_t5_side(model.get_decoder(), dtype, lambda first, tokens: first.compute_bias(1, tokens, past_seen_tokens=tokens - 1)),
        cross=[_t5_cross(block.layer[1], dtype) for block in model.get_decoder().block],
        head=lambda states: head(states if factor is None else states * factor),
    )


def _t5_side(stack: Any, dtype: torch.dtype, bias: Callable[[Any, int], Tensor]) -> Side:
    first = stack.block[0].layer[0].SelfAttention
    return Side(
        heads=first.n_heads,
        embed=lambda tokens, _: stack.embed_tokens(tokens),
        bias=partial(bias, first),
        blocks=[_t5_block(block.layer, dtype) for block in stack.block],
        final=partial(_rms_norm, stack.final_layer_norm),
    )


def _t5_block(layer: Sequence[Any], dtype: torch.dtype) -> Block:
    own, inner = layer[0].SelfAttention, layer[-1].DenseReluDense
    gated = hasattr(inner, "wi_0")
    expand, shrink = _joined([inner.wi_0, inner.wi_1] if gated else [inner.wi], dtype), _joined([inner.wo], dtype)

    def gated_layers(states: Tensor) -> Tensor:
        gate, value = expand(states).chunk(2, -1)
        return shrink(inner.act(gate).mul_(value))

    return Block(
        norm=partial(_rms_norm, layer[0].layer_norm),
        queries_keys_values=_joined([own.q, own.k, own.v], dtype),
        out=_joined([own.o], dtype),
        feed_forward_norm=partial(_rms_norm, layer[-1].layer_norm),
        feed_forward=gated_layers if gated else lambda states: shrink(inner.act(expand(states))),
    )


def _t5_cross(layer: Any, dtype: torch.dtype) -> Cross:
    other = layer.EncDecAttention
    return Cross(
        norm=partial(_rms_norm, layer.layer_norm),
        queries=_joined([other.q], dtype),
        keys_values=_joined([other.k, other.v], dtype),
        out=_joined([other.o], dtype),
    )


def _rms_norm(norm: Any, states: Tensor) -> Tensor:
    """Return what T5LayerNorm returns, in two passes over the states instead of five."""
    length = torch.linalg.vector_norm(states, dim=-1, keepdim=True, dtype=torch.float32)
    factor = (length.square() / states.shape[-1] + norm.variance_epsilon).rsqrt()
    normed: Tensor = (states * factor).mul_(norm.weight)
    return normed


def _bart(model: Any, dtype: torch.dtype, *, packed: bool) -> Stacks:
    """Return the weights of BART, which normalises after each layer, or of Pegasus, which normalises before it."""
    head, decoder = _head(model, dtype, packed=packed), model.get_decoder()
    return Stacks(
        dtype=dtype,
        scale=None,
        norm_first=hasattr(decoder, "layer_norm"),
        encoder=_bart_side(model.get_encoder(), model.config.encoder_attention_heads, dtype),
        decoder=_bart_side(decoder, model.config.decoder_attention_heads, dtype),
        cross=[_bart_cross(layer, dtype) for layer in decoder.layers],
        head=lambda states: head(states) + model.final_logits_bias,
    )


def _bart_side(stack: Any, heads: int, dtype: torch.dtype) -> Side:
    first = getattr(stack, "layernorm_embedding", torch.nn.Identity())
    factor = getattr(stack, "embed_scale", 1.0)

    def embed(tokens: Tensor, positions: Tensor) -> Tensor:
        states: Tensor = first(stack.embed_tokens(tokens) * factor + stack.embed_positions(tokens, position_ids=positions))
        return states

    return Side(
        heads=heads,
        embed=embed,
        bias=None,
        blocks=[_bart_block(layer, dtype) for layer in stack.layers],
        final=getattr(stack, "layer_norm", torch.nn.Identity()),
    )


def _bart_block(layer: Any, dtype: torch.dtype) -> Block:
    own, expand, shrink = layer.self_attn, _joined([layer.fc1], dtype), _joined([layer.fc2], dtype)
    return Block(
        norm=layer.self_attn_layer_norm,
        queries_keys_values=_joined([own.q_proj, own.k_proj, own.v_proj], dtype),
        out=_joined([own.out_proj], dtype),
        feed_forward_norm=layer.final_layer_norm,
        feed_forward=lambda states: shrink(layer.activation_fn(expand(states))),
    )


def _bart_cross(layer: Any, dtype: torch.dtype) -> Cross:
    other = layer.encoder_attn
    return Cross(
        norm=layer.encoder_attn_layer_norm,
        queries=_joined([other.q_proj], dtype),
        keys_values=_joined([other.k_proj, other.v_proj], dtype),
        out=_joined([other.out_proj], dtype),
    )
