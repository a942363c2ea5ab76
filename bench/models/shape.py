"""An untrained model of a published shape, or of your own: to pretrain from scratch and compare shapes."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Self

from pydantic import Field, model_validator

from bench.contracts import Checkpoint
from bench.errors import CheckpointError
from bench.models import _tokenizers
from bench.system.files import build_once
from bench.training.shapes import DIMENSIONS, VERSION, Family, Shape, build, shape_of


class Shaped(Checkpoint):
    """A random model with a shape of Tay et al. 2021, Pegasus-large, BART-large, or your own.

    Tay et al. 2021 is "Scale Efficiently". The tokenizer is a byte-level BPE, trained on the docstrings of Python's standard library, with
    the family's special tokens (T5's <extra_id_0> to <extra_id_99>, Pegasus' <mask_1> and <mask_2>). These docstrings are unlabelled text.
    Some of them are also documents or labels, even in the test split, of the tasks that are made from source code. The published
    vocabularies are too large to be trained here. Therefore the model has fewer parameters than the checkpoint of the same name.
    """

    family: Family = "t5"
    """Architecture. 't5' is that of Tay et al. 't5_v1_1' and 'mt5' have gated feed-forward layers and an untied output layer."""
    name: str | None = None
    """A published name such as 'small-nl16' or 'tiny-el8-dl2'. Pegasus and BART also take layers such as
    '16-4'. Without a name, set el, dl, dm, ff and nh."""
    el: int | None = Field(default=None, ge=1)
    """Layers of the encoder. Missing: as in `name`; the same holds for dl, dm, ff and nh."""
    dl: int | None = Field(default=None, ge=1)
    """Layers of the decoder."""
    dm: int | None = Field(default=None, ge=8, multiple_of=2)
    """Size of a token's vector (d_model)."""
    ff: int | None = Field(default=None, ge=1)
    """Size of the feed-forward layers."""
    kv: int | None = Field(default=None, ge=1)
    """Size of a head's keys and values. Missing: 64 in T5, dm / nh in Pegasus and BART."""
    nh: int | None = Field(default=None, ge=1)
    """Attention heads."""
    vocabulary: int = Field(default=4096, ge=512, le=16384)
    """Tokens of the tokenizer, including special ones."""
    seed: int = Field(default=0, ge=0)
    """Seed of the random weights."""

    @model_validator(mode="after")
    def _is_possible(self) -> Self:
        try:
            self.shape  # noqa: B018 - raises where it is impossible
        except CheckpointError as error:
            raise ValueError(str(error)) from None
        return self

    @property
    def shape(self) -> Shape:
        """The shape that the settings describe."""
        return shape_of(self.family, self.name, **self._changes())

    def _changes(self) -> dict[str, int]:
        return {dimension: value for dimension in DIMENSIONS if (value := getattr(self, dimension)) is not None}

    @property
    def title(self) -> str:
        """A text such as 't5 small-nl16, random'. Dimensions that are set follow the name, as in a published name."""
        names = [self.name or "", *(f"{dimension}{value}" for dimension, value in self._changes().items())]
        return f"{self.family} {'-'.join(filter(None, names))}, random"

    def folder(self, cache: Path) -> Path:
        from bench.training.model_folder import check_folder

        decides = f"{VERSION} {self.shape} {self.seed} {_tokenizers.key(self.family, self.vocabulary)}"
        name = f"shape-{self.family}-{hashlib.sha256(decides.encode()).hexdigest()[:16]}"

        def make(folder: Path) -> None:
            import torch

            from bench.training.checkpoints import save

            tokenizer = _tokenizers.from_docstrings(self.family, self.vocabulary, cache)
            with torch.random.fork_rng(devices=[]):
                torch.manual_seed(self.seed)
                model = build(self.shape, self.vocabulary)
            save(model, tokenizer, folder)

        return check_folder(build_once(cache / "models" / name, make))
