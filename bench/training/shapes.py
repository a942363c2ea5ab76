"""Shapes of encoder-decoders by their published names, and models built from them.

Names follow Tay et al. 2021, "Scale Efficiently" (arXiv 2109.10686): a size, then what differs from it.

    small-nl16        T5 small with 16 layers in both stacks
    small-el16-dl4    16 layers in the encoder, 4 in the decoder
    base-ff2000       also dm (width), kv (size of a head), nh (heads)
    16-4, 12-6        Pegasus-large, BART-large with this many layers in encoder and decoder (Shleifer and Rush 2020)

Dimensions come from the published configs. A model's name may be wrong (see `NOT_AS_NAMED`). The table on the
model cards is wrong too: it gives the small sizes a kv of 32, and their configs have 64. This module is cheap
to import: torch and transformers are imported only where a model is built.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal

from bench.errors import CheckpointError
from bench.system.names import nearest

Family = Literal["t5", "t5_v1_1", "mt5", "pegasus", "bart"]

UNTIED: tuple[Family, ...] = ("t5_v1_1", "mt5")
"""Families whose output layer is not tied to the embeddings."""

HEADS_SHARE_THE_WIDTH: tuple[Family, ...] = ("pegasus", "bart")
"""Families in which kv is dm / nh. For T5, kv is chosen, and is 64 in every published size."""

VOCABULARY: dict[Family, int] = {"t5": 32128, "t5_v1_1": 32128, "mt5": 250112, "pegasus": 96103, "bart": 50265}
"""Rows of the published embeddings."""


def _size(layers: int, dm: int, ff: int, nh: int) -> dict[str, int]:
    return {"el": layers, "dl": layers, "dm": dm, "ff": ff, "nh": nh}


_V1_1 = {
    "small": _size(8, 512, 1024, 6),
    "base": _size(12, 768, 2048, 12),
    "large": _size(24, 1024, 2816, 16),
    "xl": _size(24, 2048, 5120, 32),
    "xxl": _size(24, 4096, 10240, 64),
}

SIZES: dict[Family, dict[str, dict[str, int]]] = {
    "t5": {
        "tiny": _size(4, 256, 1024, 4),
        "mini": _size(4, 384, 1536, 8),
        "small": _size(6, 512, 2048, 8),
        "base": _size(12, 768, 3072, 12),
        "large": _size(24, 1024, 4096, 16),
    },
    "t5_v1_1": _V1_1,
    "mt5": _V1_1,
    "pegasus": {"large": _size(16, 1024, 4096, 16)},
    "bart": {"large": _size(12, 1024, 4096, 16)},
}
"""Dimensions in the configs of google/t5-efficient-*, google/t5-v1_1-*, google/mt5-*, google/pegasus-large, facebook/bart-large."""

NOT_AS_NAMED: dict[tuple[Family, str], dict[str, int]] = {("t5", "tiny-el12"): {"dl": 12}}
"""Dimensions in which a config differs from its name: google/t5-efficient-tiny-el12 has 12 layers in its decoder too."""

VERSION = 1
"""Raised whenever the same shape comes to mean a different model."""

DIMENSIONS = ("el", "dl", "dm", "ff", "kv", "nh")

MODIFIERS = {"nl": ("el", "dl")} | {dimension: (dimension,) for dimension in DIMENSIONS}
"""Letters in a name -> the dimensions they set."""


@dataclass(frozen=True, kw_only=True)
class Shape:
    """All dimensions of a model except its vocabulary. Raises CheckpointError where no model of the family can have them."""

    family: Family
    el: int
    """Layers of the encoder."""
    dl: int
    """Layers of the decoder."""
    dm: int
    """Size of a token's vector."""
    ff: int
    """Size of the feed-forward layers."""
    kv: int
    """Size of a head's keys and values."""
    nh: int
    """Attention heads."""

    def __post_init__(self) -> None:
        if any(getattr(self, dimension) < 1 for dimension in DIMENSIONS):
            raise CheckpointError(f"{self.family} {self}: every dimension is 1 or more")
        if self.family in HEADS_SHARE_THE_WIDTH and self.kv * self.nh != self.dm:
            raise CheckpointError(f"{self.family} {self}: its heads share the width, so kv times nh is dm")

    def __str__(self) -> str:
        """Return a text such as 'el16-dl4-dm512-ff2048-kv64-nh8'."""
        return "-".join(f"{dimension}{getattr(self, dimension)}" for dimension in DIMENSIONS)


