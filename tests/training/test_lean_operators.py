"""The lean operators compute what those of transformers compute, and keep fewer tensors for the backward pass."""

import copy
from typing import Any

import pytest
import torch
from transformers import AutoConfig, AutoModelForCausalLM, AutoModelForSeq2SeqLM

from bench.training.lean_operators import GATED, NORMS, with_lean_operators

T5 = {"d_model": 16, "d_ff": 24, "d_kv": 8, "num_layers": 2, "num_heads": 2, "vocab_size": 64, "feed_forward_proj": "gated-gelu"}
LLAMA = {"hidden_size": 16, "intermediate_size": 24, "num_hidden_layers": 2, "num_attention_heads": 2, "num_key_value_heads": 2}
CONFIGS = {
    "t5": {**T5, "dropout_rate": 0.0, "decoder_start_token_id": 0},
    "mt5": {**T5, "dropout_rate": 0.0, "decoder_start_token_id": 0},
    "llama": {**LLAMA, "vocab_size": 64},
    "qwen2": {**LLAMA, "vocab_size": 64},
}

CLOSE = {"rtol": 0.016, "atol": 0.03}
"""For gradients in bf16, which transformers adds up from two rounded parts."""


@pytest.fixture(params=CONFIGS)
def models(request: pytest.FixtureRequest) -> tuple[Any, Any]:
    """The model as transformers builds it, and a lean copy. No norm has weights of 1."""
    config = AutoConfig.for_model(request.param, **CONFIGS[request.param])
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        plain = (AutoModelForSeq2SeqLM if config.is_encoder_decoder else AutoModelForCausalLM).from_config(config)
        for module in plain.modules():
            if type(module).__name__ in NORMS:
                torch.nn.init.normal_(module.weight)
    return plain, with_lean_operators(copy.deepcopy(plain))


def run(model: Any) -> tuple[torch.Tensor, int]:
    """Compute logits and gradients. Return the logits, and the bytes of different tensors that were kept for the backward pass."""
    ids = torch.randint(1, 64, (3, 7), generator=torch.Generator().manual_seed(1))
    kept: dict[int, torch.Tensor] = {}

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        kept[tensor.untyped_storage().data_ptr()] = tensor
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        out = model(input_ids=ids, labels=ids)
        size = sum(tensor.untyped_storage().nbytes() for tensor in kept.values())
    out.loss.backward()
    return out.logits.detach(), size


def test_logits_and_gradients_are_those_of_transformers_and_fewer_tensors_are_kept(models: tuple[Any, Any]) -> None:
    plain, lean = models
    (logits, kept), (own_logits, own_kept) = map(run, models)
    torch.testing.assert_close(own_logits, logits)
    for (name, expected), (own_name, found) in zip(plain.named_parameters(), lean.named_parameters(), strict=True):
        assert own_name == name
        torch.testing.assert_close(found.grad, expected.grad)
    assert own_kept < 0.9 * kept


@pytest.mark.parametrize("of_states", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("of_weights", [torch.float32, torch.bfloat16])
def test_a_norm_rounds_as_the_one_of_transformers(models: tuple[Any, Any], of_states: torch.dtype, of_weights: torch.dtype) -> None:
    norms = [
        next(module for module in model.modules() if type(module).__mro__[depth].__name__ in NORMS) for depth, model in enumerate(models)
    ]
    found = []
    for norm in norms:
        norm.to(of_weights)
        states = torch.randn(3, 7, 16, generator=torch.Generator().manual_seed(2)).to(of_states).requires_grad_()
        out = norm(states)
        out.backward(torch.randn(3, 7, 16, generator=torch.Generator().manual_seed(3)).to(out.dtype))
        found.append((out, states.grad, norm.weight.grad))
    (plain, *gradients), (lean, *own) = found
    close = CLOSE if torch.bfloat16 in (of_states, of_weights) else {}
    assert torch.equal(lean, plain)
    assert lean.dtype == plain.dtype
    for gradient, expected in zip(own, gradients, strict=True):
        assert gradient.dtype == expected.dtype
        torch.testing.assert_close(gradient, expected, **close)


def test_without_gradients_the_operators_of_transformers_run_and_other_activations_stay(models: tuple[Any, Any]) -> None:
    plain, lean = models
    ids = torch.arange(1, 8)[None]
    with torch.no_grad():
        torch.testing.assert_close(lean(input_ids=ids, labels=ids).logits, plain(input_ids=ids, labels=ids).logits)
    config = AutoConfig.for_model("t5", **{**CONFIGS["t5"], "feed_forward_proj": "gated-relu"})
    other = with_lean_operators(AutoModelForSeq2SeqLM.from_config(config))
    assert any(type(module).__name__ in GATED for module in other.modules())


def test_a_frozen_norm_has_no_gradient(models: tuple[Any, Any]) -> None:
    _, lean = models
    norm = next(module for module in lean.modules() if type(module).__mro__[1].__name__ in NORMS)
    norm.weight.requires_grad_(False)
    states = torch.ones(2, 16, requires_grad=True)
    norm(states).sum().backward()
    assert norm.weight.grad is None
    assert states.grad is not None
