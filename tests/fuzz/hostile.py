"""Hostile input, made from real one, and what every reader of files promises: BenchError or nothing, in time, and inside its folder."""

from __future__ import annotations

import copy
import json
import math
import os
import signal
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from bench.errors import BenchError

SHORT = 3000
"""Cases of all kinds in `make test`, always the same ones."""
LONG = os.environ.get("BENCH_DRAWS")
"""Cases of all kinds to draw instead, from the seed of `--hypothesis-seed`."""

LIMIT_S = 60
"""Seconds after which a case hangs. No case takes one."""

RAN = Counter[str]()
"""Kind of input -> cases that ran in this process."""


def nested(depth: int) -> list[Any]:
    """A list inside a list, and so on."""
    found: list[Any] = []
    for _ in range(depth):
        found = [found]
    return found


VALUES: tuple[Any, ...] = (
    *(None, True, False, -1, 0, 1, 2**31, 2**63, 10**400, 1e308, -1e308, 5e-324, math.nan, math.inf, -math.inf),
    *("", " ", "\0", "\x1b[31m", "\u202e", "\ud800", "\U0001f600", "a" * 5000, "nan", "1e999", "=1+1", "<script>", "'; --", "{0}", "%s"),
    *("../../up", "/etc/passwd", "a/b", "..", "null", "[]", "\n", "a\nb", "é" * 200),
    *([], {}, [None], [[]], [1, "a", None], {"": 0}, {"a": {"a": {}}}, nested(90), nested(300)),
)
"""Wrong types, numbers at the end of their range, texts that other programs run or follow, deep nesting."""

NUMBERS = [value for value in VALUES if type(value) in (int, float)]
ALIKE = {int: NUMBERS, float: NUMBERS} | {kind: [value for value in VALUES if type(value) is kind] for kind in (str, list, dict, bool)}
"""Type -> values of the same type."""

TOKENS = (
    *(b"{", b"}", b"[", b"]", b'"', b"'", b",", b":", b"\n", b"\r", b"\t", b"\0", b"\xff", b"\xed\xa0\x80", b"\xef\xbb\xbf", b"\\ud800"),
    *(
        b"NaN",
        b"Infinity",
        b"1e999",
        b"9" * 400,
        b"9" * 5000,
        b"[" * 400,
        b'{"a":' * 300,
        b"&a [*a, *a]",
        b"!!bool x",
        b"!!float ''",
    ),
    *(b"- ", b"? ", b"<<: ", b"|", b"%", b"#", b"@", b"`", b"\x1b[2J", b"\xe2\x80\xae"),
)
"""Bytes that formats give a meaning, or forbid."""

values = st.sampled_from(VALUES) | st.text(max_size=8) | st.floats() | st.integers()


@st.composite
def trees(draw: st.DrawFn, seed: Any) -> Any:
    """A tree of lists and mappings in which up to three places hold something else, are gone, or stand twice."""
    tree = copy.deepcopy(seed)
    for _ in range(draw(st.integers(1, 3))):
        place = tree
        while True:
            keys = [*place] if isinstance(place, dict) else range(len(place))
            if not keys:
                break
            key = draw(st.sampled_from(keys))
            if isinstance(place[key], dict | list) and place[key] and draw(st.integers(0, 3)):
                place = place[key]
                continue
            _change(draw, place, key)
            break
    return tree


def _change(draw: st.DrawFn, place: Any, key: Any) -> None:
    match draw(st.sampled_from(("replace", "replace", "alike", "alike", "remove", "wrap", "more"))):
        case "replace":
            place[key] = copy.deepcopy(draw(values))
        case "alike":
            place[key] = copy.deepcopy(draw(st.sampled_from(ALIKE.get(type(place[key]), VALUES))))
        case "remove":
            del place[key]
        case "wrap":
            place[key] = [place[key]]
        case "more" if isinstance(place, dict):
            place[draw(st.sampled_from(("", "a", "..", "\0", "use", "with"))) if draw(st.booleans()) else f"{key} "] = place[key]
        case _:
            place.insert(key, copy.deepcopy(place[key]))


