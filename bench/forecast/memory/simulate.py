"""A model without weights, and code that only pretends to compute with it.

Everything runs as in earnest, operation by operation, and `fake_outputs` tells what an operation gives: shapes, types and lifetimes of
all tensors are the real ones, and no number is ever stored. What code asks of numbers is answered here:

    a loss                      1.0
    which labels are told       as many of every example as a label has tokens: none is padded
    whether a search goes on    it does

Attention masks are made as for documents of different lengths; transformers leaves them out where it sees that none is padded.
A GPU is pretended on the CPU, as torch without CUDA cannot do without: `_ON_CUDA` says what it does otherwise.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from importlib import import_module
from typing import Any, Literal
from unittest.mock import patch

import torch

from bench.forecast.memory.fake_ops import outputs
from bench.forecast.memory.tracker import Allocations
from bench.system.garbage import gc_disabled
from bench.training.checkpoints import head_is_tied, model_class, untie

Kernels = Literal["cuda", "cpu"]
"""Whose kernels are pretended."""

aten = torch.ops.aten


@contextmanager
def pretending(kernels: Kernels, batch: int, vocabulary: int, told: int = 0, imports: Sequence[str] = ()) -> Iterator[Allocations]:
    """Nothing is computed in here; what it would hold is counted, as `Allocations` says. told: tokens of a label.

    imports: modules that code in here imports only now; before, since they would keep pretended tensors.
    """
    with patch.object(torch, "compile", _uncompiled):  # bitsandbytes compiles when it is imported, which takes seconds
        for name in imports:
            import_module(name)
    counted = _Pretended(batch, vocabulary, told)
    with ExitStack() as modes:
        modes.enter_context(gc_disabled())
        modes.enter_context(patch.object(torch.Tensor, "tolist", _listed))  # torch reads where numbers would lie
        for place, name, other in _ON_CUDA if kernels == "cuda" else ():
            modes.enter_context(patch.object(place, name, other))
        yield modes.enter_context(counted)


def empty_model(config: Any, tied: bool) -> Any:
    """A model of the config whose weights are not there; made while pretending. tied: whether its output layer is the embedding."""
    from transformers.initialization import no_init_weights

    with no_init_weights():
        model = model_class(config).from_config(config)
    model.tie_weights()
    if head_is_tied(model) and not tied:
        untie(model)
    return model


def _uncompiled(code: Any = None, **_: Any) -> Any:
    return code or _uncompiled


def _listed(tensor: torch.Tensor) -> Any:
    return [_listed(one) for one in tensor.unbind()] if tensor.ndim else tensor.item()


class _Pretended(Allocations):  # type: ignore[no-untyped-call]
    """Answers what would need numbers, and counts."""

    def __init__(self, batch: int, vocabulary: int, told: int) -> None:
        super().__init__(batch, vocabulary)
        self._told = told

    def run(self, func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        if func is _A_NUMBER:
            return 1.0 if args[0].is_floating_point() else not getattr(args[0], "is_pretended_false", False)
        if id(func) in _INDEXING:
            func, args = _INDEXING[id(func)], (args[0], self._without_masks(args[1]), *args[2:])
        out = outputs(func, args, kwargs)
        if id(func) in _FALSE:
            out.is_pretended_false = True
        return out

    def _without_masks(self, indices: Sequence[torch.Tensor | None]) -> list[torch.Tensor | None]:
        """A mask of labels, (batch, tokens), as the positions that it stands for."""
        positions: list[torch.Tensor | None] = []
        for index in indices:
            if index is None or index.dtype != torch.bool:
                positions.append(index)
            else:
                positions += [index.new_empty(len(index) * self._told, dtype=torch.int64) for _ in range(index.ndim)]
        return positions


_A_NUMBER = aten._local_scalar_dense.default

_FALSE = {id(one) for one in (aten.any.default, aten.all.default, aten.eq.Scalar)}
"""Is any special token amiss, is none padded, is no output unfinished. By id, as torch finds an operation's hash in Python."""

_INDEXING: Mapping[int, Any] = {
    id(aten.index.Tensor): aten.index.Tensor,
    id(aten.index_put_.default): aten.index_put_.default,
    id(aten._index_put_impl_.default): aten._index_put_impl_.default,
    id(aten.index_put.default): aten.index_put_.default,  # autograd puts in place, but not while anybody watches
}


def _attention(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attn_mask: torch.Tensor | None = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    scale: float | None = None,
    enable_gqa: bool = False,
) -> torch.Tensor:
    query, key, value = (_as_autocast(states) for states in (query, key, value))
    attended: Sequence[torch.Tensor]
    if attn_mask is None and query.dtype == torch.bfloat16:
        attended = aten._scaled_dot_product_flash_attention(query, key, value, dropout_p, is_causal, scale=scale)
        return attended[0]
    if enable_gqa:
        key, value = (states.repeat_interleave(query.shape[1] // states.shape[1], 1) for states in (key, value))
    bias = None if attn_mask is None else _bias(_as_autocast(attn_mask), query, key)
    learns = torch.is_grad_enabled() and any(states.requires_grad for states in (query, key, value))
    attended = aten._scaled_dot_product_efficient_attention(query, key, value, bias, learns, dropout_p, is_causal, scale=scale)
    return attended[0]


def _bias(mask: torch.Tensor, query: torch.Tensor, key: torch.Tensor) -> torch.Tensor:
    """What is added to the scores, (batch, heads, target, source)."""
    if mask.dtype == torch.bool:
        mask = torch.where(mask, 0.0, query.new_full((), -torch.inf))
    source = key.shape[2]
    if source % 16:
        mask = torch.nn.functional.pad(mask, (0, 16 - source % 16))[..., :source]
    return mask.expand(query.shape[0], query.shape[1], query.shape[2], source)


def _as_autocast(states: torch.Tensor) -> torch.Tensor:
    """In the type that autocast computes in, where it is on."""
    return states.to(torch.bfloat16) if torch.is_autocast_enabled("cpu") and states.is_floating_point() else states


def _dropout(input: torch.Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> torch.Tensor:  # noqa: ARG001
    return torch.native_dropout(input, p, True)[0] if training and p else input


def _power(input: torch.Tensor, exponent: Any) -> torch.Tensor:
    return _pow(input.float() if torch.is_autocast_enabled("cpu") else input, exponent)


_pow = torch.pow

_ON_CUDA: Sequence[tuple[Any, str, Any]] = (
    (torch.nn.functional, "scaled_dot_product_attention", _attention),
    (torch.nn.functional, "dropout", _dropout),
    (torch, "pow", _power),
    (torch.Tensor, "pow", _power),
    (torch.Tensor, "__pow__", _power),
)
"""What torch 2.13 does otherwise on a GPU than on a CPU, as far as it changes what is held.

attention    the memory-efficient kernel, or FlashAttention in bf16 where there is no mask; never the whole matrix
             (sdp_utils.cpp; preprocess_mask in transformers/attention.cpp pads a mask to 16 columns)
dropout      keeps a byte a number, not four (native_dropout)
autocast     `pow` in fp32 (autocast_mode.h); it is in the activation of T5 v1.1, mT5 and Flan-T5
"""
