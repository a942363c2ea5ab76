"""The base class of every part, and settings that several parts share."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal, Self, TypeVar, get_args

from pydantic import BaseModel, ConfigDict, Field, PrivateAttr

Mark = TypeVar("Mark")


class Part(BaseModel):
    """A frozen, strict value whose fields are its settings."""

    shelf: ClassVar[str] = ""
    """Folder of `bench/` that holds parts of this kind. Empty for settings that several parts share."""

    added: ClassVar[tuple[str, ...]] = ()
    """Settings that are younger than results that people have paid for. At their defaults they are in no key: the results stay known."""

    distributions: ClassVar[tuple[str, ...]] = ()
    """Releases pinned in requirements/zoo.txt whose data files the part reads. `bench setup` fetches them."""

    model_config = ConfigDict(
        frozen=True, strict=True, extra="forbid", allow_inf_nan=False, use_attribute_docstrings=True, validate_default=True
    )

    @classmethod
    def kind(cls) -> str:
        """Return the name of this class in artifact keys, such as 'bench/models/random.Random'.

        The name holds the package, shelf, file and class, but no folder in between. A file that moves inside
        its package keeps its key.
        """
        package, file = cls.__module__.partition(".")[0], cls.__module__.rpartition(".")[2]
        return f"{package}/{cls.shelf}/{file}.{cls.__qualname__}" if cls.shelf else cls.__qualname__

    _known_as: dict[str, str] = PrivateAttr(default_factory=dict)

    def known_as(self, paths: Mapping[str, str]) -> Self:
        """Return this part, to be identified by other paths than those it reads: setting -> path under which the same content is known."""
        part = self.model_copy()
        part._known_as = dict(paths)
        return part

    def identity(self) -> dict[str, Any]:
        """Return the settings that tell this part from others, as JSON.

        Settings that are None are left out, and so are those of `added` at their defaults.
        """
        young = {name for name in self.added if getattr(self, name) == type(self).model_fields[name].default}
        own = self.model_dump(mode="json", exclude_none=True, exclude=young)
        return own | {name: value.identity() for name in own if isinstance(value := getattr(self, name), Part)} | self._known_as


@dataclass(frozen=True)
class Names:
    """Marks a setting whose value is a label of the suite."""

    under: Literal["models", "texts"]
    """The section of the suite that has the label."""


def names_used(part: Part) -> Iterator[tuple[tuple[str, ...], Names, str]]:
    """Yield (path of the setting, what it names, label) for every label of the suite in a part's settings."""
    for field, info in type(part).model_fields.items():
        value = getattr(part, field)
        if isinstance(value, Part):
            yield from (((field, *path), names, label) for path, names, label in names_used(value))
        for names in _marks(Names, (info.annotation, *info.metadata)):
            labels = [value] if isinstance(value, str) else list(value or ())
            yield from (((field,), names, label) for label in labels)


@dataclass(frozen=True)
class ContentAt:
    """Marks a setting that is the path of a file or folder: what lies there counts, and not where it lies."""


def paths_used(part: Part) -> Iterator[tuple[str, str]]:
    """(setting, path) for every setting of a part that is the path of a file or folder."""
    for field, info in type(part).model_fields.items():
        if any(_marks(ContentAt, (info.annotation, *info.metadata))) and (path := getattr(part, field)):
            yield field, path


def _marks(kind: type[Mark], types: tuple[Any, ...]) -> Iterator[Mark]:
    for inner in types:
        if isinstance(inner, kind):
            yield inner
        else:
            yield from _marks(kind, get_args(inner))


ModelLabel = Annotated[str, Names("models")]
TextLabel = Annotated[str, Names("texts")]
POOL = "pool"
"""The label under which a strategy finds the task's unlabelled pool among the texts."""

ContentPath = Annotated[str, ContentAt()]
"""Path of a file or folder that a part reads."""

Layers = Annotated[int, Field(ge=1)] | Annotated[tuple[Annotated[int, Field(ge=0)], ...], Field(min_length=1)]
"""How many layers to keep, or which ones, counted from 0. A layer named twice is copied.

In a strategy's settings a list is a grid, so there `[[0, 4, 7]]` names three layers.
"""


class Compact(Part):
    """The compact model: some layers of the large model, or another pretrained model.

    Missing numbers of layers mean all layers.
    """

    encoder_layers: Layers | None = None
    """Encoder layers to keep: a number, or a list of layers counted from 0. Missing: all."""
    decoder_layers: Layers | None = None
    """Decoder layers to keep: a number, or a list of layers counted from 0. Missing: all."""
    model: ModelLabel | None = None
    """A label under `models`. The compact model is then that checkpoint, or the kept layers of it, and is not
    cut from the large model."""


class Decoding(Part):
    """Settings of generation, the same for every model of a suite."""

    beams: int = Field(default=1, ge=1)
    """Beam width. 1 is greedy decoding."""
    length_penalty: float = 1.0
    """Exponent of the length in a beam's score."""
    batch_size: int = Field(default=64, ge=1)
    """Documents generated at a time."""


Precision = Literal["bf16", "fp32"]
"""Numeric precision. 'bf16' is autocast over fp32 weights. fp16 is not offered: Pegasus and T5 overflow in it
(transformers #12225, #11461)."""
