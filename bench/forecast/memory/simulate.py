"""Runs real code on a model without weights, and computes nothing.

Everything runs as in a real step, operation by operation; `fake_ops` supplies the result of each operation. Shapes, types and lifetimes of
all tensors are the real ones, and no number is stored. Where code asks for a number, the answer is fixed here:

    a loss                              1.0
    which elements a mask selects       all of them: no text is padded
    whether a search for beams goes on  yes

Attention masks are made as for documents of different lengths; transformers leaves out the mask of a batch without padding. A GPU is
simulated on the CPU, since torch without CUDA cannot run its operations: `_ON_CUDA` holds the differences.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from importlib import import_module
from typing import Any
from unittest.mock import patch

import torch

from bench.forecast.memory.fake_ops import fake_outputs
from bench.forecast.memory.tracker import AllocationTracker
from bench.forecast.memory.workload import Kernels
from bench.system.garbage import gc_disabled
from bench.training.checkpoints import head_is_tied, model_class, untie
from bench.training.lean_operators import with_lean_operators

aten = torch.ops.aten


@contextmanager
def simulate(kernels: Kernels, batch: int = 0, vocabulary: int = 0, imports: Sequence[str] = ()) -> Iterator[AllocationTracker]:
    """Run the block without computing anything, and count what its tensors hold.

    `batch` and `vocabulary` are those of `AllocationTracker`. `imports` are modules that the block would import. They are imported first,
    because the tensors that they make have to be real.
    """
    with patch.object(torch, "compile", _uncompiled):  # bitsandbytes compiles when it is imported, which takes seconds
        for name in imports:
            import_module(name)
    simulation = MemorySimulation(kernels, batch, vocabulary)
    with ExitStack() as modes:
        modes.enter_context(gc_disabled())
        modes.enter_context(patch.object(torch.Tensor, "tolist", _to_list))  # torch reads the numbers from memory
        for place, name, other in _ON_CUDA if kernels == "cuda" else ():
            modes.enter_context(patch.object(place, name, other))
        yield modes.enter_context(simulation)


def weightless_model(config: Any, tied: bool) -> Any:
    """Build a model of the config without weights; call it within `simulate`. tied: whether its output layer is the embedding."""
    from transformers.initialization import no_init_weights

    with no_init_weights():
        model = model_class(config).from_config(copy.deepcopy(config))  # `untie` changes the model's config
    model.tie_weights()
    if head_is_tied(model) and not tied:
        untie(model)
    return with_lean_operators(model)


def _uncompiled(code: Any = None, **_: Any) -> Any:
    return code or _uncompiled


def _to_list(tensor: torch.Tensor) -> Any:
    return [_to_list(one) for one in tensor.unbind()] if tensor.ndim else tensor.item()


class MemorySimulation(AllocationTracker):  # type: ignore[no-untyped-call]
    """Counts what tensors hold, while operations return tensors without numbers."""

    def __init__(self, kernels: Kernels, batch: int, vocabulary: int) -> None:
        super().__init__(batch, vocabulary)
        self._kernels = kernels

    def run(self, func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        if func is _AS_NUMBER:
            return 1.0 if args[0].is_floating_point() else not getattr(args[0], "is_simulated_false", False)
        if id(func) in _INDEXING:
            func, args = _INDEXING[id(func)], (args[0], _without_masks(args[1]), *args[2:])
        out = fake_outputs(func, args, kwargs)
        if id(func) in _FALSE:
            out.is_simulated_false = True
        if func is aten.add.Tensor and self._kernels == "cpu":
            self._hold_converted(args, out)
        return out

    def _hold_converted(self, summands: Sequence[Any], out: torch.Tensor) -> None:
        """Count what an addition of two types holds on a CPU while it runs: a copy of one of them in the other's type."""
        others = [one for one in summands if isinstance(one, torch.Tensor) and one.dtype != out.dtype]
        copies = [fake_outputs(aten._to_copy.default, (one,), {"dtype": out.dtype}) for one in others]
        for one in (out, *copies) if copies else ():
            self._hold(one, self._category(one))


_AS_NUMBER = aten._local_scalar_dense.default

_FALSE = {id(one) for one in (aten.any.default, aten.all.default, aten.eq.Scalar)}
"""Operations whose answer is no: is a special token wrong, is no token padded, is no output unfinished.

They are found by id, because torch computes the hash of an operation in Python.
"""

_INDEXING: Mapping[int, Any] = {
    id(aten.index.Tensor): aten.index.Tensor,
    id(aten.index_put_.default): aten.index_put_.default,
    id(aten._index_put_impl_.default): aten._index_put_impl_.default,
    id(aten.index_put.default): aten.index_put_.default,  # autograd puts in place, except under a dispatch mode
}


def _without_masks(indices: Sequence[torch.Tensor | None]) -> list[torch.Tensor | None]:
    """Replace each mask by the positions of all its elements: one tensor for each of its dimensions."""
    positions: list[torch.Tensor | None] = []
    for index in indices:
        if index is None or index.dtype != torch.bool:
            positions.append(index)
        else:
            positions += [index.new_empty(index.numel(), dtype=torch.int64) for _ in range(index.ndim)]
    return positions


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
    bias, source = None, key.shape[2]
    if attn_mask is not None:
        bias = _as_autocast(attn_mask)
        if bias.dtype == torch.bool:
            bias = torch.where(bias, 0.0, query.new_full((), -torch.inf))
        if source % 16:
            bias = torch.nn.functional.pad(bias, (0, 16 - source % 16))[..., :source]
        bias = bias.expand(query.shape[0], query.shape[1], query.shape[2], source)
    needs_gradient = torch.is_grad_enabled() and any(states.requires_grad for states in (query, key, value))
    attended = aten._scaled_dot_product_efficient_attention(query, key, value, bias, needs_gradient, dropout_p, is_causal, scale=scale)
    return attended[0]


def _as_autocast(states: torch.Tensor) -> torch.Tensor:
    """Return the states in bf16 where autocast is on."""
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
"""Functions of torch 2.13 that hold other tensors on a GPU than on a CPU.

attention    the memory-efficient kernel, or FlashAttention in bf16 without a mask; never the whole matrix
             (sdp_utils.cpp; preprocess_mask in transformers/attention.cpp pads a mask to 16 columns)
dropout      keeps one byte an element, not four (native_dropout)
autocast     `pow` in fp32 (autocast_mode.h); the activation of T5 v1.1, mT5 and Flan-T5 uses it
"""
