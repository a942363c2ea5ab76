"""Finds faults of a model before any arm begins, from headers and configs, without loading a weight.

A full load would show only one thing more: damaged numbers in the weights. It takes the memory of the whole model.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch

from bench.contracts.finding import Finding
from bench.errors import CheckpointError
from bench.training.batches import encode_targets
from bench.training.checkpoints import STARTS_AND_ENDS, are_sinusoids, load_tokenizer, read_config, without_progress_bars
from bench.training.model_folder import check_folder, read_json, weight_files

FLOATS = ("F64", "F32", "F16", "BF16")
"""Number types of ordinary weights. All other types are codes of quantised weights, which need decoding."""

RESIZE = "in transformers, model.resize_token_embeddings(len(tokenizer)), and save both"

POSITIONS = "embed_positions.weight"

LAYERS = ("num_layers", "num_decoder_layers", "encoder_layers", "decoder_layers", "num_hidden_layers")
"""Entries of a config that count layers."""

LAYERS_AT_MOST = 1000
"""Largest number of layers in a stack. Each takes time to build, also without weights."""


def faults(folder: Path) -> Iterator[Finding]:
    """Yield all faults of the model in a folder."""
    try:
        check_folder(folder)
        config = read_config(folder)
        places, of_weights = _weights(folder, config)
    except CheckpointError as error:
        yield from (Finding(line) for line in str(error).splitlines())
        return
    found = [*of_weights, *_tokenizer(folder, config), *_special_tokens(folder, config), *_positions(config, places)]
    yield from (Finding(f"{folder}: {fault.text}", fault.refuses) for fault in found)


def _weights(folder: Path, config: Any) -> tuple[dict[str, Path], list[Finding]]:
    """Return (tensor -> its file, faults of the weights)."""
    from safetensors import SafetensorError, safe_open

    places, tensors, found = dict[str, Path](), dict[str, torch.Tensor](), list[Finding]()
    for path in weight_files(folder):
        try:
            with safe_open(path, framework="pt") as file:
                slices = {name: file.get_slice(name) for name in file.keys()}  # noqa: SIM118
                codes = sorted({part.get_dtype() for part in slices.values()} - {*FLOATS})
                tensors |= {name: torch.empty(part.get_shape(), device="meta") for name, part in slices.items()}
        except (OSError, SafetensorError) as error:
            found.append(Finding(f"{path.name} cannot be read ({error}); it is damaged or cut off, copy it again"))
            continue
        places |= dict.fromkeys(slices, path)
        if codes:
            found.append(
                Finding(f"{path.name} holds numbers of type {', '.join(codes)}, so its weights are quantised; take the original ones")
            )
    return places, found or list(_compared(config, tensors))


def _compared(config: Any, tensors: Mapping[str, torch.Tensor]) -> Iterator[Finding]:
    """Yield the faults that transformers finds when it loads tensors of these names and shapes, without numbers."""
    from transformers import MODEL_FOR_CAUSAL_LM_MAPPING, MODEL_FOR_SEQ_TO_SEQ_CAUSAL_LM_MAPPING
    from transformers.utils import logging as hf_logging

    if deep := [name for name in LAYERS if (getattr(config, name, 0) or 0) > LAYERS_AT_MOST]:
        yield Finding(f"config.json: {deep[0]} is {getattr(config, deep[0]):,}, expected at most {LAYERS_AT_MOST:,}; copy it again")
        return
    classes = MODEL_FOR_SEQ_TO_SEQ_CAUSAL_LM_MAPPING if config.is_encoder_decoder else MODEL_FOR_CAUSAL_LM_MAPPING
    options = {"device_map": "meta", "ignore_mismatched_sizes": True, "output_loading_info": True}
    verbosity = hf_logging.get_verbosity()
    hf_logging.set_verbosity(logging.CRITICAL)  # transformers' loading report is long, and one line shows the fault
    try:
        with without_progress_bars():
            _, seen = classes[type(config)].from_pretrained(None, config=config, state_dict=dict(tensors), **options)
    except Exception as error:  # any entry of a config may raise, such as an activation
        yield Finding(f"config.json: no such model can be built ({type(error).__name__}: {' '.join(str(error).split())}); copy it again")
        return
    finally:
        hf_logging.set_verbosity(verbosity)
    if missing := sorted(seen["missing_keys"]):
        yield Finding(f"the weights lack {missing[0]}, one of {len(missing)} tensors that config.json asks for; copy both again")
    if other := sorted(seen["mismatched_keys"]):
        name, stored, expected = other[0]
        yield Finding(
            f"{name} is of shape {tuple(stored)} in the weights and of {tuple(expected)} by config.json, "
            f"one of {len(other)} tensors; copy both again"
        )
    unused = sorted(seen["unexpected_keys"])
    if adapters := [name for name in unused if "lora_" in name]:
        yield Finding(f"the weights hold an adapter that is not merged ({adapters[0]}); merge it once with peft's merge_and_unload()")
    elif unused:
        yield Finding(
            f"the weights hold {len(unused)} tensors more than config.json asks for, such as {unused[0]}; they are not used", False
        )


def _tokenizer(folder: Path, config: Any) -> Iterator[Finding]:
    try:
        tokenizer = load_tokenizer(folder)
    except CheckpointError as error:
        yield Finding(str(error).removeprefix(f"{folder}: "))
        return
    beyond = sorted((number, token) for token, number in tokenizer.get_vocab().items() if number >= config.vocab_size)
    if beyond:
        yield Finding(
            f"the tokenizer has {len(beyond)} tokens, such as {beyond[0][1]!r} ({beyond[0][0]}), for which there is no embedding "
            f"(vocab_size {config.vocab_size} in config.json); {RESIZE}, or take these tokens out of tokenizer.json"
        )
    if config.is_encoder_decoder:
        (label,) = encode_targets(folder, ["a label"], 64)
        if not label or label[-1] != tokenizer.eos_token_id:
            yield Finding(
                f"tokenizer.json puts no end token behind a label, so no model learns to end; give it the post_processor of its family, "
                f"which ends a text with {tokenizer.eos_token!r}"
            )


def _special_tokens(folder: Path, config: Any) -> Iterator[Finding]:
    if config.is_encoder_decoder and getattr(config, "decoder_start_token_id", None) is None:
        yield Finding(
            "config.json has no decoder_start_token_id, the token before an output; it is pad_token_id in T5, eos_token_id in BART"
        )
    places = {"config.json": config.to_dict()}
    if (folder / "generation_config.json").exists():
        try:
            places["generation_config.json"] = read_json(folder, "generation_config.json")
        except CheckpointError as error:
            yield Finding(f"{error}; remove it or copy it again")
    for file, settings in places.items():
        for name in STARTS_AND_ENDS:
            value = settings.get(name)
            for number in value if isinstance(value, list) else [value]:
                if number is not None and not (isinstance(number, int) and 0 <= number < config.vocab_size):
                    yield Finding(
                        f"{name} is {number!r} in {file}, expected a token from 0 to {config.vocab_size - 1}; null stands for none"
                    )


def _positions(config: Any, places: Mapping[str, Path]) -> Iterator[Finding]:
    """Check Pegasus' positions, which are a formula. They are read, because they are small."""
    from safetensors import safe_open

    for name, path in places.items() if config.model_type == "pegasus" else ():
        if name.endswith(POSITIONS):
            with safe_open(path, framework="pt") as file:
                right = are_sinusoids(file.get_tensor(name).float())
            if not right:
                yield Finding(f"{path.name}: {name} differs from the formula of its positions; take the weights of another copy")
