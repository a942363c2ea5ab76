"""A checkpoint in a local folder."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field

from bench.contracts import Checkpoint, ContentPath
from bench.system.home import expanded


class Folder(Checkpoint):
    """A local folder in the transformers layout: config.json, *.safetensors, tokenizer files.

    The folder is identified by the content of these files. A results folder continues if the same model is at another path.
    """

    path: ContentPath = Field(min_length=1)
    """The folder, absolute or relative to the folder in which `bench` runs."""

    @property
    def title(self) -> str:
        return Path(self.path).name

    def folder(self, cache: Path) -> Path:  # noqa: ARG002
        from bench.training.model_folder import check_folder

        return check_folder(expanded(self.path).resolve())

    def licence(self, cache: Path) -> str:  # noqa: ARG002
        from bench.training.model_folder import licence_in

        return licence_in(expanded(self.path))
