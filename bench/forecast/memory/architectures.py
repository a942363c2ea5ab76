"""Finds the architecture of a model that the command line names.

No weights are read, and most models need no network.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

from pydantic_core import from_json

from bench.errors import BenchError, CheckpointError
from bench.forecast.memory.workload import Architecture
from bench.system.hub_mirror import HUB_ID, MODELS, folder_of, missing_from
from bench.system.names import nearest
from bench.training.hub_ids import published_shape
from bench.training.model_folder import FAMILIES
from bench.training.shapes import SIZES, UNTIED, Family, Shape, config, shape_of

HUB_TIMEOUT_S = 10

EXAMPLES = (
    *("google/pegasus-large", "google/pegasus-xsum", "facebook/bart-large", "facebook/bart-large-cnn", "google/t5-v1_1-base"),
    *("google/flan-t5-base", "google-t5/t5-base", "google/t5-efficient-small-nl16", "google/mt5-small"),
)
"""Models that an error may suggest."""


@dataclass(frozen=True)
class NamedModel:
    """An architecture and its name."""

    title: str
    architecture: Architecture
    source: str
    """Where its dimensions come from."""


def find(model: str) -> NamedModel:
    """Find a model by name. The name is a folder, a copy under --models, a published id, `FAMILY:SHAPE` or a T5 shape, or an id on the hub.
    They are tried in this order. Raises BenchError, one line, which says where it searched."""
    if (folder := Path(model)).is_dir():
        return NamedModel(model, of_folder(folder), "its config.json")
    if copy := folder_of(model, MODELS):
        return NamedModel(model, of_folder(copy), f"config.json in {copy}")
    if shape := published_shape(model):
        return NamedModel(model, of_shape(shape), "the published config")
    given, _, name = model.rpartition(":")
    if not given and "/" in model:
        return NamedModel(model, _of_hub(model), "config.json on the hub")
    family, families = given or "t5", get_args(Family)
    if family not in families:
        raise BenchError(f"no model '{model}': '{family}' is no family of shapes; there are {', '.join(families)}, as in pegasus:16-4")
    try:
        return NamedModel(f"{family} {name}", of_shape(shape_of(family, name)), "the published dimensions")  # type: ignore[arg-type]
    except CheckpointError as error:
        near = nearest(model, EXAMPLES)
        hint = f"; did you mean {near}?" if near else "; or use a hub id such as google/pegasus-large, or a folder"
        raise BenchError(f"no model '{model}': no such folder, and {error}{hint}") from None


def of_shape(shape: Shape) -> Architecture:
    """Return a shape with the published vocabulary of its family."""
    return Architecture(config(shape), tied=shape.family not in UNTIED)


def of_folder(folder: Path) -> Architecture:
    """Read config.json, and the names of the tensors where the folder has weights. Raises CheckpointError."""
    from transformers import AutoConfig

    try:
        settings = from_json((folder / "config.json").read_bytes())
        family = settings["model_type"]
        found = AutoConfig.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
    except Exception as error:  # any entry of a config may raise
        raise CheckpointError(f"{folder}: no config.json that describes a model ({type(error).__name__})") from None
    if family not in FAMILIES:
        raise CheckpointError(f"{folder}: model_type is {family!r}, expected one of {', '.join(FAMILIES)}")
    return Architecture(found, _is_tied(folder, settings))


def _is_tied(folder: Path, settings: dict[str, Any]) -> bool:
    """Return whether output layer and embedding are one. The weights decide; without them the config does. The config of a T5 always claims
    that they are. There, gated layers mean untied ones, since both came with v1.1."""
    from safetensors import safe_open

    files = sorted(folder.glob("*.safetensors"))
    if files:
        names = (name for file in files for name in safe_open(file, framework="pt").keys())  # type: ignore[no-untyped-call]  # noqa: SIM118
        return "lm_head.weight" not in names
    if settings["model_type"] in ("t5", "mt5"):
        return not str(settings.get("feed_forward_proj", "relu")).startswith("gated")
    return bool(settings.get("tie_word_embeddings", True))


def _of_hub(model: str) -> Architecture:
    from huggingface_hub import HfApi, hf_hub_download

    if not re.fullmatch(HUB_ID, model):
        raise BenchError(f"no model '{model}': no such folder, and no hub id")
    try:
        HfApi().model_info(model, timeout=HUB_TIMEOUT_S)  # a download alone retries for half a minute
        return of_folder(Path(hf_hub_download(model, "config.json")).parent)
    except CheckpointError:
        raise
    except Exception as error:  # refusals of the hub, and network errors
        near = nearest(model, EXAMPLES, cutoff=0.6)
        hint = f"did you mean {near}? Else put" if near else "put"
        raise BenchError(
            f"{model}: {missing_from(MODELS)}; the hub does not give its config ({type(error).__name__}); {hint} its config.json "
            f"into DIR/{model} and use --models DIR, or use a shape such as pegasus:16-4 (families: {', '.join(SIZES)})"
        ) from None
