"""A model without weights, and code that only pretends to compute with it.

Everything runs as in earnest, operation by operation, under torch's FakeTensorMode: shapes, types and lifetimes of all tensors are
the real ones, and no number is ever stored. What code asks of numbers is answered here:

    a loss                      1.0
    which labels are told       as many of every example as a label has tokens: none is padded
    whether a search goes on    it does

Attention masks are made as for documents of different lengths; transformers leaves them out where it sees that none is padded.
A GPU is pretended on the CPU, as torch without CUDA cannot do without: `_OnCuda` says what it does otherwise.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from importlib import import_module
from typing import Any, Literal

import torch
from torch._subclasses.fake_tensor import FakeTensor, FakeTensorMode
from torch.autograd.graph import _engine_run_backward
from torch.overrides import TorchFunctionMode
from torch.utils._foreach_utils import _foreach_supported_types

from bench import collector
from bench.training.allocations import Allocations
from bench.training.fake_outputs import Outputs
from bench.training.models import head_is_tied, model_class, untie

Kernels = Literal["cuda", "cpu"]
"""Whose kernels are pretended."""

aten = torch.ops.aten


@contextmanager
def pretending(kernels: Kernels, batch: int, vocabulary: int, told: int = 0, imports: Sequence[str] = ()) -> Iterator[Allocations]:
    """Nothing is computed in here; what it would hold is counted, as `Allocations` says. told: tokens of a label.

    imports: modules that code in here imports only now; before, since they would keep pretended tensors.
    """
    for name in imports:
        import_module(name)
    mode = FakeTensorMode()
    counted = _Pretended(batch, vocabulary, told, Outputs(mode))
    with ExitStack() as modes:
        modes.enter_context(collector.away())
        modes.enter_context(mode)
        modes.enter_context(_staying())
        modes.enter_context(_together())
        if kernels == "cuda":
            modes.enter_context(_OnCuda())
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


@contextmanager
def _staying() -> Iterator[None]:
    """Modules stay where they are: torch cannot move what `FakeTensorMode` made, and there is one device."""
    move = torch.nn.Module.to
    torch.nn.Module.to = _stay  # type: ignore[method-assign, assignment]
    try:
        yield
    finally:
        torch.nn.Module.to = move  # type: ignore[method-assign]


@contextmanager
def _together() -> Iterator[None]:
    """Norms of gradients are found by one operation, as those of real tensors are: torch asks for their type."""
    _foreach_supported_types.append(FakeTensor)
    try:
        yield
    finally:
        _foreach_supported_types.remove(FakeTensor)


def _stay(module: torch.nn.Module, *_: Any, **__: Any) -> torch.nn.Module:
    return module


class _Pretended(Allocations):  # type: ignore[no-untyped-call]
    """Answers what would need numbers, and counts."""

    def __init__(self, batch: int, vocabulary: int, told: int, outputs: Outputs) -> None:
        super().__init__(batch, vocabulary)
        self._told, self._outputs = told, outputs

    def run(self, func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        if func is aten._local_scalar_dense.default:
            return 1.0 if args[0].is_floating_point() else not getattr(args[0], "is_pretended_false", False)
        if func in _INDEXING:
            func, args = _INDEXING[func], (args[0], self._without_masks(args[1]), *args[2:])
        out = self._outputs.of(func, args, kwargs)
        if func in (aten.any.default, aten.eq.Scalar):  # is any special token amiss, is no output unfinished
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


_INDEXING: Mapping[Any, Any] = {
    aten.index.Tensor: aten.index.Tensor,
    aten.index_put_.default: aten.index_put_.default,
    aten._index_put_impl_.default: aten._index_put_impl_.default,
    aten.index_put.default: aten.index_put_.default,  # autograd puts in place, but not while anybody watches
}


class _OnCuda(TorchFunctionMode):
    """What torch 2.13 does otherwise on a GPU than on a CPU, as far as it changes what is held.

    attention    the memory-efficient kernel, or FlashAttention in bf16 where there is no mask; never the whole matrix
                 (sdp_utils.cpp; preprocess_mask in transformers/attention.cpp pads a mask to 16 columns)
    dropout      keeps a byte a number, not four (native_dropout)
    autocast     `pow` in fp32 (autocast_mode.h); it is in the activation of T5 v1.1, mT5 and Flan-T5

    torch leaves a function mode for the whole of `backward`, in which checkpointing computes layers again; so it is entered again there.
    """

    def __torch_function__(
        self, func: Any, types: Sequence[type], args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        return _ON_CUDA.get(func, func)(*args, **(kwargs or {}))


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
    return torch.pow(input.float() if torch.is_autocast_enabled("cpu") else input, exponent)


def _backward(loss: torch.Tensor, **_: None) -> None:
    """`Tensor.backward` without what would leave the mode again."""
    with _OnCuda():
        _engine_run_backward((loss,), (torch.ones_like(loss),), False, False, (), allow_unreachable=True, accumulate_grad=True)


_ON_CUDA: Mapping[Any, Any] = {
    torch.nn.functional.scaled_dot_product_attention: _attention,
    torch.nn.functional.dropout: _dropout,
    torch.Tensor.backward: _backward,
    torch.pow: _power,
    torch.Tensor.pow: _power,
    torch.Tensor.__pow__: _power,
}
