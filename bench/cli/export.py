"""`bench export`: the model of a run for use elsewhere, and its arms for experiment trackers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from bench.api.places import results_folder
from bench.cli import output
from bench.cli.options import PATH, POSITIVE, cache_option, models_option, option, results_argument, results_option

if TYPE_CHECKING:
    from bench.api.trackers import Tracker


@click.group()
def export() -> None:
    """Export what a run made."""


@export.command()
@results_argument
@option("--arm", metavar="GLOB", show_default="the median arm of the best setting", help="Arm whose model is exported.")
@option("--task", metavar="NAME", help="Task of the best setting. Needed where the results hold several tasks.")
@option("--budget-usd", metavar="USD", type=POSITIVE, show_default="the largest", help="Budget of the best setting, in dollars.")
@option("--out", metavar="DIR", type=PATH, show_default="RESULTS/export/ARM", help="Folder to write.")
@option(
    "--format",
    "format_",
    type=click.Choice(["transformers", "ctranslate2"]),
    default="transformers",
    help="ctranslate2 adds a conversion to the folder that transformers reads.",
)
@option("--serve", is_flag=True, help="Print the command lines that serve the model.")
@cache_option
@models_option
@results_option
@output.options
def model(
    results: Path,
    parent: Path,
    arm: str | None,
    task: str | None,
    budget_usd: float | None,
    out: Path | None,
    format_: str,
    serve: bool,
    cache: Path,
) -> None:
    """Export the compact model of the best setting, with a model card.

    The folder holds safetensors, the tokenizer, the generation config, a script that answers and serves, and README.md. Where the task's
    documents come from the hub, it also holds the hub's .eval_results. The answers of the exported model are compared with the measured
    ones on 50 test documents.

    RESULTS is a results folder, or the suite file that wrote it.
    """
    from rich.text import Text

    from bench.cli import console
    from bench.execution import export as exporting
    from bench.execution.exported import Format
    from bench.report import model_card
    from bench.report.analysis import chosen as choosing
    from bench.report.analysis.active_arms import current
    from bench.results import folders
    from bench.system.files import write_text

    folder = results_folder(results, parent)
    with console.preparing(output.console()) as progress:
        found = current(folders.read(folder))
        chosen = choosing.choose(found, arm=arm, task=task, budget_usd=budget_usd)
        to = out or folder / "export" / chosen.arm
        formats: tuple[Format, ...] = ("transformers", "ctranslate2") if format_ == "ctranslate2" else ("transformers",)
        made = exporting.export(folder, found.records[chosen.arm], to, formats, cache, progress)
        write_text(to / "README.md", model_card.card(found, chosen, made))
        if for_hub := model_card.eval_results(found, chosen, made):
            (to / ".eval_results").mkdir()
            write_text(to / ".eval_results" / f"{chosen.board.task}.yaml", for_hub)
    lines = [f"{one.format}: {one.equal} of {one.documents} answers equal those of {chosen.arm}" for one in made.parities]
    served = model_card.serving(made) if serve else []
    document = {"model": to, "arm": chosen.arm, "parity": [asdict(one) for one in made.parities], "serve": served}
    output.show(lambda: document, lambda _: (Text(line, no_wrap=True, overflow="ignore") for line in (*lines, f"model: {to}", *served)))


@export.command()
@results_argument
@option("--tracking-uri", metavar="URI", show_default="sqlite:///RESULTS/mlflow.db", help="Tracking server, or SQLite file, of MLflow.")
@option("--experiment", metavar="NAME", show_default="the name of the suite", help="Experiment that gets the runs.")
@results_option
@output.options
def mlflow(results: Path, parent: Path, tracking_uri: str | None, experiment: str | None) -> None:
    """Export the arms to MLflow, one run for each arm that has ended.

    A run has the settings of the arm as parameters; scores, dollars, seconds, energy and memory as metrics; suite, arm, fingerprints,
    status and reason as tags. What was not measured is left out. A run that is there already is written again only if it has changed.

    RESULTS is a results folder, or the suite file that wrote it. Needs: pip install 'costbench[mlflow]'
    """
    from bench.api.trackers.mlflow import MLflow

    folder = results_folder(results, parent)
    uri = tracking_uri or f"sqlite:///{(folder / 'mlflow.db').absolute()}"
    _track(folder, lambda suite: MLflow(uri, experiment or suite))


@export.command()
@results_argument
@option("--project", metavar="NAME", show_default="the name of the suite", help="Project that gets the runs.")
@results_option
@output.options
def trackio(results: Path, parent: Path, project: str | None) -> None:
    """Export the arms to trackio's store on this machine, one run for each arm that has ended.

    A run has what one of `bench export mlflow` has; parameters and tags stand in its configuration. Nothing is uploaded. `trackio show`
    opens the dashboard.

    RESULTS is a results folder, or the suite file that wrote it. Needs: pip install 'costbench[trackio]'
    """
    from bench.api.trackers.trackio import Trackio

    _track(results_folder(results, parent), lambda suite: Trackio(project or suite))


def _track(folder: Path, open_tracker: Callable[[str], Tracker]) -> None:
    """Export a results folder to the tracker that `open_tracker` opens for the name of the suite."""
    from rich.text import Text

    from bench.api import trackers
    from bench.cli import console
    from bench.results import folders

    with console.preparing(output.console()) as progress:
        found = folders.read(folder)
        sent = trackers.export(found, open_tracker(str(found.suite.get("suite", folder.name))), progress)
    line = f"{sent.written} runs written, {sent.unchanged} unchanged: {sent.where}"
    output.show(lambda: asdict(sent), lambda _: [Text(line, no_wrap=True, overflow="ignore")])
