"""Pickled weights become safetensors once, with the same numbers, and no file that needs full unpickling does."""

import hashlib
import io
import json
import os
import pickle
import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from bench.errors import CheckpointError
from bench.models.random import Random
from bench.system.fork_server import PYTHON, ForkServer
from bench.training.checkpoints import load
from bench.training.folder_check import faults
from bench.training.model_folder import check_folder, pickled_files
from bench.training.pickled_weights import NETWORK, SUMS, Converted, convert

State = dict[str, Any]

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="session")
def forks() -> Iterator[ForkServer]:
    """Starts processes that have imported torch."""
    with ForkServer({**os.environ, "PYTHONPATH": str(ROOT)}) as server:
        yield server


@pytest.fixture
def in_a_fork(forks: ForkServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The process that unpickles is a fork, which starts in a tenth of a second. Other tests here start it as a user does."""

    def run(command: list[str], **_: Any) -> "subprocess.CompletedProcess[str]":
        assert command[:4] == [*PYTHON, "bench.training.unpickle"]
        log = tmp_path / "unpickle.log"
        forks.start("unpickle", [*PYTHON, "tests.training.unpickle_in_a_fork", *command[4:]], log)
        _, status = forks.next_ended()
        *errors, printed = log.read_text().splitlines() or [""]
        log.unlink()
        return subprocess.CompletedProcess(command, status, printed, "\n".join(errors))

    monkeypatch.setattr(subprocess, "run", run)


def original(cache: Path, family: str) -> Path:
    return Random(family=family, encoder_layers=2, decoder_layers=2).folder(cache)


def pickled(cache: Path, to: Path, family: str = "t5", change: Callable[[State], object] = lambda state: None) -> Path:
    """A copy of a model as torch.save leaves it: every name of the state, the tied ones included."""
    folder = shutil.copytree(original(cache, family), to / family)
    state = dict(load(folder)[0].state_dict())
    change(state)
    (folder / "model.safetensors").unlink()
    torch.save(state, folder / "pytorch_model.bin")
    return folder


def change_config(folder: Path, **changes: object) -> None:
    path = folder / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.rglob("*")}


def about_the_file(made: Converted) -> list[str]:
    """The notes that do not depend on the kernel of this machine."""
    return [note for note in made.notes if note != NETWORK]


@pytest.mark.usefixtures("in_a_fork")
def test_every_family_has_the_same_numbers_afterwards(cache: Path, tmp_path: Path, family: str, logits: Any) -> None:
    folder = pickled(cache, tmp_path, family)
    with pytest.raises(CheckpointError, match=re.escape(f"`bench models convert {folder}`")):
        check_folder(folder)
    before = names(folder)
    made = convert(folder, folder, "here")
    assert list(faults(folder)) == []
    assert about_the_file(made) == []
    assert torch.equal(logits(load(folder)[0]), logits(load(original(cache, family))[0]))
    tensors = load_file(original(cache, family) / "model.safetensors")
    assert (made.tensors, made.parameters) == (len(tensors), sum(tensor.numel() for tensor in tensors.values()))
    assert names(folder) - before == {"model.safetensors", SUMS}


def test_another_folder_gets_configs_and_tokenizer_but_no_pickle(cache: Path, tmp_path: Path) -> None:
    source, target = pickled(cache, tmp_path), tmp_path / "models" / "owner" / "name"
    convert(source, target, "owner/name at commit 0")
    assert names(target) == (names(source) - {"pytorch_model.bin"}) | {"model.safetensors", SUMS}
    assert list(faults(target)) == []
    head, *lines = (target / SUMS).read_text().splitlines()
    assert head == "# owner/name at commit 0"
    files = source / "pytorch_model.bin", target / "model.safetensors"
    assert lines == [f"{hashlib.sha256(file.read_bytes()).hexdigest()}  {file.name}" for file in files]


def test_shards_and_the_format_of_old_torch_are_read(cache: Path, tmp_path: Path, logits: Any) -> None:
    folder = pickled(cache, tmp_path)
    state = torch.load(folder / "pytorch_model.bin", weights_only=True)
    (folder / "pytorch_model.bin").unlink()
    places = {name: f"pytorch_model-0000{1 + i % 2}-of-00002.bin" for i, name in enumerate(state)}
    for shard in set(places.values()):
        part = {name: state[name].clone() for name, place in places.items() if place == shard}
        torch.save(part, folder / shard, _use_new_zipfile_serialization=False)
    (folder / "pytorch_model.bin.index.json").write_text(json.dumps({"weight_map": places}))
    assert len(pickled_files(folder)) == 2
    convert(folder, folder, "here")
    assert torch.equal(logits(load(folder)[0]), logits(load(original(cache, "t5"))[0]))
    pickled_files(folder)[1].unlink()
    with pytest.raises(CheckpointError, match="1 of 2"):
        pickled_files(folder)


def test_half_precision_and_a_model_without_its_head_are_read(cache: Path, tmp_path: Path) -> None:
    """facebook/bart-base was saved without the output layer, and so without the name of the model before each tensor."""

    def change(state: State) -> None:
        del state["lm_head.weight"], state["final_logits_bias"]
        for name in [*state]:
            state[name.removeprefix("model.")] = state.pop(name).half()

    folder = pickled(cache, tmp_path, "bart", change)
    assert about_the_file(convert(folder, folder, "here")) == []
    expected, found = (load(path)[0].state_dict() for path in (original(cache, "bart"), folder))
    assert all(torch.equal(found[name], tensor.half().float()) for name, tensor in expected.items())


@pytest.mark.usefixtures("in_a_fork")
def test_positions_that_old_files_of_pegasus_lack_are_generated(cache: Path, tmp_path: Path, logits: Any) -> None:
    def change(state: State) -> None:
        for name in [name for name in state if "embed_positions" in name]:
            del state[name]

    folder = pickled(cache, tmp_path, "pegasus", change)
    assert len(about_the_file(convert(folder, folder, "here"))) == 2
    torch.testing.assert_close(logits(load(folder)[0]), logits(load(original(cache, "pegasus"))[0]))


def test_tensors_that_the_config_does_not_ask_for_are_left_out_and_noted(cache: Path, tmp_path: Path) -> None:
    folder = pickled(cache, tmp_path, "t5", lambda state: state.update({"encoder.version": torch.ones(1)}))
    (note,) = about_the_file(convert(folder, folder, "here"))
    assert "encoder.version" in note
    assert "encoder.version" not in load_file(folder / "model.safetensors")


@pytest.mark.usefixtures("in_a_fork")
def test_old_files_of_llama_hold_frequencies_which_the_config_gives(cache: Path, tmp_path: Path) -> None:
    name = "model.layers.0.self_attn.rotary_emb.inv_freq"
    right = load(original(cache, "llama"))[0].model.rotary_emb.inv_freq
    folder = pickled(cache, tmp_path, "llama", lambda state: state.update({name: right.half()}))
    convert(folder, folder, "here")
    other = pickled(cache, tmp_path / "other", "llama", lambda state: state.update({name: right * 2}))
    with pytest.raises(CheckpointError, match=name):
        convert(other, other, "here")


def differ(name: str) -> Callable[[State], None]:
    return lambda state: state.update({name: state[name] + 1})


QUERY = "encoder.block.0.layer.0.SelfAttention.q.weight"

WRONG: dict[str, tuple[str, Callable[[State], object], str]] = {
    "tied input": ("t5", differ("encoder.embed_tokens.weight"), "encoder.embed_tokens.weight"),
    "tied output": ("bart", differ("lm_head.weight"), "lm_head.weight"),
    "tied output, causal": ("llama", differ("lm_head.weight"), "lm_head.weight"),
    "no output": ("t5_v1_1", lambda state: state.pop("lm_head.weight"), "lm_head.weight"),
    "other positions": ("pegasus", differ("model.encoder.embed_positions.weight"), "embed_positions.weight"),
    "missing": ("t5", lambda state: state.pop("encoder.final_layer_norm.weight"), "encoder.final_layer_norm.weight"),
    "adapter": ("llama", lambda state: state.update({"x.lora_A.weight": torch.ones(2)}), "x.lora_A.weight"),
    "integers": ("t5", lambda state: state.update({QUERY: state[QUERY].to(torch.int8)}), "I8"),
}


@pytest.mark.usefixtures("in_a_fork")
@pytest.mark.parametrize("kind", WRONG)
def test_weights_that_do_not_fit_the_config_are_refused(cache: Path, tmp_path: Path, kind: str) -> None:
    family, change, named = WRONG[kind]
    folder = pickled(cache, tmp_path, family, change)
    before = names(folder)
    with pytest.raises(CheckpointError) as refused:
        convert(folder, folder, "here")
    assert named in str(refused.value)
    assert all(line.startswith(f"{folder}: ") for line in str(refused.value).splitlines())
    assert names(folder) == before


@pytest.mark.usefixtures("in_a_fork")
@pytest.mark.parametrize("settings", [{"auto_map": {"AutoModel": "x.X"}}, {"model_type": "gpt2"}, {"num_layers": 3}])
def test_a_config_that_is_refused_with_safetensors_is_refused_here(cache: Path, tmp_path: Path, settings: dict[str, object]) -> None:
    source = pickled(cache, tmp_path)
    change_config(source, **settings)
    with pytest.raises(CheckpointError):
        convert(source, tmp_path / "models" / "new", "here")
    assert not (tmp_path / "models" / "new").exists()


def test_safetensors_are_not_replaced(cache: Path, tmp_path: Path) -> None:
    folder = pickled(cache, tmp_path)
    save_file({"a": torch.ones(1)}, folder / "model.safetensors")
    before = (folder / "model.safetensors").read_bytes()
    with pytest.raises(CheckpointError, match="safetensors already"):
        convert(folder, folder, "here")
    assert (folder / "model.safetensors").read_bytes() == before


class Runs:
    """An object whose pickle runs a command when it is unpickled."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, (f"touch {self.marker}",)


def in_tar(path: Path, marker: Path) -> None:
    """The oldest format of torch, which weights_only of torch before 2.6 unpickled in full (CVE-2025-32434)."""
    with tarfile.open(path, "w") as tar:
        for name in ("storages", "tensors", "pickle"):
            content = pickle.dumps(Runs(marker))
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))


