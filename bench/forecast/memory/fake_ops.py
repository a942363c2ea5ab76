"""Runs operations on tensors that have shape, type and storage size, and no numbers.

FakeTensorMode says what an operation returns. It is asked once for each kind of arguments, since the layers
of a model repeat the same operations. A kind is the shape, strides, type and storage offset of every tensor,
and the value of everything else; that suffices for strided tensors on one device.

A tensor without numbers is a plain CPU tensor whose storage has a size and no memory. It is faster than a
fake tensor of torch, which answers every question about its device in Python. `numpy`, `tolist` and the like
raise RuntimeError. To compute with such a tensor outside a simulation ends the process.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import torch
from torch._subclasses.fake_tensor import FakeTensor, FakeTensorMode
from torch.utils._pytree import tree_leaves, tree_map_only

CPU = torch.device("cpu")


class _Output(NamedTuple):
    """Description of a tensor that an operation returns."""

    alias_of: int
    """Index of the earlier tensor it is, or whose storage it shares (arguments first, then outputs); -1 for a new tensor."""
    is_same: bool
    """Whether it is that earlier tensor itself."""
    is_changed: bool
    """Whether the operation changed the layout of that earlier tensor."""
    shape: tuple[int, ...]
    strides: tuple[int, ...]
    offset: int
    """Position in the storage, in elements."""
    dtype: torch.dtype
    new_bytes: int
    """Size of its storage where the operation makes or enlarges it, else 0."""


_KNOWN: dict[Any, tuple[Any, Any]] = {}
"""Operation and arguments -> the operation, kept so that its id is not reused, and its result with an `_Output` for every tensor.

It holds for all simulations of this process.
"""


def fake_outputs(func: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
    """Return the result of `func` without computing it. FakeTensorMode is asked where the call is new, or returns something other than
    tensors and numbers. Raises TypeError for arguments without a hash, and for tensors that are not strided."""
    tensors: list[torch.Tensor] = []
    key = (id(func), torch.is_inference_mode_enabled(), _key(args, tensors), _key(kwargs.items(), tensors) if kwargs else ())
    known = _KNOWN.get(key)
    if known is None:
        known = func, _ask(func, args, kwargs, tensors)
        leaves = tree_leaves(known[1], is_leaf=lambda one: isinstance(one, _Output))
        if all(isinstance(one, _Output | int | float | None) for one in leaves):
            _KNOWN[key] = known
    return _build(known[1], tensors)


def _key(values: Iterable[Any], tensors: list[torch.Tensor]) -> tuple[Any, ...]:
    """Return the kind of these arguments, and append their tensors to `tensors`."""
    found: list[Any] = []
    for value in values:
        if isinstance(value, torch.Tensor):
            if value.layout != torch.strided:
                raise TypeError(f"a simulation supports only strided tensors, not {value.layout}")
            tensors.append(value)
            found.append((value.shape, value.stride(), value.storage_offset(), value.dtype))
        elif isinstance(value, list | tuple):
            found.append(_key(value, tensors))
        else:
            found.append((type(value), value))  # 1, 1.0 and True are equal
    return tuple(found)


def _build(described: Any, tensors: Sequence[torch.Tensor]) -> Any:
    """Return what is described. tensors: those that an alias may refer to."""
    if not isinstance(described, _Output):
        if not isinstance(described, list | tuple):
            return described
        seen = list(tensors)
        for one in described:
            seen.append(_build(one, seen))
        return type(described)(seen[len(tensors) :])
    one, shared = described, tensors[described.alias_of] if described.alias_of >= 0 else None
    if shared is not None and one.is_same and not one.is_changed:
        return shared
    if shared is not None and not one.is_same and one.dtype == shared.dtype:
        return shared.as_strided(one.shape, one.strides, one.offset)
    built = shared if shared is not None and one.is_same else torch.empty(0, dtype=one.dtype)
    if shared is not None and not one.new_bytes:
        return built.set_(shared.untyped_storage(), one.offset, one.shape, one.strides)
    built.set_(torch._C._construct_storage_from_data_pointer(0, CPU, one.new_bytes), one.offset, one.shape, one.strides)
    torch._C._set_throw_on_mutable_data_ptr(built)
    return built


def _ask(func: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any], tensors: Sequence[torch.Tensor]) -> Any:
    """Run the operation under FakeTensorMode, and describe its result."""
    mode = FakeTensorMode()
    mode.cache_enabled = False  # each call is asked once
    fakes = []
    storages: dict[int, torch.UntypedStorage] = {}  # fakes share a storage where the originals do
    for one in tensors:
        storage = one.untyped_storage()
        alike = storages.setdefault(storage._cdata, torch.UntypedStorage(storage.nbytes(), device="meta"))  # type: ignore[no-untyped-call]
        fake = torch.empty(0, dtype=one.dtype, device="meta")
        fake.set_(alike, one.storage_offset(), one.shape, one.stride())
        fakes.append(FakeTensor(mode, fake, CPU))
    by_id = {id(one): fake for one, fake in zip(tensors, fakes, strict=True)}
    args, kwargs = tree_map_only(torch.Tensor, lambda one: by_id[id(one)], (args, dict(kwargs)))
    with mode:
        out = func(*args, **kwargs)
    return _Describer(tensors, fakes).describe(out)


class _Describer:
    """Describes the result of one call without keeping its tensors."""

    def __init__(self, arguments: Sequence[torch.Tensor], fakes: Sequence[FakeTensor]) -> None:
        self._arguments = arguments
        self._seen: list[Any] = []
        self._places: dict[int, int] = {}
        for fake in fakes:
            self._see(fake)

    def describe(self, out: Any) -> Any:
        """Return the result with an `_Output` in place of every tensor."""
        if isinstance(out, list | tuple):
            found = []
            for one in out:
                found.append(self.describe(one))
                self._see(one)
            return type(out)(found)
        if not isinstance(out, torch.Tensor):
            return out
        storage = out.untyped_storage()
        alias_of = self._places.get(id(out), self._places.get(storage._cdata, -1))
        is_same = alias_of >= 0 and self._seen[alias_of] is out
        argument = self._arguments[alias_of] if 0 <= alias_of < len(self._arguments) else None
        is_changed = is_same and argument is not None and _layout(out) != _layout(argument)
        is_new = alias_of < 0 or (argument is not None and argument.untyped_storage().nbytes() < storage.nbytes())
        return _Output(alias_of, is_same, is_changed, *_layout(out), out.dtype, storage.nbytes() if is_new else 0)

    def _see(self, one: Any) -> None:
        """Remember the place of a tensor by its identity and by that of its storage."""
        keys = (id(one), one.untyped_storage()._cdata) if isinstance(one, torch.Tensor) else ()
        for key in keys:
            self._places.setdefault(key, len(self._seen))
        self._seen.append(one)


def _layout(tensor: torch.Tensor) -> tuple[tuple[int, ...], tuple[int, ...], int]:
    return tuple(tensor.shape), tensor.stride(), int(tensor.storage_offset())