def shape_of(family: Family, name: str | None = None, **changes: int) -> Shape:
    """Return the shape of a published name, such as 'small-nl16', with `changes` applied. `changes` may set el, dl, dm, ff, kv and nh.
    Without a name they have to set all but kv. Raises CheckpointError where the name is unknown or the shape impossible."""
    sizes = ({} if name is None else _named(family, name)) | changes
    missing = [dimension for dimension in DIMENSIONS if dimension not in ("kv", *sizes)]
    if missing:
        raise CheckpointError(f"a {family} shape needs a name, or every dimension; missing: {', '.join(missing)}")
    kv = sizes["dm"] // max(sizes["nh"], 1) if family in HEADS_SHARE_THE_WIDTH else 64
    return Shape(family=family, **({"kv": kv} | sizes))


def _named(family: Family, name: str) -> dict[str, int]:
    if family in HEADS_SHARE_THE_WIDTH and (layers := re.fullmatch(r"(\d+)-(\d+)", name)):
        return SIZES[family]["large"] | {"el": int(layers[1]), "dl": int(layers[2])}
    size, *modifiers = name.split("-")
    if size not in SIZES[family]:
        raise CheckpointError(f"no {family} shape '{name}'; {_hint(size, SIZES[family], name.removeprefix(size))}")
    changes: dict[str, int] = {}
    for modifier in modifiers:
        if modifier in ("sh", "skv"):
            raise CheckpointError(f"{family} '{name}': a transformers config cannot express keys or values that heads share")
        letters = modifier.rstrip("0123456789")
        digits = modifier.removeprefix(letters)
        if letters not in MODIFIERS:
            raise CheckpointError(f"no {family} shape '{name}': '{modifier}'; {_hint(letters, MODIFIERS, digits)}")
        if not digits:
            raise CheckpointError(f"no {family} shape '{name}': '{letters}' without a number")
        for dimension in MODIFIERS[letters]:
            if dimension in changes:
                raise CheckpointError(f"no {family} shape '{name}'; it sets {dimension} twice")
            changes[dimension] = int(digits)
    return SIZES[family][size] | changes | NOT_AS_NAMED.get((family, name), {})


def _hint(word: str, known: Iterable[str], rest: str) -> str:
    near = nearest(word, known)
    return f"did you mean '{near}{rest}'?" if near else f"there are: {', '.join(known)}"


def config(shape: Shape, vocabulary: int | None = None) -> Any:
    """Return the transformers config: published architecture and special token ids, and dropout as transformers sets it. `vocabulary` is
    the number of rows of the embedding. None: as published."""
    from transformers import BartConfig, MT5Config, PegasusConfig, T5Config

    rows = vocabulary or VOCABULARY[shape.family]
    if shape.family in HEADS_SHARE_THE_WIDTH:
        pegasus = {"activation_function": "relu", "scale_embedding": True} if shape.family == "pegasus" else {}
        return (PegasusConfig if pegasus else BartConfig)(
            vocab_size=rows,
            d_model=shape.dm,
            encoder_layers=shape.el,
            decoder_layers=shape.dl,
            encoder_ffn_dim=shape.ff,
            decoder_ffn_dim=shape.ff,
            encoder_attention_heads=shape.nh,
            decoder_attention_heads=shape.nh,
            max_position_embeddings=1024,
            **pegasus,
        )
    gated = shape.family in UNTIED
    return (MT5Config if shape.family == "mt5" else T5Config)(
        vocab_size=rows,
        d_model=shape.dm,
        d_kv=shape.kv,
        d_ff=shape.ff,
        num_layers=shape.el,
        num_decoder_layers=shape.dl,
        num_heads=shape.nh,
        feed_forward_proj="gated-gelu" if gated else "relu",
        tie_word_embeddings=not gated,  # False turns off T5's scaling of the decoder's output; `untie` does the untying itself
        decoder_start_token_id=0,
    )


def build(shape: Shape, vocabulary: int | None = None) -> Any:
    """Build a model of the shape, with random weights from torch's global generator. Weights are tied as in its family."""
    from transformers import AutoModelForSeq2SeqLM

    from bench.training.checkpoints import untie

    model = AutoModelForSeq2SeqLM.from_config(config(shape, vocabulary))
    if shape.family in UNTIED:
        untie(model)
    return model


def parameters(shape: Shape, vocabulary: int | None = None) -> int:
    """Return the number of trainable parameters of such a model, without making any weights."""
    import torch

    from bench.training.checkpoints import count_parameters

    with torch.device("meta"):
        return count_parameters(build(shape, vocabulary))
