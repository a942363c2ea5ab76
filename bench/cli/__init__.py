"""The command line: parse, call one function, print. Heavy imports stay inside the commands.

Exit status: 0 every arm has its record, 1 some arms failed, or something got worse (`compare --fail-on-change`), 2 the suite, its data
or the command is wrong, 130 stopped by Ctrl-C.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

from bench import __version__
from bench.cli.options import (
    cache_option,
    data_option,
    device_option,
    max_usd_option,
    models_option,
    only_option,
    results_option,
    share,
    suite_argument,
    workers_option,
)
from bench.cli.price_options import MORE_THAN_NOTHING, price_options
from bench.errors import BenchError


class _Commands(click.Group):
    """Turns what bench raises on purpose into its own lines and exit status 2."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except BenchError as error:
            click.echo(str(error), err=True)
        except click.exceptions.NoArgsIsHelpError:
            raise
        except click.UsageError as error:
            where = error.ctx.command_path if error.ctx else "bench"
            click.echo(f"{where}: {error.format_message()} See {where} --help.", err=True)
        except OSError as error:  # a full disk, a folder that may not be written
            click.echo(f"{error.filename or 'bench'}: {error.strerror or error}", err=True)
        except KeyboardInterrupt:
            click.echo("stopped; what was done is kept, and the same command goes on from there", err=True)
            raise SystemExit(130) from None
        raise SystemExit(2)


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="bench")
def main() -> None:
    """N labels, a pool of text and B dollars: annotate more, distill, or shrink and fine-tune? bench runs all of it and tells."""
    from bench.system import processes

    processes.limit_numpy_threads()


@main.command()
@suite_argument
@results_option
@cache_option
@models_option
@data_option
@only_option
@click.option("--retry", is_flag=True, help="Run failed arms again.")
@workers_option
@device_option
@max_usd_option
def run(
    suite: Path, results: Path, cache: Path, only: str | None, retry: bool, workers: int | None, device: str, max_usd: float | None
) -> None:
    """Run every arm of SUITE that has no record yet, and report."""
    from bench.cli import commands

    failed = commands.run(suite, results, cache.absolute(), only, retry, workers, device, max_usd)
    raise SystemExit(1 if failed else 0)


@main.command()
@suite_argument
@results_option
@cache_option
@models_option
@data_option
@only_option
@max_usd_option
@device_option
@workers_option
@click.option("--rehearse/--no-rehearse", default=True, show_default=True, help="Time a few real steps, where that was not done before.")
@click.option("--again", is_flag=True, help="Time them anew: a machine that was busy then may be idle now.")
@click.option("--card", metavar="CARD", help="A card such as L4 or A100-40GB instead of this device; nothing is run.")
@click.option("--cards", type=click.Path(path_type=Path, dir_okay=False, exists=True), help="CSV of cards of your own.")
@click.option("--training", metavar="SHARE", type=share, default=0.3, show_default=True, help="Of a card's peak speed, in training.")
@click.option("--generating", metavar="SHARE", type=share, default=0.02, show_default=True, help="The same in generation.")
def plan(suite: Path, results: Path, cache: Path, only: str | None, max_usd: float | None, **on: Any) -> None:
    """Show what each arm of SUITE will buy, cost and take, before anything runs."""
    from bench.cli import commands

    commands.plan(suite, cache.absolute(), only, results, on, max_usd)


@main.command()
@click.argument("suites", type=click.Path(path_type=Path), nargs=-1, required=True)
def check(suites: tuple[Path, ...]) -> None:
    """Say everything that is wrong with each of SUITES."""
    from bench.cli import commands

    for path, arms in commands.check(suites).items():
        click.echo(f"{path}: {arms} arms")


@main.command("list")
@click.argument("part", required=False)
def list_(part: str | None) -> None:
    """List the parts on every shelf, or the settings of one PART."""
    from bench.cli import commands

    commands.parts(part)


@main.command()
@click.argument("folder", type=click.Path(path_type=Path))
@results_option
def report(folder: Path, results: Path) -> None:
    """Write the report of a results FOLDER (or of the suite file that made it) again, from its ledgers."""
    from bench.cli import commands

    commands.report(folder, results)


@main.command()
@click.argument("folder", type=click.Path(path_type=Path))
@results_option
def clean(folder: Path, results: Path) -> None:
    """Remove teachers and other intermediate artifacts of a results FOLDER (or suite file); compact models are kept."""
    from bench.cli import commands

    commands.clean(folder, results)


@main.command()
@click.argument("folder", type=click.Path(path_type=Path))
@results_option
@price_options
@click.option("--requests", metavar="R", type=MORE_THAN_NOTHING, help="Requests a month that the model will answer.")
@click.option("--months", metavar="T", type=MORE_THAN_NOTHING, default=12, show_default=True, help="For so long.")
@click.option("--out", type=click.Path(path_type=Path, file_okay=False), help="Folder of the report. [default: `priced` in FOLDER]")
def price(
    folder: Path, results: Path, labels: tuple[str, ...], requests: float | None, months: float, out: Path | None, **prices: Any
) -> None:
    """Count a results FOLDER (or the suite file that made it) at other prices, without running anything, and report."""
    from bench.cli import commands

    commands.price(folder, results, labels, prices, requests, months, out)


@main.command()
@click.argument("folder", type=click.Path(path_type=Path))
@results_option
@click.option("--budget", metavar="USD", type=MORE_THAN_NOTHING, required=True, help="What there is to spend.")
@click.option("--task", help="For this task. [default: for each]")
@price_options
def recommend(folder: Path, results: Path, budget: float, task: str | None, labels: tuple[str, ...], **prices: Any) -> None:
    """Say what to do with a budget, from a results FOLDER (or the suite file that made it): how sure, and what would change it."""
    from bench.cli import commands

    commands.recommend(folder, results, budget, task, labels, prices)


