"""`bench clean`: frees disk space by deleting models that no result needs."""

from __future__ import annotations

from pathlib import Path

import click

from bench.cli.options import results_argument, results_folder, results_option


@click.command()
@results_argument
@results_option
def clean(results: Path, parent: Path) -> None:
    """Delete teachers and other intermediate models.

    Conversions of trained models and training checkpoints go too. Compact models, ledgers and reports are kept.

    RESULTS is a results folder, or the suite file that wrote it.
    """
    from bench.cli import console
    from bench.execution import runner

    freed = runner.clean(results_folder(results, parent))
    console.console().print(f"freed {freed / 1e9:.1f} GB; compact models, ledgers and reports are kept")
