"""One pass of a model over a batch, the same for encoder-decoders and decoder-only models."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from torch import Tensor


@dataclass(frozen=True, kw_only=True)
class Forward:
    """What a model says of a batch.

    logits: (batch, target, vocabulary); labels: (batch, target), -100 where there is none; logits[:, i] predicts labels[:, i].
    For a decoder-only model `target` is one position less than its whole text: nothing comes before the first token.
    encoder_states, decoder_states: the state after each layer, (batch, tokens, width); () unless asked for. The last one is what
    leaves the stack, after its final norm where the family has one (T5, mT5, Pegasus, Llama, Qwen2). Decoder states are those
    that the logits come from, position by position. A decoder-only model has no encoder states.
    source_mask: (batch, tokens read at once), 1 where a real token stands; of a decoder-only model that is its whole text.
    """

    logits: Tensor
    labels: Tensor
    encoder_states: tuple[Tensor, ...]
    decoder_states: tuple[Tensor, ...]
    source_mask: Tensor


def forward(model: Any, batch: Mapping[str, Tensor], hidden_states: bool = False) -> Forward:
    """batch: as `collate` gives it, on the model's device. The caller decides on autocast, gradients and dropout."""
    return (_encoder_decoder if model.config.is_encoder_decoder else _causal)(model, batch, hidden_states)


def _encoder_decoder(model: Any, batch: Mapping[str, Tensor], hidden_states: bool) -> Forward:
    labels = batch["labels"]
    out = model(  # given the labels, it would compute a loss of its own as well
        input_ids=batch["input_ids"],
        attention_mask=batch["attention_mask"],
        decoder_input_ids=model.prepare_decoder_input_ids_from_labels(labels),
        output_hidden_states=hidden_states,
        use_cache=False,
    )
    encoder, decoder = _after_layers(out.encoder_hidden_states), _after_layers(out.decoder_hidden_states)
    return Forward(logits=out.logits, labels=labels, encoder_states=encoder, decoder_states=decoder, source_mask=batch["attention_mask"])


def _causal(model: Any, batch: Mapping[str, Tensor], hidden_states: bool) -> Forward:
    mask = batch["attention_mask"]
    out = model(input_ids=batch["input_ids"], attention_mask=mask, output_hidden_states=hidden_states, use_cache=False)
    states = tuple(state[:, :-1] for state in _after_layers(out.hidden_states))
    return Forward(logits=out.logits[:, :-1], labels=batch["labels"][:, 1:], encoder_states=(), decoder_states=states, source_mask=mask)


def _after_layers(states: tuple[Tensor, ...] | None) -> tuple[Tensor, ...]:
    """Without the first of transformers' tuple, which is what goes into the first layer."""
    return tuple(states[1:]) if states else ()
