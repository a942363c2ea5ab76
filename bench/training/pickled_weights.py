"""Converts a model whose weights are pickled (`pytorch_model.bin`) into safetensors, once, without running code from the file."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from bench.errors import CheckpointError
from bench.system.files import sha256, write_text
from bench.system.one_line import first_line, shown
from bench.training.checkpoints import model_class, read_config, sinusoids
from bench.training.folder_check import POSITIONS, faults
from bench.training.model_folder import INDEX, PICKLED_INDEX, PICKLED_WEIGHTS, WEIGHTS, pickled_files, read_json

COPIED = ("*.json", "*.model", "*.txt", "*.jinja")
"""Configs and tokenizer files, which lie beside the weights in the converted folder."""

UNFINISHED = ".converting-"
"""Begins the name of the folder in which a model is made."""

SUMS = "SHA256SUMS"
"""File beside the weights with the sha256 of the pickled files and of the result. `sha256sum --ignore-missing --check` reads it."""

NETWORK = "this kernel permits no network namespace, so native code in the process that read the file could use the network"
"""Note of a conversion."""

HEAD = "lm_head.weight"
"""The output layer of every family."""

KEPT_ENVIRONMENT = ("PATH", "PYTHONPATH", "LD_LIBRARY_PATH", "HOME", "LANG", "LC_ALL", "TMPDIR")
"""Variables that the process which unpickles gets. Tokens and keys stay out of it."""


@dataclass(frozen=True, kw_only=True)
class Converted:
    """A converted model."""

    folder: Path
    tensors: int
    """Number of tensors in the weights. A tied one counts once."""
    parameters: int
    """Number of weights."""
    notes: tuple[str, ...]
    """What the file held in addition, and what was generated."""


def convert(source: Path, target: Path, origin: str) -> Converted:
    """Write the model in `source` to `target` with safetensors, which `target` does not have yet. The two may be one folder.

    origin: the model and its commit, for the file with the digests. Raises CheckpointError where the pickled files need full unpickling,
    or hold other tensors than config.json describes. `target` is then left as it was.
    """
    files = pickled_files(source)
    if not files:
        raise CheckpointError(f"{source}: holds no {PICKLED_WEIGHTS}")
    if any((target / name).exists() for name in (WEIGHTS, INDEX)):
        raise CheckpointError(f"{target}: holds safetensors already, so there is nothing to convert")
    target.mkdir(parents=True, exist_ok=True)
    for left in target.glob(f"{UNFINISHED}*"):  # of a process that was killed
        shutil.rmtree(left, ignore_errors=True)
    try:
        with tempfile.TemporaryDirectory(prefix=UNFINISHED, dir=target) as place:
            return _convert_at(Path(place), source, target, origin, files)
    finally:
        if not any(target.iterdir()):
            target.rmdir()


def _convert_at(made: Path, source: Path, target: Path, origin: str, files: list[Path]) -> Converted:
    """Make and check the model in the folder `made`, then move it to `target`."""
    for path in (path for pattern in COPIED for path in source.glob(pattern) if path.name != PICKLED_INDEX):
        shutil.copyfile(path, made / path.name)
    tensors, network = _unpickled(files, made / WEIGHTS)
    try:
        kept, notes = _as_the_config_says(made, tensors)
        notes += [NETWORK] if network else []
        _write(kept, made / WEIGHTS)
        if refused := [fault.text for fault in faults(made) if fault.refuses]:
            raise CheckpointError("\n".join(refused))
    except CheckpointError as error:
        raise CheckpointError(str(error).replace(str(made), str(source))) from None
    digests = [f"{sha256(path)}  {path.name}" for path in (*files, made / WEIGHTS)]
    write_text(made / SUMS, "\n".join([f"# {origin}", *digests, ""]))
    new = {SUMS, WEIGHTS} if source.samefile(target) else {path.name for path in made.iterdir()}
    for name in sorted(new, key=lambda name: name == WEIGHTS):  # the weights last: without them the folder is no model
        (made / name).replace(target / name)
    return Converted(folder=target, tensors=len(kept), parameters=sum(tensor.numel() for tensor in kept.values()), notes=tuple(notes))


def _unpickled(files: list[Path], out: Path) -> tuple[dict[str, torch.Tensor], bool]:
    """Return (the tensors of pickled files by name, whether native code could use the network). Another process reads the files and writes
    safetensors to `out`."""
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    command = [sys.executable, "-P", "-m", "bench.training.unpickle", str(out), *map(str, files)]
    environment = {name: os.environ[name] for name in KEPT_ENVIRONMENT if name in os.environ}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, errors="replace", check=False)  # noqa: S603
    where = files[0].parent
    try:
        answer = json.loads(done.stdout)
        if "error" not in answer:
            tensors = load_file(out)
            return tensors | {other: tensors[name] for other, name in answer["aliases"].items()}, bool(answer["network"])
    except (ValueError, TypeError, LookupError, AttributeError, OSError, SafetensorError):  # it was killed, or is not what it was
        last = shown((done.stderr.strip().splitlines() or ["no output"])[-1], 200)
        raise CheckpointError(f"{where}: the process that reads {files[0].name} ended with {done.returncode} ({last})") from None
    raise CheckpointError(f"{where}: {answer['error']}; it is not converted. Ask its authors for safetensors")


def _as_the_config_says(folder: Path, found: Mapping[str, torch.Tensor]) -> tuple[dict[str, torch.Tensor], list[str]]:
    """Return the tensors that the config asks for, each once, and notes about the others. Raises CheckpointError where tied tensors differ,
    or generated ones differ from their formula."""
    config = read_config(folder)
    try:
        with torch.device("meta"):
            model = model_class(config).from_config(config)
    except Exception as error:  # any entry of a config may raise, such as an activation
        raise CheckpointError(f"{folder}: config.json: no such model can be built ({first_line(error)}); copy it again") from error
    asked = set(model.state_dict())
    tensors = {_full_name(name, model.base_model_prefix, asked): tensor for name, tensor in found.items()}
    unused = sorted(tensors.keys() - asked)
    if adapters := [name for name in unused if "lora_" in name]:
        raise CheckpointError(f"{folder}: the weights hold an adapter that is not merged ({shown(adapters[0], 80)}); merge it first")
    _check_frequencies(folder, model, tensors)
    notes = [f"{len(unused)} tensors that config.json does not ask for are left out, such as {shown(unused[0], 80)}"] if unused else []
    kept = _each_tied_once(folder, model, {name: tensor for name, tensor in tensors.items() if name in asked})
    generated = dict(_generated(config, asked - kept.keys()))
    notes += [f"{name} is generated, because the file lacks it" for name in generated]
    return kept | generated, notes


def _full_name(name: str, prefix: str, asked: set[str]) -> str:
    """Return the name in the whole model of a tensor that was saved with it, or with the model without its output layer."""
    return f"{prefix}.{name}" if name not in asked and f"{prefix}.{name}" in asked else name


def _each_tied_once(folder: Path, model: Any, tensors: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Return the tensors without copies of tied ones. Raises CheckpointError where a copy differs, or an untied output layer is missing."""
    head_is_tied = read_json(folder, "config.json").get("tie_word_embeddings", model.config.tie_word_embeddings)
    for copy, original in model.all_tied_weights_keys.items():
        if copy == HEAD and not head_is_tied:
            if copy not in tensors:
                raise CheckpointError(f"{folder}: config.json has an output layer of its own, and the weights lack {HEAD}")
        elif copy in tensors and original not in tensors:
            tensors[original] = tensors.pop(copy)
        elif copy in tensors and not _equal(tensors.pop(copy), tensors[original]):
            raise CheckpointError(f"{folder}: {copy} and {original} differ in the weights, and config.json ties them")
    return tensors