def in_torchscript(path: Path, marker: Path) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        for name in ("data.pkl", "constants.pkl"):
            archive.writestr(f"archive/{name}", pickle.dumps(Runs(marker)))
        archive.writestr("archive/version", "3\n")


def compressed(path: Path, _: Path) -> None:
    """A file of torch that holds many zeros in few bytes."""
    torch.save({"a": torch.zeros(1 << 20)}, path)
    with zipfile.ZipFile(path) as archive:
        entries = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in entries.items():
            archive.writestr(name, content)


def views(path: Path, _: Path) -> None:
    whole = torch.zeros(100_000)
    torch.save({f"t{i}": whole[i:] for i in range(5)}, path)


HOSTILE: dict[str, Callable[[Path, Path], object]] = {
    "plain pickle": lambda path, marker: path.write_bytes(pickle.dumps({"a": Runs(marker)})),
    "pickle of protocol 0": lambda path, marker: path.write_bytes(pickle.dumps(Runs(marker), protocol=0)),
    "zip": lambda path, marker: torch.save({"a": torch.ones(1), "b": Runs(marker)}, path),
    "legacy": lambda path, marker: torch.save({"a": Runs(marker)}, path, _use_new_zipfile_serialization=False),
    "tar": in_tar,
    "torchscript": in_torchscript,
    "a module": lambda path, _: torch.save(torch.nn.Linear(2, 2), path),
    "one number for many": lambda path, _: torch.save({"a": torch.zeros(1).expand(10**9)}, path),
    "overlapping views": views,
    "compressed": compressed,
    "escape codes in a name": lambda path, _: torch.save({"\x1b[31mred": torch.zeros(1).expand(10**9)}, path),
    "sparse": lambda path, _: torch.save({"a": torch.eye(3).to_sparse()}, path),
    "a list": lambda path, _: torch.save([torch.ones(2)], path),
    "nested": lambda path, _: torch.save({"state": {"a": torch.ones(2)}}, path),
    "numbers as names": lambda path, _: torch.save({1: torch.ones(2)}, path),
    "empty": lambda path, _: path.write_bytes(b""),
    "noise": lambda path, _: path.write_bytes(bytes(range(256)) * 4),
    "cut off": lambda path, _: path.write_bytes(path.read_bytes()[:5000]),
}


