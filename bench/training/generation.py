"""Generates text for many documents: which ones are read together, and what they may cost."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from bench.contracts import Decoding, Limit, LoadedModel, Output, Progress, UsageMeter
from bench.errors import FIRST_DOES_NOT_FIT, OverBudget
from bench.training.flops import FlopModel

WINDOW = 8
"""Number of batches whose sources are sorted by length together.

Work that may stop early sorts within one batch only. Then it ends with a prefix of the documents, and not
with the longest ones.
"""


def generate(
    model: LoadedModel,
    sources: Sequence[Sequence[int]],
    *,
    max_target_tokens: int,
    decoding: Decoding,
    flops: FlopModel,
    usage: UsageMeter,
    progress: Progress,
    may_stop_early: bool,
    min_target_tokens: int = 0,
) -> Iterator[tuple[int, Output]]:
    """Yield (position, output) for tokenised sources, batch by batch. Every position comes once, unless the
    work stops early.

    A batch starts only where there is room for it at full length; `batches` says which. Then `usage` counts
    the tokens that it really generated. Raises OverBudget where work that may not stop early has no room.
    """
    costs, done = [flops.generation(len(source), max_target_tokens, decoding.beams) for source in sources], 0
    for batch in batches(sources, costs, decoding.batch_size, usage.can_afford, may_stop_early):
        outputs = model.generate([sources[i] for i in batch], max_target_tokens, min_target_tokens)
        pairs = list(zip(batch, outputs, strict=True))
        usage.record_step(sum(flops.generation(len(sources[i]), output.tokens, decoding.beams) for i, output in pairs), len(batch))
        done += len(batch)
        progress("generating", done, len(sources))
        yield from pairs


def batches(
    sources: Sequence[Sequence[int]], costs: Sequence[float], size: int, can_afford: Callable[[float, int], bool], may_stop_early: bool
) -> Iterator[list[int]]:
    """Positions of the sources that are read together, batch by batch, as long as `can_afford` has room for one.

    costs: FLOPs of each source at full length. size: sources in a batch. can_afford: is asked for a batch once the one before is done.
    Where a batch does not fit, half of it is tried, and so on. Raises OverBudget where work that may not stop early has no room.
    """
    width = size * (1 if may_stop_early else WINDOW)
    for waiting in _windows(sources, width):
        while waiting:
            batch = waiting[:size]
            if can_afford(sum(costs[i] for i in batch), len(batch)):
                yield batch
                waiting = waiting[len(batch) :]
            elif not may_stop_early:
                raise OverBudget("the remaining budget does not pay for the outputs")
            elif len(batch) == 1:
                return
            else:
                size = len(batch) // 2


def reached(sources: Sequence[Sequence[int]], costs: Sequence[float], size: int, limit: Limit | None) -> list[int]:
    """Positions of the sources that `generate` reads within a limit, in its order, where every output is as long as allowed.

    A limit in seconds or kWh is not known to end anything. Raises OverBudget where not even one source fits.
    """
    room, found = _Room(limit), list[int]()
    for batch in batches(sources, costs, size, room.has, limit is not None):
        room.used += room.takes(sum(costs[i] for i in batch), len(batch))
        found += batch
    if sources and not found:
        raise OverBudget(FIRST_DOES_NOT_FIT)
    return found


@dataclass
class _Room:
    """What is left of a limit while nothing is made. used: so far, of the limit's meter."""

    limit: Limit | None
    used: float = 0.0

    def takes(self, flops: float, items: int) -> float:
        return self.limit.meter.of_step(flops, items) if self.limit and self.limit.meter.known_in_advance else flops

    def has(self, flops: float, items: int) -> bool:
        if self.limit is None or not self.limit.meter.known_in_advance:
            return True
        return self.used + self.takes(flops, items) <= self.limit.amount


def _windows(sources: Sequence[Sequence[int]], width: int) -> Iterator[list[int]]:
    """Yield the positions of the sources, `width` at a time, longest first within each window."""
    for start in range(0, len(sources), width):
        yield sorted(range(start, min(start + width, len(sources))), key=lambda i: (-len(sources[i]), i))
