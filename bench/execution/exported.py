"""What an export wrote: values for the model card, which is made without torch."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

Format = Literal["transformers", "ctranslate2"]


@dataclass(frozen=True, kw_only=True)
class Parity:
    """How the answers of an exported model compare with those that the arm stored."""

    format: Format
    documents: int
    """Number of test documents: at most 50, the first ones."""
    equal: int
    """Number of equal answers."""
    score_difference: float | None
    """Score of the exported model less that of the stored answers, on these documents. None: no metric of texts ranks."""


@dataclass(frozen=True, kw_only=True)
class Exported:
    """An exported model, and how it generates."""

    folder: Path
    encoder_decoder: bool
    base: str
    """Name of the pretrained model from which the compact model is made."""
    large: str
    licence: str
    """Licence of the large model; '' where it is not known."""
    datasets: tuple[str, ...]
    """Ids of the data sets on the hub from which the task comes."""
    prefix: str
    max_source_tokens: int
    max_target_tokens: int
    beams: int
    length_penalty: float
    engine: str
    """Engine with which the arm was scored."""
    precision: str
    parities: tuple[Parity, ...]