@main.group("import")
def import_() -> None:
    """Turn figures that were not measured here into a results folder."""


@import_.command("published")
@click.argument("name", required=False)
@results_option
def import_published(name: str | None, results: Path) -> None:
    """Write the published figures NAME as results, and report; without NAME: which there are."""
    from bench.cli import commands

    commands.import_published(name, results)


@main.command()
@click.argument("before", metavar="A", type=click.Path(path_type=Path))
@click.argument("after", metavar="B", type=click.Path(path_type=Path))
@results_option
@click.option("--metric", "metrics", metavar="NAME", multiple=True, help="Compare this metric, and no other that is not named so.")
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), help="Write the comparison there too, as Markdown.")
@click.option("--fail-on-change", is_flag=True, help="End with 1 where a score is worse beyond noise, or an arm is no longer done.")
def compare(before: Path, after: Path, results: Path, metrics: tuple[str, ...], out: Path | None, fail_on_change: bool) -> None:
    """Show what is new, gone, or changed beyond noise from results folder A to B (or from suite file to suite file)."""
    from bench.cli import commands

    worse = commands.compare((before, after), results, metrics, out)
    raise SystemExit(1 if worse and fail_on_change else 0)


@main.command()
@click.argument("folders", metavar="RESULTS...", type=click.Path(path_type=Path), nargs=-1, required=True)
@results_option
@click.option("--rank-by", metavar="METRIC", default="", help="Rank by this metric. [default: the one each suite ranks by]")
@click.option("--best", is_flag=True, help="Only settings that share the first place.")
@click.option("--csv", type=click.Path(path_type=Path, dir_okay=False), help="Write the numbers there.")
@click.option("--markdown", type=click.Path(path_type=Path, dir_okay=False), help="Write the tables there.")
def leaderboard(folders: tuple[Path, ...], results: Path, rank_by: str, best: bool, csv: Path | None, markdown: Path | None) -> None:
    """Show several results folders (or suite files) in one leaderboard."""
    from bench.cli import commands

    commands.leaderboard(folders, results, rank_by, best, csv, markdown)


def _terminal_asks() -> bool:
    """Whether somebody sits there who can answer."""
    return sys.stdin.isatty()


@main.command()
@click.argument("data", type=click.Path(path_type=Path))
@click.option("--source", metavar="COLUMN", help="The column of the documents. [default: by names and lengths]")
@click.option("--target", metavar="COLUMN", help="The column of the labels. [default: by names and lengths]")
@click.option("--label-usd", metavar="USD", type=float, help="What one label costs.")
@click.option("--budget", "budgets", metavar="USD", type=float, multiple=True, help="Dollars to add; say it again for more budgets.")
@click.option(
    "--model",
    metavar="NAME",
    default="flan_t5_small",
    show_default=True,
    help="A part of models/, a folder, or a hub id, maybe with @COMMIT.",
)
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), help="The suite to write. [default: DATA's name, here, .yaml]")
@click.option("--yes", is_flag=True, help="Ask nothing; take the defaults.")
@click.option("--force", is_flag=True, help="Overwrite a suite that is there.")
@cache_option
@models_option
def init(data: Path, cache: Path, yes: bool, **said: Any) -> None:
    """Look at DATA, a file of your own, and write a suite over it, with a comment on every choice."""
    from bench.cli import commands

    commands.init(data, cache.absolute(), ask=not yes and _terminal_asks(), **said)


@main.command()
@click.argument("model")
@click.option("--card", metavar="CARD", help="A card such as L4 or A100-40GB, or a size such as 16GB: what fits it?")
@click.option("--cards", type=click.Path(path_type=Path, dir_okay=False, exists=True), help="CSV of cards and prices of your own.")
@click.option("--source", metavar="TOKENS", type=click.IntRange(2), default=512, show_default=True, help="Tokens of a document.")
@click.option("--target", metavar="TOKENS", type=click.IntRange(2), default=64, show_default=True, help="Tokens of a label.")
@click.option("--batch", metavar="N", type=click.IntRange(1), default=1, show_default=True, help="Examples a step that have to fit.")
@click.option("--precision", type=click.Choice(["bf16", "fp32"]), help="[default: bf16, fp32 on a card that has no bf16]")
@click.option("--optimizer", type=click.Choice(["adamw", "adafactor", "adamw_8bit"]), default="adamw", show_default=True)
@click.option("--freeze", type=click.Choice(["none", "embeddings", "encoder"]), default="embeddings", show_default=True)
@click.option("--lora", metavar="RANK", type=click.IntRange(0), default=0, help="Adapters of this rank learn, and no weights.")
@click.option("--checkpointing", is_flag=True, help="Compute activations twice instead of keeping them.")
@click.option("--dropout", metavar="RATE", type=click.FloatRange(0, 1, max_open=True), default=0.0, show_default=True)
@click.option("--beams", type=click.IntRange(1), default=1, show_default=True, help="Of generation.")
@click.option("--context-gib", metavar="GIB", type=click.FloatRange(min=0), help="What CUDA takes for itself. [default: 0.5]")
@click.option("--kept-free", type=click.FloatRange(0, 0.9), default=0.05, show_default=True, help="Share lost between blocks.")
@models_option
def fit(model: str, card: str | None, cards: Path | None, batch: int, **asked: Any) -> None:
    """Say how much memory training and using MODEL takes, and what fits a card. No weights are needed.

    MODEL: a hub id, a folder, or a shape such as pegasus:16-4 or t5:small-nl16.
    """
    from bench.cli import fit_command

    fit_command.fit(model, card, cards, batch, asked)
