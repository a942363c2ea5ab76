"""Checks, loads and saves models on disk, encoder-decoder and decoder-only (causal) ones.

Three known bugs are prevented here, each with a test (Pegasus positions: transformers #44448, fixed by #44571; T5 tying: #43681, #48154):

- T5 v1.1 and Flan-T5 have a separate output layer, but transformers' T5Config reports tied whatever config.json holds. The state of the
  loaded weights is written back into the config, so that a save and a reload keep it.
- Pegasus' positions are a formula, not weights. `load` refuses a model with other positions.
- A tensor that the checkpoint lacks would keep random values. `load` refuses that too.
"""

from __future__ import annotations

import copy
import functools
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from bench.errors import CheckpointError
from bench.system.one_line import first_line
from bench.training.lean_operators import with_lean_operators
from bench.training.model_folder import check_folder

DROPOUTS = ("dropout_rate", "dropout", "attention_dropout", "activation_dropout")
"""The families' names for dropout rates. T5 has the first, BART and Pegasus the others, Llama and Qwen2 only that of attention."""

STARTS_AND_ENDS = ("decoder_start_token_id", "bos_token_id", "eos_token_id", "pad_token_id", "forced_bos_token_id")
"""The generation settings of a checkpoint that are kept; `generation` explains why."""


def read_config(folder: Path) -> Any:
    """Return the transformers config of a checked folder, without reading weights. Raises CheckpointError."""
    written = (check_folder(folder) / "config.json").stat()
    return copy.deepcopy(_parsed_config(folder, written.st_ino, written.st_mtime_ns, written.st_size))


@functools.lru_cache(maxsize=64)  # a forecast asks for the same config in every step; to parse it takes 30 times as long as to copy it
def _parsed_config(folder: Path, *version: int) -> Any:  # noqa: ARG001 - a file that changes is read again
    from transformers import AutoConfig

    try:
        return AutoConfig.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
    except Exception as error:  # any entry of a config may raise
        raise CheckpointError(f"{folder}: config.json describes no model ({' '.join(str(error).split())}); copy it again") from error


def load_tokenizer(folder: Path) -> Any:
    """Return the tokenizer of a folder. Raises CheckpointError where its files cannot be read, or it has no end token.

    It is shared: all who ask for the folder get the same one while the files stay. A call sets all its options anew.
    """
    files = sorted((entry.name, entry.stat()) for entry in os.scandir(folder) if entry.is_file()) if folder.is_dir() else []
    return _read_tokenizer(folder, *((name, seen.st_ino, seen.st_mtime_ns, seen.st_size) for name, seen in files))


# The library keeps the pieces of words for each tokenizer and thread, and never lets them go (tokenizers #2028).
@functools.lru_cache(maxsize=4)
def _read_tokenizer(folder: Path, *version: tuple[str, int, int, int]) -> Any:  # noqa: ARG001 - files that change are read again
    from transformers import AutoTokenizer

    try:
        tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
    except Exception as error:  # transformers and tokenizers raise many kinds
        raise CheckpointError(f"{folder}: the tokenizer cannot be read: {first_line(error)}") from error
    if tokenizer.eos_token_id is None:
        raise CheckpointError(f"{folder}: the tokenizer has no end token, so a model could not learn where an output ends")
    return tokenizer


def model_class(config: Any) -> Any:
    """Return the transformers class that builds models of this config."""
    from transformers import AutoModelForCausalLM, AutoModelForSeq2SeqLM

    return AutoModelForSeq2SeqLM if config.is_encoder_decoder else AutoModelForCausalLM


def load(folder: Path, dropout: float | None = None) -> tuple[Any, Any]:
    """Return (model, tokenizer) from a checked folder: fp32, in eval mode, on the CPU. `dropout` replaces all dropout rates of the
    checkpoint; None keeps them. Raises CheckpointError where weights are missing, of the wrong shape, or damaged."""
    from safetensors import SafetensorError

    config = read_config(folder)
    if dropout is not None:
        for name in filter(functools.partial(hasattr, config), DROPOUTS):
            setattr(config, name, float(dropout))
    try:
        with quiet():
            model, seen = model_class(config).from_pretrained(
                folder,
                config=config,
                dtype=torch.float32,
                use_safetensors=True,
                local_files_only=True,
                trust_remote_code=False,
                ignore_mismatched_sizes=True,  # they are reported, and refused below in one line
                output_loading_info=True,
            )
    except (OSError, ValueError, SafetensorError) as error:
        raise CheckpointError(f"{folder}: the weights cannot be read: {first_line(error)}") from error
    for what in ("missing_keys", "mismatched_keys"):
        if seen[what]:
            raise CheckpointError(f"{folder}: {what.replace('_', ' ')} in the weights, e.g. {sorted(seen[what])[0]}")
    if not all(are_sinusoids(weight.detach()) for weight in _sinusoidal_positions(model)):
        raise CheckpointError(f"{folder}: the sinusoidal positions differ from the formula")
    tokenizer = load_tokenizer(folder)
    _write_down(model, tokenizer)
    model.generation_config = _starts_and_ends(model.generation_config, model.config, tokenizer)
    return with_lean_operators(model).eval(), tokenizer


