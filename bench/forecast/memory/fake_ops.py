"""What an operation gives while pretending: tensors of the right shape, type and storage that have no numbers.

FakeTensorMode tells, and is asked once for such arguments: the layers of a model are alike, and so are their operations. Shape, strides,
type and place in the storage of every tensor are looked at, and all that is no tensor; that suffices for strided tensors on one device.

A tensor without numbers is torch's own, on the CPU, with a storage that has a size and no memory. torch's fake tensors would have to be
asked for their device, in Python, several times by every operation. `numpy`, `tolist` and their like raise RuntimeError; to compute with
one where nothing is pretended any more ends the process.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import torch
from torch._subclasses.fake_tensor import FakeTensor, FakeTensorMode
from torch.utils._pytree import tree_leaves, tree_map_only

CPU = torch.device("cpu")


class _Output(NamedTuple):
    """A tensor that is given.

    of: place of that which it is, or shares its storage with, among the tensors of the arguments and then those given before; -1: of none,
    it is new. is_changed: it is of another shape since. new_bytes: of its storage, where that is new, or 0.
    """

    of: int
    is_same: bool
    is_changed: bool
    shape: tuple[int, ...]
    strides: tuple[int, ...]
    offset: int
    dtype: torch.dtype
    new_bytes: int


class _Known(NamedTuple):
    """out: what an operation gives, with an `_Output` for every tensor. func: the operation, which lives as long as its id is used."""

    func: Any
    out: Any


_KNOWN: dict[Any, _Known] = {}
"""By operation and arguments; it holds for all that is pretended in this process."""


def outputs(func: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
    """What `func` gives; FakeTensorMode is asked where that is not known, or is something else than tensors and numbers.

    Raises TypeError of arguments that have no hash, and of tensors that are not strided.
    """
    tensors: list[torch.Tensor] = []
    key = (id(func), torch.is_inference_mode_enabled(), _key(args, tensors), _key(kwargs.items(), tensors) if kwargs else ())
    known = _KNOWN.get(key)
    if known is None:
        known = _asked(func, args, kwargs, tensors)
        if all(
            isinstance(one, _Output | int | float | None) for one in tree_leaves(known.out, is_leaf=lambda one: isinstance(one, _Output))
        ):
            _KNOWN[key] = known
    return _made(known.out, tensors)


def _key(values: Iterable[Any], tensors: list[torch.Tensor]) -> tuple[Any, ...]:
    found: list[Any] = []
    for value in values:
        if isinstance(value, torch.Tensor):
            if value.layout != torch.strided:
                raise TypeError(f"only strided tensors can be pretended, not {value.layout}")
            tensors.append(value)
            found.append((value.shape, value.stride(), value.storage_offset(), value.dtype))
        elif isinstance(value, list | tuple):
            found.append(_key(value, tensors))
        else:
            found.append((type(value), value))  # 1, 1.0 and True are equal
    return tuple(found)


def _made(known: Any, tensors: Sequence[torch.Tensor]) -> Any:
    if isinstance(known, _Output):
        return _tensor(known, tensors)
    if not isinstance(known, list | tuple):
        return known
    seen = list(tensors)
    for one in known:
        seen.append(_made(one, seen))
    return type(known)(seen[len(tensors) :])


def _tensor(one: _Output, tensors: Sequence[torch.Tensor]) -> torch.Tensor:
    shared = tensors[one.of] if one.of >= 0 else None
    if shared is not None and one.is_same and not one.is_changed:
        return shared
    if shared is not None and not one.is_same and one.dtype == shared.dtype:
        return shared.as_strided(one.shape, one.strides, one.offset)
    made = shared if shared is not None and one.is_same else torch.empty(0, dtype=one.dtype)
    if shared is not None and not one.new_bytes:
        return made.set_(shared.untyped_storage(), one.offset, one.shape, one.strides)
    made.set_(torch._C._construct_storage_from_data_pointer(0, CPU, one.new_bytes), one.offset, one.shape, one.strides)
    torch._C._set_throw_on_mutable_data_ptr(made)
    return made


def _asked(func: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any], tensors: Sequence[torch.Tensor]) -> _Known:
    mode = FakeTensorMode()
    mode.cache_enabled = False  # it is asked once
    fakes = _fakes(mode, tensors)
    by_id = {id(one): fake for one, fake in zip(tensors, fakes, strict=True)}
    args, kwargs = tree_map_only(torch.Tensor, lambda one: by_id[id(one)], (args, dict(kwargs)))
    with mode:
        out = func(*args, **kwargs)
    return _Known(func, _Description(tensors, fakes).of(out))


def _fakes(mode: FakeTensorMode, tensors: Sequence[torch.Tensor]) -> list[FakeTensor]:
    """Tensors like these; those share a storage whose likes do."""
    found = []
    storages: dict[int, torch.UntypedStorage] = {}
    for one in tensors:
        storage = one.untyped_storage()
        alike = storages.setdefault(storage._cdata, torch.UntypedStorage(storage.nbytes(), device="meta"))  # type: ignore[no-untyped-call]
        fake = torch.empty(0, dtype=one.dtype, device="meta")
        fake.set_(alike, one.storage_offset(), one.shape, one.stride())
        found.append(FakeTensor(mode, fake, CPU))
    return found


class _Description:
    """Of what was given, without the tensors themselves. given: those of the arguments; fakes: that stood for them."""

    def __init__(self, given: Sequence[torch.Tensor], fakes: Sequence[FakeTensor]) -> None:
        self._given = given
        self._seen: list[Any] = []
        self._places: dict[int, int] = {}
        for fake in fakes:
            self._see(fake)

    def of(self, out: Any) -> Any:
        """An `_Output` for every tensor."""
        if isinstance(out, list | tuple):
            found = []
            for one in out:
                found.append(self.of(one))
                self._see(one)
            return type(out)(found)
        return self._tensor(out) if isinstance(out, torch.Tensor) else out

    def _see(self, one: Any) -> None:
        """Those seen before are found by their identity, or that of their storage."""
        keys = (id(one), one.untyped_storage()._cdata) if isinstance(one, torch.Tensor) else ()
        for key in keys:
            self._places.setdefault(key, len(self._seen))
        self._seen.append(one)

    def _tensor(self, out: torch.Tensor) -> _Output:
        storage = out.untyped_storage()
        of = self._places.get(id(out), self._places.get(storage._cdata, -1))
        is_same = of >= 0 and self._seen[of] is out
        given = self._given[of] if 0 <= of < len(self._given) else None
        is_changed = is_same and given is not None and _layout(out) != _layout(given)
        is_new = of < 0 or (given is not None and given.untyped_storage().nbytes() < storage.nbytes())
        return _Output(of, is_same, is_changed, *_layout(out), out.dtype, storage.nbytes() if is_new else 0)


def _layout(tensor: torch.Tensor) -> tuple[tuple[int, ...], tuple[int, ...], int]:
    return tuple(tensor.shape), tensor.stride(), int(tensor.storage_offset())
