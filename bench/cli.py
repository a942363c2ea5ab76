"""The command line: parse, call one function, print. Heavy imports stay inside the commands.

Exit status: 0 every arm has its record, 1 some arms failed, 2 the suite, its data or the command is wrong, 130 stopped by Ctrl-C.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from bench import __version__
from bench.errors import BenchError
from bench.local_copies import DATA, MODELS, Variable


class _Commands(click.Group):
    """Turns what bench raises on purpose into its own lines and exit status 2."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except BenchError as error:
            click.echo(str(error), err=True)
        except OSError as error:  # a full disk, a folder that may not be written
            click.echo(f"{error.filename or 'bench'}: {error.strerror or error}", err=True)
        except KeyboardInterrupt:
            click.echo("stopped; what was done is kept, and the same command goes on from there", err=True)
            raise SystemExit(130) from None
        raise SystemExit(2)


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
    """Names a folder to the parts, here and in the processes that inherit this environment (`bench.local_copies` says why)."""

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
only_option = click.option("--only", metavar="GLOB", help="Only arms whose name matches, such as '*distill*seed1*'.")


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="bench")
def main() -> None:
    """N labels, a pool of text and B dollars: annotate more, distill, or shrink and fine-tune? bench runs all of it and tells."""


@main.command()
@suite_argument
@results_option
@cache_option
@models_option
@data_option
@only_option
@click.option("--retry", is_flag=True, help="Run failed arms again.")
@click.option("--workers", type=click.IntRange(1), help="Processes at a time. [default: one a core, at most 8; one on a GPU]")
@click.option("--device", type=click.Choice(["auto", "cpu", "cuda"]), default="auto", show_default=True)
def run(suite: Path, results: Path, cache: Path, only: str | None, retry: bool, workers: int | None, device: str) -> None:
    """Run every arm of SUITE that has no record yet, and report."""
    from bench import commands

    failed = commands.run(suite, results, cache.absolute(), only, retry, workers, device)
    raise SystemExit(1 if failed else 0)


@main.command()
@suite_argument
@cache_option
@models_option
@data_option
@only_option
def plan(suite: Path, cache: Path, only: str | None) -> None:
    """Show what each arm of SUITE will buy and cost, before anything runs."""
    from bench import commands

    commands.plan(suite, cache.absolute(), only)


@main.command()
@click.argument("suites", type=click.Path(path_type=Path), nargs=-1, required=True)
def check(suites: tuple[Path, ...]) -> None:
    """Say everything that is wrong with each of SUITES."""
    from bench import commands

    for path, arms in commands.check(suites).items():
        click.echo(f"{path}: {arms} arms")


@main.command("list")
@click.argument("part", required=False)
def list_(part: str | None) -> None:
    """List the parts on every shelf, or the settings of one PART."""
    from bench import commands

    commands.parts(part)


@main.command()
@click.argument("folder", type=click.Path(path_type=Path))
@results_option
def report(folder: Path, results: Path) -> None:
    """Write the report of a results FOLDER (or of the suite file that made it) again, from its ledgers."""
    from bench import commands

    commands.report(folder, results)


@main.command()
@click.argument("folder", type=click.Path(path_type=Path))
@results_option
def clean(folder: Path, results: Path) -> None:
    """Remove teachers and other intermediate artifacts of a results FOLDER (or suite file); compact models are kept."""
    from bench import commands

    commands.clean(folder, results)


if __name__ == "__main__":
    main()
