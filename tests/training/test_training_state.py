"""The tensors of an unfinished training are written one file after the other, and take no more memory than one of them."""

from __future__ import annotations

import weakref
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from bench.training import training_state


def test_the_copies_of_one_file_are_freed_before_those_of_the_next_are_made(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(training_state, "SHARD_BYTES", 1)
    copies: list[weakref.ref[torch.Tensor]] = []

    def transposed() -> Iterator[tuple[str, torch.Tensor]]:
        for name in "abc":
            assert [copy for copy in copies if copy() is not None] == []
            yield name, torch.ones(2, 3).T

    for shard in training_state._shards(transposed()):
        copies += map(weakref.ref, shard.values())
    assert len(copies) == 3


def test_on_a_cpu_only_what_shares_memory_or_is_not_contiguous_is_copied(tmp_path: Path) -> None:
    one, other = torch.arange(6.0), torch.arange(4.0)
    tensors = {"one": one, "same": one, "part": one[2:4], "other": other, "across": other.view(2, 2).T, "empty": torch.empty(0)}
    (shard,) = training_state._shards(iter(tensors.items()))
    assert [name for name, tensor in shard.items() if tensor is tensors[name]] == ["one", "other", "empty"]
    save_file(shard, tmp_path / "tensors.safetensors")
    found = load_file(tmp_path / "tensors.safetensors")
    assert all(torch.equal(found[name], tensor) for name, tensor in tensors.items())
