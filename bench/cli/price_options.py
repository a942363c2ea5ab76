"""Prices on the command line: the options, what they say, and what a reader should know of the answer."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import click

from bench.errors import BenchError

if TYPE_CHECKING:
    from bench.results.repricing import Quotes
    from bench.results.table import Results


class _Finite(click.FloatRange):
    """Neither inf nor nan, which compares with nothing."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        found = float(super().convert(value, param, ctx))
        return found if math.isfinite(found) else self.fail(f"{value} is no finite number.", param, ctx)


DOLLARS, MORE_THAN_NOTHING = _Finite(min=0), _Finite(min=0, min_open=True)


def price_options(command: Callable[..., None]) -> Callable[..., None]:
    """Other prices than those that the arms were run at; what is not given stays."""
    options = (
        click.option("--label", "--label-price", "labels", metavar="[TASK=]USD", multiple=True, help="A label, of all tasks or of one."),
        click.option("--gpu-hour", "device_hour_usd", metavar="USD", type=DOLLARS, help="An hour of the device that trains."),
        click.option("--kwh", "kwh_usd", metavar="USD", type=DOLLARS, help="A kWh; counts where compute is paid by energy."),
        click.option(
            "--prompt-tokens", "usd_per_1m_prompt_tokens", metavar="USD", type=DOLLARS, help="A million tokens sent to an endpoint."
        ),
        click.option("--output-tokens", "usd_per_1m_output_tokens", metavar="USD", type=DOLLARS, help="A million tokens that it wrote."),
        click.option("--meter", type=click.Choice(["flops", "wall", "energy", "items"]), help="What compute is paid by."),
        click.option("--flops-per-second", "device_flops_per_second", type=MORE_THAN_NOTHING, help="Speed of the device."),
    )
    for option in reversed(options):
        command = option(command)
    return command


def label_prices(given: Sequence[str]) -> dict[str, float]:
    """'0.05' for all tasks, 'names=0.05' for one. Raises BenchError."""
    found = {}
    for text in given:
        task, _, usd = text.rpartition("=")
        try:
            found[task] = float(usd)
        except ValueError:
            raise BenchError(f"--label {text}: expected dollars, or TASK=dollars") from None
    return found


def notes(found: Results, quotes: Quotes, prices: Mapping[str, float | str | None]) -> list[str]:
    """What a reader should know of the results, and of the prices."""
    gone = "note: only means are kept here, no scores by example: without intervals nothing is called better than another"
    return [*([gone] if found.kept and not found.examples else []), *_unheard(quotes, prices)]


def _unheard(quotes: Quotes, prices: Mapping[str, float | str | None]) -> list[str]:
    """Prices that were given and change nothing, as compute is paid by another meter."""
    meter = quotes.book.meter
    heard = {"kwh_usd": ("energy",), "device_hour_usd": ("flops", "wall"), "device_flops_per_second": ("flops",)}
    lost = [name for name, meters in heard.items() if prices.get(name) is not None and meter not in meters]
    return [f"note: {name} changes nothing here, as compute is paid by {meter} (--meter)" for name in lost]
