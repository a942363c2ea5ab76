"""Scores of one arm by example, as predictions.jsonl holds them."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow
import pyarrow.json
from numpy.typing import NDArray
from pydantic_core import from_json

from bench.execution.ledger import LARGEST

Key = tuple[str, str]
"""Subject and metric."""

State = tuple[int, ...]
"""Facts about a file that change when its content does."""

IDS_ARE_TEXT = pyarrow.json.ParseOptions(explicit_schema=pyarrow.schema({"id": pyarrow.string()}))
LARGE_BLOCKS = pyarrow.json.ReadOptions(block_size=1 << 22)
"""Bytes that are parsed at a time. A longer line cannot be read so."""


@dataclass(frozen=True, kw_only=True)
class Examples:
    """Scores of one arm by example."""

    ids: tuple[str, ...]
    """Ids of the test examples."""
    scores: Mapping[Key, NDArray[np.float64]]
    """(subject, metric) -> a score for each id, in the unit of the score, shape (examples,); NaN where an example has none. Subjects are
    those of the table: student, teacher or 'floor: NAME'."""
    log_probs: Mapping[str, NDArray[np.float64]] = field(default_factory=dict)
    """Student or teacher -> natural logarithm of the probability of each output, shape (examples,). Results before 2026-12 have none."""


_SEEN: dict[tuple[str, ...], tuple[str, ...]] = {}
"""Tuples of test example ids. Each is kept once, because all arms of a task have the same ids."""


def once(ids: tuple[str, ...]) -> tuple[str, ...]:
    """Return the stored tuple that equals `ids`."""
    return _SEEN.setdefault(ids, ids)


_KNOWN: dict[Path, tuple[State, Examples]] = {}
"""Path -> the state of the file when it was read, and its scores. The leaderboard is drawn again after every arm."""


def read(path: Path) -> Examples:
    """Read a predictions.jsonl. Raises OSError, KeyError, TypeError, ValueError, AttributeError or OverflowError where the file is not as
    expected."""
    now, known = _state(path), _KNOWN.get(path)
    if known is None or known[0] != now:
        known = _KNOWN[path] = now, _parsed(path)
    return known[1]


def read_ahead(paths: Iterable[Path]) -> None:
    """Read many files at once for `read`, ten times as fast as one by one.

    Files that cannot be read so are left to `read`, which says what is wrong with them.
    """
    groups: dict[tuple[tuple[Key, ...], tuple[str, ...]], list[tuple[Path, State, bytes]]] = {}
    for path in paths:
        with suppress(OSError, KeyError, TypeError, ValueError, AttributeError):
            now = _state(path)
            if path not in _KNOWN or _KNOWN[path][0] != now:
                content = path.read_bytes()
                first = from_json(content.partition(b"\n")[0])
                alike = _keys(first["scores"]), _subjects(first)
                groups.setdefault(alike, []).append((path, now, content))
    for (keys, subjects), files in groups.items():
        with suppress(pyarrow.ArrowException, KeyError, TypeError, ValueError, AttributeError, OverflowError):
            found = _parsed_at_once([content for _, _, content in files], keys, subjects)
            _KNOWN.update({path: (now, one) for (path, now, _), one in zip(files, found, strict=True) if one})


def _state(path: Path) -> State:
    now = path.stat()
    return now.st_size, now.st_mtime_ns, now.st_ctime_ns, now.st_ino


def _keys(scores: Mapping[str, Iterable[str]]) -> tuple[Key, ...]:
    """Return the subjects and metrics of an example's scores, sorted."""
    return tuple(sorted((sys.intern(who), sys.intern(metric)) for who, of in scores.items() for metric in of))


