"""Copies of what the hub has, for machines without a network.

Whatever a suite names by its hub id is looked up in three places: in a folder that the user names (`DIR/owner/name`), in the
hub's cache on this machine, on the hub. So one suite runs unchanged with a network and without. Where there is a network,
`hf download owner/name --local-dir DIR/owner/name` makes such a copy (with `--repo-type dataset`, of a data set).

The folder is named by an environment variable, for two reasons. Arms run in fresh processes, which inherit the environment
whatever executor starts them. And where copies lie is a fact of the machine, not of the question: as a setting of a part it
would change the identity of everything that is made from it.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Literal

Variable = Literal["BENCH_MODELS", "BENCH_DATA"]

MODELS: Variable = "BENCH_MODELS"
"""Names the folder of models; `--models` sets it."""
DATA: Variable = "BENCH_DATA"
"""Names the folder of data sets; `--data` sets it."""

HUB_ID = r"^[A-Za-z0-9][\w.-]*(/[A-Za-z0-9][\w.-]*)?$"
"""'owner/name', or 'name' alone as some old repositories have it."""


def folder_of(hub_id: str, variable: Variable) -> Path | None:
    """DIR/owner/name, where `variable` names DIR and that folder is there. Nothing in it is checked, and it has no revision."""
    place = os.environ.get(variable)
    if not place or not re.fullmatch(HUB_ID, hub_id):
        return None
    folder = Path(place).expanduser() / hub_id
    return folder if folder.is_dir() else None


def missing_from(variable: Variable) -> str:
    """For an error's message: the named folder does not hold a copy, or none is named."""
    place = os.environ.get(variable)
    return f"not in {place} ({variable})" if place else f"{variable} names no folder"


def hub_cache() -> Path:
    """Where the hub's own tools keep what they fetch: HF_HUB_CACHE, by default ~/.cache/huggingface/hub."""
    from huggingface_hub import constants

    return Path(constants.HF_HUB_CACHE)


def snapshot_of(kind: Literal["model", "dataset"], hub_id: str, revision: str, cache: Path, files: list[str] | None = None) -> Path | None:
    """The folder of one revision in a cache of the hub's layout, looked up without a network.

    None where the cache lacks it, or lacks one of its `files` (patterns; None: all) and knows so. It knows what
    `snapshot_download` or `hf download` fetched; of what transformers or datasets fetched file by file it knows no list.
    """
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HFValidationError, LocalEntryNotFoundError

    try:
        found = snapshot_download(hub_id, repo_type=kind, revision=revision, allow_patterns=files, cache_dir=cache, local_files_only=True)
    except (LocalEntryNotFoundError, HFValidationError):
        return None
    return Path(found)


def is_listed(snapshot: Path) -> bool:
    """Whether the hub's list of files lies beside a snapshot, so that `snapshot_of` has compared the two."""
    return (snapshot.parents[1] / "trees" / f"{snapshot.name}.json").is_file()
