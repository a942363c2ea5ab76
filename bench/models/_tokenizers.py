"""Byte-level BPE tokenizers with the special tokens of each family, trained when they are first needed."""

from __future__ import annotations

import hashlib
import json
import platform
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from bench.contracts import no_progress
from bench.data.source_code import documented_objects, installed
from bench.errors import CheckpointError
from bench.system.files import build_once
from bench.training.shapes import Family

SENTINELS = tuple(f"<extra_id_{i}>" for i in range(100))
"""Tokens that mark the gaps of T5's span corruption."""

SPECIAL_TOKENS: dict[Family, tuple[str, ...]] = {
    "t5": ("<pad>", "</s>", "<unk>", *SENTINELS),
    "t5_v1_1": ("<pad>", "</s>", "<unk>", *SENTINELS),
    "mt5": ("<pad>", "</s>", "<unk>", *SENTINELS),
    "pegasus": ("<pad>", "</s>", "<mask_1>", "<mask_2>", "<unk>"),
    "bart": ("<s>", "<pad>", "</s>", "<unk>", "<mask>"),
}
"""Special tokens of each family, in the order of their ids. The ids of padding, start and end tokens are the published ones, because the
configs name these ids."""

MASKS = {"pegasus": "<mask_2>", "bart": "<mask>"}
"""The token that stands for a masked word. Pegasus' <mask_1> stands for a masked sentence (Zhang et al. 2020, section 3)."""

VERSION = 2
"""Raised whenever the same settings come to give a different tokenizer."""


def key(family: Family, vocabulary: int) -> str:
    """Return 16 hex digits of a sha256 over everything that decides what `from_docstrings` gives."""
    made_by = json.dumps([VERSION, SPECIAL_TOKENS[family], vocabulary, platform.python_version()])
    return hashlib.sha256(made_by.encode()).hexdigest()[:16]


def from_docstrings(family: Family, vocabulary: int, cache: Path) -> Any:
    """Return a tokenizer of exactly `vocabulary` tokens, trained once on the docstrings of Python's standard library. Raises
    CheckpointError where the docstrings give fewer tokens."""

    def learn(path: Path) -> None:
        library = documented_objects(installed(("python",)), cache, no_progress)
        tokenizer = _learn(family, vocabulary, (found.docstring for found in library))
        if (size := tokenizer.get_vocab_size()) != vocabulary:
            raise CheckpointError(f"{vocabulary} tokens are asked for, but the docstrings of Python's standard library give only {size}")
        tokenizer.save(str(path))

    made = build_once(cache / "models" / f"tokenizer-{key(family, vocabulary)}.json", learn)
    return _wrapped(made.read_text(encoding="utf-8"), family)


def learnt(family: Family, vocabulary: int, texts: Iterable[str]) -> Any:
    """Return a tokenizer of at most `vocabulary` tokens, or of fewer where the texts hold no more. It can encode any text, byte by byte
    where necessary. As in the real families, BART puts <s> before a text, and all of them put </s> after it."""
    return _wrapped(_learn(family, vocabulary, texts).to_str(), family)


def _learn(family: Family, vocabulary: int, texts: Iterable[str]) -> Any:
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers

    special = SPECIAL_TOKENS[family]
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=vocabulary, special_tokens=list(special), initial_alphabet=alphabet, show_progress=False)
    tokenizer.train_from_iterator(texts, trainer)
    pattern = "<s> $A </s>" if family == "bart" else "$A </s>"
    ids = [(token, special.index(token)) for token in ("<s>", "</s>") if token in special]
    tokenizer.post_processor = processors.TemplateProcessing(single=pattern, special_tokens=ids)
    return tokenizer


def _wrapped(tokenizer_json: str, family: Family) -> Any:
    from tokenizers import Tokenizer
    from transformers import PreTrainedTokenizerFast

    named = {"pad_token": "<pad>", "eos_token": "</s>", "unk_token": "<unk>"}
    named |= {"bos_token": "<s>"} if family == "bart" else {}
    named |= {"mask_token": MASKS[family]} if family in MASKS else {}
    others = [token for token in SPECIAL_TOKENS[family] if token not in named.values()]
    return PreTrainedTokenizerFast(tokenizer_object=Tokenizer.from_str(tokenizer_json), extra_special_tokens=others, **named)
