"""What the store of a results folder holds: sizes, the arms that use each artifact, checksums, and removal of what no record needs.

A record needs the compact model of its arm, and nothing else: scores, charges and predictions are in the arm's folder. An arm that runs
later makes again what was removed.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from pydantic_core import from_json

from bench.contracts import Progress
from bench.errors import BenchError, DamagedError
from bench.execution import artifacts, shared_folder
from bench.execution.record import read_record
from bench.system.one_line import first_line
from bench.system.results_folder import RECORD, SUITE_JSON

USED = "artifacts.json"
"""File of an arm that lists the artifacts it had made or found, relative to the results folder."""


@dataclass(frozen=True, kw_only=True)
class Stored:
    """An artifact in the store, or what was left of one: a damaged copy, a part that a killed process left, training checkpoints."""

    name: str
    """Path relative to the store, such as 'cpu-3a70a16d/finetuned-429802456ca6c3cd'."""
    bytes: int
    arms: tuple[str, ...]
    """Arms that used it. Arms of earlier versions of bench list only their compact model."""
    is_needed: bool
    """Whether it is the compact model of an arm that has a record."""


def contents(results: Path) -> list[Stored]:
    """Return what the store holds, the largest first. Raises BenchError where the folder holds no results."""
    students, used = _uses(results)
    found = [
        Stored(name=name, bytes=_bytes(path), arms=tuple(sorted(used.get(name, ()))), is_needed=name in students)
        for path, name in _paths(results)
        if path.is_dir()
    ]
    return sorted(found, key=lambda one: (-one.bytes, one.name))


def faults(results: Path, progress: Progress) -> dict[str, str | None]:
    """Read all artifacts, and return name -> what is wrong with it: '' where it is intact, None where its bill has no checksums.

    Raises BenchError where the folder holds no results.
    """
    _check(results)
    found: dict[str, str | None] = {}
    complete = [(path, name) for path, name in _paths(results) if path.is_dir() and "." not in path.name]
    for done, (path, name) in enumerate(complete):
        progress("reading artifacts", done, len(complete))
        try:
            bill = artifacts.read_bill(path) or {}
            artifacts.check(path, bill, contents=True)
            found[name] = "" if "files" in bill else None
        except DamagedError as error:
            found[name] = str(error)
    return found


def remove_unneeded(results: Path) -> tuple[int, int]:
    """Remove everything from the store that no record needs. Return the bytes freed, and the number of folders removed.

    Raises BenchError where a run is at work, or the folder holds no results.
    """
    _check(results)
    with shared_folder.one_run(results):
        shared_folder.refuse_arms_at_work(results)
        students, _ = _uses(results)
        unneeded = [(path, _bytes(path)) for path, name in _paths(results) if name not in students]
        folders = [path for path, _ in unneeded if path.is_dir()]
        for folder in folders:
            shutil.rmtree(folder)
        for path, _ in unneeded:
            path.unlink(missing_ok=True)  # locks and leases that killed processes left
        return sum(size for _, size in unneeded), len(folders)


def _check(results: Path) -> None:
    if not (results / SUITE_JSON).exists():
        raise BenchError(f"{results}: holds no results")


def _paths(results: Path) -> Iterator[tuple[Path, str]]:
    """Yield the path and the name of everything in the store."""
    store = results / "store"
    for path in sorted(store.glob("*/*")):
        yield path, path.relative_to(store).as_posix()


def _uses(results: Path) -> tuple[set[str], Mapping[str, set[str]]]:
    """Return the names of the compact models of all records, and name -> arms that used it."""
    _check(results)
    students: set[str] = set()
    used: dict[str, set[str]] = {}
    for folder in results.iterdir():
        path, record = folder / USED, read_record(folder)
        with _named(path, "remove this file"):
            mine = [_name(artifact) for artifact in from_json(path.read_bytes())["artifacts"]] if path.is_file() else []
        if record and record.student:
            with _named(folder / RECORD, "remove its folder to run the arm again"):
                mine.append(_name(record.student))
            students.add(mine[-1])
        for name in mine:
            used.setdefault(name, set()).add(folder.name)
    return students, used


@contextmanager
def _named(path: Path, advice: str) -> Iterator[None]:
    """Let an error of the content of a file be a BenchError that names the file."""
    try:
        yield
    except (ValueError, LookupError, TypeError) as error:
        raise BenchError(f"{path}: names no artifacts of the store ({first_line(error)}); {advice}") from None


def _name(artifact: str) -> str:
    """Return the name of an artifact whose path is store/<name>/artifact."""
    return Path(artifact).parent.relative_to("store").as_posix()


def _bytes(path: Path) -> int:
    return sum(one.stat().st_size for one in (path.rglob("*") if path.is_dir() else (path,)) if one.is_file())
