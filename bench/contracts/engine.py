"""The base class of engines, and what they return."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

from bench.contracts.part import Decoding, Part, Precision


@dataclass(frozen=True, kw_only=True)
class Output:
    """One generated text."""

    text: str
    tokens: int
    """Number of generated tokens, including the end token."""
    ended: bool
    """Whether the model ended the text itself, and did not run into the longest allowed length."""
    log_prob: float = field(compare=False)
    """Natural logarithm of the output's probability given the source: a sum over its tokens, including the end token.

    Its last digits depend on the batch, so two outputs are equal whatever it is.
    """


class LoadedModel(ABC):
    """A model that an engine has loaded."""

    @abstractmethod
    def generate(self, sources: Sequence[Sequence[int]], max_tokens: int, min_tokens: int = 0) -> list[Output]:
        """Return one output for each source, in order. All sources are one batch.

        Args:
            sources: Token ids of each document, by the model's own tokenizer.
            max_tokens: Longest output in tokens, including the end token.
            min_tokens: Shortest output in tokens.
        """


class Engine(Part, ABC):
    """Software that generates text with a model."""

    shelf: ClassVar[str] = "engines"

    in_keys: ClassVar[bool] = True
    """Whether keys of artifacts and ids of arms name the engine. Only those of the default engine do not: they are older
    than engines."""

    converts: ClassVar[bool] = False
    """Whether it generates with a conversion of a model, which `convert` writes, and not with the model's own folder."""

    def reference(self) -> Engine | None:
        """Return the engine with which its outputs are compared. None: there is none, because it is the reference."""
        return None

    def check(self, folder: Path, device: str) -> None:  # noqa: ARG002
        """Check that the engine is installed and can run the model of this folder on 'cpu' or 'cuda', without loading weights.

        Raises BenchError. Called for every model of a suite before anything is spent.
        """
        return

    def versions(self) -> str:
        """Return the versions of the packages that decide what a conversion holds."""
        return ""

    def convert(self, folder: Path, to: Path) -> None:
        """Write the model of a folder to the new folder `to`, as the engine reads it. Only an engine that `converts` has this."""
        raise NotImplementedError(f"{type(self).__name__} has no conversions: {folder}, {to}")

    def verify(self, folder: Path, sources: Sequence[Sequence[int]], *, device: str, cache: Path, converted: Path | None = None) -> None:  # noqa: ARG002
        """Check on a few documents that the engine computes what the model is. Weights are loaded, on the device that generates.

        Called for every pretrained model of a suite before anything is spent, and for each conversion after it is made. No
        meter counts it. Raises BenchError.

        Args:
            folder: The model in the transformers layout.
            sources: Token ids of each document.
            device: 'cpu' or 'cuda'.
            cache: Folder in which an engine may keep conversions.
            converted: The conversion to check. None: the one in the cache, which is made where it is missing.
        """
        return

    @abstractmethod
    def load(
        self,
        folder: Path,
        sources: Sequence[Sequence[int]],
        *,
        decoding: Decoding,
        precision: Precision,
        device: str,
        cache: Path,
        ends: Sequence[int] = (),
        converted: Path | None = None,
    ) -> LoadedModel:
        """Load the model of a folder.

        Args:
            folder: The model in the transformers layout.
            sources: Documents that it will read, tokenised. A conversion that is made here is checked on the first ones.
            decoding: Beams and length penalty.
            precision: Numeric precision of the suite. An engine with a setting of its own ignores it.
            device: 'cpu' or 'cuda'.
            cache: Folder in which an engine may keep conversions.
            ends: Further tokens that end an output.
            converted: The model's conversion. None: the one in the cache, which is made where it is missing.
        """
