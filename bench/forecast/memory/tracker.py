"""Bytes that tensors hold while code runs, and what for."""

from __future__ import annotations

import weakref
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

Use = Literal["parameters", "weights in bf16", "gradients", "optimiser states", "activations", "logits and loss"]

USES: tuple[Use, ...] = ("parameters", "weights in bf16", "gradients", "optimiser states", "activations", "logits and loss")

_ADD, _COPY = torch.ops.aten.add.Tensor, torch.ops.aten._to_copy.default

BLOCK = 512
"""Bytes to whose multiples CUDA's caching allocator in torch rounds up (kMinBlockSize, c10/cuda/CUDACachingAllocator.h)."""


@dataclass(frozen=True)
class Bytes:
    """So many whatever the batch, and so many for each example of it."""

    fixed: int = 0
    each: int = 0

    def __add__(self, other: Bytes) -> Bytes:
        return Bytes(self.fixed + other.fixed, self.each + other.each)

    def at(self, batch: int) -> int:
        """Bytes of a batch."""
        return self.fixed + self.each * batch


@dataclass(frozen=True)
class Moment:
    """What was held at one moment, use by use."""

    held: Mapping[Use, Bytes]

    def at(self, batch: int) -> dict[Use, int]:
        """Bytes by use; their sum is all that was held."""
        return {use: size.at(batch) for use, size in self.held.items()}


@dataclass
class _Front:
    """Moments of which none holds at least as much as another whatever the batch."""

    moments: list[tuple[int, int, list[tuple[int, ...]]]] = field(default_factory=list)

    def see(self, fixed: int, each: int, now: Mapping[Use, list[int]]) -> None:
        for f, e, _ in reversed(self.moments):  # mostly the last one tells
            if fixed <= f and each <= e:
                return
        self.moments = [one for one in self.moments if one[0] > fixed or one[1] > each]
        self.moments.append((fixed, each, [tuple(size) for size in now.values()]))


class Allocations(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Counts the storages of all tensors that operations make while this is entered, each from when it is made until it dies.

    A storage counts once, however many tensors look at it. What a kernel takes and gives back on its own is not seen.

    batch: examples of the batch that runs. What has a dimension of a multiple of them is taken to grow with the batch, so that one
    run tells about every batch; a prime that divides no dimension of the model makes that sure. 0: nothing is.
    vocabulary: what ends in a dimension of so many counts as logits. Of the rest, what is no copy of parameters in another type
    counts as activations, unless `mark` says otherwise.
    """

    def __init__(self, batch: int = 0, vocabulary: int = 0) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._batch, self._vocabulary = batch, vocabulary
        self._now: dict[Use, list[int]] = {use: [0, 0] for use in USES}
        self._fixed = self._each = 0
        self._held: dict[int, tuple[int, int, Use, weakref.ref[Any]]] = {}
        self._late: torch.Tensor | None = None
        self._front = _Front()

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        """Nothing is compiled in here, and torch would ask at every operation whether it is."""
        return False

    def __torch_dispatch__(
        self, func: Any, types: Sequence[type], args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        if torch.is_inference_mode_enabled() and func._can_decompose():  # elsewhere autograd has done so already
            with self:
                return func.decompose(*args, **(kwargs or {}))
        self._settle()
        out = self.run(func, args, dict(kwargs or {}))
        if func is _ADD and not args[0]._is_view() and _sums_gradients():
            self._late = out
            return out
        for made in (out,) if isinstance(out, torch.Tensor) else tree_leaves(out):
            if isinstance(made, torch.Tensor):
                self._see(made, func, args)
        return out

    def run(self, func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """What the operation gives."""
        return func(*args, **kwargs)

    def mark(self, tensors: Iterable[torch.Tensor], use: Use) -> None:
        """From now on their storages are for this."""
        for tensor in tensors:
            self._hold(tensor, use)

    def moments(self) -> tuple[Moment, ...]:
        """Those since the last call at which most was held: for every batch, one of them is the peak."""
        self._settle()
        seen, self._front = self._front, _Front()
        self._front.see(self._fixed, self._each, self._now)
        return tuple(_moment(held) for _, _, held in seen.moments)

    def now(self) -> Moment:
        """What is held now."""
        self._settle()
        return _moment(self._now.values())

    def _settle(self) -> None:
        late, self._late = self._late, None
        if late is not None:
            self._hold(late, "activations")

    def _see(self, made: torch.Tensor, func: Any, args: tuple[Any, ...]) -> None:
        if made.untyped_storage()._cdata in self._held:
            return
        if self._vocabulary and made.ndim and made.shape[-1] == self._vocabulary:
            self._hold(made, "logits and loss")
        else:
            self._hold(made, "weights in bf16" if self._copies_weights(func, args) else "activations")

    def _copies_weights(self, func: Any, args: tuple[Any, ...]) -> bool:
        if func is not _COPY:
            return False
        held = self._held.get(args[0].untyped_storage()._cdata)
        return held is not None and held[2] == "parameters"

    def _hold(self, tensor: torch.Tensor, use: Use) -> None:
        storage: Any = tensor.untyped_storage()
        key = storage._cdata
        if key in self._held:
            fixed, each, was, reference = self._held[key]
            self._add(was, -fixed, -each)
        else:
            fixed, each = self._split(storage.nbytes(), tensor.shape, use)
            reference = weakref.ref(storage, lambda _: self._free(key))
        self._held[key] = (fixed, each, use, reference)
        self._add(use, fixed, each)
        self._front.see(self._fixed, self._each, self._now)

    def _split(self, size: int, shape: torch.Size, use: Use) -> tuple[int, int]:
        if self._batch and use != "parameters" and any(dimension % self._batch == 0 for dimension in shape):
            return 0, -(-size // self._batch)
        return -(-size // BLOCK) * BLOCK, 0

    def _free(self, key: int) -> None:
        fixed, each, use, _ = self._held.pop(key)
        self._add(use, -fixed, -each)

    def _add(self, use: Use, fixed: int, each: int) -> None:
        self._now[use][0] += fixed
        self._now[use][1] += each
        self._fixed += fixed
        self._each += each


def _moment(held: Iterable[Sequence[int]]) -> Moment:
    return Moment({use: Bytes(*size) for use, size in zip(USES, held, strict=True)})


def _sums_gradients() -> bool:
    """Whether this is autograd adding up what flows back to one place.

    Where nobody watches it adds in place, unless the first summand is a view; here, out of place (can_accumulate_inplace in
    torch/csrc/autograd/input_buffer.cpp). So the sum is counted when the summand that it would have replaced is gone.
    """
    return not torch.is_grad_enabled() and torch._C._current_graph_task_id() != -1
