"""The plain values that pass between the parts: examples, scores, readings, charges, bills."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from bench.contracts.normal_form import normal_form

Source = Literal["counter", "polled", "modelled", "assumed", "computed"]
"""How a number was got: read off a counter, polled now and then, modelled from other numbers, assumed, or computed."""

Direction = Literal["higher", "lower", "none"]
"""Which way is better."""

ADDED_UNITS = ("s", "kWh", "J", "FLOP")
"""Units of readings that add up over pieces of work. Readings in other units are peaks."""

Progress = Callable[[str, float, float], None]
"""Called as (what, done, total) while something takes long."""


def no_progress(what: str, done: float, total: float) -> None:
    """A Progress that shows nothing."""


@dataclass(frozen=True, slots=True)
class Example:
    """One document and, where somebody wrote one, its label."""

    id: str
    source: str
    target: str | None = None


@dataclass(frozen=True)
class Splits:
    """The data of a task. No id stands in two splits.

    train: labelled; the starting labels are drawn from here, and further ones bought.
    unlabelled: the pool, without targets. A large one is read from the disk in parts.
    fingerprint: sha256 over all ids, sources and targets, split by split.
    notes: what was left out, and what a reader should know, a sentence each.
    """

    train: tuple[Example, ...]
    unlabelled: Sequence[Example]
    dev: tuple[Example, ...]
    test: tuple[Example, ...]
    fingerprint: str
    notes: tuple[str, ...] = ()

    def without_examples(self) -> Splits:
        """Return the fingerprint and the notes alone."""
        return Splits((), (), (), (), self.fingerprint, self.notes)


RANGES = {"points": (0.0, 100.0), "nats per token": (0.0, math.inf)}
"""Unit of a score -> its smallest and its largest possible value. Scores in other units may have any value."""


@dataclass(frozen=True)
class Score:
    """What a metric gave, and for each prediction where it can."""

    name: str
    value: float | None
    """None: not measured. A mean is over the examples that have a value."""
    unit: str
    """A score in a unit of RANGES lies in that range."""
    direction: Direction
    per_example: tuple[float | None, ...] | None = None
    """One value for each prediction, in order; None for one that cannot be scored. None instead of all: a corpus metric."""
    reason: str = ""
    """Why the value, or some of `per_example`, is missing."""


@dataclass(frozen=True)
class Reading:
    """What an instrument saw in one window. value None: not measured, and `reason` says why."""

    quantity: str
    value: float | None
    unit: str
    source: Source
    direction: Direction = "lower"
    reason: str = ""


@dataclass(frozen=True, kw_only=True)
class Fact:
    """A number about an arm that no metric or instrument gave, such as the number of pseudo-labels."""

    name: str
    """Its column in the table of arms."""
    value: float
    unit: str = "1"
    """'1' for a plain count."""


def numbers(facts: Iterable[Fact]) -> dict[str, float]:
    """Return name -> value. Of two facts of one name the last counts."""
    return {fact.name: fact.value for fact in facts}


PaidBy = Literal["purse", "free", "other meter"]
"""Who bears a charge; 'other meter': the quantity is kept for re-pricing, the suite pays by another meter."""


OWN_PRICE = "LLM label"
"""Unit of a charge whose price belongs to the work itself, and not to the prices of the suite."""


@dataclass(frozen=True, kw_only=True)
class Charge:
    """A quantity and its price. Dollars are derived, so that other prices re-price old results."""

    kind: str
    quantity: float
    unit: str
    unit_price_usd: float
    paid_by: PaidBy
    phase: str

    @property
    def usd(self) -> float:
        """Dollars, to a billionth."""
        return round(self.quantity * self.unit_price_usd, 9)


@dataclass(frozen=True, kw_only=True)
class Bill:
    """What making an artifact took. Tokens are those that an endpoint counted, and sells."""

    flops: float
    wall_s: float
    kwh: float | None
    """None: not measured."""
    readings: tuple[Reading, ...] = ()
    items: float = 0
    prompt_tokens: int = 0
    output_tokens: int = 0
    cut_short: bool = False
    """Whether a limit ended the work before it was complete. A forecast does not know it."""

    def measured(self, quantity: str) -> float | None:
        """Return the amount that an instrument measured, in the unit of its reading. None: not measured."""
        if quantity == "energy":
            return self.kwh
        return next((reading.value for reading in self.readings if reading.quantity == quantity), None)


def fingerprint(*groups: Sequence[Example]) -> str:
    """sha256 over examples, group by group, order included."""
    digest = hashlib.sha256()
    for group in groups:
        for e in group:
            digest.update(json.dumps([e.id, e.source, e.target]).encode())
        digest.update(b"\n")
    return digest.hexdigest()


def content_hash(source: str) -> str:
    """sha256 of the normal form of a text, case and white space aside, in hex."""
    return hashlib.sha256(" ".join(normal_form(source).casefold().split()).encode()).hexdigest()
