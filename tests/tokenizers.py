"""Small tokenizers that lack characters, each in a model folder of random weights."""

from __future__ import annotations

import shutil
import string
from pathlib import Path

from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors
from transformers import PreTrainedTokenizerFast

from bench.models.random import Random

SPECIAL = ("<pad>", "</s>", "<unk>")
PLAIN = string.ascii_letters + string.digits + "=.,"
"""What the tokenizers know, one character a token; '<' is not among it."""


def unigram(cache: Path, folder: Path, normalizer: normalizers.Normalizer | None = None, known: str = PLAIN) -> Path:
    """Return a folder with a tokenizer as SentencePiece makes them: what it does not know becomes one unknown token."""
    pieces = [*((token, 0.0) for token in SPECIAL), ("\u2581", -2.0), *((character, -3.0) for character in known)]
    return _save(Tokenizer(models.Unigram(pieces, unk_id=2)), cache, folder, normalizer)


def without_unknown(cache: Path, folder: Path) -> Path:
    """Return a folder with a tokenizer that has no unknown token: it drops what it does not know."""
    vocabulary = {token: number for number, token in enumerate([*SPECIAL, "\u2581", *PLAIN])}
    return _save(Tokenizer(models.BPE(vocab=vocabulary, merges=[])), cache, folder, None)


def _save(tokenizer: Tokenizer, cache: Path, folder: Path, normalizer: normalizers.Normalizer | None) -> Path:
    if normalizer:
        tokenizer.normalizer = normalizer
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.decoder = decoders.Metaspace()
    tokenizer.post_processor = processors.TemplateProcessing(single="$A </s>", special_tokens=[("</s>", 1)])
    shutil.copytree(Random().folder(cache), folder)
    named = {"pad_token": "<pad>", "eos_token": "</s>", "unk_token": "<unk>"}
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, **named).save_pretrained(folder)
    return folder