@st.composite
def raw(draw: st.DrawFn, seed: bytes) -> bytes:
    """Bytes of which up to three pieces are gone, stand twice, or hold something else."""
    found = seed
    for _ in range(draw(st.integers(1, 3))):
        start = draw(st.integers(0, len(found)))
        end = min(len(found), start + draw(st.sampled_from((0, 1, 2, 10, 100))))
        put = draw(st.sampled_from(TOKENS) | st.binary(max_size=4) | st.just(2 * found[start:end]))
        found = found[:start] if draw(st.integers(0, 9)) == 0 else found[:start] + put + found[end:]
    return found


def as_json(tree: Any) -> bytes:
    """JSON as Python writes it: NaN is a number, and half a character is escaped."""
    return json.dumps(tree).encode()


def files_of(tree: Any) -> st.SearchStrategy[bytes]:
    """JSON files like the one that holds the tree."""
    return trees(tree).map(as_json) | raw(as_json(tree))


def cases(number: int) -> settings:
    """Settings of a test that runs so many of the 3,000 cases, or as large a part of the cases that are asked for."""
    return settings(
        max_examples=max(1, int(LONG) * number // SHORT) if LONG else number,
        derandomize=not LONG,
        database=None,
        deadline=None,
        print_blob=True,
        suppress_health_check=[*HealthCheck],
    )


class _Hangs(BaseException): ...


def _hangs(*_: object) -> None:
    raise _Hangs(f"longer than {LIMIT_S} s")


@contextmanager
def survived(kind: str, folder: Path) -> Iterator[None]:
    """Run a case: it may raise a BenchError with a message, ends in time, and writes nothing outside `folder`."""
    RAN[kind] += 1
    before = signal.signal(signal.SIGALRM, _hangs)
    signal.alarm(LIMIT_S)
    try:
        with _watch.inside(folder):
            yield
    except BenchError as error:
        assert str(error).strip()  # noqa: PT017 - any error but a BenchError fails
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)
    assert _watch.outside == []


class _Watch:
    """Sees every file that this process writes, moves or removes from Python."""

    def __init__(self) -> None:
        self.folder: str | None = None
        self.outside: list[str] = []
        sys.addaudithook(self._see)

    @contextmanager
    def inside(self, folder: Path) -> Iterator[None]:
        self.folder, self.outside = f"{folder.resolve()}/", []
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(sys, "dont_write_bytecode", True)
            patch.setattr(tempfile, "tempdir", str(folder))
            try:
                yield
            finally:
                self.folder = None

    def _see(self, event: str, arguments: tuple[Any, ...]) -> None:
        if self.folder is None or event not in CHANGES:
            return
        for path in CHANGES[event](*arguments):
            if isinstance(path, str | bytes | os.PathLike):
                whole = os.path.realpath(os.fsdecode(path))
                if not f"{whole}/".startswith(self.folder) and whole != os.devnull:
                    self.outside.append(f"{event} {whole}")


def _opened(path: Any, mode: Any, flags: Any) -> tuple[Any, ...]:
    return (path,) if isinstance(flags, int) and flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND) else ()


CHANGES: dict[str, Callable[..., tuple[Any, ...]]] = {
    "open": _opened,
    **dict.fromkeys(("os.mkdir", "os.truncate"), lambda path, *_: (path,)),
    **dict.fromkeys(("os.remove", "os.rmdir"), lambda path, folder: (path,) if folder == -1 else ()),
    **dict.fromkeys(("os.rename", "os.link"), lambda source, target, *_: (source, target)),
    "os.symlink": lambda source, target, *_: (target,),
}
"""Audit event -> the paths that change by it."""

_watch = _Watch()
