"""`bench clean`: frees disk space by deleting models that no result needs."""

from __future__ import annotations

from pathlib import Path

import click

from bench.api.places import results_folder
from bench.cli import output
from bench.cli.options import results_argument, results_option


@click.command()
@results_argument
@results_option
@output.options
def clean(results: Path, parent: Path) -> None:
    """Delete teachers and other intermediate models.

    Conversions of trained models and training checkpoints go too. Compact models, ledgers and reports are kept.

    RESULTS is a results folder, or the suite file that wrote it.
    """
    from bench.execution import runner

    freed = runner.clean(results_folder(results, parent))
    output.show(
        lambda: {"freed_bytes": freed},
        lambda _: [f"freed {freed / 1e9:.1f} GB; compact models, ledgers and reports are kept"],
    )
