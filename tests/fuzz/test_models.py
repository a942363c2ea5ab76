"""Folders of models: config, list of shards, generation settings, adapter, model card. No weight is loaded."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.errors import CheckpointError
from bench.forecast.memory.architectures import of_folder
from bench.models.random import Random
from bench.training.folder_check import LAYERS_AT_MOST, faults
from bench.training.model_folder import licence_in, pickled_files, weight_files
from tests.fuzz import hostile

SMALL = {"encoder_layers": 1, "decoder_layers": 1, "width": 8, "feed_forward": 8, "heads": 1}
SHARDS = {"metadata": {}, "weight_map": {"shared.weight": "model.safetensors", "lm_head.weight": "model-2.safetensors"}}
CARD = b"---\nlicense: mit\nlanguage: [en]\n---\n# A model\n"
FILES = ("config.json", "generation_config.json", "model.safetensors.index.json", "adapter_config.json", "README.md")


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with every file that may describe a model."""
    cache = tmp_path_factory.mktemp("models")
    folder = shutil.copytree(Random(family="t5", **SMALL).folder(cache), cache / "model")
    (folder / "model.safetensors.index.json").write_text(json.dumps(SHARDS))
    (folder / "README.md").write_bytes(CARD)
    return folder


@pytest.mark.parametrize("name", FILES)
@hostile.cases(50)
@given(data=st.data())
def test_a_folder_is_a_model_or_has_faults(name: str, data: st.DataObject, model: Path) -> None:
    path = model / name
    before = path.read_bytes() if path.exists() else None
    seed = before or json.dumps({"peft_type": "LORA", "base_model_name_or_path": "t5", "task_type": "SEQ_2_SEQ_LM"}).encode()
    weights = model / "model.safetensors"
    try:
        path.write_bytes(data.draw(hostile.raw(seed) if name == "README.md" else hostile.files_of(json.loads(seed))))
        if name == "model.safetensors.index.json":
            weights.rename(model / "model-1.safetensors")
        with hostile.survived("model configs", model):
            licence_in(model)
            pickled_files(model)
            assert all(fault.text for fault in faults(model))
            of_folder(model)
    finally:
        if name == "model.safetensors.index.json":
            (model / "model-1.safetensors").rename(weights)
        if before is None:
            path.unlink(missing_ok=True)
        else:
            path.write_bytes(before)


def changed(model: Path, to: Path, name: str, **changes: Any) -> Path:
    folder = shutil.copytree(model, to / "model")
    (folder / name).write_text(json.dumps(json.loads((folder / name).read_text()) | changes))
    return folder


def test_a_config_of_a_million_layers_is_a_fault_and_is_not_built(model: Path, tmp_path: Path) -> None:
    folder = changed(model, tmp_path, "config.json", num_layers=1_000_000)
    (fault,) = (fault.text for fault in faults(folder) if "num_layers" in fault.text)
    assert f"{LAYERS_AT_MOST:,}" in fault


@pytest.mark.parametrize("token", ["</s>", 10**30, {}, 1.5])
def test_a_token_that_is_no_number_of_the_vocabulary_is_a_fault(token: Any, model: Path, tmp_path: Path) -> None:
    folder = changed(model, tmp_path, "generation_config.json", eos_token_id=token)
    assert [fault.text for fault in faults(folder) if "eos_token_id" in fault.text and "generation_config.json" in fault.text]


@pytest.mark.parametrize("shard", ["../model.safetensors", "/etc/passwd", "a/b", 5, None, ""])
def test_shards_lie_in_the_folder(shard: Any, model: Path, tmp_path: Path) -> None:
    folder = changed(model, tmp_path, "model.safetensors.index.json", weight_map={"a": shard})
    (folder / "model.safetensors").rename(tmp_path / "model.safetensors")
    with pytest.raises(CheckpointError, match=r"index\.json"):
        weight_files(folder)


def test_a_model_card_that_cannot_be_read_states_no_licence(tmp_path: Path) -> None:
    for front in (b"[" * 100_000, b"license: !!bool x", b"license: !!float ''", b"- a", b"license: 2026-99-99", b"\xff"):
        (tmp_path / "README.md").write_bytes(b"---\n" + front + b"\n---\n")
        assert licence_in(tmp_path) == ""
    (tmp_path / "README.md").write_bytes(CARD)
    assert licence_in(tmp_path) == "mit"
