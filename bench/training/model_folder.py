"""Decides whether a folder holds a loadable model, from its file names and its config alone."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml
from pydantic_core import from_json

from bench.errors import CheckpointError

ENCODER_DECODERS = ("t5", "mt5", "bart", "pegasus")
CAUSAL = ("llama", "qwen2")
FAMILIES = ENCODER_DECODERS + CAUSAL
"""Values of `model_type` that shrinking and the tests support."""

PICKLED = ("*.bin", "*.pt", "*.pth", "*.pkl", "*.ckpt")
TOKENIZERS = ("tokenizer.json", "*.model", "vocab.json")

WEIGHTS, INDEX = "model.safetensors", "model.safetensors.index.json"
"""The weights, or the list of their shards, under the names that transformers expects."""

PICKLED_WEIGHTS, PICKLED_INDEX = "pytorch_model.bin", "pytorch_model.bin.index.json"
"""Pickled weights, or the list of their shards, under the names that transformers gives them."""

ADAPTER = "adapter_config.json"

CARD_CHARACTERS = 50_000
"""Most characters of a model card's metadata that are read."""

QUANTISED = {"quantize_config.json": "GPTQ", "quant_config.json": "AWQ", "hf_quant_config.json": "ModelOpt", "quanto_qmap.json": "Quanto"}
"""Files in which older and other tools record quantised weights -> the method."""


def check_folder(folder: Path) -> Path:
    """Return the folder, if a model may be loaded from it. Raises CheckpointError with all reasons, one line each."""
    if not folder.is_dir():
        raise CheckpointError(f"{folder}: there is no such folder")
    if reasons := list(_reasons(folder)):
        raise CheckpointError("\n".join(f"{folder}: {reason}" for reason in reasons))
    return folder


def weight_files(folder: Path) -> list[Path]:
    """Return the weight files that transformers reads. Raises CheckpointError where the list of shards is
    damaged, or a shard is missing."""
    if (folder / WEIGHTS).is_file():
        return [folder / WEIGHTS]
    try:
        shards = sorted(set(from_json((folder / INDEX).read_bytes())["weight_map"].values()))
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise CheckpointError(f"{folder}: {INDEX} cannot be read ({error}); copy it again") from None
    if beside := [shard for shard in shards if not isinstance(shard, str) or Path(shard).name != shard]:
        raise CheckpointError(f"{folder}: {INDEX} names {beside[0]!r}, expected the name of a file in the folder; copy it again")
    if missing := [shard for shard in shards if not os.path.isfile(folder / shard)]:
        raise CheckpointError(f"{folder}: {missing[0]} is missing, one of {len(missing)} of {len(shards)} shards in {INDEX}; copy it again")
    return [folder / shard for shard in shards]


def pickled_files(folder: Path) -> list[Path]:
    """Return the pickled weights of a folder: one file, or shards. The result is empty where it has none. Raises CheckpointError where a
    shard is missing."""
    if (folder / PICKLED_WEIGHTS).is_file():
        return [folder / PICKLED_WEIGHTS]
    if not (folder / PICKLED_INDEX).is_file():
        return []
    names = read_json(folder, PICKLED_INDEX).get("weight_map")
    shards = sorted({str(name) for name in names.values()}) if isinstance(names, dict) else []
    paths = [folder / Path(shard).name for shard in shards]
    if missing := [path.name for path in paths if not path.is_file()]:
        lost = f"{missing[0]} is missing, one of {len(missing)} of {len(shards)} shards in {PICKLED_INDEX}"
        raise CheckpointError(f"{folder}: {lost}; copy it again")
    return paths


