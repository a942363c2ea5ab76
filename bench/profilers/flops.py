"""Floating-point operations that were really executed, counted operator by operator."""

from __future__ import annotations

import importlib
import math
from collections.abc import Sequence
from typing import Any

from bench.contracts import Instrument, Profiler, Reading


class Flops(Profiler):
    """Executed FLOPs of matrix products, convolutions and attention, by torch's FlopCounterMode.

    Only the thread of the window is counted. The purse does not pay by these FLOPs. It pays by model FLOPs: a
    formula over the tokens of the examples, the same on every machine. Executed FLOPs also include padding,
    discarded beams and recomputation. Neither includes norms, softmax and the like.

    Use it only in a run whose times are not used, because every operator then goes through Python. Measured
    on one thread: a training step of flan-t5-small's shape (8 x 80 tokens) took 1.1 times as long. A step of
    a two-layer model of width 64 took 2.4 to 4.7 times as long.
    """

    def import_libraries(self) -> None:
        importlib.import_module("torch.utils.flop_counter")

    def prepare(self) -> None:
        """Count one operator now, because the first one loads torch's compiler, which takes seconds."""
        import torch

        with _counter():
            torch.zeros(1, 1) @ torch.zeros(1, 1)

    def instrument(self) -> Instrument:
        return _Counting()


class _Counting:
    def __init__(self) -> None:
        self._counter: Any = None

    def start(self) -> None:
        counter = _counter()
        counter.__enter__()
        self._counter = counter

    def stop(self) -> list[Reading]:
        if self._counter is None:
            return [Reading("executed_flops", None, "FLOP", "computed", reason="never started")]
        self._counter.__exit__(None, None, None)
        return [Reading("executed_flops", float(self._counter.get_total_flops()), "FLOP", "computed")]


def _counter() -> Any:
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    # torch 2.13 has no formula for these operators of CPUs, and would silently count them as 0.
    attention = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu
    backward = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu_backward
    formulas: dict[Any, Any] = {attention: _attention, backward: _attention_backward}
    if hasattr(torch.ops.mkldnn, "_linear_pointwise"):  # only where torch was built with oneDNN
        formulas[torch.ops.mkldnn._linear_pointwise] = _linear
    return FlopCounterMode(display=False, custom_mapping=formulas)


def _linear(states: Sequence[int], weight: Sequence[int], *_: Any, **__: Any) -> int:
    """Return the FLOPs of a linear layer whose weights oneDNN has laid out. states: (..., inputs). weight: (outputs, inputs)."""
    return 2 * math.prod(states) * weight[0]


def _attention(query: Any, key: Any, value: Any, *_: Any, **__: Any) -> int:
    from torch.utils import flop_counter

    formula: Any = flop_counter.sdpa_flop_count
    return int(formula(query, key, value))


def _attention_backward(gradient: Any, query: Any, key: Any, value: Any, *_: Any, **__: Any) -> int:
    from torch.utils import flop_counter

    formula: Any = flop_counter.sdpa_backward_flop_count
    return int(formula(gradient, query, key, value))
