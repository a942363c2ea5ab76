"""Arguments and options that several commands share. Old names of options still work; help and errors show the new ones."""

from __future__ import annotations

import functools
import math
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from bench.errors import BenchError
from bench.system.hub_mirror import DATA, MODELS, Variable

if TYPE_CHECKING:
    from click.types import OptionHelpExtra

    from bench.contracts import Meter
    from bench.results.repricing import Quotes
    from bench.results.table import Results

Command = Callable[..., None]


class Option(click.Option):
    """An option with `old` names, which are accepted and never shown."""

    def __init__(self, declared: Sequence[str], old: Sequence[str] = (), **settings: Any) -> None:
        super().__init__([*declared, *old], **settings)
        hidden = {name for names in old for name in names.split("/")}
        self.old_opts = [name for name in self.opts if name in hidden]
        self.old_secondary_opts = [name for name in self.secondary_opts if name in hidden]
        self.opts = [name for name in self.opts if name not in hidden]
        self.secondary_opts = [name for name in self.secondary_opts if name not in hidden]

    def get_help_extra(self, ctx: click.Context) -> OptionHelpExtra:
        """A default in words stands as it is; click would put it in brackets."""
        extra = super().get_help_extra(ctx)
        if isinstance(self.show_default, str):
            extra["default"] = self.show_default
        return extra

    def add_to_parser(self, parser: Any, ctx: click.Context) -> None:
        """Let the parser know all names."""
        shown = self.opts, self.secondary_opts
        self.opts, self.secondary_opts = [*self.opts, *self.old_opts], [*self.secondary_opts, *self.old_secondary_opts]
        try:
            super().add_to_parser(parser, ctx)
        finally:
            self.opts, self.secondary_opts = shown