@pytest.mark.usefixtures("in_a_fork")
def test_a_folder_that_a_killed_conversion_left_is_removed(cache: Path, tmp_path: Path) -> None:
    folder = pickled(cache, tmp_path)
    (folder / ".converting-abc").mkdir()
    (folder / ".converting-abc" / "model.safetensors").touch()
    convert(folder, folder, "here")
    assert not [name for name in names(folder) if name.startswith(".converting-")]


@pytest.mark.usefixtures("in_a_fork")
@pytest.mark.parametrize("kind", HOSTILE)
def test_a_file_that_needs_full_unpickling_is_refused_in_one_line(cache: Path, tmp_path: Path, kind: str) -> None:
    folder, marker = pickled(cache, tmp_path), tmp_path / "ran"
    HOSTILE[kind](folder / "pytorch_model.bin", marker)
    before = names(folder)
    with pytest.raises(CheckpointError) as refused:
        convert(folder, folder, "here")
    assert str(refused.value).startswith(f"{folder}: pytorch_model.bin ")
    assert str(refused.value).isprintable()
    assert not marker.exists()
    assert names(folder) == before


CONTAINED = r"""
import os, pickle, socket, subprocess, sys, ctypes, shutil
from bench.training.unpickle import refuse_side_effects
attempts = {
    "socket": lambda: socket.socket(),
    "resolve": lambda: socket.getaddrinfo("localhost", 1),
    "process": lambda: subprocess.run(["true"]),
    "shell": lambda: os.system("true"),
    "fork": os.fork,
    "exec": lambda: os.execv("/bin/true", ["true"]),
    "write": lambda: open("new", "w"),
    "append": lambda: open("old", "a"),
    "remove": lambda: os.remove("old"),
    "rename": lambda: os.rename("old", "new"),
    "library": lambda: ctypes.CDLL("libc.so.6"),
    "unpickle": lambda: pickle.loads(pickle.dumps(print)),
}
refuse_side_effects()
for name, attempt in attempts.items():
    try:
        attempt()
    except PermissionError:
        continue
    print(name)
print(open("old").read())
"""


