"""`bench models`: copies of pretrained models on this machine."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import click

from bench.cli import output
from bench.cli.options import FOLDER, cache_option, option
from bench.system.home import expanded
from bench.system.hub_mirror import MODELS


@click.group()
def models() -> None:
    """Prepare copies of pretrained models."""


@models.command()
@click.argument("model", metavar="MODEL")
@option("--revision", metavar="COMMIT", show_default="the newest", help="Commit of the hub, 40 hex digits.")
@option(
    "--models",
    "parent",
    metavar="DIR",
    type=FOLDER,
    envvar=MODELS,
    show_envvar=True,
    default=Path("models"),
    help="Folder for the converted model, which is written to DIR/owner/name.",
)
@cache_option
@output.options
def convert(model: str, revision: str | None, parent: Path, cache: Path) -> None:
    """Convert pickled weights (pytorch_model.bin) to safetensors, once.

    MODEL is a hub id, such as google/pegasus-large, or a folder, which is
    converted in place. No code from the file is run: weights that need
    full unpickling are refused.
    """
    from bench.cli import console
    from bench.models.hub import pickled_snapshot
    from bench.training.model_folder import pickled_files
    from bench.training.pickled_weights import SUMS
    from bench.training.pickled_weights import convert as to_safetensors

    screen, folder = output.console(), expanded(model)
    target = folder if folder.is_dir() else parent / model
    in_place = folder.is_dir() or bool(pickled_files(target))
    if in_place and revision is not None:
        raise click.UsageError(f"--revision: the commit of the weights in {target} is unknown; remove them, or --revision")
    source, origin = target, f"folder {target.name}, commit unknown"
    with console.preparing(screen) as progress:
        if not in_place:
            progress(f"fetching {model}", 0, 0)
            source, commit = pickled_snapshot(model, revision, cache.absolute())
            origin = f"{model} at commit {commit}"
        progress("converting", 0, 0)
        made = to_safetensors(source, target, origin)
    lines = [f"note: {note}" for note in made.notes]
    lines.append(f"{made.folder}: {made.tensors} tensors, {made.parameters / 1e6:.1f} M parameters; the digests are in {SUMS}")
    lines += [] if target is folder else [f"use it with --models {parent}"]
    output.show(lambda: asdict(made), lambda _: lines)
