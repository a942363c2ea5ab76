"""Keeps some layers of a large model, in place: the first half of shrink and fine-tune (SFT).

Source: Shleifer and Rush 2020, "Pre-trained Summarization Distillation" (arXiv 2010.13002), and their make_student.py. They copy maximally
spaced layers, always including the first one. A table that they made by hand gives these layers for stacks of 6, 12 and 16. For any other
pair their code copies the first n layers with a warning. Here these are evenly spaced, and `describe` reports it.
"""

from __future__ import annotations

import copy
import functools
from dataclasses import dataclass
from typing import Any, Literal

import torch

from bench import published
from bench.contracts import Compact, Layers
from bench.errors import CheckpointError

FIRST_LAYER_IS_SPECIAL = ("t5", "mt5")
"""Families in which only layer 0 holds the relative positions that all layers of its stack use."""

Rule = Literal["all", "published", "evenly spaced", "named"]
"""Why these layers are kept. 'all': no layer is left out. 'published': the authors' table has the pair. 'evenly spaced': the table does not
have it. 'named': the suite lists the layers."""

RULE_IN_WORDS: dict[Rule, str] = {
    "all": "all of them",
    "published": "published table",
    "evenly spaced": "evenly spaced: the published table has no such pair",
    "named": "named in the suite",
}


@dataclass(frozen=True)
class Kept:
    """Layers kept of one stack, counted from 0, and the rule that chose them."""

    layers: tuple[int, ...]
    of: int
    """Number of layers of the whole stack."""
    rule: Rule

    def __str__(self) -> str:
        """Return a text such as 'layers 0 4 7 of 8 (evenly spaced: the published table has no such pair)'."""
        return f"layers {' '.join(map(str, self.layers))} of {self.of} ({RULE_IN_WORDS[self.rule]})"


@functools.cache
def _table(column: str) -> dict[tuple[int, int], tuple[int, ...]]:
    """Return a column of the published table: (teacher's layers, student's layers) -> layers. Empty cells are left out."""
    cells = {(int(r["teacher_layers"]), int(r["student_layers"])): r[column].split() for r in published.rows("shleifer2020_layers")}
    return {pair: tuple(map(int, cell)) for pair, cell in cells.items() if cell}


