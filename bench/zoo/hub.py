"""A model of the Hugging Face hub, at a pinned revision."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field

from bench.contracts import Checkpoint
from bench.errors import CheckpointError

FILES = ["*.json", "*.safetensors", "*.model", "*.txt"]
"""Configs, weights that cannot run code, tokenizers."""


class Hub(Checkpoint):
    """A repository of the hub. Downloaded once; after that no network is needed."""

    model: str = Field(pattern=r"^[A-Za-z0-9][\w.-]*(/[A-Za-z0-9][\w.-]*)?$")
    """Repository, such as 'google-t5/t5-small'."""
    revision: str = Field(pattern=r"^[0-9a-f]{40}$")
    """Commit of the repository, 40 hex digits: a branch or a tag could come to mean something else."""

    @property
    def title(self) -> str:
        return self.model

    def folder(self, cache: Path) -> Path:
        from bench.training.models import check_folder

        return check_folder(self._download(cache / "hub"))

    def _download(self, cache: Path) -> Path:
        from huggingface_hub import snapshot_download
        from huggingface_hub.errors import HfHubHTTPError

        try:
            return Path(snapshot_download(self.model, revision=self.revision, allow_patterns=FILES, cache_dir=cache))
        except HfHubHTTPError as error:
            reason = str(error).strip().splitlines()[0]
            raise CheckpointError(f"{self.model} at {self.revision[:8]}: the hub refused it: {reason}") from error
        except OSError as error:  # LocalEntryNotFoundError, and what the disk may say
            raise CheckpointError(
                f"{self.model} cannot be fetched, the hub is out of reach; without a network name `flan_t5_small`, or a `folder`"
            ) from error
