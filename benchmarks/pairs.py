"""Times several ways of doing the same work, in turn, on one machine.

Single times on a shared machine mean little. Each round therefore times every side once, and a ratio compares two times of
one round. The table shows the median ratio of the rounds, and the lowest and the highest.
"""

from __future__ import annotations

import json
import statistics
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, ClassVar

ROUNDS = 5
"""Fewest rounds of a comparison."""


@dataclass(frozen=True, kw_only=True)
class Ratio:
    """How much faster one way of doing a piece of work is than another."""

    PLACE: ClassVar[str] = "ratios"
    """Name of its table in docs/performance.md, and in ratios.json."""
    HEAD: ClassVar[tuple[str, ...]] = ("work", "way", "against", "ratio", "spread", "mark", "outputs")

    work: str
    """What is done, with its sizes."""
    side: str
    """The way that is measured."""
    against: str
    """The way to which it is compared."""
    ratio: float
    """Median over the rounds of the other way's time, divided by this way's time. Above 1 this way is faster."""
    lowest: float
    highest: float
    rounds: int
    mark: float | None = None
    """The ratio to reach; None where there is none."""
    same: str = ""
    """How the outputs of both ways were compared, and what was found."""

    @property
    def reached(self) -> bool | None:
        """Whether the mark is reached; None where there is none."""
        return None if self.mark is None else self.ratio >= self.mark

    @property
    def cells(self) -> tuple[str, ...]:
        """The cells of its line in the table."""
        mark = "" if self.mark is None else f"{self.mark:.2f} ({'reached' if self.reached else 'missed'})"
        spread = f"{self.lowest:.2f} to {self.highest:.2f}"
        return self.work, self.side, self.against, f"{self.ratio:.2f}", spread, mark, self.same


def in_turn(sides: Mapping[str, Callable[[], Any]], rounds: int = ROUNDS, warm_up: bool = True) -> dict[str, list[float]]:
    """Return the seconds of each side in each round. Each side runs once before that, untimed, unless `warm_up` is false."""
    if warm_up:
        for run in sides.values():
            run()
    seconds: dict[str, list[float]] = {name: [] for name in sides}
    for _ in range(rounds):
        for name, run in sides.items():
            begun = time.perf_counter()
            run()
            seconds[name].append(time.perf_counter() - begun)
    return seconds


def compared(
    seconds: Mapping[str, Sequence[float]], work: str, side: str, against: str, mark: float | None = None, same: str = ""
) -> Ratio:
    """Return how much faster `side` is than `against`, both keys of `seconds`, and show it on stderr."""
    ratios = [other / own for own, other in zip(seconds[side], seconds[against], strict=True)]
    spread = f"{statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})"
    print(f"{work}: {side} {spread} against {against}; {same}", file=sys.stderr, flush=True)
    return Ratio(
        work=work,
        side=side,
        against=against,
        ratio=statistics.median(ratios),
        lowest=min(ratios),
        highest=max(ratios),
        rounds=len(ratios),
        mark=mark,
        same=same,
    )


def write(rows: Sequence[Any], path: Path | None) -> None:
    """Write dataclasses, such as ratios, as a JSON list to `path`, or to the screen."""
    text = json.dumps([asdict(row) for row in rows], indent=1)
    print(text) if path is None else path.write_text(text + "\n", encoding="utf-8")
