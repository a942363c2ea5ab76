"""Operators of T5 and of Llama that keep fewer tensors for the backward pass. transformers writes each as several small operations.

Outputs are the same numbers, except for rounding in GELU. Gradients are the same except for rounding.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch.nn.functional import gelu, silu

NORMS = ("T5LayerNorm", "MT5LayerNorm", "LlamaRMSNorm", "Qwen2RMSNorm")
"""Root mean square norms in transformers: weight * x / sqrt(mean(x²) + epsilon) (Zhang and Sennrich 2019)."""

GATED = {
    "T5DenseGatedActDense": ("wi_0", "wi_1", "wo"),
    "MT5DenseGatedActDense": ("wi_0", "wi_1", "wo"),
    "LlamaMLP": ("gate_proj", "up_proj", "down_proj"),
    "Qwen2MLP": ("gate_proj", "up_proj", "down_proj"),
}
"""Gated feed-forward layers in transformers (Shazeer 2020) -> their projections: gate, up and down."""


class _Activation(NamedTuple):
    forward: Callable[[torch.Tensor], torch.Tensor]
    backward: Callable[[torch.Tensor, torch.Tensor], torch.Tensor]
    """(gradient, input) -> gradient of the input."""


_GELU = _Activation(
    functools.partial(gelu, approximate="tanh"), functools.partial(torch.ops.aten.gelu_backward.default, approximate="tanh")
)
_SILU = _Activation(silu, torch.ops.aten.silu_backward.default)


def with_lean_operators(model: Any) -> Any:
    """Return the model, a module of transformers, with these operators in place of its own."""
    from transformers.activations import NewGELUActivation

    for name, module in list(model.named_modules()):
        if isinstance(module, NewGELUActivation):  # eight operations
            model.set_submodule(name, torch.nn.GELU(approximate="tanh"))
    for module in model.modules():
        kind: Any = type(module)
        if kind.__name__ in NORMS:
            module.__class__ = _norm(kind)
        elif kind.__name__ in GATED and (activation := _activation(module)):
            module.__class__ = _gated(kind, activation)
    return model


def _activation(layer: Any) -> _Activation | None:
    own = layer.act if hasattr(layer, "act") else layer.act_fn
    if isinstance(own, torch.nn.GELU) and own.approximate == "tanh":
        return _GELU
    return _SILU if type(own).__name__ in ("SiLU", "SiLUActivation") else None


@functools.cache
def _norm(kind: Any) -> Any:
    """Return a class of norms that is lean where gradients are recorded."""
    of_weight = not kind.__name__.endswith("RMSNorm")  # T5 rounds to the type of the weight, Llama to that of the input

    class Norm(kind):  # type: ignore[misc]
        def forward(self, states: torch.Tensor) -> torch.Tensor:
            if not torch.is_grad_enabled():
                plain: torch.Tensor = super().forward(states)
                return plain
            dtype = self.weight.dtype if of_weight else states.dtype
            return _RmsNorm.apply(states, self.weight, self.variance_epsilon, dtype)  # type: ignore[no-any-return, no-untyped-call]

    return Norm


class _RmsNorm(torch.autograd.Function):
    """Keeps the input and one number for each token. transformers' own norm also keeps the scaled input."""

    @staticmethod
    def forward(ctx: Any, states: torch.Tensor, weight: torch.Tensor, epsilon: float, dtype: torch.dtype) -> torch.Tensor:
        scale = torch.rsqrt(states.float().pow(2).mean(-1, keepdim=True) + epsilon)
        ctx.save_for_backward(states, weight, scale)
        ctx.dtype = dtype
        scaled = (states * scale).to(dtype)
        return scaled.mul_(weight) if weight.dtype == dtype else weight * scaled

    @staticmethod
    def backward(ctx: Any, gradient: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor | None, None, None]:
        states, weight, scale = ctx.saved_tensors
        scaled, of_weight = states * scale, None
        if ctx.needs_input_grad[1]:
            of_weight = (gradient * scaled.to(ctx.dtype)).flatten(0, -2).sum(0).to(weight.dtype)
        found = gradient.float() * weight.float()
        shared = (found * scaled).mean(-1, keepdim=True)
        return found.sub_(scaled.mul_(shared)).mul_(scale).to(states.dtype), of_weight, None, None


@functools.cache
def _gated(kind: Any, activation: _Activation) -> Any:
    """Return a class of gated layers that is lean where gradients are recorded."""
    gate, up, down = GATED[kind.__name__]

    class Gated(kind):  # type: ignore[misc]
        def forward(self, states: torch.Tensor) -> torch.Tensor:
            if not torch.is_grad_enabled():
                plain: torch.Tensor = super().forward(states)
                return plain
            hidden = _Gate.apply(getattr(self, gate)(states), getattr(self, up)(states), activation)  # type: ignore[no-untyped-call]
            if hasattr(self, "dropout"):  # T5, whose last projection may be of another type
                hidden = self.dropout(hidden).to(getattr(self, down).weight.dtype)
            return getattr(self, down)(hidden)  # type: ignore[no-any-return]

    return Gated


class _Gate(torch.autograd.Function):
    """activation(gate) * up. Keeps both inputs, and computes the activation again in the backward pass."""

    @staticmethod
    def forward(ctx: Any, gate: torch.Tensor, up: torch.Tensor, activation: _Activation) -> torch.Tensor:
        ctx.save_for_backward(gate, up)
        ctx.activation = activation
        return activation.forward(gate).mul_(up)

    @staticmethod
    def backward(ctx: Any, gradient: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, None]:
        gate, up = ctx.saved_tensors
        of_up = ctx.activation.forward(gate).mul_(gradient)
        return ctx.activation.backward(up * gradient, gate), of_up, None
