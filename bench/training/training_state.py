"""The state of an unfinished training in files: tensors as safetensors, everything else as JSON.

    tensors-<n>.safetensors    NAME: trained weights; NAME/KEY: what the optimiser keeps of them; generator/DEVICE: torch's generators
    state.json                 losses, micro-batch, numbers of the optimiser, other generators, the file of kept encoder states

The examples of a step follow from its number, and the learning rate from the share used, so neither is kept. A model is in fp32 and its
gradients are zero between two steps. Frozen weights are those of the model that the training began with.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch

from bench.errors import BenchError
from bench.system.one_line import first_line
from bench.training.encoder_states import EncoderStates, Kept

SHARD_BYTES = 2**28
"""Bytes of tensors after which another file begins. Copies from a GPU take about as much memory."""

GENERATOR = "generator"


@dataclass(kw_only=True)
class TrainingState:
    """All that changes in a training from step to step."""

    model: Any
    optimizer: torch.optim.Optimizer
    device: str
    encoder: EncoderStates
    micro_batch_size: int | None
    """Examples in memory at a time, which a training reduces where the GPU's memory does not suffice. None: the whole batch."""
    losses: list[float] = field(default_factory=list)
    """Loss of each step that is done."""
    seen: int = 0
    """Examples trained on."""

    def write(self, folder: Path) -> None:
        """Write the state into an empty folder. Raises OSError where the disk is full."""
        from safetensors import SafetensorError
        from safetensors.torch import save_file

        try:
            for number, shard in enumerate(_shards(self._tensors())):
                save_file(shard, folder / f"tensors-{number:05}.safetensors")
        except SafetensorError as error:
            raise OSError(str(error)) from error
        state = {
            "losses": self.losses,
            "seen": self.seen,
            "micro_batch_size": self.micro_batch_size,
            "optimizer": {name: value for name, value in self._optimizer_values() if not isinstance(value, torch.Tensor)},
            "python": random.getstate(),
            "numpy": _numpy_generator(),
            "encoder": self.encoder.written(),
        }
        (folder / "state.json").write_text(json.dumps(state, allow_nan=False), encoding="utf-8")

    def read(self, folder: Path, kept_after: Callable[[int], Kept]) -> None:
        """Set everything to the state in a folder. kept_after: number of steps -> the sources whose encoder states were kept by then.

        Raises any Exception but BenchError where the state is one of another training, and has changed nothing by then. Raises BenchError
        where it has, so that the training cannot go on.
        """
        found = json.loads((folder / "state.json").read_text(encoding="utf-8"))
        weights, files = self._weights(), sorted(folder.glob("*.safetensors"))
        self._check(files, found, weights)
        self.encoder.restore(found["encoder"], kept_after(len(found["losses"])))
        try:
            self._set_all(found, files, weights)
        except Exception as error:
            raise BenchError(f"{folder.name}: a part of the state cannot be set ({first_line(error)})") from error

    def _set_all(self, found: Mapping[str, Any], files: list[Path], weights: dict[str, torch.nn.Parameter]) -> None:
        from safetensors import safe_open

        for file in files:
            with safe_open(file, framework="pt", device="cpu") as opened:
                for name in opened.keys():  # noqa: SIM118 - it is no mapping
                    self._set(name, opened.get_tensor(name), weights)
        for name, value in found["optimizer"].items():
            owner, _, key = name.rpartition("/")
            self.optimizer.state[weights[owner]][key] = value
        self.losses, self.seen, self.micro_batch_size = found["losses"], found["seen"], found["micro_batch_size"]
        version, words, gauss = found["python"]
        random.setstate((version, tuple(words), gauss))
        algorithm, words, *rest = found["numpy"]
        np.random.set_state((algorithm, np.array(words, dtype=np.uint32), *rest))

    def _weights(self) -> dict[str, torch.nn.Parameter]:
        return {name: weight for name, weight in self.model.named_parameters() if weight.requires_grad}

    def _optimizer_values(self) -> Iterator[tuple[str, Any]]:
        for name, weight in self._weights().items():
            for key, value in self.optimizer.state.get(weight, {}).items():
                yield f"{name}/{key}", value

    def _tensors(self) -> Iterator[tuple[str, torch.Tensor]]:
        yield from ((name, weight.detach()) for name, weight in self._weights().items())
        yield from ((name, value) for name, value in self._optimizer_values() if isinstance(value, torch.Tensor))
        yield f"{GENERATOR}/cpu", torch.get_rng_state()
        if self.device.startswith("cuda"):
            yield f"{GENERATOR}/cuda", torch.cuda.get_rng_state(self.device)

    def _check(self, files: list[Path], found: Mapping[str, Any], weights: dict[str, torch.nn.Parameter]) -> None:
        from safetensors import safe_open

        shapes: dict[str, list[int]] = {}
        for file in files:
            with safe_open(file, framework="pt", device="cpu") as opened:
                shapes |= {name: opened.get_slice(name).get_shape() for name in opened.keys()}  # noqa: SIM118 - it is no mapping
        trained = {name: [*weight.shape] for name, weight in weights.items()}
        if {name: shape for name, shape in shapes.items() if "/" not in name} != trained:
            raise ValueError("it has other weights than this model trains")
        owners = {name.rpartition("/")[0] for name in (*shapes, *found["optimizer"]) if "/" in name} - {GENERATOR}
        if owners - trained.keys() or {"losses", "seen", "micro_batch_size", "encoder", "python", "numpy"} - found.keys():
            raise ValueError("its optimiser or generators are those of another training")

    def _set(self, name: str, tensor: torch.Tensor, weights: dict[str, torch.nn.Parameter]) -> None:
        owner, _, key = name.rpartition("/")
        if owner == GENERATOR and key == "cpu":
            torch.set_rng_state(tensor)
        elif owner == GENERATOR:
            torch.cuda.set_rng_state(tensor, self.device)
        elif owner:
            self.optimizer.state[weights[owner]][key] = tensor.to(self.device, copy=True)
        else:
            with torch.no_grad():
                weights[key].copy_(tensor)


def _shards(tensors: Iterator[tuple[str, torch.Tensor]]) -> Iterator[dict[str, torch.Tensor]]:
    """Yield the tensors on the CPU, as many at a time as a file holds. A shard is emptied before the next one is filled."""
    shard, storages, size = dict[str, torch.Tensor](), set[int](), 0
    for name, tensor in tensors:
        shard[name] = _on_cpu(tensor, storages)
        storages.add(_storage(shard[name]))
        size += tensor.nbytes
        if size >= SHARD_BYTES:
            yield shard
            shard.clear()
            storages, size = set(), 0
    if shard:
        yield shard


def _on_cpu(tensor: torch.Tensor, storages: Collection[int]) -> torch.Tensor:
    """Return a tensor that is contiguous, on the CPU, and in none of these storages: safetensors refuses tensors that share memory. A
    tensor that is already so is not copied."""
    plain = tensor.to("cpu").contiguous()
    return plain.clone() if _storage(plain) in storages else plain


def _storage(tensor: torch.Tensor) -> int:
    return tensor.untyped_storage().data_ptr()


def _numpy_generator() -> list[Any]:
    algorithm, words, *rest = np.random.get_state()
    return [algorithm, np.asarray(words).tolist(), *rest]