def layers_to_keep(teacher: int, wanted: Layers | None) -> Kept:
    """Return which of `teacher` layers a stack keeps. Raises CheckpointError where it has no such layers.

    `wanted` is how many, or which ones, or None for all. A number is looked up in the published table. A pair
    that is not in the table is evenly spaced, and keeps the first and the last layer.
    """
    if wanted is None or wanted == teacher:
        return Kept(tuple(range(teacher)), teacher, "all")
    if isinstance(wanted, tuple):
        if unknown := [layer for layer in wanted if layer >= teacher]:
            raise CheckpointError(f"there is no layer {unknown[0]}: they are counted from 0 to {teacher - 1}")
        return Kept(wanted, teacher, "named")
    if wanted > teacher:
        raise CheckpointError(f"{wanted} are asked for, the model has {teacher}")
    if layers := _table("copied").get((teacher, wanted)):
        return Kept(layers, teacher, "published")
    gaps = max(wanted - 1, 1)
    return Kept(tuple((2 * i * (teacher - 1) + gaps) // (2 * gaps) for i in range(wanted)), teacher, "evenly spaced")


def supervised_layers(teacher: int, student: int) -> tuple[int, ...]:
    """Return, for each layer of the student, the teacher's layer that supervises it. Both numbers count layers.

    With equal numbers each layer supervises its own copy. Otherwise the published table decides (LAYERS_TO_SUPERVISE of make_student.py).
    Pairs that are not in it are evenly spaced and end at the last layer, where the published code raises KeyError.
    """
    if teacher == student:
        return tuple(range(teacher))
    evenly = tuple(-(-(i + 1) * teacher // student) - 1 for i in range(student))
    return _table("supervised").get((teacher, student), evenly)


def layer_counts(config: Any) -> tuple[int, int]:
    """Return the numbers of (encoder, decoder) layers in a config. A causal model has decoder layers only."""
    return tuple(getattr(config, name) if name else 0 for name in _names(config))  # type: ignore[return-value]


def set_layer_counts(config: Any, encoder_layers: int, decoder_layers: int) -> None:
    """Write the numbers of layers into a config, under the names that its family uses."""
    for name, count in zip(_names(config), (encoder_layers, decoder_layers), strict=True):
        if name:
            setattr(config, name, count)


def _names(config: Any) -> tuple[str, str]:
    """Return the names of a config's numbers of encoder and decoder layers; '' where there is no encoder."""
    if not config.is_encoder_decoder:
        return "", "num_hidden_layers"
    return ("num_layers", "num_decoder_layers") if hasattr(config, "num_decoder_layers") else ("encoder_layers", "decoder_layers")


def kept_layers(config: Any, compact: Compact) -> tuple[Kept, Kept]:
    """Return what `compact` keeps of encoder and decoder of a model with this config. Raises CheckpointError where the model does not have
    the layers."""
    encoder, decoder = layer_counts(config)
    if not encoder and compact.encoder_layers is not None:
        raise CheckpointError(f"compact asks for encoder layers, and a {config.model_type} model has no encoder")
    return _kept(config, "encoder", encoder, compact.encoder_layers), _kept(config, "decoder", decoder, compact.decoder_layers)


def _kept(config: Any, stack: str, has: int, wanted: Layers | None) -> Kept:
    try:
        kept = layers_to_keep(has, wanted)
    except CheckpointError as error:
        raise CheckpointError(f"{stack} layers of compact: {error}") from None
    if has and config.model_type in FIRST_LAYER_IS_SPECIAL and (kept.layers[0] != 0 or 0 in kept.layers[1:]):
        raise CheckpointError(f"{stack} layers of compact: layer 0 of {config.model_type} holds the positions, so it comes first and once")
    return kept


def describe(config: Any, compact: Compact) -> tuple[str, ...]:
    """Return a line for each stack that loses layers, such as 'decoder: layers 0 4 7 of 8 (evenly spaced: the
    published table has no such pair)'."""
    stacks = zip(("encoder", "decoder"), kept_layers(config, compact), strict=True)
    return tuple(f"{stack}: {kept}" for stack, kept in stacks if kept.rule != "all")


def shrunk_config(config: Any, compact: Compact) -> Any:
    """Return the config of a model that keeps some layers by `compact`. The given config is not changed."""
    shrunk = copy.deepcopy(config)
    _write_layers(shrunk, *kept_layers(config, compact))
    return shrunk


def _write_layers(config: Any, encoder: Kept, decoder: Kept) -> None:
    set_layer_counts(config, len(encoder.layers), len(decoder.layers))
    if kinds := getattr(config, "layer_types", None):  # Qwen2 lists the kind of attention of each layer, and checks the number of entries
        config.layer_types = [kinds[i] for i in decoder.layers]


def shrink(model: Any, compact: Compact) -> tuple[Kept, Kept]:
    """Keep only the layers of `model` that `compact` asks for, in place. Return what was kept of encoder and decoder. A layer named twice
    is copied. Raises CheckpointError as `kept_layers` does."""
    encoder, decoder = kept_layers(model.config, compact)
    _write_layers(model.config, encoder, decoder)
    stacks = [(model.get_decoder(), decoder)] + ([(model.get_encoder(), encoder)] if encoder.of else [])
    for stack, kept in stacks:
        name = "block" if hasattr(stack, "block") else "layers"
        layers, chosen = getattr(stack, name), kept.layers
        modules = [copy.deepcopy(layers[i]) if i in chosen[:position] else layers[i] for position, i in enumerate(chosen)]
        setattr(stack, name, torch.nn.ModuleList(modules))
        for position, layer in enumerate(modules):
            for module in layer.modules():
                if getattr(module, "layer_idx", None) is not None:
                    module.layer_idx = position  # index in the key-value cache
        if stack.config is not model.config:  # T5's stacks hold copies of the config, in which num_layers is the stack's own count
            set_layer_counts(stack.config, len(kept.layers), len(decoder.layers))
    return encoder, decoder
