"""Outputs of operations that are pretended, remembered: they are what FakeTensorMode gives."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch._subclasses.fake_tensor import FakeTensorMode

from bench.training.fake_outputs import Outputs

aten = torch.ops.aten

CALLS: dict[str, tuple[Any, Callable[[torch.Tensor], tuple[Any, ...]]]] = {
    "a product": (aten.mm.default, lambda x: (x, x.t())),
    "another type": (aten._to_copy.default, lambda x: (x,)),
    "a view": (aten.view.default, lambda x: (x, [3, 2, 2])),
    "a transposed view": (aten.t.default, lambda x: (x,)),
    "a view from the middle": (aten.slice.Tensor, lambda x: (x, 0, 1, 3)),
    "an expanded view": (aten.expand.default, lambda x: (x[:1], [5, 4])),
    "in place": (aten.add_.Tensor, lambda x: (x, 1)),
    "several": (aten.native_layer_norm.default, lambda x: (x, [4], None, None, 1e-5)),
    "several views": (aten.split.Tensor, lambda x: (x, 1)),
    "of a list": (aten.cat.default, lambda x: ([x, x], 1)),
    "in place, another shape": (aten.unsqueeze_.default, lambda x: (x, 0)),
    "of nothing": (aten.zeros.default, lambda _: ([2, 3],)),
    "a type that follows from the number": (aten.add.Tensor, lambda x: (x.to(torch.int64), 1.0)),
}


def described(out: Any, given: torch.Tensor) -> Any:
    if isinstance(out, torch.Tensor):
        shares = out.untyped_storage()._cdata == given.untyped_storage()._cdata
        return out.shape, out.stride(), out.storage_offset(), out.dtype, out.untyped_storage().nbytes(), shares, out is given
    return [described(one, given) for one in out]


@pytest.mark.parametrize("call", CALLS)
def test_what_is_remembered_is_what_was_given(call: str) -> None:
    func, arguments = CALLS[call]
    with FakeTensorMode() as mode:
        outputs, found = Outputs(mode), []
        for ask in (lambda f, a: f(*a), lambda f, a: outputs.of(f, a, {}), lambda f, a: outputs.of(f, a, {})):
            given = torch.empty(3, 4)
            found.append(described(ask(func, arguments(given)), given))
    assert found[0] == found[1] == found[2]


def test_what_is_known_is_not_asked_for_again() -> None:
    asked = []

    def product(*args: Any) -> Any:
        asked.append(args)
        return aten.mm.default(*args)

    product.tags = aten.mm.default.tags  # type: ignore[attr-defined]
    with FakeTensorMode() as mode:
        outputs, given = Outputs(mode), torch.empty(3, 3)
        for other in (given, torch.empty(3, 3), torch.empty(3, 5)):
            outputs.of(product, (given, other), {})
    assert len(asked) == 2


@pytest.mark.parametrize(("one", "other"), [(1, 1.0), (1, True)])
def test_numbers_that_are_equal_and_of_other_types_are_told_apart(one: float, other: float) -> None:
    with FakeTensorMode() as mode:
        outputs, given = Outputs(mode), torch.empty(3, dtype=torch.bool)
        types = [outputs.of(aten.add.Tensor, (given, number), {}).dtype for number in (one, other)]
        assert types == [aten.add.Tensor(given, number).dtype for number in (one, other)]
        assert types[0] != types[1]


def test_a_storage_that_is_larger_than_the_tensor_is_not_made_smaller() -> None:
    """Such an output is asked for each time."""

    def part(given: torch.Tensor) -> torch.Tensor:
        return torch.empty(8, 4)[: len(given)]

    part.tags = ()  # type: ignore[attr-defined]
    with FakeTensorMode() as mode:
        outputs, given = Outputs(mode), torch.empty(3, 4)
        sizes = [outputs.of(part, (given,), {}).untyped_storage().nbytes() for _ in range(2)]
    assert sizes == [128, 128]
