"""A simulated operation returns what FakeTensorMode returns, also when the call is remembered."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch._subclasses.fake_tensor import FakeTensorMode

from bench.forecast.memory.fake_ops import fake_outputs
from bench.forecast.memory.simulate import simulate

aten = torch.ops.aten

CALLS: dict[str, tuple[Any, Callable[[torch.Tensor], tuple[Any, ...]]]] = {
    "a product": (aten.mm.default, lambda x: (x, x.t())),
    "another type": (aten._to_copy.default, lambda x: (x,)),
    "a view": (aten.view.default, lambda x: (x, [3, 2, 2])),
    "a view as another type": (aten.view.dtype, lambda x: (x, torch.bfloat16)),
    "a transposed view": (aten.t.default, lambda x: (x,)),
    "a view from the middle": (aten.slice.Tensor, lambda x: (x, 0, 1, 3)),
    "an expanded view": (aten.expand.default, lambda x: (x[:1], [5, 4])),
    "in place": (aten.add_.Tensor, lambda x: (x, 1)),
    "in place, what shares its numbers": (aten.add_.Tensor, lambda x: (x, x[:1])),
    "in place, another shape": (aten.unsqueeze_.default, lambda x: (x, 0)),
    "in place, more of them": (aten.resize_.default, lambda x: (x, [6, 4])),
    "in place, and nothing is given": (aten._foreach_mul_.Scalar, lambda x: ([x], 2.0)),
    "several": (aten.native_layer_norm.default, lambda x: (x, [4], None, None, 1e-5)),
    "several views": (aten.split.Tensor, lambda x: (x, 1)),
    "some of several": (aten.native_layer_norm_backward.default, lambda x: (x, x, [4], x, x, None, None, [True, False, False])),
    "of a list": (aten.cat.default, lambda x: ([x, x], 1)),
    "a list of a list": (aten._foreach_norm.Scalar, lambda x: ([x, x[0]],)),
    "of nothing": (aten.zeros.default, lambda _: ([2, 3],)),
    "a type that follows from the number": (aten.add.Tensor, lambda x: (x.to(torch.int64), 1.0)),
    "no tensor": (aten.is_same_size.default, lambda x: (x, x)),
}


def described(out: Any, given: torch.Tensor) -> Any:
    if isinstance(out, torch.Tensor):
        shares = out.untyped_storage()._cdata == given.untyped_storage()._cdata
        return tuple(out.shape), out.stride(), out.storage_offset(), out.dtype, out.untyped_storage().nbytes(), shares, out is given
    return [type(out), *(described(one, given) for one in out)] if isinstance(out, list | tuple) else out


@pytest.mark.parametrize("call", CALLS)
def test_a_call_returns_what_fake_tensors_return_both_new_and_remembered(call: str) -> None:
    func, arguments = CALLS[call]
    with FakeTensorMode():
        faked = torch.empty(3, 4)
        expected = described(func(*arguments(faked)), faked)
    for _ in range(2):
        with simulate("cpu"):
            given = torch.empty(3, 4)
            assert described(func(*arguments(given)), given) == expected


def _counting(func: Any) -> tuple[Any, list[Any]]:
    asked: list[Any] = []

    def counted(*args: Any) -> Any:
        asked.append(args)
        return func(*args)

    return counted, asked


def test_a_remembered_call_does_not_ask_fake_tensors_again() -> None:
    product, asked = _counting(aten.mm.default)
    given = torch.empty(3, 3)
    for other in (given, torch.empty(3, 3), torch.empty(3, 5)):
        fake_outputs(product, (given, other), {})
    assert len(asked) == 2


def test_a_result_that_is_neither_tensor_nor_number_is_asked_for_each_time() -> None:
    handles, asked = _counting(lambda: object())
    first, second = (fake_outputs(handles, (), {}) for _ in range(2))
    assert first is not second
    assert len(asked) == 2


@pytest.mark.parametrize(("one", "other"), [(1, 1.0), (1, True)])
def test_equal_numbers_of_different_types_are_different_arguments(one: float, other: float) -> None:
    given = torch.empty(3, dtype=torch.bool)
    types = [fake_outputs(aten.add.Tensor, (given, number), {}).dtype for number in (one, other)]
    assert types == [(given + number).dtype for number in (one, other)]
    assert types[0] != types[1]


def test_a_remembered_storage_keeps_its_size_where_the_tensor_is_smaller() -> None:
    part, _ = _counting(lambda given: torch.empty(8, 4)[: len(given)])
    sizes = [fake_outputs(part, (torch.empty(3, 4),), {}).untyped_storage().nbytes() for _ in range(2)]
    assert sizes == [128, 128]


def test_views_of_a_new_tensor_share_its_storage() -> None:
    halves, _ = _counting(lambda _: aten.split.Tensor(torch.empty(8, 4), 4))
    for _ in range(2):
        one, other = fake_outputs(halves, (torch.empty(1),), {})
        assert one.untyped_storage()._cdata == other.untyped_storage()._cdata
        assert (one.storage_offset(), other.storage_offset()) == (0, 16)


@pytest.mark.parametrize("read", [torch.Tensor.numpy, torch.Tensor.tolist, torch.Tensor.data_ptr])
def test_reading_the_numbers_of_a_simulated_tensor_is_an_error(read: Callable[[torch.Tensor], Any]) -> None:
    with pytest.raises(RuntimeError):
        read(fake_outputs(aten.zeros.default, ([2, 3],), {}))


def test_a_sparse_tensor_cannot_be_simulated() -> None:
    with pytest.raises(TypeError, match="sparse"):
        fake_outputs(aten.mm.default, (torch.empty(2, 2).to_sparse(), torch.empty(2, 2)), {})
