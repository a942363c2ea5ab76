"""The meters by which compute can be paid. One entry of METERS is everything that is known of a meter.

A meter counts a quantity of the work, such as FLOPs. Every piece of work has one charge for each meter, and the
purse pays the charge of the meter that the suite names. To add a meter, add one entry here. Where the work does
not count the quantity itself, a profiler measures it, in a reading of the meter's name and unit.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from bench.contracts.values import Bill


class Amounts(Protocol):
    """What work has used: a bill, or the count of work that is still running."""

    @property
    def flops(self) -> float: ...

    @property
    def wall_s(self) -> float: ...

    @property
    def items(self) -> float: ...

    def measured(self, quantity: str) -> float | None:
        """Return the amount that an instrument measured, in the unit of its reading. None: no instrument measured it."""
        ...


class Forecastable(Protocol):
    """What a meter asks of a recipe. `context` is a BuildContext."""

    def forecast_flops(self, context: Any) -> float: ...

    def forecast_items(self, context: Any) -> int: ...


class Prices(Protocol):
    """The prices of a suite, see `bench.suite.prices.PriceBook`."""

    @property
    def device_hour_usd(self) -> float: ...

    @property
    def device_flops_per_second(self) -> float: ...

    @property
    def kwh_usd(self) -> float: ...

    @property
    def usd_per_unit(self) -> Mapping[str, float] | None: ...

    def item_usd(self, task: str, phase: str) -> float:
        """Return the dollars for one item of a phase."""
        ...


@dataclass(frozen=True, kw_only=True)
class Meter:
    """A quantity by which compute can be paid."""

    name: str
    """Value of `prices.meter` in a suite."""
    counts: str
    """What it counts, for help texts."""
    unit: str
    """Unit of its quantity in charges. No two meters share a unit."""
    counted: Callable[[Amounts], float] | None = None
    """Amounts -> the quantity. None: it is the reading of the meter's name."""
    forecast: Callable[[Forecastable, Any], float] | None = None
    """(recipe, context) -> the quantity that the recipe will take. None: it is known only afterwards.

    Then a step is assumed to take as much as the longest so far, and work stops once its limit is used up.
    """
    whole: bool = False
    """Whether it counts whole things, each when it is first used. The share used then says nothing about progress."""
    profiler: str = ""
    """Part of `profilers/` that makes the reading; empty where all work has this quantity."""
    price_fields: tuple[str, ...] = ("usd_per_unit",)
    """Settings under `prices` on which its unit price depends."""
    unit_usd: Callable[[Prices, str, str], float] | None = None
    """(prices, task, phase) -> dollars for one unit. None: `prices.usd_per_unit` names them."""
    good: str | None = None
    """What is bought, where its price is that of something else, such as an hour of the device. None: the unit itself.

    Empty: its dollars are fixed by task and phase, and no single price changes them.
    """
    goods_per_unit: Callable[[Prices], float] = lambda prices: 1.0  # noqa: ARG005
    """Amount of the good in one unit."""
    fixed_unit: str = ""
    """Unit of a charge beside it that does not depend on the amount; empty where there is none."""

    @property
    def known_in_advance(self) -> bool:
        """Whether the quantity is known before the work, so that a charge can be refused before the work begins."""
        return self.forecast is not None

    @property
    def needs_reading(self) -> bool:
        """Whether a bill has no field for its quantity, and keeps it as a reading alone."""
        return self.counted is None and self.name != "energy"

    @property
    def bought(self) -> str:
        """The good that a unit is paid with; empty where no single price sets its dollars."""
        return self.name if self.good is None else self.good

    def quantity(self, amounts: Amounts) -> float | None:
        """Return the quantity, in the meter's unit. None: not measured."""
        return amounts.measured(self.name) if self.counted is None else self.counted(amounts)

    def of_step(self, flops: float, items: int) -> float:
        """Return the quantity of a step that takes so many FLOPs and items, for a meter that is known in advance."""
        amount = self.quantity(Bill(flops=flops, wall_s=0.0, kwh=None, items=items))
        assert amount is not None, f"{self.name} is known in advance, but not from FLOPs and items"
        return amount

    def unit_price_usd(self, prices: Prices, task: str, phase: str) -> float:
        """Return the dollars for one unit of this task and phase."""
        if self.unit_usd is not None:
            return self.unit_usd(prices, task, phase)
        return (prices.usd_per_unit or {}).get(self.name, 0.0)

    def __reduce__(self) -> tuple[Callable[[str], Meter], tuple[str]]:
        """Pickle by name, because processes exchange recipes and functions cannot be pickled."""
        return meter_named, (self.name,)


FLOPS = Meter(
    name="flops",
    counts="FLOPs",
    unit="FLOP",
    counted=lambda amounts: amounts.flops,
    forecast=lambda recipe, context: recipe.forecast_flops(context),
    price_fields=("device_hour_usd", "device_flops_per_second"),
    unit_usd=lambda prices, task, phase: prices.device_hour_usd / 3600 / prices.device_flops_per_second,  # noqa: ARG005
    good="device_hour",
    goods_per_unit=lambda prices: 1 / (3600 * prices.device_flops_per_second),
)
WALL = Meter(
    name="wall",
    counts="seconds",
    unit="s",
    counted=lambda amounts: amounts.wall_s,
    price_fields=("device_hour_usd",),
    unit_usd=lambda prices, task, phase: prices.device_hour_usd / 3600,  # noqa: ARG005
    good="device_hour",
    goods_per_unit=lambda prices: 1 / 3600,  # noqa: ARG005
)
ENERGY = Meter(
    name="energy",
    counts="kWh",
    unit="kWh",
    profiler="energy",
    price_fields=("kwh_usd",),
    unit_usd=lambda prices, task, phase: prices.kwh_usd,  # noqa: ARG005
    good="kwh",
)
ITEMS = Meter(
    name="items",
    counts="labels and documents",
    unit="item",
    counted=lambda amounts: amounts.items,
    forecast=lambda recipe, context: recipe.forecast_items(context),
    whole=True,
    price_fields=("usd_per_1k_items",),
    unit_usd=lambda prices, task, phase: prices.item_usd(task, phase),
    good="",
    fixed_unit="teacher",
)

METERS: dict[str, Meter] = {meter.name: meter for meter in (FLOPS, WALL, ENERGY, ITEMS)}
"""Name -> meter, in the order of their charges."""


def meter_named(name: str) -> Meter:
    """Return the meter of this name. Raises KeyError."""
    return METERS[name]


@dataclass(frozen=True, kw_only=True)
class Limit:
    """The amount of a meter that a piece of work may use. Work that can stop early does so before it uses more."""

    meter: Meter
    amount: float = math.inf
    """In the meter's unit; inf: as much as the work needs."""
