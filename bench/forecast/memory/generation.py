"""Memory of generation with torch: a few tokens are simulated, and the rest is extrapolated."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from itertools import chain

import numpy as np

from bench.contracts import Decoding, Precision
from bench.engines.torch import TorchModel
from bench.forecast.memory.model import Enough, build, prime_batch, with_dropout
from bench.forecast.memory.simulate import simulate
from bench.forecast.memory.snapshots import MemorySnapshot, Peak
from bench.forecast.memory.workload import Architecture, Generation

SIMULATED_TOKENS = 4
"""Tokens that are simulated. The first two differ from all others; each later token adds the same keys and values."""


def loaded_bytes(architecture: Architecture, precision: Precision) -> int:
    """Return the bytes that a model holds while another one generates: its weights, as the engine keeps them."""
    with simulate("cpu") as tracker:
        network = build(architecture.config, architecture.tied, tracker).eval()
        model = TorchModel(network, None, decoding=Decoding(), precision=precision, device="cpu")
        held = sum(tracker.now().at(0).values())
        del model
    return held


def simulate_generation(generation: Generation) -> Peak:
    """Simulate the first tokens of a batch, and extrapolate to its last token."""
    config = with_dropout(generation.architecture.config, 0.0)
    lengths, batch = generation.lengths, prime_batch([config], generation.lengths)
    tokens: list[Sequence[MemorySnapshot]] = []  # the moments before the first token, then those of each token
    with simulate(generation.kernels, batch, config.vocab_size) as tracker:
        network = build(config, generation.architecture.tied, tracker).eval()
        network.generation_config.eos_token_id = [network.config.eos_token_id]
        model = TorchModel(network, None, decoding=generation.decoding, precision=generation.precision, device="cpu")
        tracker.take_snapshots()  # discards those before: a GPU gets the weights in the types in which it keeps them

        def next_token() -> None:
            tokens.append(tracker.take_snapshots())
            if len(tokens) > min(SIMULATED_TOKENS, lengths.target):
                raise Enough

        with suppress(Enough):
            model.generate([(1,) * lengths.source] * batch, lengths.target, each_token=next_token)
    last: list[MemorySnapshot] = []
    if (later := lengths.target - SIMULATED_TOKENS) > 0:
        before, after = (np.array([moment.held for moment in token]) for token in tokens[-2:])  # (moments, categories, 2)
        if len(before) != len(after):  # where moments do not pair up, each token is represented by an upper bound of all of them
            before, after = before.max(axis=0, keepdims=True), after.max(axis=0, keepdims=True)
        last = [MemorySnapshot.of(sizes) for sizes in (after + later * (after - before)).tolist()]
    return Peak((*chain.from_iterable(tokens), *last))
