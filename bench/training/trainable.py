"""What of a model learns in a training, and in which way: frozen parts, adapters, activations computed twice."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import torch

from bench.training.settings import Freeze, Lora, Tuning, check_freeze


@contextmanager
def learning(model: Any, tuning: Tuning) -> Iterator[None]:
    """Inside, the model learns as the settings say. After that it is a plain one: adapters are added to its weights.

    Adapters are drawn from torch's generator. Left with an error, the model is as it was when that came.
    Raises CheckpointError where the encoder is to be frozen and the model has none.
    """
    freeze(model, tuning.freeze)
    with ExitStack() as ways:
        if tuning.lora:
            ways.enter_context(_adapting(model, tuning.lora, tuning.freeze))
        if tuning.checkpointing:
            ways.enter_context(_computing_twice(model))
        yield


def freeze(model: Any, what: Freeze) -> None:
    """Stop gradients of the embeddings, positions and output layer, or of these and the encoder.

    Raises CheckpointError where the encoder is to be frozen and the model has none.
    """
    if what == "none":
        return
    check_freeze(what, causal=not model.config.is_encoder_decoder)
    stacks = _stacks(model)
    embeddings = [model.get_input_embeddings(), model.get_output_embeddings(), *(stack.embed_tokens for stack in stacks)]
    positions = [stack.embed_positions for stack in stacks if hasattr(stack, "embed_positions")]
    encoder = [model.get_encoder()] if what == "encoder" else []
    for module in embeddings + positions + encoder:
        module.requires_grad_(False)


def adapted(model: Any, lora: Lora, frozen: Freeze) -> Any:
    """Put adapters into the model, in place, and freeze all else; gives what can merge them (peft's LoraModel).

    The model keeps its class, config and methods, so that objectives need not know.
    """
    from peft import LoraConfig, LoraModel

    stacks = _stacks(model)[1:] if frozen == "encoder" else _stacks(model)
    layers = {id(module) for stack in stacks for module in stack.modules() if isinstance(module, torch.nn.Linear)}
    names = [name for name, module in model.named_modules() if id(module) in layers]
    config = LoraConfig(r=lora.rank, lora_alpha=lora.alpha, lora_dropout=lora.dropout, target_modules=names)
    return LoraModel(model, config, "default")


@contextmanager
def _adapting(model: Any, lora: Lora, frozen: Freeze) -> Iterator[None]:
    from peft.helpers import disable_input_dtype_casting

    adapters = adapted(model, lora, frozen)
    with disable_input_dtype_casting(model):  # autocast decides; peft would keep a copy more of what goes into each layer
        yield
    adapters.merge_and_unload()


def _stacks(model: Any) -> tuple[Any, ...]:
    return (model.get_encoder(), model.get_decoder()) if model.config.is_encoder_decoder else (model.get_decoder(),)


@contextmanager
def _computing_twice(model: Any) -> Iterator[None]:
    """Checkpointing that does not re-enter autograd: that would need gradients of frozen embeddings, so activations of a frozen encoder."""
    keeps_keys = model.config.use_cache
    model.activation_checkpointing_enable({"use_reentrant": False})
    model.disable_input_require_grads()
    model.config.use_cache = False  # or transformers warns, although `forward` asks for none
    yield
    model.config.use_cache = keeps_keys
    model.activation_checkpointing_disable()
