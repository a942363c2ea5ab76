"""Counts the bytes that tensors hold while code runs, by category."""

from __future__ import annotations

import weakref
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from bench.forecast.memory.snapshots import CATEGORIES, Category, MemorySnapshot, ParetoFront

_ADD, _COPY = torch.ops.aten.add.Tensor, torch.ops.aten._to_copy.default

BLOCK = 512
"""CUDA's caching allocator in torch rounds up to multiples of so many bytes (kMinBlockSize, c10/cuda/CUDACachingAllocator.h)."""


class AllocationTracker(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Counts the storage of every tensor that an operation makes while this mode is entered.

    A storage counts from its creation until it is freed, once however many tensors view it. Memory that a kernel takes and frees
    internally is not seen.
    """

    def __init__(self, batch: int = 0, vocabulary: int = 0) -> None:
        """Start with nothing held.

        `batch` is the number of examples of the batch that runs. A tensor with a dimension that is a multiple of it is taken to grow with
        the batch, so one run gives the memory of every batch. Use a prime that divides no dimension of the model. With 0 nothing grows.

        A tensor whose last dimension is `vocabulary` counts as logits. Any other tensor counts as activations, unless it is a copy of a
        parameter in another type or `mark` says otherwise.
        """
        super().__init__()  # type: ignore[no-untyped-call]
        self._batch, self._vocabulary = batch, vocabulary
        self._now: dict[Category, list[int]] = {category: [0, 0] for category in CATEGORIES}
        self._fixed = self._per_example = 0
        self._held: dict[int, tuple[int, int, Category, weakref.ref[Any]]] = {}
        self._uncounted_sum: torch.Tensor | None = None
        self._front = ParetoFront()

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        """Return False: nothing is compiled here, and torch would check for it at every operation."""
        return False

    def __torch_dispatch__(
        self, func: Any, types: Sequence[type], args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        if torch.is_inference_mode_enabled() and func._can_decompose():  # outside inference mode, autograd has decomposed it
            with self:
                return func.decompose(*args, **(kwargs or {}))
        self._count_sum()
        out = self.run(func, args, dict(kwargs or {}))
        if func is _ADD and not args[0]._is_view() and _sums_gradients():
            self._uncounted_sum = out
            return out
        for made in (out,) if isinstance(out, torch.Tensor) else tree_leaves(out):
            if not isinstance(made, torch.Tensor) or made.untyped_storage()._cdata in self._held:
                continue
            copied = self._held.get(args[0].untyped_storage()._cdata) if func is _COPY else None
            self._hold(made, "weights in bf16" if copied and copied[2] == "parameters" else self._category(made))
        return out

    def _category(self, made: torch.Tensor) -> Category:
        return "logits and loss" if self._vocabulary and made.ndim and made.shape[-1] == self._vocabulary else "activations"

    def run(self, func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Return the result of an operation."""
        return func(*args, **kwargs)

    def mark(self, tensors: Iterable[torch.Tensor], category: Category) -> None:
        """Count the storages of these tensors in this category from now on."""
        for tensor in tensors:
            self._hold(tensor, category)

    def take_snapshots(self) -> tuple[MemorySnapshot, ...]:
        """Return the moments since the last call at which most was held. For every batch size, one of them is the peak."""
        self._count_sum()
        seen, self._front = self._front, ParetoFront()
        self._front.add(self._fixed, self._per_example, self._now.values())
        return tuple(snapshot for _, _, snapshot in seen.moments)

    def now(self) -> MemorySnapshot:
        self._count_sum()
        return MemorySnapshot.of(self._now.values())

    def _count_sum(self) -> None:
        late, self._uncounted_sum = self._uncounted_sum, None
        if late is not None:
            self._hold(late, "activations")

    def _hold(self, tensor: torch.Tensor, category: Category) -> None:
        storage: Any = tensor.untyped_storage()
        key = storage._cdata
        if key in self._held:
            fixed, per_example, before, reference = self._held[key]
            self._add(before, -fixed, -per_example)
        else:
            size, fixed, per_example = storage.nbytes(), 0, 0
            if self._batch and category != "parameters" and any(dimension % self._batch == 0 for dimension in tensor.shape):
                per_example = -(-size // self._batch)
            else:
                fixed = -(-size // BLOCK) * BLOCK
            reference = weakref.ref(storage, lambda _: self._free(key))
        self._held[key] = (fixed, per_example, category, reference)
        self._add(category, fixed, per_example)
        self._front.add(self._fixed, self._per_example, self._now.values())

    def _free(self, key: int) -> None:
        fixed, per_example, category, _ = self._held.pop(key)
        self._add(category, -fixed, -per_example)

    def _add(self, category: Category, fixed: int, per_example: int) -> None:
        self._now[category][0] += fixed
        self._now[category][1] += per_example
        self._fixed += fixed
        self._per_example += per_example


def _sums_gradients() -> bool:
    """Return whether autograd is adding up the gradients that reach one tensor.

    Without a dispatch mode autograd adds in place, unless the first summand is a view. Under a mode it adds
    out of place (can_accumulate_inplace in torch/csrc/autograd/input_buffer.cpp). The sum is therefore
    counted only after the summand that it replaces is freed.
    """
    return not torch.is_grad_enabled() and torch._C._current_graph_task_id() != -1
