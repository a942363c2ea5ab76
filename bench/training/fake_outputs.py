"""What an operation gives for such arguments while pretending, remembered.

The layers of a model are alike, and so are their operations. FakeTensorMode remembers too, but looks at so much of every argument that it
takes most of the time of a pretended step. Here shape, strides, type and place in the storage of every tensor are looked at, and all
that is no tensor; that suffices for strided tensors on one device, whose numbers nobody asks for.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import torch
from torch._subclasses.fake_tensor import FakeTensor, FakeTensorMode

CPU = torch.device("cpu")


class _Output(NamedTuple):
    """Of one tensor that was given. of: place among the arguments of the tensor that it is, or is a view of; -1: of none, it is new."""

    of: int
    is_same: bool
    shape: tuple[int, ...]
    strides: tuple[int, ...]
    offset: int
    dtype: torch.dtype


class Outputs:
    """Operations by their arguments -> what they give. mode: whose tensors they are."""

    def __init__(self, mode: FakeTensorMode) -> None:
        with torch._C._DisableTorchDispatch():
            self._state = dict(vars(FakeTensor(mode, torch.empty(0, device="meta"), CPU)))
        self._known: dict[Any, _Output | Sequence[_Output | None] | None] = {}

    def of(self, func: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
        """What `func` gives; it is asked where that is not known, or cannot be told from the arguments alone."""
        tensors: list[FakeTensor] = []
        try:
            with torch._C.DisableTorchFunction():
                key = (func, torch.is_inference_mode_enabled(), _key(args, tensors), _key(kwargs.items(), tensors) if kwargs else ())
            is_known = key in self._known
        except TypeError:  # what has no hash, and tensors that are not pretended
            return func(*args, **kwargs)
        if not is_known:
            out = func(*args, **kwargs)
            with torch._C.DisableTorchFunction():
                self._known[key] = _described(func, out, tensors)
            return out
        known = self._known[key]
        if known is None:
            return func(*args, **kwargs)
        with torch._C.DisableTorchFunction(), torch._C._DisableTorchDispatch():
            if isinstance(known, _Output):
                return self._made(known, tensors)
            return tuple([one and self._made(one, tensors) for one in known])

    def _made(self, one: _Output, tensors: Sequence[FakeTensor]) -> FakeTensor:
        if one.is_same:
            return tensors[one.of]
        if one.of < 0:
            made = torch.empty_strided(one.shape, one.strides, dtype=one.dtype, device="meta")
        else:
            made = torch.empty(0, dtype=one.dtype, device="meta")
            made.set_(tensors[one.of].untyped_storage(), one.offset, one.shape, one.strides)
        # As FakeTensor does, without its checks of arguments, which take a fifth of a step.
        fake: FakeTensor = torch.Tensor._make_subclass(FakeTensor, made, False, dispatch_device=True, device_for_backend_keys=CPU)
        vars(fake).update(self._state)
        return fake


def _key(values: Iterable[Any], tensors: list[FakeTensor]) -> tuple[Any, ...]:
    """Raises TypeError of a tensor that is not pretended, or not strided."""
    found: list[Any] = []
    for value in values:
        if isinstance(value, torch.Tensor):
            if not isinstance(value, FakeTensor) or value.layout != torch.strided:
                raise TypeError
            tensors.append(value)
            found.append((value.shape, value.stride(), value.storage_offset(), value.dtype))
        elif isinstance(value, list | tuple):
            found.append(_key(value, tensors))
        else:
            found.append((type(value), value))  # 1, 1.0 and True are equal
    return tuple(found)


def _described(func: Any, out: Any, tensors: Sequence[FakeTensor]) -> _Output | Sequence[_Output | None] | None:
    """None where it cannot be made again from this."""
    if torch.Tag.inplace_view in func.tags:
        return None
    if isinstance(out, torch.Tensor):
        return _output(out, tensors)
    if not isinstance(out, tuple) or not all(one is None or isinstance(one, torch.Tensor) for one in out):
        return None
    found = [one if one is None else _output(one, tensors) for one in out]
    storages = [one.untyped_storage()._cdata for one in out if one is not None]
    if any(mine is None and one is not None for mine, one in zip(found, out, strict=True)) or len(set(storages)) < len(storages):
        return None
    return found


def _output(out: torch.Tensor, tensors: Sequence[FakeTensor]) -> _Output | None:
    if not isinstance(out, FakeTensor) or out.layout != torch.strided:
        return None
    storage = out.untyped_storage()
    place = next((place for place, one in enumerate(tensors) if one.untyped_storage()._cdata == storage._cdata), -1)
    found = _Output(place, place >= 0 and out is tensors[place], tuple(out.shape), out.stride(), int(out.storage_offset()), out.dtype)
    with torch._C._DisableTorchDispatch():
        alike = torch.empty_strided(found.shape, found.strides, dtype=found.dtype, device="meta")
    whole = found.offset == 0 and alike.untyped_storage().nbytes() == storage.nbytes()
    return found if place >= 0 or whole else None
