"""Local copies of models and data sets from the hub, for machines without a network.

Whatever a suite names by its hub id is looked up in three places: a folder that the user names
(`DIR/owner/name`), the hub's cache on this machine, and the hub. One suite therefore runs unchanged with and
without a network. With a network, `hf download owner/name --local-dir DIR/owner/name` makes such a copy (for
a data set, add `--repo-type dataset`).

An environment variable names the folder, for two reasons. Arms run in fresh processes, and these inherit the
environment from any executor. The place of the copies is also a fact of the machine, not of the question. As
a setting of a part it would change the identity of everything made from it.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Literal

from bench.system.home import expanded

Variable = Literal["BENCH_MODELS", "BENCH_DATA"]

MODELS: Variable = "BENCH_MODELS"
"""The variable that names the folder of models. `--models` sets it."""
DATA: Variable = "BENCH_DATA"
"""The variable that names the folder of data sets. `--data` sets it."""

HUB_ID = r"^[A-Za-z0-9][\w.-]*(/[A-Za-z0-9][\w.-]*)?$"
"""Pattern of a hub id: 'owner/name', or 'name' alone as some old repositories have it."""


def folder_of(hub_id: str, variable: Variable) -> Path | None:
    """Return DIR/owner/name where `variable` names DIR and that folder exists, else None.

    Nothing in the folder is checked, and it has no revision.
    """
    place = os.environ.get(variable)
    if not place or not re.fullmatch(HUB_ID, hub_id):
        return None
    folder = expanded(place) / hub_id
    return folder if folder.is_dir() else None


def missing_from(variable: Variable) -> str:
    """Return a phrase for an error message: the named folder holds no copy, or no folder is named."""
    place = os.environ.get(variable)
    return f"not in {place} ({variable})" if place else f"{variable} names no folder"


def hub_cache() -> Path:
    """Return the folder of the hub's own cache: HF_HUB_CACHE, by default ~/.cache/huggingface/hub."""
    from huggingface_hub import constants

    return Path(constants.HF_HUB_CACHE)


def snapshot_of(kind: Literal["model", "dataset"], hub_id: str, revision: str, cache: Path, files: list[str] | None = None) -> Path | None:
    """Return the folder of one revision in a cache with the hub's layout. No network is used.

    The result is None where the cache lacks the revision, or is known to lack one of its `files` (patterns;
    None: all). The cache has a list of files for what `snapshot_download` or `hf download` fetched. It has no
    list for what transformers or datasets fetched file by file.
    """
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HFValidationError, LocalEntryNotFoundError

    try:
        found = snapshot_download(hub_id, repo_type=kind, revision=revision, allow_patterns=files, cache_dir=cache, local_files_only=True)
    except (LocalEntryNotFoundError, HFValidationError):
        return None
    return Path(found)


def is_listed(snapshot: Path) -> bool:
    """Return whether the hub's list of files lies beside a snapshot, so that `snapshot_of` has compared the
    two."""
    return (snapshot.parents[1] / "trees" / f"{snapshot.name}.json").is_file()