def _equal(one: torch.Tensor, other: torch.Tensor) -> bool:
    return one.dtype == other.dtype and torch.equal(one, other)


def _check_frequencies(folder: Path, model: Any, tensors: Mapping[str, torch.Tensor]) -> None:
    """Compare stored rotary frequencies, which old Llama files have, with those of the config. Raises CheckpointError."""
    stored = [name for name in tensors if name.endswith("rotary_emb.inv_freq")]
    rotary = next((module for name, module in model.named_modules() if name.endswith("rotary_emb")), None)
    if not stored or rotary is None:
        return
    expected = type(rotary)(config=model.config).inv_freq
    for name in stored:
        given = tensors[name].float()
        if given.shape != expected.shape or not torch.allclose(given, expected, rtol=1e-2, atol=1e-6):
            raise CheckpointError(f"{folder}: {shown(name, 80)} differs from the frequencies that config.json gives")


def _generated(config: Any, missing: set[str]) -> Iterator[tuple[str, torch.Tensor]]:
    """Yield Pegasus' positions where the file lacks them: a formula, which old files leave out."""
    if config.model_type == "pegasus":
        for name in sorted(name for name in missing if name.endswith(POSITIONS)):
            yield name, sinusoids(config.max_position_embeddings, config.d_model)


def _write(tensors: dict[str, torch.Tensor], path: Path) -> None:
    from safetensors.torch import save_file

    part = path.with_name(f"{path.name}.part")
    first = {tensor.data_ptr(): name for name, tensor in reversed(tensors.items())}
    own = {name: tensor if first[tensor.data_ptr()] == name else tensor.clone() for name, tensor in tensors.items()}
    save_file(own, part, metadata={"format": "pt"})
    part.replace(path)
