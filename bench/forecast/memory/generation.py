"""Memory of generation with torch: a few tokens are simulated, and the rest is extrapolated."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from itertools import chain

from bench.engines.torch import TorchModel
from bench.forecast.memory.model import Enough, build, prime_batch, with_dropout
from bench.forecast.memory.simulate import simulate
from bench.forecast.memory.snapshots import CATEGORIES, Bytes, MemorySnapshot, Peak
from bench.forecast.memory.tracker import AllocationTracker
from bench.forecast.memory.workload import Generation

SIMULATED_TOKENS = 4
"""Tokens that are simulated. The first two differ from all others; each later token adds the same keys and
values."""


def simulate_generation(generation: Generation) -> Peak:
    """Simulate the first tokens of a batch, and extrapolate to its last token."""
    config = with_dropout(generation.architecture.config, 0.0)
    lengths, batch = generation.lengths, prime_batch(config, generation.lengths)
    with simulate(generation.kernels, batch, config.vocab_size) as tracker:
        network = build(config, generation.architecture.tied, tracker).eval()
        network.generation_config.eos_token_id = [network.config.eos_token_id]
        model = TorchModel(network, None, decoding=generation.decoding, precision=generation.precision, device="cpu")
        tokens = _tokens(model, tracker, [(1,) * lengths.source] * batch, lengths.target)
    later = lengths.target - SIMULATED_TOKENS
    return Peak((*chain.from_iterable(tokens), *(_extrapolated(tokens[-2], tokens[-1], later) if later > 0 else ())))


def _tokens(
    model: TorchModel, tracker: AllocationTracker, sources: Sequence[Sequence[int]], max_tokens: int
) -> list[tuple[MemorySnapshot, ...]]:
    """Return the snapshots before the first token, then those of each token."""
    seen: list[tuple[MemorySnapshot, ...]] = []

    def next_token() -> None:
        seen.append(tracker.take_snapshots())
        if len(seen) > min(SIMULATED_TOKENS, max_tokens):
            raise Enough

    with suppress(Enough):
        model.generate(sources, max_tokens, each_token=next_token)
    return seen


def _extrapolated(before: Sequence[MemorySnapshot], after: Sequence[MemorySnapshot], tokens: int) -> tuple[MemorySnapshot, ...]:
    """Return the snapshots `tokens` tokens after `after`, which comes one token after `before`.

    Where their snapshots do not pair up, each token is represented by an upper bound of all of them.
    """
    if len(before) != len(after):
        before, after = [_upper_bound(before)], [_upper_bound(after)]
    pairs = zip(before, after, strict=True)
    return tuple(
        MemorySnapshot({category: _line(one.held[category], other.held[category], tokens) for category in CATEGORIES})
        for one, other in pairs
    )


def _upper_bound(snapshots: Sequence[MemorySnapshot]) -> MemorySnapshot:
    sizes = {category: [snapshot.held[category] for snapshot in snapshots] for category in CATEGORIES}
    return MemorySnapshot(
        {category: Bytes(max(one.fixed for one in held), max(one.per_example for one in held)) for category, held in sizes.items()}
    )


def _line(before: Bytes, after: Bytes, steps: int) -> Bytes:
    """Extend the line through two points by `steps`."""
    return Bytes(
        after.fixed + steps * (after.fixed - before.fixed),
        after.per_example + steps * (after.per_example - before.per_example),
    )