def _subjects(line: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the subjects whose log-probabilities an example holds, sorted."""
    return tuple(sorted(map(sys.intern, line.get("log_probs", ()))))


def _parsed(path: Path) -> Examples:
    lines = from_json(b"[%s]" % b",".join(line for line in path.read_bytes().split(b"\n") if line))  # one call is twice as fast
    ids = tuple(sys.intern(str(line["id"])) for line in lines)
    if len(set(ids)) < len(ids):
        raise ValueError(f"{path.name} holds an example twice")
    scores = [line["scores"] for line in lines]
    keys = _keys(scores[0]) if scores else ()
    if any(sum(map(len, one.values())) != len(keys) for one in scores):
        raise ValueError(f"{path.name} holds examples with unlike scores")
    subjects = _subjects(lines[0]) if lines else ()
    if any(_subjects(line) != subjects for line in lines):
        raise ValueError(f"{path.name} holds examples with unlike log-probabilities")
    return Examples(
        ids=once(ids),
        scores={(who, m): _checked(np.array([one[who][m] for one in scores], dtype=np.float64)) for who, m in keys},
        log_probs={who: _checked(np.array([line["log_probs"][who] for line in lines], dtype=np.float64)) for who in subjects},
    )


def _checked(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return scores. NaN stands for a missing one. Raises ValueError where one is too large, or is a list."""
    if values.ndim != 1 or (np.abs(values) > LARGEST).any():
        raise ValueError(f"a score is no number up to {LARGEST:g}")
    return values


def _parsed_at_once(contents: Sequence[bytes], keys: Sequence[Key], subjects: Sequence[str]) -> list[Examples | None]:
    """Return the scores of several files; None for one that holds an example twice.

    Raises ArrowException, KeyError, TypeError, ValueError or AttributeError where any line lacks a score of `keys`, or has another one.
    """
    table = pyarrow.json.read_json(pyarrow.BufferReader(b"\n".join(contents)), LARGE_BLOCKS, IDS_ARE_TEXT)
    scores, ids = table["scores"].combine_chunks(), table["id"].combine_chunks().dictionary_encode()
    columns = {key: _column(scores, key) for key in keys}
    if sum(subject.type.num_fields for subject in scores.flatten()) != len(keys) or ids.null_count:
        raise ValueError("unlike scores")
    log_probs = _log_probs(table, subjects)
    ends = np.cumsum([sum(map(bool, content.split(b"\n"))) for content in contents]).tolist()
    if ends[-1] != len(table):
        raise ValueError("lines that hold several examples, or parts of one")
    names, places = ids.dictionary.to_pylist(), ids.indices.to_numpy()
    known: dict[bytes, tuple[str, ...]] = {}  # all files of a task have the same ids
    found: list[Examples | None] = []
    for start, end in zip([0, *ends[:-1]], ends, strict=True):
        of_file = places[start:end]
        if (same := of_file.tobytes()) not in known:
            known[same] = once(tuple(sys.intern(names[place]) for place in of_file))
        different = len(set(known[same])) == end - start
        of_keys = {key: all_[start:end] for key, all_ in columns.items()}
        of_subjects = {subject: all_[start:end] for subject, all_ in log_probs.items()}
        found.append(Examples(ids=known[same], scores=of_keys, log_probs=of_subjects) if different else None)
    return found


def _log_probs(table: pyarrow.Table, subjects: Sequence[str]) -> dict[str, NDArray[np.float64]]:
    """Return subject -> log-probabilities of all lines. Raises ValueError where any line lacks one, or has another one."""
    held = table["log_probs"].combine_chunks() if "log_probs" in table.column_names else None
    if (0 if held is None else held.type.num_fields) != len(subjects):
        raise ValueError("unlike log-probabilities")
    return {} if held is None else {subject: _numbers(held, held.field(subject)) for subject in subjects}


def _column(scores: pyarrow.StructArray, key: Key) -> NDArray[np.float64]:
    """Return one score of all lines. Raises ValueError where a line lacks it, or has no number there."""
    of_subject = scores.field(key[0])
    return _numbers(scores, of_subject, of_subject.field(key[1]))


def _numbers(*path: pyarrow.Array) -> NDArray[np.float64]:
    """Return the last of nested arrays as numbers. Raises ValueError where any of them lacks a value."""
    if any(one.null_count for one in path):
        raise ValueError("a number is missing")
    return _checked(path[-1].cast(pyarrow.float64()).to_numpy())
