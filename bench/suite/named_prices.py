"""Prices that a suite can name: labels of papers, GPU-hours, and tokens of LLMs. They are in dated tables; nothing is fetched."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, get_args

from bench import published
from bench.system.names import near

Kind = Literal["label", "device", "llm"]
"""What is sold: a label, an hour of a GPU with its speed, or the tokens of an LLM."""

KINDS: tuple[Kind, ...] = get_args(Kind)

UTILIZATION = 0.3
"""Fraction of a GPU's peak FLOP/s in bf16 assumed for training, as in `bench plan --gpu`."""

PAPER = ("Kang, Xu, Ritter 2023 (ACL 2023), printed on their poster", "2023-07")
"""Source of the label prices, and its date."""


@dataclass(frozen=True, kw_only=True)
class NamedPrice:
    """A price with its source."""

    kind: Kind
    name: str
    """Name in a suite, in lower case."""
    settings: Mapping[str, float]
    """Field of PriceBook -> its value. A GPU without bf16 in hardware has no speed."""
    source: str
    """Who asks for this price, or the paper that paid it."""
    as_of: str
    """Date on which the price held: year, and month where it is known."""

    @property
    def described(self) -> str:
        """Name, source and date, such as 'a100-80gb: RunPod Secure, 2026-11'."""
        return f"{self.name}: {self.source}, {self.as_of}"


@functools.cache
def named_prices(kind: Kind) -> Mapping[str, NamedPrice]:
    """Return name -> price of one kind, in the order of the table."""
    make = {"label": _labels, "device": _devices, "llm": _llms}[kind]
    return {price.name: price for price in make()}


def find(kind: Kind, name: str) -> NamedPrice:
    """Return a price by its name in any case. Raises ValueError with the nearest names."""
    known = named_prices(kind)
    if price := known.get(name.lower()):
        return price
    close = near(name.lower(), known, at_most=3)
    raise ValueError(f"no price of this name; {'the nearest are ' + ', '.join(close) if close else '`bench prices` lists all'}")


def _labels() -> list[NamedPrice]:
    source, as_of = PAPER
    return [
        NamedPrice(
            kind="label",
            name=f"kang2023-{row['task'].lower().replace('_', '-')}",
            settings={"label_usd": float(row["usd_per_label"])},
            source=source,
            as_of=as_of,
        )
        for row in published.rows("kang2023_compute")
    ]


def _devices() -> list[NamedPrice]:
    found = []
    for row in published.rows("cards"):
        peak = row["bf16_flops_per_second"]
        speed = {"device_flops_per_second": UTILIZATION * float(peak)} if peak else {}
        settings = {"device_hour_usd": float(row["usd_per_hour"]), **speed}
        found.append(NamedPrice(kind="device", name=row["card"].lower(), settings=settings, source=row["price_of"], as_of=row["as_of"]))
    return found


def _llms() -> list[NamedPrice]:
    fields = ("usd_per_1m_prompt_tokens", "usd_per_1m_output_tokens")
    return [
        NamedPrice(
            kind="llm", name=row["llm"], settings={name: float(row[name]) for name in fields}, source=row["provider"], as_of=row["as_of"]
        )
        for row in published.rows("llm_prices")
    ]
