"""Price options of the command line, shared by `price` and `recommend`."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click

from bench.cli.options import DOLLARS, POSITIVE, Command, option

if TYPE_CHECKING:
    from bench.api.results import Results


def _list_meters(option: click.Option) -> None:
    from bench.contracts import METERS

    option.type = click.Choice(list(METERS))
    option.help = "Quantity by which compute is paid: " + ", ".join(f"{meter.name} ({meter.counts})" for meter in METERS.values()) + "."


def _hide_unless_needed(option: click.Option) -> None:
    from bench.contracts import METERS

    option.hidden = all(meter.unit_usd for meter in METERS.values())


def _dollars_by_name(expected: str) -> Callable[[click.Context, click.Parameter, tuple[str, ...]], dict[str, float]]:
    """Return a callback that parses 'names=0.05' and '0.05' to dollars by name. The key '' means all names."""

    def parse(_: click.Context, __: click.Parameter, given: tuple[str, ...]) -> dict[str, float]:
        found = {}
        for text in given:
            name, _equals, usd = text.rpartition("=")
            try:
                found[name] = float(usd)
            except ValueError:
                raise click.BadParameter(f"expected {expected}, got {text}.") from None
        return found

    return parse


@dataclass(frozen=True, kw_only=True)
class OtherPrices:
    """Prices given on the command line. None, or no label price: the prices at which the arms were run."""

    label_usd: dict[str, float]
    """Dollars for one label, by task. The key '' means all tasks."""
    gpu_hour_usd: float | None
    kwh_usd: float | None
    prompt_usd_per_1m_tokens: float | None
    output_usd_per_1m_tokens: float | None
    meter: str | None
    flops_per_second: float | None
    unit_usd: dict[str, float]
    """Dollars for one unit of a meter, by meter."""

    def applied(self, found: Results) -> Results:
        """Return the results at these prices. Raises BenchError where one is wrong."""
        return found.price(**{each.name: getattr(self, each.name) for each in dataclasses.fields(self)})

    def notes(self, found: Results) -> list[str]:
        """Return notes about missing intervals, and about prices that have no effect. `found` is at these prices."""
        lines = []
        if found.found.kept and not found.found.examples:
            lines.append("note: scores by example are not kept here; without intervals no difference is significant")
        if not found.quotes:
            return lines
        meter = found.quotes.book.paying
        for name, given, field in (
            ("--kwh-usd", self.kwh_usd, "kwh_usd"),
            ("--gpu-hour-usd", self.gpu_hour_usd, "device_hour_usd"),
            ("--flops-per-second", self.flops_per_second, "device_flops_per_second"),
            ("--unit-usd", self.unit_usd or None, "usd_per_unit"),
        ):
            if given is not None and field not in meter.price_fields:
                lines.append(f"note: {name} has no effect, because compute is paid by {meter.name}; see --meter")
        return lines


PRICE_OPTIONS = (
    option(
        "--label-usd",
        old=["--label", "--label-price"],
        metavar="[TASK=]USD",
        multiple=True,
        callback=_dollars_by_name("USD or TASK=USD"),
        help="Price of one label in dollars, for all tasks or for one (repeatable).",
    ),
    option("--gpu-hour-usd", old=["--gpu-hour"], metavar="USD", type=DOLLARS, help="Price of one hour of the training device, in dollars."),
    option("--kwh-usd", old=["--kwh"], metavar="USD", type=DOLLARS, help="Price of one kWh in dollars; used by the `energy` meter."),
    option(
        "--prompt-usd-per-1m-tokens",
        old=["--prompt-tokens"],
        metavar="USD",
        type=DOLLARS,
        help="Price of one million tokens sent to an LLM endpoint, in dollars.",
    ),
    option(
        "--output-usd-per-1m-tokens",
        old=["--output-tokens"],
        metavar="USD",
        type=DOLLARS,
        help="Price of one million tokens written by an LLM endpoint, in dollars.",
    ),
    option("--meter", complete=_list_meters, help="Quantity by which compute is paid."),
    option(
        "--unit-usd",
        metavar="METER=USD",
        multiple=True,
        callback=_dollars_by_name("METER=USD"),
        complete=_hide_unless_needed,
        help="Price of one unit of a meter that has no price option of its own, in dollars (repeatable).",
    ),
    option("--flops-per-second", metavar="FLOPS", type=POSITIVE, help="Speed of the training device in FLOP/s; used by the `flops` meter."),
)


def price_options(command: Command) -> Command:
    """Add the price options, and pass them to the command as one value, `prices`."""

    @functools.wraps(command)
    def with_prices(**given: Any) -> None:
        prices = OtherPrices(**{each.name: given.pop(each.name) for each in dataclasses.fields(OtherPrices)})
        command(prices=prices, **given)

    found: Command = with_prices
    for add in reversed(PRICE_OPTIONS):
        found = add(found)
    return found
