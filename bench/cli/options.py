"""Arguments and options that several commands share.

Old names of options still work; help and errors show the new ones.
"""

from __future__ import annotations

import functools
import math
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from bench.api.places import RESULTS
from bench.errors import BenchError
from bench.system import home, shipped
from bench.system.hub_mirror import DATA, MODELS, Variable

if TYPE_CHECKING:
    from click.types import OptionHelpExtra

Command = Callable[..., None]


class Option(click.Option):
    """An option with `old` names, which are accepted but not shown.

    `complete` adds to the option what takes long to import. It runs when the command is used, not for `bench --help`.
    """

    def __init__(
        self, declared: Sequence[str], old: Sequence[str] = (), complete: Callable[[click.Option], None] | None = None, **settings: Any
    ) -> None:
        super().__init__([*declared, *old], **settings)
        self.complete = complete
        hidden = {name for names in old for name in names.split("/")}
        self.accepted = self.opts, self.secondary_opts
        self.opts, self.secondary_opts = ([name for name in names if name not in hidden] for names in self.accepted)

    def get_help_extra(self, ctx: click.Context) -> OptionHelpExtra:
        """Show a default in words without the brackets that click would add."""
        extra = super().get_help_extra(ctx)
        if isinstance(self.show_default, str):
            extra["default"] = self.show_default
        return extra

    def add_to_parser(self, parser: Any, ctx: click.Context) -> None:
        """Register all names with the parser, the old ones included."""
        if self.complete:
            self.complete(self)
        shown = self.opts, self.secondary_opts
        self.opts, self.secondary_opts = self.accepted
        try:
            super().add_to_parser(parser, ctx)
        finally:
            self.opts, self.secondary_opts = shown


class Finite(click.FloatRange):
    """A number in a range, neither infinite nor NaN."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        found = float(super().convert(value, param, ctx))
        return found if math.isfinite(found) else self.fail(f"{value} is not a finite number.", param, ctx)


class UserPath(click.Path):
    """A path in which `~` is the home folder, also where no shell has replaced it, as in `--out=~/mine.yaml`."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(path_type=Path, **settings)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        return super().convert(home.expanded(value), param, ctx)


class SuitePath(UserPath):
    """A path, or the name of a suite that comes with bench, such as `pegasus`, where nothing has this path."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        path = super().convert(value, param, ctx)
        return path if path.exists() else shipped.suite_named(str(value)) or path


option = functools.partial(click.option, cls=Option)
"""`click.option` with `old=[...]` for names that are accepted but not shown."""

NUMBER = Finite()
DOLLARS = Finite(min=0)
POSITIVE = Finite(min=0, min_open=True)
MINUTES = Finite(min=0)
FRACTION = Finite(min=0, max=1, min_open=True)
COUNT = click.IntRange(min=1)
PATH = UserPath()
SUITE = SuitePath()
FILE = UserPath(dir_okay=False)
FOLDER = UserPath(file_okay=False)

suite_argument = click.argument("suite", metavar="SUITE", type=SUITE)
results_argument = click.argument("results", metavar="RESULTS", type=SUITE)
results_option = option(
    "--results",
    "parent",
    metavar="DIR",
    type=FOLDER,
    default=RESULTS,
    help="Parent of all results folders: the suite `pegasus` writes to DIR/pegasus.",
)


cache_option = option(
    "--cache",
    metavar="DIR",
    type=FOLDER,
    envvar="BENCH_CACHE",
    show_envvar=True,
    default=home.cache_folder,
    show_default="~/.cache/bench, or .cache/bench here if that cannot be written",
    help="Folder for downloaded data, checkpoints and calibrations.",
)


def _copies_option(name: str, variable: Variable, of_what: str) -> Callable[[Command], Command]:
    """Return an option that names a folder of copies. Processes that start here see the folder too; see `system/hub_mirror.py`."""

    def name_folder(_: click.Context, __: click.Parameter, folder: Path | None) -> None:
        if folder is None:
            return
        if not folder.is_dir():
            raise BenchError(f"{name} or {variable}: there is no folder {folder}")
        os.environ[variable] = str(folder.absolute())

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
only_option = option("--only", metavar="GLOB", help="Only arms whose name matches, such as '*distill*seed1*'.")
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
executor_option = option("--executor", metavar="NAME", help="Executor that runs the arms, such as slurm. Default: the suite's, else local.")


def _settings(_: click.Context, __: click.Parameter, given: Sequence[str]) -> dict[str, Any]:
    """Return the settings that are given as KEY=VALUE. The last of a key counts."""
    if faulty := [one for one in given if not one.partition("=")[0].strip() or "=" not in one]:
        raise click.BadParameter(f"{faulty[0]} is not KEY=VALUE.")
    if not given:
        return {}
    from bench.suite.executor import plain

    return {key.strip(): plain(value) for key, _, value in (one.partition("=") for one in given)}


executor_set_option = option(
    "--executor-set",
    "executor_settings",
    metavar="KEY=VALUE",
    multiple=True,
    callback=_settings,
    show_default=False,
    help="Setting of the executor, written as in a suite. Repeat it for several; `bench list slurm` shows them.",
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
    type=UserPath(dir_okay=False, exists=True),
    help="CSV table of GPUs and prices to use instead of the published one.",
)
