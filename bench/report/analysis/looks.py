"""What a run with --until-decided decided at each task and budget. `bench.adaptive` writes it to suite.json."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

from pydantic import TypeAdapter, ValidationError

from bench.errors import BenchError
from bench.results.table import Results
from bench.system.one_line import first_fault

ENTRY = "until_decided"
"""Entry of suite.json."""


@dataclass(frozen=True, kw_only=True)
class Decision:
    """The decision at one task and budget. Settings go by the names of their lines on the board."""

    task: str
    budget_usd: float
    looks: int
    """Number of looks that were made here."""
    level: float
    """Significance level of the last look here; 0 where it could test nothing."""
    winner: str
    """'' where there is none."""
    equal: bool
    """Whether all settings in play are equal within the margin."""
    playing: tuple[str, ...]
    """Settings still in play, best first."""
    stopped: Mapping[str, int]
    """Setting that another one beat -> look, from 1."""
    unscored: Mapping[str, int]
    """Setting that was left out because it has no score for a seed -> look, from 1."""
    behind: Mapping[str, tuple[float, float | None, float | None]]
    """Setting -> how far it was behind the best in play at its last look: mean, low and high of the interval of that look."""
    open: str
    """Why no further look was made although nothing is decided; '' where something is, or looks go on."""

    @property
    def closed(self) -> bool:
        """Whether no further look is made here."""
        return bool(self.winner or self.equal or self.open)


class Stop(NamedTuple):
    """Where a setting ended before others."""

    look: int
    """The look at which another setting beat it, from 1; 0 where it was left out."""
    seeds: frozenset[int]
    """The seeds for which it was to run."""


@dataclass(frozen=True, kw_only=True)
class UntilDecided:
    """A run with --until-decided."""

    looks: tuple[tuple[int, ...], ...]
    """The seeds that each look added."""
    levels: tuple[float, ...]
    """Significance level of each look."""
    max_seeds: int
    """Largest number of seeds, for which the levels are planned."""
    margin: float
    decisions: tuple[Decision, ...]

    @property
    def entry(self) -> dict[str, Any]:
        """The entry of suite.json."""
        return asdict(self)

    def at(self, task: str, budget_usd: float) -> Decision | None:
        return next((one for one in self.decisions if (one.task, one.budget_usd) == (task, budget_usd)), None)

    def seeds(self, decision: Decision, name: str) -> frozenset[int]:
        """Return the seeds for which a setting was to run: those of all looks until it stopped or was left out."""
        last = decision.stopped.get(name) or decision.unscored.get(name) or decision.looks
        return frozenset(seed for look in self.looks[:last] for seed in look)

    def stops(self, task: str, budget_usd: float) -> dict[str, Stop]:
        """Return the stops of settings that stopped or were left out at a task and budget."""
        found = self.at(task, budget_usd)
        return (
            {name: Stop(found.stopped.get(name, 0), self.seeds(found, name)) for name in (*found.stopped, *found.unscored)} if found else {}
        )


_ENTRY = TypeAdapter(UntilDecided)


def until_decided(found: Results) -> UntilDecided | None:
    """Return what a run with --until-decided decided, or None where the results come from another run. Raises BenchError where its entry is
    not as it should be."""
    entry = found.suite.get(ENTRY)
    if entry is None:
        return None
    try:
        return _ENTRY.validate_python(entry)
    except ValidationError as error:
        raise BenchError(f"suite.json: {ENTRY}.{first_fault(error)}") from None
