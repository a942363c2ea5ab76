"""Memory of generation: `generate_batch` is simulated for a few tokens, and the rest is extrapolated."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from itertools import chain
from typing import Any

import numpy as np

from bench.forecast.memory.model import Enough, build, prime_batch, with_dropout
from bench.forecast.memory.simulate import simulate
from bench.forecast.memory.snapshots import MemorySnapshot, Peak
from bench.forecast.memory.workload import Generation
from bench.training.generation import generate_batch, generation_config

SIMULATED_TOKENS = 4
"""Tokens that are simulated. The first two differ from all others; each later token adds the same keys and values."""


def simulate_generation(generation: Generation) -> Peak:
    """Simulate the first tokens of a batch, and extrapolate to its last token."""
    config = with_dropout(generation.architecture.config, 0.0)
    lengths, batch = generation.lengths, prime_batch(config, generation.lengths)
    tokens: list[Sequence[MemorySnapshot]] = []  # the moments before the first token, then those of each token
    with simulate(generation.kernels, batch, config.vocab_size) as tracker:
        model = build(config, generation.architecture.tied, tracker).eval()
        decoding = generation_config(model, generation.decoding, lengths.target)

        def next_token(*_: Any) -> None:
            tokens.append(tracker.take_snapshots())
            if len(tokens) > min(SIMULATED_TOKENS, decoding.max_new_tokens):
                raise Enough

        hook = model.get_decoder().register_forward_pre_hook(next_token)
        try:
            with suppress(Enough):
                generate_batch(model, None, [(1,) * lengths.source] * batch, decoding, generation.precision, "cpu")
        finally:
            hook.remove()
    last: list[MemorySnapshot] = []
    if (later := lengths.target - SIMULATED_TOKENS) > 0:
        before, after = (np.array([moment.held for moment in token]) for token in tokens[-2:])  # (moments, categories, 2)
        if len(before) != len(after):  # where moments do not pair up, each token is represented by an upper bound of all of them
            before, after = before.max(axis=0, keepdims=True), after.max(axis=0, keepdims=True)
        last = [MemorySnapshot.of(sizes) for sizes in (after + later * (after - before)).tolist()]
    return Peak((*chain.from_iterable(tokens), *last))
