"""One forward pass of a model over a batch, the same for encoder-decoder and decoder-only models."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from bench.training.batches import IGNORED


@dataclass(frozen=True, kw_only=True)
class Forward:
    """The output of a model for one batch."""

    logits: Tensor
    """(label tokens, vocabulary), one row for each label that is predicted, example by example. Other positions have no logits: the output
    layer is the largest part of many small models."""
    labels: Tensor
    """(label tokens): the token that each row predicts."""
    rows: Tensor
    """(batch): the number of rows of each example."""
    encoder_states: tuple[Tensor, ...]
    """The state after each encoder layer, each (source tokens, width) without padding; () unless requested. The last one is the output of
    the stack, after its final norm where the family has one (T5, mT5, Pegasus). A decoder-only model has no encoder states."""
    decoder_states: tuple[Tensor, ...]
    """The state after each decoder layer, each (label tokens, width); () unless requested. Row by row, the logits are computed from the
    last one."""


def forward(model: Any, batch: Mapping[str, Tensor], hidden_states: bool = False) -> Forward:
    """Run the model on a batch made by `collate`, on the model's device. The caller decides on autocast, gradients and dropout."""
    mask, predicting = batch["attention_mask"], batch["predicting"]
    inputs = {"input_ids": batch["input_ids"], "attention_mask": mask, "output_hidden_states": hidden_states, "use_cache": False}
    causal = not model.config.is_encoder_decoder
    if not causal:  # without labels: given them, the model would compute a loss of its own as well
        inputs["decoder_input_ids"] = model.prepare_decoder_input_ids_from_labels(batch["labels"])

    def rows(states: Tensor) -> Tensor:
        return states.flatten(0, 1).index_select(0, predicting)

    hook = model.get_output_embeddings().register_forward_pre_hook(lambda _, states: (rows(states[0]),))
    try:
        out = model(**inputs)
    finally:
        hook.remove()
    return Forward(
        logits=out.logits,
        labels=batch["predicted"],
        rows=(batch["labels"][:, causal:] != IGNORED).sum(1),
        encoder_states=() if causal else tuple(states[mask.bool()] for states in _after_layers(out.encoder_hidden_states)),
        decoder_states=tuple(rows(states) for states in _after_layers(out.hidden_states if causal else out.decoder_hidden_states)),
    )


def _after_layers(states: tuple[Tensor, ...] | None) -> tuple[Tensor, ...]:
    """Drop the first of transformers' states, which is the input of the first layer."""
    return tuple(states[1:]) if states else ()
