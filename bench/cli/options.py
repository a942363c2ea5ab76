"""Options that several commands share."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from bench.errors import BenchError
from bench.system.hub_mirror import DATA, MODELS, Variable


def _default_cache() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "bench"


suite_argument = click.argument("suite", type=click.Path(path_type=Path))
results_option = click.option(
    "--results", type=click.Path(path_type=Path, file_okay=False), default=Path("results"), show_default=True, help="Folder of results."
)
cache_option = click.option(
    "--cache",
    type=click.Path(path_type=Path, file_okay=False),
    envvar="BENCH_CACHE",
    default=_default_cache,
    help="Folder for data and checkpoints made once. [default: ~/.cache/bench]",
)


def _copies_option(option: str, variable: Variable, of_what: str) -> Callable[[Any], Any]:
    """Names a folder to the parts, here and in the processes that inherit this environment (`bench.system.hub_mirror` says why)."""

    def name_folder(_: click.Context, __: click.Parameter, folder: Path | None) -> None:
        if folder is None:
            return
        if not folder.expanduser().is_dir():
            raise BenchError(f"{option} or {variable}: there is no folder {folder}")
        os.environ[variable] = str(folder.expanduser().absolute())

    return click.option(
        option,
        metavar="DIR",
        type=click.Path(path_type=Path),
        envvar=variable,
        show_envvar=True,
        expose_value=False,
        callback=name_folder,
        help=f"Folder of {of_what} (DIR/owner/name), looked up before the hub's cache and the hub.",
    )


models_option = _copies_option("--models", MODELS, "models")
data_option = _copies_option("--data", DATA, "data sets")
device_option = click.option("--device", type=click.Choice(["auto", "cpu", "cuda"]), default="auto", show_default=True)
workers_option = click.option(
    "--workers", type=click.IntRange(1), help="Processes at a time. [default: one a core, at most 8; one on a GPU]"
)
max_usd_option = click.option(
    "--max-usd", metavar="USD", type=click.FloatRange(min=0), help="Refuse what may spend more; work that arms share counts once."
)
share = click.FloatRange(0, 1, min_open=True)
only_option = click.option("--only", metavar="GLOB", help="Only arms whose name matches, such as '*distill*seed1*'.")
