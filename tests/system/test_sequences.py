"""Long sequences: those in a file, and those that are made of others, give what a tuple gives."""

from __future__ import annotations

import os
import pickle
import sys
from collections.abc import Callable, Sequence
from functools import partial

import pytest

from bench.system import sequences
from bench.system.processes import in_child
from bench.system.sequences import changed, collect, joined, picked

ITEMS = tuple({"text": "x" * (i % 7), "number": i} for i in range(500))


@pytest.fixture
def on_disk(monkeypatch: pytest.MonkeyPatch) -> Sequence[dict[str, object]]:
    monkeypatch.setattr(sequences, "IN_MEMORY", 1000)
    monkeypatch.setattr(sequences, "AT_ONCE", 300)
    return collect(iter(ITEMS))


def test_a_few_items_stay_in_memory_and_many_do_not(on_disk: Sequence[object]) -> None:
    assert collect(ITEMS[:3]) == ITEMS[:3]
    assert not isinstance(on_disk, tuple)


MADE: dict[str, Callable[[Sequence[dict[str, object]]], Sequence[object]]] = {
    "whole": lambda items: items,
    "slice": lambda items: items[100:333],
    "slice of a slice": lambda items: items[100:333][7:-20],
    "every third": lambda items: items[5:400:3],
    "changed": lambda items: changed(items, lambda item: item["number"]),
    "slice of changed": lambda items: changed(items, lambda item: item["number"])[20:30],
    "picked": lambda items: picked(items, [3, 499, 0, 77]),
    "joined": lambda items: joined((items[:7], (), items[400:], ITEMS[:2])),
    "slice of joined": lambda items: joined((items[:7], items[400:]))[5:10],
    "nothing": lambda items: items[9:9],
}


@pytest.mark.parametrize("make", MADE.values(), ids=MADE)
def test_a_sequence_on_the_disk_gives_what_a_tuple_gives(
    make: Callable[[Sequence[dict[str, object]]], Sequence[object]], on_disk: Sequence[dict[str, object]]
) -> None:
    found, expected = make(on_disk), make(ITEMS)
    assert isinstance(expected, tuple)
    assert (tuple(found), len(found)) == (expected, len(expected))
    assert [found[i] for i in range(-len(expected), len(expected))] == [*expected, *expected]
    with pytest.raises(IndexError):
        found[len(expected)]


def test_parts_in_memory_are_joined_to_a_tuple() -> None:
    assert joined(((1, 2), (), (3,))) == (1, 2, 3)
    assert joined(()) == ()


def test_two_readers_do_not_disturb_each_other(on_disk: Sequence[object]) -> None:
    assert all(one == other for one, other in zip(on_disk, on_disk, strict=True))


@pytest.mark.skipif(sys.platform != "linux", reason="work is forked on Linux alone")
def test_another_process_passes_a_sequence_on_without_its_items(on_disk: Sequence[object]) -> None:
    pid, found = in_child(lambda: (os.getpid(), collect(ITEMS)))
    assert pid != os.getpid()
    assert not isinstance(found, tuple)
    assert tuple(found) == ITEMS
    assert len(pickle.dumps(on_disk)) < len(pickle.dumps(ITEMS))
    assert tuple(in_child(partial(tuple, on_disk))) == ITEMS
