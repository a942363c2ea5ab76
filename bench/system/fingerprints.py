"""What a folder of weights holds, in 16 hex digits: two folders under one name are told apart."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from bench.system.files import exclusive_lock, write_text

DECIDE = ("*.json", "*.safetensors", "*.model", "*.txt", "*.jinja")
"""Files that decide what a model says."""


def of_folder(folder: Path, cache: Path) -> str:
    """sha256 over names and contents. Remembered under `cache` by path, size and time of change, as it takes seconds a gigabyte."""
    files = sorted({path for pattern in DECIDE for path in folder.glob(pattern) if path.is_file()})
    hashes = [(path.name, _of_file(path.resolve(), cache / "fingerprints.json")) for path in files]
    return hashlib.sha256(json.dumps(hashes).encode()).hexdigest()[:16]


def _of_file(path: Path, memory: Path) -> str:
    seen = path.stat()
    key = f"{path} {seen.st_size} {seen.st_mtime_ns}"
    known = _read(memory)
    if key not in known:
        with path.open("rb") as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
        with exclusive_lock(memory.with_name(f"{memory.name}.lock")):
            write_text(memory, json.dumps(_read(memory) | {key: found}))
        return found
    return known[key]


def _read(memory: Path) -> dict[str, str]:
    try:
        known: dict[str, str] = json.loads(memory.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return known
