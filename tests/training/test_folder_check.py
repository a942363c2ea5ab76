"""What is wrong with a model in a folder is found without loading it: one line each, all at once."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from bench.errors import CheckpointError
from bench.models.random import Random
from bench.training.checkpoints import load
from bench.training.folder_check import faults
from bench.training.model_folder import check_folder, weight_files

Damage = Callable[[Path], object]


def copy(cache: Path, to: Path, family: str = "t5") -> Path:
    return shutil.copytree(Random(family=family, encoder_layers=2, decoder_layers=2).folder(cache), to / family)


def change(folder: Path, name: str, **changes: object) -> None:
    path = folder / name
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


def without(folder: Path, name: str, key: str) -> None:
    path = folder / name
    path.write_text(json.dumps({other: value for other, value in json.loads(path.read_text()).items() if other != key}))


def weights(folder: Path, **changes: torch.Tensor | None) -> None:
    path = folder / "model.safetensors"
    tensors = {**load_file(path), **changes}
    save_file({name: tensor for name, tensor in tensors.items() if tensor is not None}, path, metadata={"format": "pt"})


def sharded(folder: Path, keep: tuple[int, ...] = (0, 1)) -> None:
    tensors = load_file(folder / "model.safetensors")
    (folder / "model.safetensors").unlink()
    files = [f"model-0000{i}-of-00002.safetensors" for i in (1, 2)]
    places = {name: files[i % 2] for i, name in enumerate(sorted(tensors))}
    for i in keep:
        save_file(
            {name: tensors[name] for name, place in places.items() if place == files[i]}, folder / files[i], metadata={"format": "pt"}
        )
    (folder / "model.safetensors.index.json").write_text(json.dumps({"metadata": {}, "weight_map": places}))


def more_tokens(folder: Path) -> None:
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(folder)
    tokenizer.add_tokens(["<one>", "<two>"])
    tokenizer.save_pretrained(folder)


def fewer_embeddings(folder: Path) -> None:
    rows = 300
    embedding = next(name for name in load_file(folder / "model.safetensors") if name.endswith(("shared.weight", "embed_tokens.weight")))
    weights(folder, **{embedding: load_file(folder / "model.safetensors")[embedding][:rows].clone()})
    change(folder, "config.json", vocab_size=rows)


def without_end(folder: Path) -> None:
    change(folder, "tokenizer.json", post_processor=None)


def start_in_place_of_end(folder: Path) -> None:
    path = folder / "tokenizer.json"
    processor = json.loads(path.read_text())["post_processor"]
    processor["single"] = list(reversed(processor["single"]))
    change(folder, "tokenizer.json", post_processor=processor)


def quantised_in_config(folder: Path) -> None:
    change(folder, "config.json", quantization_config={"quant_method": "gptq", "bits": 4})


def damaged(name: str, keep: int = 0) -> Damage:
    return lambda folder: (folder / name).write_bytes((folder / name).read_bytes()[:keep])


def put(name: str, content: object = None) -> Damage:
    return lambda folder: (folder / name).write_text(json.dumps(content or {}))


NAME = "encoder.block.1.layer.0.SelfAttention.q.weight"
LLAMA_NAME = "model.layers.1.mlp.up_proj.weight"

KINDS: dict[str, tuple[str, Damage, tuple[str, ...]]] = {
    "added tokens": ("t5", more_tokens, ("2 tokens", "'<one>'", "config.json", "resize_token_embeddings")),
    "added tokens, causal": ("llama", more_tokens, ("2 tokens", "'<one>'", "resize_token_embeddings")),
    "embeddings cut": ("t5", fewer_embeddings, ("(300)", "vocab_size 300", "resize_token_embeddings")),
    "no end token": ("t5", without_end, ("tokenizer.json", "no end token", "post_processor", "'</s>'")),
    "no end token, bart": ("bart", without_end, ("tokenizer.json", "no end token", "'</s>'")),
    "ends first": ("pegasus", start_in_place_of_end, ("tokenizer.json", "no end token")),
    "lora": (
        "llama",
        put("adapter_config.json", {"peft_type": "LORA", "base_model_name_or_path": "meta/base", "task_type": "CAUSAL_LM"}),
        ("adapter_config.json", "LORA", "meta/base", "AutoPeftModelForCausalLM", "merge_and_unload", "save_pretrained", "remove"),
    ),
    "lora of an encoder-decoder": (
        "t5",
        put("adapter_config.json", {"peft_type": "IA3", "task_type": "SEQ_2_SEQ_LM"}),
        ("IA3", "AutoPeftModelForSeq2SeqLM", "merge_and_unload"),
    ),
    "lora in the weights": ("t5", lambda f: weights(f, **{"x.lora_A.weight": torch.ones(2, 2)}), ("x.lora_A.weight", "merge_and_unload")),
    "gptq": ("llama", quantised_in_config, ("quantization_config", "gptq", "dequantize")),
    "compressed": (
        "t5",
        lambda f: change(f, "config.json", quantization_config={"format": "pack-quantized"}),
        ("pack-quantized", "dequantize"),
    ),
    "old gptq": ("llama", put("quantize_config.json"), ("quantize_config.json", "GPTQ", "dequantize")),
    "old awq": ("llama", put("quant_config.json"), ("quant_config.json", "AWQ", "dequantize")),
    "int8 weights": ("t5", lambda f: weights(f, **{NAME: torch.ones(32, 32, dtype=torch.int8)}), ("model.safetensors", "I8", "quantised")),
    "fp8 weights": (
        "llama",
        lambda f: weights(f, **{LLAMA_NAME: torch.ones(64, 32, dtype=torch.float8_e4m3fn)}),
        ("model.safetensors", "F8_E4M3", "quantised"),
    ),
    "tensor missing": ("t5", lambda f: weights(f, **{NAME: None}), (NAME, "one of 1", "config.json")),
    "layers missing": ("llama", lambda f: change(f, "config.json", num_hidden_layers=3), ("model.layers.2", "one of 9")),
    "another shape": ("t5", lambda f: weights(f, **{NAME: torch.ones(3, 32)}), (NAME, "(3, 32)", "(32, 32)")),
    "another width": ("bart", lambda f: change(f, "config.json", encoder_ffn_dim=128), ("fc1.bias", "(64,)", "(128,)")),
    "cut off": ("t5", damaged("model.safetensors", 20_000), ("model.safetensors", "cut off", "copy")),
    "empty": ("llama", damaged("model.safetensors"), ("model.safetensors", "copy")),
    "shard missing": ("t5", lambda f: sharded(f, keep=(0,)), ("model-00002-of-00002.safetensors", "1 of 2", "copy")),
    "all shards missing": ("llama", lambda f: sharded(f, keep=()), ("model-00001", "2 of 2")),
    "damaged index": (
        "t5",
        lambda f: (sharded(f), (f / "model.safetensors.index.json").write_text("{")),
        ("model.safetensors.index.json", "copy"),
    ),
    "index without a map": (
        "t5",
        lambda f: (sharded(f), (f / "model.safetensors.index.json").write_text("{}")),
        ("model.safetensors.index.json", "copy"),
    ),
    "another name": ("t5", lambda f: (f / "model.safetensors").rename(f / "weights.safetensors"), ("weights.safetensors", "rename")),
    "no start": ("t5", lambda f: change(f, "config.json", decoder_start_token_id=None), ("decoder_start_token_id", "pad_token_id")),
    "start not named": ("t5", lambda f: without(f, "config.json", "decoder_start_token_id"), ("decoder_start_token_id", "pad_token_id")),
    "padding beyond": ("llama", lambda f: change(f, "config.json", pad_token_id=-1), ("pad_token_id is -1", "config.json", "null")),
    "end beyond": (
        "t5",
        lambda f: change(f, "generation_config.json", eos_token_id=[1, 99_999]),
        ("eos_token_id is 99999", "generation_config.json"),
    ),
    "unknown activation": ("t5", lambda f: change(f, "config.json", dense_act_fn="nosuch"), ("config.json", "nosuch")),
    "impossible heads": ("llama", lambda f: change(f, "config.json", num_attention_heads=3), ("config.json",)),
    "tokenizer damaged": ("t5", damaged("tokenizer.json", 100), ("tokenizer",)),
    "tokenizer of nothing": ("bart", lambda f: (f / "tokenizer.json").write_text("{}"), ("tokenizer",)),
    "generation config damaged": ("t5", damaged("generation_config.json", 5), ("generation_config.json",)),
    "positions": (
        "pegasus",
        lambda f: weights(f, **{"model.encoder.embed_positions.weight": torch.zeros(1024, 32)}),
        ("model.encoder.embed_positions.weight", "formula"),
    ),
}


@pytest.mark.parametrize("kind", KINDS)
def test_each_fault_is_one_line_that_names_the_folder_what_is_wrong_and_the_remedy(cache: Path, tmp_path: Path, kind: str) -> None:
    family, damage, told = KINDS[kind]
    folder = copy(cache, tmp_path, family)
    damage(folder)
    (fault,) = [fault for fault in faults(folder) if fault.refuses]
    assert fault.text.startswith(f"{folder}: ")
    assert "\n" not in fault.text
    assert [word for word in told if word not in fault.text] == []


def test_a_good_folder_has_no_fault(cache: Path, family: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    folder = copy(cache, tmp_path, family)
    capfd.readouterr()
    assert list(faults(folder)) == []
    sharded(folder)
    assert list(faults(folder)) == []
    assert capfd.readouterr() == ("", "")
    load(folder)


def test_embeddings_that_no_token_uses_are_no_fault(cache: Path, tmp_path: Path) -> None:
    """Published T5 has 32,100 tokens and 32,128 embeddings."""
    folder = copy(cache, tmp_path)
    embedding = load_file(folder / "model.safetensors")["shared.weight"]
    weights(folder, **{"shared.weight": torch.cat([embedding, torch.zeros(28, 32)])})
    change(folder, "config.json", vocab_size=len(embedding) + 28)
    assert list(faults(folder)) == []


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_weights_of_any_floating_type_are_no_fault(cache: Path, tmp_path: Path, dtype: torch.dtype) -> None:
    folder = copy(cache, tmp_path)
    weights(folder, **{name: tensor.to(dtype) for name, tensor in load_file(folder / "model.safetensors").items()})
    assert list(faults(folder)) == []


@pytest.mark.parametrize(("family", "layers"), [("t5", {"num_layers": 1}), ("llama", {"num_hidden_layers": 1})])
def test_tensors_that_the_config_does_not_ask_for_are_named_and_do_not_refuse(
    cache: Path, tmp_path: Path, family: str, layers: dict[str, int]
) -> None:
    folder = copy(cache, tmp_path, family)
    change(folder, "config.json", **layers)
    (fault,) = faults(folder)
    assert not fault.refuses
    assert "not used" in fault.text


def test_all_faults_are_named_at_once(cache: Path, tmp_path: Path) -> None:
    folder = copy(cache, tmp_path)
    without_end(folder)
    more_tokens(folder)
    weights(folder, **{NAME: None, LLAMA_NAME: torch.ones(2)})
    change(folder, "config.json", decoder_start_token_id=None)
    assert [fault.refuses for fault in faults(folder)] == [True, False, True, True, True]


def test_reasons_that_file_names_give_are_named_at_once(cache: Path, tmp_path: Path) -> None:
    folder = copy(cache, tmp_path)
    change(folder, "config.json", auto_map={}, model_type="gpt2", quantization_config={})
    change(folder, "config.json", quantization_config={"quant_method": "fp8"})
    (folder / "model.safetensors").unlink()
    (folder / "tokenizer.json").unlink()
    with pytest.raises(CheckpointError) as told:
        check_folder(folder)
    assert len(str(told.value).splitlines()) == len(list(faults(folder))) == 5


@pytest.mark.parametrize("config", [True, False])
def test_an_adapter_without_base_weights_is_no_model(cache: Path, tmp_path: Path, config: bool) -> None:
    """As peft saves it: two files, and config.json only where somebody put it there."""
    folder = copy(cache, tmp_path, "llama")
    (folder / "model.safetensors").rename(folder / "adapter_model.safetensors")
    (folder / "adapter_config.json").write_text('{"peft_type": "LORA", "base_model_name_or_path": "base"}')
    if not config:
        (folder / "config.json").unlink()
    with pytest.raises(CheckpointError, match=r"^[^\n]*adapter_config\.json[^\n]*merge_and_unload[^\n]*$") as told:
        check_folder(folder)
    assert "remove" not in str(told.value)


@pytest.mark.parametrize("config", [True, False])
def test_a_gguf_file_is_no_folder_of_transformers(cache: Path, tmp_path: Path, config: bool) -> None:
    folder = copy(cache, tmp_path, "llama")
    (folder / "model.safetensors").rename(folder / "model-Q4_K_M.gguf")
    if not config:
        (folder / "config.json").unlink()
    with pytest.raises(CheckpointError, match=r"^[^\n]*model-Q4_K_M\.gguf[^\n]*quantised[^\n]*safetensors[^\n]*$"):
        check_folder(folder)


def test_shards_are_the_files_that_the_list_names(cache: Path, tmp_path: Path) -> None:
    folder = copy(cache, tmp_path)
    assert weight_files(folder) == [folder / "model.safetensors"]
    sharded(folder)
    assert [path.name for path in weight_files(folder)] == ["model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"]