def _reasons(folder: Path) -> Iterator[str]:
    if (folder / ADAPTER).exists():
        yield _adapter(folder)
        return
    gguf = sorted(path.name for path in folder.glob("*.gguf"))
    if gguf and not any(folder.glob("*.safetensors")):
        yield f"{gguf[0]} is a GGUF file, and its weights are quantised; take the *.safetensors that it was made from"
        return
    try:
        config = read_json(folder, "config.json")
    except CheckpointError as error:
        yield str(error)
        return
    if "auto_map" in config:
        yield "config.json has `auto_map`, so it needs remote code, which is never run; take a model without it"
    if (family := config.get("model_type")) not in FAMILIES:
        yield (
            f"config.json: model_type is {family!r}, expected an encoder-decoder ({', '.join(ENCODER_DECODERS)}) "
            f"or a decoder-only model ({', '.join(CAUSAL)})"
        )
    if way := _quantisation(folder, config):
        yield (
            f"{way}; train the weights that they were made from, or dequantise them once: in transformers, "
            "from_pretrained(FOLDER).dequantize().save_pretrained(NEW), and copy the tokenizer"
        )
    yield from _files(folder)


def _adapter(folder: Path) -> str:
    try:
        about = read_json(folder, ADAPTER)
    except CheckpointError:
        about = {}
    base, kind = about.get("base_model_name_or_path") or "BASE", about.get("peft_type") or "PEFT"
    head = "Seq2SeqLM" if about.get("task_type") == "SEQ_2_SEQ_LM" else "CausalLM"
    alone = f", or remove {ADAPTER} to use the weights beside it alone" if (folder / WEIGHTS).exists() or (folder / INDEX).exists() else ""
    return (
        f"{ADAPTER} says that this is a {kind} adapter of {base}, which is no model by itself; merge the two once: in peft, "
        f"AutoPeftModelFor{head}.from_pretrained(FOLDER).merge_and_unload().save_pretrained(NEW), and copy the tokenizer to NEW{alone}"
    )


def _quantisation(folder: Path, config: dict[str, Any]) -> str:
    """Return which file states that the weights are quantised, and how; '' where none does."""
    for key in ("quantization_config", "compression_config"):
        if method := config.get(key):
            way = method.get("quant_method") or method.get("format") if isinstance(method, dict) else ""
            return f"config.json has `{key}`, so its weights are quantised" + (f" ({way})" if way else "")
    return next((f"{name} says that its weights are quantised ({way})" for name, way in QUANTISED.items() if (folder / name).exists()), "")


def _files(folder: Path) -> Iterator[str]:
    if not (folder / WEIGHTS).is_file() and not (folder / INDEX).is_file():
        others = sorted(path.name for path in folder.glob("*.safetensors"))
        pickled = sorted(path.name for pattern in (*PICKLED, PICKLED_INDEX) for path in folder.glob(pattern))
        if others:
            yield f"holds {others[0]}, expected {WEIGHTS} or {INDEX}; rename it if these are the weights, or copy the list of shards"
        elif pickled:
            by_name = {PICKLED_WEIGHTS, PICKLED_INDEX} & {*pickled}
            remedy = f"convert them once with `bench models convert {folder}`" if by_name else "ask its authors for them"
            yield f"holds only pickled weights ({pickled[0]}), which can run code when loaded; expected *.safetensors: {remedy}"
        else:
            yield f"holds no weights; expected {WEIGHTS} or {INDEX}"
    if not any(any(folder.glob(pattern)) for pattern in TOKENIZERS):
        yield "holds no tokenizer (tokenizer.json, *.model or vocab.json); copy it from the model that this one was made from"


def licence_in(folder: Path) -> str:
    """Return the licence that the model card of a folder (README.md) states; '' where it states none."""
    try:
        _, front, _ = (folder / "README.md").read_text(encoding="utf-8").split("---\n", 2)
        return str(yaml.safe_load(front[:CARD_CHARACTERS]).get("license") or "")
    except (OSError, ValueError, KeyError, IndexError, AttributeError, RecursionError, yaml.YAMLError):
        return ""


def read_json(folder: Path, name: str) -> dict[str, Any]:
    """Return a JSON object from a model's folder. Raises CheckpointError with a reason that does not name the folder."""
    try:
        found = from_json((folder / name).read_bytes())
    except FileNotFoundError:
        raise CheckpointError(f"holds no {name}") from None
    except (OSError, ValueError) as error:
        raise CheckpointError(f"{name} is not JSON ({error})") from None
    if not isinstance(found, dict):
        raise CheckpointError(f"{name} is not a JSON object")
    return found