def read_generation_config(folder: Path) -> Any:
    """Return the start and end tokens of a checked folder as `load` sets them, without reading weights."""
    from transformers import GenerationConfig

    config, tokenizer = read_config(folder), load_tokenizer(folder)
    written = (folder / "generation_config.json").exists()
    given = GenerationConfig.from_pretrained(folder, local_files_only=True) if written else GenerationConfig.from_model_config(config)
    return _starts_and_ends(given, config, tokenizer)


def save(model: Any, tokenizer: Any, folder: Path) -> None:
    """Write safetensors, configs and tokenizer. `load` returns a model with identical logits."""
    _write_down(model, tokenizer)
    with quiet():
        model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)


def untie(model: Any) -> None:
    """Give the model a separate, randomly initialised output layer. Passing tie_word_embeddings=False to T5Config does not do that: it only
    turns off the scaling of the decoder's output."""
    head = model.get_output_embeddings()
    model.set_output_embeddings(torch.nn.Linear(head.in_features, head.out_features, bias=False))
    model.config.tie_word_embeddings = False
    model.all_tied_weights_keys = {k: v for k, v in model.all_tied_weights_keys.items() if not k.startswith("lm_head")}


def head_is_tied(model: Any) -> bool:
    """Return whether the output layer is the input embedding."""
    return model.get_output_embeddings().weight is model.get_input_embeddings().weight


def count_parameters(model: Any) -> int:
    """Return the number of trainable parameters. A tied one counts once. Pegasus' positions are a formula and do not count."""
    fixed = {id(p) for p in _sinusoidal_positions(model)}
    return sum(p.numel() for p in model.parameters() if id(p) not in fixed)


def _write_down(model: Any, tokenizer: Any) -> None:
    """Correct and complete the config. Llama has no padding token. Its end token is used for padding, and masks distinguish the two."""
    model.config.tie_word_embeddings = head_is_tied(model)
    if model.config.pad_token_id is None:
        model.config.pad_token_id = tokenizer.eos_token_id


def _sinusoidal_positions(model: Any) -> list[torch.nn.Parameter]:
    return [m.weight for m in model.modules() if type(m).__name__.endswith("SinusoidalPositionalEmbedding")]


def sinusoids(positions: int, width: int) -> torch.Tensor:
    """Return Pegasus' positions, (positions, width): sines in the first half, cosines in the second (Zhang et al. 2020; T2T)."""
    rates = 10000.0 ** (-torch.arange(0, width, 2, dtype=torch.float64) / width)
    angles = torch.arange(positions, dtype=torch.float64)[:, None] * rates
    return torch.cat([angles.sin(), angles.cos()[:, : width // 2]], dim=1).float()


def are_sinusoids(weight: torch.Tensor) -> bool:
    """Whether stored positions are those of the formula, up to rounding."""
    return weight.ndim == 2 and torch.allclose(weight, sinusoids(*weight.shape), atol=1e-4)


def _starts_and_ends(given: Any, config: Any, tokenizer: Any) -> Any:
    """Return the generation settings `given` without anything but the start and end tokens."""
    from transformers import GenerationConfig

    kept = {name: getattr(given, name, None) for name in STARTS_AND_ENDS}
    for name in ("decoder_start_token_id", "pad_token_id"):
        if kept[name] is None:
            kept[name] = getattr(config, name, None)
    end = kept["eos_token_id"]  # training ends an output with the tokenizer's end token, so that one counts beside the checkpoint's
    kept["eos_token_id"] = list(dict.fromkeys([*([end] if isinstance(end, int) else end or []), tokenizer.eos_token_id]))
    return GenerationConfig(**{name: value for name, value in kept.items() if value is not None})


@contextmanager
def quiet() -> Iterator[None]:
    """Suppress progress bars, and one warning that is wrong here: that the config should state what is not tied."""

    def worth_telling(record: logging.LogRecord) -> bool:
        return not record.getMessage().startswith("The tied weights mapping and config for this model specifies to tie")

    logger = logging.getLogger("transformers.modeling_utils")
    logger.addFilter(worth_telling)
    try:
        with without_progress_bars():
            yield
    finally:
        logger.removeFilter(worth_telling)


@contextmanager
def without_progress_bars() -> Iterator[None]:
    """Switch the progress bars of transformers off inside the block."""
    from transformers.utils import logging as hf_logging

    bars = hf_logging.is_progress_bar_enabled()
    hf_logging.disable_progress_bar()
    try:
        yield
    finally:
        if bars:
            hf_logging.enable_progress_bar()