class Finite(click.FloatRange):
    """A number in a range that is neither infinite nor nan."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        found = float(super().convert(value, param, ctx))
        return found if math.isfinite(found) else self.fail(f"{value} is not a finite number.", param, ctx)


class LabelPrice(click.ParamType[tuple[str, float]]):
    """'0.05' for all tasks, 'names=0.05' for one: (task or '', dollars)."""

    name = "[TASK=]USD"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, float]:
        task, _, usd = str(value).rpartition("=")
        try:
            return task, float(usd)
        except ValueError:
            self.fail(f"{value} is neither USD nor TASK=USD.", param, ctx)


option = functools.partial(click.option, cls=Option)
"""`click.option`, with `old=[...]` for names that are accepted and not shown."""

DOLLARS = Finite(min=0)
POSITIVE = Finite(min=0, min_open=True)
FRACTION = Finite(min=0, max=1, min_open=True)
COUNT = click.IntRange(min=1)
PATH = click.Path(path_type=Path)
FILE = click.Path(path_type=Path, dir_okay=False)
FOLDER = click.Path(path_type=Path, file_okay=False)

suite_argument = click.argument("suite", metavar="SUITE", type=PATH)
results_argument = click.argument("results", metavar="RESULTS", type=PATH)
results_option = option(
    "--results",
    "parent",
    metavar="DIR",
    type=FOLDER,
    default=Path("results"),
    help="Parent of all results folders: the suite `pegasus` writes to DIR/pegasus.",
)


def results_folder(results: Path, parent: Path) -> Path:
    """The results folder itself, or the one that a suite file writes to."""
    if not results.is_file():
        return results
    from bench.suite import suite_file

    return parent / suite_file.read(results).spec.suite


def _default_cache() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "bench"


cache_option = option(
    "--cache",
    metavar="DIR",
    type=FOLDER,
    envvar="BENCH_CACHE",
    show_envvar=True,
    default=_default_cache,
    show_default="~/.cache/bench",
    help="Folder for downloaded data, checkpoints and calibrations.",
)


def _copies_option(name: str, variable: Variable, of_what: str) -> Callable[[Command], Command]:
    """An option that names a folder of copies, for this process and those that it starts (see `bench.system.hub_mirror`)."""

    def name_folder(_: click.Context, __: click.Parameter, folder: Path | None) -> None:
        if folder is None:
            return
        if not folder.expanduser().is_dir():
            raise BenchError(f"{name} or {variable}: there is no folder {folder}")
        os.environ[variable] = str(folder.expanduser().absolute())

    return option(
        name,
        metavar="DIR",
        type=PATH,
        envvar=variable,
        show_envvar=True,
        expose_value=False,
        callback=name_folder,
        help=f"Folder of {of_what} (DIR/owner/name) to search before the hub's cache and the hub.",
    )


models_option = _copies_option("--models", MODELS, "models")
data_option = _copies_option("--data", DATA, "data sets")
only_option = option("--only", metavar="GLOB", help="Take only arms whose name matches, such as '*distill*seed1*'.")
device_option = option(
    "--device",
    type=click.Choice(["auto", "cpu", "cuda"]),
    default="auto",
    help="Device that computes; auto takes a GPU where there is one.",
)
workers_option = option(
    "--workers",
    metavar="N",
    type=COUNT,
    show_default="one per core, at most 8; one on a GPU",
    help="Arms that run at the same time, each in a process.",
)
max_usd_option = option(
    "--max-usd",
    metavar="USD",
    type=DOLLARS,
    help="Refuse a suite that may spend more than this, in dollars. Work that arms share counts once.",
)
gpus_option = option(
    "--gpus",
    old=["--cards"],
    metavar="FILE",
    type=click.Path(path_type=Path, dir_okay=False, exists=True),
    help="CSV table of GPUs and prices to use instead of the published one.",
)


@dataclass(frozen=True, kw_only=True)
class OtherPrices:
    """Prices given on the command line; None, or no label price: as the arms were run."""

    label_usd: dict[str, float]
    """Dollars for one label, by task; '' for all tasks."""
    gpu_hour_usd: float | None
    kwh_usd: float | None
    prompt_usd_per_1m_tokens: float | None
    output_usd_per_1m_tokens: float | None
    meter: Meter | None
    flops_per_second: float | None

    def quotes(self, found: Results) -> Quotes:
        """The prices at which the arms were run, with these in their place. Raises BenchError where one is impossible."""
        from bench.results import repricing

        return repricing.asked(found).changed(
            self.label_usd,
            device_hour_usd=self.gpu_hour_usd,
            kwh_usd=self.kwh_usd,
            usd_per_1m_prompt_tokens=self.prompt_usd_per_1m_tokens,
            usd_per_1m_output_tokens=self.output_usd_per_1m_tokens,
            meter=self.meter,
            device_flops_per_second=self.flops_per_second,
        )

    def notes(self, found: Results, quotes: Quotes) -> list[str]:
        """Lines about results without intervals, and about prices that have no effect."""
        meter = quotes.book.meter
        lines = []
        if found.kept and not found.examples:
            lines.append("note: scores by example are not kept here; without intervals no difference is significant")
        for name, given, meters in (
            ("--kwh-usd", self.kwh_usd, ("energy",)),
            ("--gpu-hour-usd", self.gpu_hour_usd, ("flops", "wall")),
            ("--flops-per-second", self.flops_per_second, ("flops",)),
        ):
            if given is not None and meter not in meters:
                lines.append(f"note: {name} has no effect, because compute is paid by {meter}; see --meter")
        return lines


PRICE_OPTIONS = (
    option(
        "--label-usd",
        old=["--label", "--label-price"],
        metavar="[TASK=]USD",
        type=LabelPrice(),
        multiple=True,
        help="Price of one label in dollars, for all tasks or for one (repeatable).",
    ),
    option(
        "--gpu-hour-usd",
        old=["--gpu-hour"],
        metavar="USD",
        type=DOLLARS,
        help="Price of one hour of the training device, in dollars.",
    ),
    option(
        "--kwh-usd",
        old=["--kwh"],
        metavar="USD",
        type=DOLLARS,
        help="Price of one kWh in dollars; used by the `energy` meter.",
    ),
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
    option("--meter", type=click.Choice(["flops", "wall", "energy", "items"]), help="Quantity by which compute is paid."),
    option(
        "--flops-per-second",
        metavar="FLOPS",
        type=POSITIVE,
        help="Speed of the training device in FLOP/s; used by the `flops` meter.",
    ),
)


def price_options(command: Command) -> Command:
    """Add the price options, and pass them to the command as one value, `prices`."""

    @functools.wraps(command)
    def with_prices(
        *,
        label_usd: tuple[tuple[str, float], ...],
        gpu_hour_usd: float | None,
        kwh_usd: float | None,
        prompt_usd_per_1m_tokens: float | None,
        output_usd_per_1m_tokens: float | None,
        meter: Meter | None,
        flops_per_second: float | None,
        **others: object,
    ) -> None:
        prices = OtherPrices(
            label_usd=dict(label_usd),
            gpu_hour_usd=gpu_hour_usd,
            kwh_usd=kwh_usd,
            prompt_usd_per_1m_tokens=prompt_usd_per_1m_tokens,
            output_usd_per_1m_tokens=output_usd_per_1m_tokens,
            meter=meter,
            flops_per_second=flops_per_second,
        )
        command(prices=prices, **others)

    found: Command = with_prices
    for add in reversed(PRICE_OPTIONS):
        found = add(found)
    return found
