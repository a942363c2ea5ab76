"""Keep some layers of a large model, in place: the first half of shrink and fine-tune (SFT).

Shleifer and Rush 2020, "Pre-trained Summarization Distillation" (arXiv 2010.13002), section 3.2 and their make_student.py:
copy maximally spaced layers, always the first one. Which ones is a table that they made by hand.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch

from bench.contracts import Compact
from bench.errors import CheckpointError

PUBLISHED: dict[int, dict[int, tuple[int, ...]]] = {
    6: {1: (0,), 2: (0, 5), 3: (0, 2, 5), 4: (0, 1, 3, 5)},
    12: {
        1: (0,),
        2: (0, 6),
        3: (0, 6, 11),
        4: (0, 4, 8, 11),
        6: (0, 2, 4, 7, 9, 11),
        9: (0, 1, 2, 4, 5, 7, 9, 10, 11),
    },
    16: {
        1: (0,),
        2: (0, 15),
        3: (0, 8, 15),
        4: (0, 5, 10, 15),
        6: (0, 3, 6, 9, 12, 15),
        8: (0, 2, 4, 6, 8, 10, 12, 15),
        9: (0, 1, 3, 5, 7, 9, 11, 13, 15),
        12: (0, 1, 2, 3, 4, 5, 6, 7, 9, 11, 13, 15),
    },
}
"""LAYERS_TO_COPY of make_student.py (huggingface/transformers, examples/research_projects/seq2seq-distillation):
layers of the large model -> layers of the compact one -> those kept."""


@dataclass(frozen=True)
class Kept:
    """Layers kept of one stack, counted from 0; published: whether the authors' table gives them."""

    layers: tuple[int, ...]
    published: bool

    def __str__(self) -> str:
        source = "published table" if self.published else "evenly spaced, the table has no such pair"
        return f"{' '.join(map(str, self.layers))} ({source})"


def layers_to_keep(teacher: int, student: int) -> Kept:
    """Which of `teacher` layers a stack of `student` layers keeps. Raises CheckpointError where there are too few.

    The published table where it has the pair; otherwise evenly spaced with the first and the last one kept.
    """
    if not 1 <= student <= teacher:
        raise CheckpointError(f"compact asks for {student} layers, the large model has {teacher}")
    if student == teacher:
        return Kept(tuple(range(teacher)), published=True)
    if student in PUBLISHED.get(teacher, {}):
        return Kept(PUBLISHED[teacher][student], published=True)
    gaps = max(student - 1, 1)
    return Kept(tuple((2 * i * (teacher - 1) + gaps) // (2 * gaps) for i in range(student)), published=False)


def layer_counts(config: Any) -> tuple[int, int]:
    """(encoder, decoder) layers of a config."""
    if hasattr(config, "num_decoder_layers"):
        return config.num_layers, config.num_decoder_layers
    return config.encoder_layers, config.decoder_layers


def set_layer_counts(config: Any, encoder_layers: int, decoder_layers: int) -> None:
    """Write the counts into a config, in the names its family uses."""
    names = ("num_layers", "num_decoder_layers") if hasattr(config, "num_decoder_layers") else ("encoder_layers", "decoder_layers")
    setattr(config, names[0], encoder_layers)
    setattr(config, names[1], decoder_layers)


def counts_of(config: Any, compact: Compact) -> tuple[int, int]:
    """(encoder, decoder) layers that `compact` keeps of a model of this config. Raises CheckpointError where it has fewer."""
    encoder, decoder = layer_counts(config)
    kept = (compact.encoder_layers or encoder, compact.decoder_layers or decoder)
    for stack, has, wanted in (("encoder", encoder, kept[0]), ("decoder", decoder, kept[1])):
        if wanted > has:
            raise CheckpointError(f"compact asks for {wanted} {stack} layers, the large model has {has}")
    return kept


def shrink(model: Any, encoder_layers: int, decoder_layers: int) -> tuple[Kept, Kept]:
    """Drop layers of `model`, in place; what was kept of encoder and decoder."""
    encoder, decoder = model.get_encoder(), model.get_decoder()
    kept = (_keep(encoder, encoder_layers), _keep(decoder, decoder_layers))
    set_layer_counts(model.config, encoder_layers, decoder_layers)
    if encoder.config is not model.config:  # T5's stacks hold copies, in which num_layers is the stack's own count
        set_layer_counts(encoder.config, encoder_layers, decoder_layers)
        set_layer_counts(decoder.config, decoder_layers, decoder_layers)
    return kept


def _keep(stack: Any, student: int) -> Kept:
    name = "block" if hasattr(stack, "block") else "layers"
    layers = getattr(stack, name)
    kept = layers_to_keep(len(layers), student)
    setattr(stack, name, torch.nn.ModuleList([layers[i] for i in kept.layers]))
    for position, layer in enumerate(getattr(stack, name)):
        for module in layer.modules():
            if getattr(module, "layer_idx", None) is not None:
                module.layer_idx = position  # its place in the key-value cache
    return kept
