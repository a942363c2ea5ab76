"""`bench init`: a data file -> a suite."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from bench.cli import output
from bench.cli.options import FILE, PATH, cache_option, models_option, option


@click.command()
@click.argument("data", metavar="DATA", type=PATH)
@option(
    "--source-column",
    "source_columns",
    old=["--source"],
    metavar="NAME",
    multiple=True,
    show_default="by names and lengths",
    help="Column of the documents, or a part such as 'references[0]' (repeatable: columns are joined).",
)
@option(
    "--target-column",
    "target_columns",
    old=["--target"],
    metavar="NAME",
    multiple=True,
    show_default="by names and lengths",
    help="Column of the labels, or a part such as 'answers.text[0]' (repeatable: columns are joined).",
)
@option("--field", metavar="NAME", help="List of rows in a JSON value, such as 'data' or 'data.train'.")
@option("--label-usd", metavar="USD", type=float, help="Price of one label in dollars.")
@option("--budget-usd", "budgets_usd", old=["--budget"], metavar="USD", type=float, multiple=True, help="Budget in dollars (repeatable).")
@option(
    "--model", metavar="NAME", default="flan_t5_small", help="Large model: a part of models/, a folder, or a hub id, with @COMMIT or not."
)
@option("--out", metavar="FILE", type=FILE, show_default="DATA's name with .yaml, in this folder", help="Suite file to write.")
@option("--yes", is_flag=True, help="Ask nothing and take the defaults.")
@option("--force", is_flag=True, help="Overwrite a suite file that exists.")
@cache_option
@models_option
@output.options
def init(
    data: Path,
    source_columns: tuple[str, ...],
    target_columns: tuple[str, ...],
    field: str | None,
    label_usd: float | None,
    budgets_usd: tuple[float, ...],
    model: str,
    out: Path | None,
    yes: bool,
    force: bool,
    cache: Path,
) -> None:
    """Write a suite for a data file, with every choice explained.

    DATA is a CSV, TSV, JSON lines, JSON, Parquet or Arrow file.
    """
    from bench.init import session
    from bench.suite.schema import FILE as FILE_OF_THE_SCHEMA

    wanted = session.InitOptions(
        source=source_columns,
        target=target_columns,
        field=field,
        label_usd=label_usd,
        budgets=budgets_usd,
        model=model,
        out=out,
        force=force,
        ask=not yes and not output.current().as_json and _has_terminal(),
    )
    screen = output.console()
    suite, arms = session.write(data, wanted, cache.absolute(), lambda line: screen.print(line, soft_wrap=True))
    output.show(lambda: {"suite": suite, "arms": arms, "schema": suite.with_name(FILE_OF_THE_SCHEMA)}, lambda _: ())


def _has_terminal() -> bool:
    return sys.stdin.isatty()
