"""The large model: its name in a suite, and which of its files are on this machine. Nothing is downloaded."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

from pydantic import ValidationError

from bench import registry
from bench.contracts import Checkpoint
from bench.errors import BenchError, CheckpointError
from bench.models.folder import Folder
from bench.models.hub import FILES, Hub
from bench.system.home import expanded
from bench.system.hub_mirror import HUB_ID, MODELS, folder_of, hub_cache, snapshot_of
from bench.system.names import nearest
from bench.system.one_line import shown
from bench.training.hub_ids import published_shape
from bench.training.shapes import config


@dataclass(frozen=True, kw_only=True)
class Large:
    """The large model of the suite."""

    use: str
    """Name of the part in the suite: a part of `models/`, 'folder' or 'hub'."""
    settings: Mapping[str, str] = field(default_factory=dict)
    title: str = ""
    config: Any = None
    """Its transformers config. None where it is unknown on this machine."""
    tokenizer: Path | None = None
    """Folder of the tokenizer, if it is on this machine."""
    lacking: str = ""
    """Why the tokenizer is not on this machine."""

    @property
    def on_hub(self) -> bool:
        """Whether the model is a repository of the hub, and not a part of bench or a local folder."""
        return self.use == "hub"

    @property
    def family(self) -> str:
        """Its `model_type`, or '' where it is unknown."""
        return str(self.config.model_type) if self.config else ""

    @property
    def layers(self) -> tuple[int, int] | None:
        """Number of encoder and decoder layers. None where they are unknown."""
        from bench.training.shrinking import layer_counts

        return layer_counts(self.config) if self.config else None

    def source_positions(self, target_tokens: int) -> int | None:
        """Return how many tokens of a document the model can read beside a label of `target_tokens`. None where there is no limit, or it is
        unknown."""
        from bench.training.positions import source_positions

        return source_positions(self.config, target_tokens) if self.config else None


def large(name: str, cache: Path) -> Large:
    """Return the model that `--model` names: a part of `models/`, a folder, or a hub id, optionally with '@' and a commit. Raises
    BenchError where it is none of these, or a folder holds no model."""
    if name in registry.names("models"):
        try:
            checkpoint = cast(Checkpoint, registry.find("models", name)())
        except ValidationError:
            raise BenchError(f"--model {name}: this model needs settings; use a folder or a hub id, or write them into the suite") from None
        try:
            return _here(name, {}, checkpoint, checkpoint.folder(cache))
        except CheckpointError as error:
            return Large(use=name, title=checkpoint.title, lacking=str(error))
    if expanded(name).is_dir():
        part = Folder(path=name)
        return _here("folder", {"path": name}, part, part.folder(cache))
    repository, _, revision = name.partition("@")
    if re.fullmatch(HUB_ID, repository) and "/" in repository:
        return _hub(repository, revision, cache)
    near = nearest(name, registry.names("models"))
    hint = f"; did you mean '{near}'?" if near else ""
    raise BenchError(f"--model {shown(name)}: expected a part of models/, a folder, or an id of the hub such as google/pegasus-large{hint}")


def _hub(repository: str, revision: str, cache: Path) -> Large:
    settings = {"model": repository} | ({"revision": revision} if revision else {})
    try:
        part = Hub(**settings)
    except ValidationError:
        raise BenchError(f"--model {repository}@{shown(revision)}: expected a commit of 40 hex digits after '@'") from None
    copies = [folder_of(repository, MODELS)]
    copies += [snapshot_of("model", repository, revision, place, FILES) for place in (hub_cache(), cache / "hub")] if revision else []
    if found := next(filter(None, copies), None):
        return _here("hub", settings, part, found)
    try:
        shape = published_shape(repository)
    except CheckpointError:  # the form of a T5 shape, but no such shape
        shape = None
    published = config(shape) if shape else None
    return Large(use="hub", settings=settings, title=repository, config=published, lacking=f"{repository} is not on this machine")


def _here(use: str, settings: Mapping[str, str], part: Checkpoint, folder: Path) -> Large:
    from bench.training.checkpoints import read_config

    return Large(use=use, settings=settings, title=part.title, config=read_config(folder), tokenizer=folder)
