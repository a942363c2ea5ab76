"""A model folder of your own."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field

from bench.contracts import Checkpoint


class Folder(Checkpoint):
    """A local folder in the transformers layout: config.json, *.safetensors, tokenizer files.

    It is known by its path: a model that changes in place goes unnoticed by what was made from it before.
    """

    path: str = Field(min_length=1)
    """The folder, absolute or relative to where `bench` runs."""

    @property
    def title(self) -> str:
        return Path(self.path).name

    def folder(self, cache: Path) -> Path:  # noqa: ARG002
        from bench.training.checkpoints import check_folder

        return check_folder(Path(self.path).expanduser().resolve())
