"""Long sequences that are not held in memory.

collect     items one by one -> a tuple where they are small, else a sequence in a temporary file
changed     items that a function changes when they are read
picked      the items at some places
joined      several sequences, one after the other

A slice of such a sequence is a sequence of the same kind, and copies nothing.
"""

from __future__ import annotations

import os
import pickle
import tempfile
from array import array
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import accumulate, chain
from typing import Any, Generic, TypeVar, overload

from bench.system.files import OpenFile

T = TypeVar("T")
S = TypeVar("S")

IN_MEMORY = 1 << 25
"""Most bytes of the items of a sequence that stays in memory."""

AT_ONCE = 1 << 20
"""Bytes that are read from the file at once while a sequence is read in order."""


class Collector(Generic[T]):
    """Takes items one by one. They are written to a temporary file once they take more than `IN_MEMORY` bytes."""

    def __init__(self) -> None:
        self._items: list[T] = []
        self._open: OpenFile | None = None
        self._ends = array("q", [0])

    def add(self, item: T) -> None:
        """Add an item. It can be pickled."""
        data = pickle.dumps(item, pickle.HIGHEST_PROTOCOL)
        self._ends.append(self._ends[-1] + len(data))
        if self._open:
            self._open.file.write(data)
            return
        self._items.append(item)
        if self._ends[-1] > IN_MEMORY:
            self._open = OpenFile(tempfile.TemporaryFile())  # noqa: SIM115 - see OpenFile
            self._open.file.writelines(pickle.dumps(item, pickle.HIGHEST_PROTOCOL) for item in self._items)
            self._items = []

    def finish(self) -> Sequence[T]:
        """Return all items. No item is added afterwards."""
        if self._open is None:
            return tuple(self._items)
        self._open.file.flush()
        return _OnDisk(self._open, self._ends, range(len(self._ends) - 1))


def collect(items: Iterable[T]) -> Sequence[T]:
    """Return the items as a sequence, which is in a temporary file if they take more than `IN_MEMORY` bytes."""
    collector = Collector[T]()
    for item in items:
        collector.add(item)
    return collector.finish()


class _Lazy(Sequence[T]):
    """Some places of a sequence whose items are made or read on request."""

    def __init__(self, places: range) -> None:
        self._places = places

    def __len__(self) -> int:
        return len(self._places)

    @overload
    def __getitem__(self, at: int) -> T: ...
    @overload
    def __getitem__(self, at: slice) -> Sequence[T]: ...
    def __getitem__(self, at: int | slice) -> T | Sequence[T]:
        if isinstance(at, slice):
            return self._at(places) if (places := self._places[at]) else ()
        return self._item(self._places[at])

    def _item(self, place: int) -> T:
        raise NotImplementedError

    def _at(self, places: range) -> Sequence[T]:
        raise NotImplementedError


class _OnDisk(_Lazy[T]):
    """Pickled items in a file without a name. Forks read the same file, at places of their own."""

    def __init__(self, opened: OpenFile, ends: array[int], places: range) -> None:
        """ends: the byte at which each item begins, and the end of the last one."""
        super().__init__(places)
        self._open, self._ends = opened, ends

    def __iter__(self) -> Iterator[T]:
        place, stop = self._places.start, self._places.stop
        if self._places.step != 1:
            yield from map(self._item, self._places)
            return
        while place < stop:
            begin = self._ends[place]
            after = max(place + 1, bisect_right(self._ends, begin + AT_ONCE, place, stop + 1) - 1)
            data = memoryview(os.pread(self._open.file.fileno(), self._ends[after] - begin, begin))
            for at in range(place, after):
                yield pickle.loads(data[self._ends[at] - begin : self._ends[at + 1] - begin])  # noqa: S301 - a file of this process
            place = after

    def __reduce__(self) -> tuple[Any, ...]:
        """Pass the open file on to another process. This process has to live until the other one has opened it."""
        return _opened, (f"/proc/{os.getpid()}/fd/{self._open.file.fileno()}", self._ends, self._places)

    def _item(self, place: int) -> T:
        begin, end = self._ends[place], self._ends[place + 1]
        item: T = pickle.loads(os.pread(self._open.file.fileno(), end - begin, begin))  # noqa: S301 - a file of this process
        return item

    def _at(self, places: range) -> Sequence[T]:
        return _OnDisk(self._open, self._ends, places)


def _opened(path: str, ends: array[int], places: range) -> _OnDisk[Any]:
    return _OnDisk(OpenFile(open(path, "rb")), ends, places)


class _Changed(_Lazy[T]):
    def __init__(self, items: Sequence[S], change: Callable[[S], T], places: range) -> None:
        super().__init__(places)
        self._items: Sequence[Any] = items
        self._change = change

    def __iter__(self) -> Iterator[T]:
        return map(self._change, self._items[self._places.start : self._places.stop : self._places.step])

    def _item(self, place: int) -> T:
        return self._change(self._items[place])

    def _at(self, places: range) -> Sequence[T]:
        return _Changed(self._items, self._change, places)


def changed(items: Sequence[S], change: Callable[[S], T]) -> Sequence[T]:
    """Return the items changed by a function: a tuple of a tuple, else a sequence that changes each item when it is read."""
    return tuple(map(change, items)) if isinstance(items, tuple) else _Changed(items, change, range(len(items)))


class _Joined(_Lazy[T]):
    def __init__(self, parts: Sequence[Sequence[T]], places: range) -> None:
        super().__init__(places)
        self._parts, self._starts = parts, [0, *accumulate(map(len, parts))]

    def __iter__(self) -> Iterator[T]:
        return chain.from_iterable(self._parts) if self._places == range(self._starts[-1]) else map(self._item, self._places)

    def _item(self, place: int) -> T:
        part = bisect_right(self._starts, place) - 1
        return self._parts[part][place - self._starts[part]]

    def _at(self, places: range) -> Sequence[T]:
        return _Joined(self._parts, places)


def picked(items: Sequence[T], places: Sequence[int]) -> Sequence[T]:
    """Return the items at some places: a tuple of a tuple, else a sequence that reads each item when it is asked for."""
    if isinstance(items, tuple):
        return tuple(items[place] for place in places)
    return changed(range(len(places)), lambda at: items[places[at]])


def joined(parts: Iterable[Sequence[T]]) -> Sequence[T]:
    """Return the items of all parts in order: a tuple where all parts are tuples."""
    filled = [part for part in parts if part]
    if all(isinstance(part, tuple) for part in filled):
        return tuple(chain.from_iterable(filled))
    return filled[0] if len(filled) == 1 else _Joined(filled, range(sum(map(len, filled))))
