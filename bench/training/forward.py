"""One forward pass of a model over a batch, the same for encoder-decoder and decoder-only models."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from torch import Tensor


@dataclass(frozen=True, kw_only=True)
class Forward:
    """The output of a model for one batch."""

    logits: Tensor
    """(batch, target, vocabulary). logits[:, i] predicts labels[:, i]. For a decoder-only model `target` is one position shorter than the
    whole text, because nothing predicts the first token."""
    labels: Tensor
    """(batch, target), -100 where there is no label."""
    encoder_states: tuple[Tensor, ...]
    """The state after each encoder layer, each (batch, tokens, width); () unless requested. The last one is the output of the stack, after
    its final norm where the family has one (T5, mT5, Pegasus, Llama, Qwen2). A decoder-only model has no encoder states."""
    decoder_states: tuple[Tensor, ...]
    """The state after each decoder layer, like `encoder_states`. Position by position, the logits are computed from these."""
    source_mask: Tensor
    """(batch, tokens that are read at once), 1 at real tokens. In a decoder-only model this is the whole text."""


def forward(model: Any, batch: Mapping[str, Tensor], hidden_states: bool = False) -> Forward:
    """Run the model on a batch made by `collate`, on the model's device. The caller decides on autocast, gradients and dropout."""
    mask, labels = batch["attention_mask"], batch["labels"]
    inputs = {"input_ids": batch["input_ids"], "attention_mask": mask, "output_hidden_states": hidden_states, "use_cache": False}
    if not model.config.is_encoder_decoder:
        out = model(**inputs)
        states = tuple(state[:, :-1] for state in _after_layers(out.hidden_states))
        return Forward(logits=out.logits[:, :-1], labels=labels[:, 1:], encoder_states=(), decoder_states=states, source_mask=mask)
    # without labels: given them, the model would compute a loss of its own as well
    out = model(decoder_input_ids=model.prepare_decoder_input_ids_from_labels(labels), **inputs)
    encoder, decoder = _after_layers(out.encoder_hidden_states), _after_layers(out.decoder_hidden_states)
    return Forward(logits=out.logits, labels=labels, encoder_states=encoder, decoder_states=decoder, source_mask=mask)


def _after_layers(states: tuple[Tensor, ...] | None) -> tuple[Tensor, ...]:
    """Drop the first of transformers' states, which is the input of the first layer."""
    return tuple(states[1:]) if states else ()
