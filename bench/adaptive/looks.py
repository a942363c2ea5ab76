"""The looks that were made: results/<suite>/looks.json, the one thing that records and scores do not say.

    {"max_seeds": 20, "looks": [[1, 2, 3], [4], [5]]}      the seeds that each look added

Levels are planned for `max_seeds` before the first look. A later run may end earlier, but not go on for longer.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from bench.adaptive.levels import nominal_levels
from bench.errors import BenchError
from bench.system.files import write_json

FILE = "looks.json"
MAX_SEEDS = 20
"""Default of the largest number of seeds."""


@dataclass(frozen=True, kw_only=True)
class Looks:
    """The looks of a results folder."""

    max_seeds: int
    looks: tuple[tuple[int, ...], ...]
    """The seeds that each look added. The first has those of the suite, each later one the next integer."""

    @property
    def counts(self) -> tuple[int, ...]:
        """Number of seeds at each look."""
        return tuple(sum(map(len, self.looks[:number])) for number in range(1, len(self.looks) + 1))

    @property
    def levels(self) -> tuple[float, ...]:
        """Significance level of each look."""
        following = range(max(self.counts, default=self.max_seeds) + 1, self.max_seeds + 1)
        return nominal_levels((*self.counts, *following), self.max_seeds)[: len(self.looks)]  # the same for all looks, so computed once

    def first(self, number: int) -> Looks:
        """Return the first looks alone."""
        return replace(self, looks=self.looks[:number])

    def with_next(self) -> Looks:
        """Return these looks and the next one."""
        return replace(self, looks=(*self.looks, (max(seed for look in self.looks for seed in look) + 1,)))

    def write(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        write_json(folder / FILE, asdict(self))


def planned(folder: Path, suite_seeds: Sequence[int], max_seeds: int | None) -> Looks:
    """Return the looks that were made in a results folder, or the first look.

    `max_seeds` is None for the number that is planned there, or MAX_SEEDS. Raises BenchError where the file cannot be read, or the number
    of seeds does not fit the looks.
    """
    path = folder / FILE
    if not path.exists():
        most = MAX_SEEDS if max_seeds is None else max_seeds
        if most < len(suite_seeds):
            raise BenchError(f"the suite names {len(suite_seeds)} seeds; --max-seeds must not be smaller")
        return Looks(max_seeds=most, looks=(tuple(suite_seeds),))
    try:
        kept = json.loads(path.read_text(encoding="utf-8"))
        found = Looks(max_seeds=int(kept["max_seeds"]), looks=tuple(tuple(map(int, seeds)) for seeds in kept["looks"]))
    except (ValueError, TypeError, KeyError) as error:
        raise BenchError(f"{path}: cannot be read ({error}); remove it to begin with the first look again") from error
    if max_seeds is not None and max_seeds > found.max_seeds:
        raise BenchError(
            f"the looks in {folder} are planned for at most {found.max_seeds} seeds, and more looks would break the 5 % of false winners; "
            f"use --max-seeds {found.max_seeds} or less, or another --results"
        )
    return found
