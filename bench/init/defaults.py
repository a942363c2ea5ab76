"""Defaults for shrinking, training and decoding by family, from suites that were run or published with these models."""

from __future__ import annotations

import math
from dataclasses import dataclass

from bench.contracts import Compact, Decoding
from bench.init.large_model import Large
from bench.training.settings import Tuning

LONG = 256
"""Tokens. Longer documents are trained on in batches of half the size."""


@dataclass(frozen=True, kw_only=True)
class Methods:
    """Settings of training and decoding."""

    teacher: Tuning
    student: Tuning
    """For a compact model that is trained on labels."""
    distilled: Tuning
    """For a compact model that is distilled."""
    shrunk: Tuning
    """For a model that is shrunk and fine-tuned."""
    decoding: Decoding
    whose: str
    """The suite from which these settings come."""


def methods(large: Large, source_tokens: int) -> Methods:
    """Return the settings for a model and documents of this many tokens."""
    batch = 8 if source_tokens > LONG else 16
    if large.family in ("pegasus", "bart"):
        tuning = Tuning(epochs=5, batch_size=batch, learning_rate=3e-4, optimizer="adafactor", label_smoothing=0.1, dropout=0.1)
        decoding = Decoding(beams=4, length_penalty=0.8, batch_size=32)
        return Methods(
            teacher=tuning, student=tuning, distilled=tuning, shrunk=tuning, decoding=decoding, whose="suites/papers/pegasus-large.yaml"
        )
    rate = 2e-4 if large.layers and not large.layers[0] else 1e-3  # a decoder-only model needs a smaller learning rate
    tuning = Tuning(epochs=3, batch_size=batch, learning_rate=rate)
    frozen = tuning.model_copy(update={"freeze": "encoder"}) if rate == 1e-3 else tuning
    return Methods(
        teacher=tuning,
        student=tuning,
        distilled=frozen.model_copy(update={"epochs": 2}),
        shrunk=frozen,
        decoding=Decoding(beams=1, batch_size=64 if source_tokens <= LONG else 32),
        whose="suites/pegasus.yaml",
    )


def compact(large: Large) -> tuple[Compact, str]:
    """Return the layers that the compact model keeps, and why. It keeps the whole encoder and few decoder layers, because generation time
    is mostly the decoder's."""
    if large.layers is None:
        return Compact(decoder_layers=3), f"the layers of {large.title} are unknown here; change this if its decoder has fewer than 3"
    encoder, decoder = large.layers
    if not encoder:
        half = max(1, math.ceil(decoder / 2))
        return Compact(decoder_layers=half), f"half of {decoder} layers; a decoder-only model has no encoder"
    few = max(min(3, decoder - 1), decoder // 4, 1)
    return Compact(encoder_layers=encoder, decoder_layers=few), f"of {encoder} and {decoder}; generation spends most time in the decoder"
