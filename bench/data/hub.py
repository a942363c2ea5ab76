"""Data sets of the Hugging Face Hub at a pinned revision, or local folders of the same layout. No remote code runs."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.errors import DataError
from bench.system.files import build_once
from bench.system.fingerprints import ALL, of_folder
from bench.system.home import expanded
from bench.system.hub_mirror import DATA, folder_of, hub_cache, is_listed, missing_from, snapshot_of

HUB_TIMEOUT_S = 10
"""Seconds that the Hub may take to answer before it counts as unreachable."""


@dataclass(frozen=True, kw_only=True)
class DataSet:
    """A data set to load."""

    path: str
    """Name on the Hub (owner/name), or a local folder."""
    name: str | None
    """Name of the configuration, where the data set has several."""
    revision: str | None
    """Commit or tag. Required unless `path` is a folder."""
    splits: tuple[tuple[str, str], ...]
    """(name in the result, name of the split in the data set)."""

    def load(self, cache: Path) -> Mapping[str, Any]:
        """Return name -> `datasets.Dataset`. The places are tried in this order: the folder that `--data` names, bench's cache, a complete
        snapshot in the hub's cache on this machine, the Hub. Data from the last two is kept in bench's cache. Raises DataError."""
        folder = folder_of(self.path, DATA) or expanded(self.path)
        if folder.is_dir():
            # `datasets` identifies a local file by its path and mtime, so each content gets a cache of its
            # own.
            return self._read(str(folder), None, cache / "hub" / "folders" / of_folder(folder, cache, decide=ALL))
        if self.revision is None:
            raise DataError(
                f"{self.path}: `revision` is needed (a commit or a tag), unless the path is a folder; "
                f"there is no such folder here; {missing_from(DATA)}"
            )
        what = json.dumps([self.path, self.name, self.revision, dict(self.splits)])
        kept = cache / "hub" / hashlib.sha256(what.encode()).hexdigest()[:16]
        build_once(kept, self._fetch)
        from datasets import load_from_disk

        loaded: Mapping[str, Any] = load_from_disk(str(kept))
        return loaded

    def _fetch(self, folder: Path) -> None:
        from datasets import DatasetDict

        assert self.revision is not None
        copy = snapshot_of("dataset", self.path, self.revision, hub_cache())
        if copy and not is_listed(copy):  # it may be partial, and would lack examples silently
            copy = None
        commit = None if copy else self._commit()
        shutil.rmtree(folder, ignore_errors=True)
        # A separate cache: after a failure `datasets` falls back on the latest version in its cache, whatever
        # the revision.
        arrow = folder.with_name(f"{folder.name}.arrow")
        try:
            DatasetDict(self._read(str(copy or self.path), commit, arrow)).save_to_disk(str(folder))
        finally:
            shutil.rmtree(arrow, ignore_errors=True)

    def _commit(self) -> str:
        """Return the commit that the revision names. It is requested first, with a time limit, because `datasets` alone would retry for
        minutes."""
        from huggingface_hub import HfApi
        from huggingface_hub.errors import HfHubHTTPError, HFValidationError

        try:
            commit = HfApi().dataset_info(self.path, revision=self.revision, timeout=HUB_TIMEOUT_S).sha
        except HFValidationError as e:
            raise DataError(f"{self.path}: neither a folder here nor a hub id of the form owner/name") from e
        except HfHubHTTPError as e:
            raise DataError(f"{self.path} at revision {self.revision}: {self._lacking()}; the Hub refuses: {_one_line(e)}") from e
        except Exception as e:  # The HTTP library whose errors arrive here has changed between versions of huggingface_hub.
            raise DataError(
                f"{self.path}: {self._lacking()}; the Hugging Face Hub cannot be reached ({_one_line(e)}). Without a network, put a copy "
                f"into DIR/{self.path} and say --data DIR; the tasks 'docstrings' and 'files' need none"
            ) from e
        assert commit is not None
        return commit

    def _lacking(self) -> str:
        return f"{missing_from(DATA)}; no whole snapshot in {hub_cache()}"

    def _read(self, path: str, revision: str | None, arrow: Path) -> dict[str, Any]:
        from datasets import load_dataset

        names = dict(self.splits)
        try:
            loaded = load_dataset(path, self.name, revision=revision, split=list(names.values()), cache_dir=str(arrow))
        except Exception as e:  # Data files can fail in any reader of `datasets`.
            raise DataError(f"{path}: {_one_line(e.__cause__ or e)}") from e
        return dict(zip(names, loaded, strict=True))


def _one_line(error: BaseException) -> str:
    return (str(error).strip().split("\n")[0] or type(error).__name__).rstrip(".")
