"""Which parts of a model are trained, and how: frozen parts, adapters, recomputed activations."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

import torch

from bench.training.settings import Freeze, Lora, Tuning, check_freeze


@contextmanager
def learning(model: Any, tuning: Tuning) -> Iterator[None]:
    """Set the model up for training by these settings. On exit it is a plain model again, with adapters merged.

    Adapters are initialised from torch's generator. After an error inside, the model is left as it was at that moment. Raises
    CheckpointError where the encoder is to be frozen and the model has none.
    """
    freeze(model, tuning.freeze)
    adapters, casting = None, nullcontext()
    if tuning.lora:
        from peft.helpers import disable_input_dtype_casting

        adapters = adapted(model, tuning.lora, tuning.freeze)
        casting = disable_input_dtype_casting(model)  # autocast decides the dtype; peft would keep another copy of each layer's input
    keeps_keys = model.config.use_cache
    if tuning.checkpointing:
        # re-entering autograd would need gradients of frozen embeddings, and therefore activations of a frozen encoder
        model.activation_checkpointing_enable({"use_reentrant": False})
        model.disable_input_require_grads()
        model.config.use_cache = False  # otherwise transformers warns, although `forward` asks for no cache
    with casting:
        yield
    if tuning.checkpointing:
        model.config.use_cache = keeps_keys
        model.activation_checkpointing_disable()
    if adapters:
        adapters.merge_and_unload()


def freeze(model: Any, what: Freeze) -> None:
    """Freeze embeddings, positions and output layer, or these and the encoder. Raises CheckpointError where the encoder is to be frozen and
    the model has none."""
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
    """Add adapters to the model in place and freeze everything else. Return peft's LoraModel, which can merge them. The model keeps its
    class, config and methods, so objectives need not know about adapters."""
    from peft import LoraConfig, LoraModel

    stacks = _stacks(model)[1:] if frozen == "encoder" else _stacks(model)
    layers = {id(module) for stack in stacks for module in stack.modules() if isinstance(module, torch.nn.Linear)}
    names = [name for name, module in model.named_modules() if id(module) in layers]
    config = LoraConfig(r=lora.rank, lora_alpha=lora.alpha, lora_dropout=lora.dropout, target_modules=names)
    return LoraModel(model, config, "default")


def _stacks(model: Any) -> tuple[Any, ...]:
    return (model.get_encoder(), model.get_decoder()) if model.config.is_encoder_decoder else (model.get_decoder(),)