def test_the_process_that_unpickles_can_read_and_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "old").write_text("content")
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-c", CONTAINED], cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.stdout.splitlines() == ["content"], done.stderr
    assert names(tmp_path) == {"old"}


def test_the_process_that_unpickles_has_no_network_device(tmp_path: Path) -> None:
    code = (
        "import os, socket; from bench.training.unpickle import leave_network; before = os.readlink('/proc/self/ns/net'); leave_network();"
        "print(before != os.readlink('/proc/self/ns/net'), *(name for _, name in socket.if_nameindex()))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    left, *devices = done.stdout.split()
    if left == "False":
        pytest.skip("this kernel gives a process without rights no network namespace")
    assert set(devices) <= {"lo"}


@pytest.mark.parametrize("network", [True, False])
def test_a_note_says_where_the_kernel_leaves_the_network(
    in_a_fork: None, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, network: bool
) -> None:
    real = subprocess.run

    def run(command: list[str], **options: Any) -> Any:
        done = real(command, **options)
        done.stdout = json.dumps(json.loads(done.stdout) | {"network": network})
        return done

    monkeypatch.setattr(subprocess, "run", run)
    folder = pickled(cache, tmp_path)
    assert (NETWORK in convert(folder, folder, "here").notes) == network


def test_keys_of_the_user_do_not_reach_the_process_that_unpickles(cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[dict[str, str]] = []
    real = subprocess.run

    def run(command: list[str], **options: Any) -> Any:
        seen.append(options["env"])
        return real(command, **options)

    monkeypatch.setenv("HF_TOKEN", "secret")
    monkeypatch.setattr(subprocess, "run", run)
    folder = pickled(cache, tmp_path)
    convert(folder, folder, "here")
    assert ["secret" in environment.values() for environment in seen] == [False]
