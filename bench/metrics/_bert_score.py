"""BERTScore: compares texts token by token through the hidden states of an encoder.

This implementation replaces the package bert-score 0.3.13. That package loads pickled weights, asks the hub for any name it is given, and
selects layers by model name, which a folder lacks. On the same encoder the two agree to 1e-6, with and without idf.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from math import log
from pathlib import Path
from typing import Any

import torch


@dataclass(frozen=True)
class _Text:
    """The encoded tokens of one text."""

    ids: torch.Tensor  # (tokens,)
    states: torch.Tensor  # (tokens, width), each of unit length
    special: torch.Tensor  # (tokens,), true at marks such as [CLS] and [SEP]


class Encoder:
    """An encoder, or the encoder of an encoder-decoder, from a local folder. It uses no pickles, remote code or network. It runs in fp32 on
    `device`. Raises ValueError where tensors or layers are missing, and passes on what transformers raises."""

    def __init__(self, folder: Path, layer: int, device: str) -> None:
        from transformers import AutoModel, AutoTokenizer
        from transformers.utils import logging

        logging.disable_progress_bar()  # the bar would overwrite bench's own console output
        local: dict[str, Any] = {"local_files_only": True, "trust_remote_code": False}
        self._tokenizer = AutoTokenizer.from_pretrained(folder, **local)
        with torch.random.fork_rng(devices=[]):  # transformers draws a missing head at random; it is unused
            model, found = AutoModel.from_pretrained(folder, use_safetensors=True, dtype=torch.float32, output_loading_info=True, **local)
        if missing := sorted(key for key in found["missing_keys"] if "pooler" not in key):
            raise ValueError(f"it lacks {len(missing)} tensors, {missing[0]} among them")
        if layer > model.config.num_hidden_layers:
            raise ValueError(f"it has {model.config.num_hidden_layers} layers, but the setting `layer` is {layer}")
        self._device, self._layer = device, layer
        self._limit = min(self._tokenizer.model_max_length, getattr(model.config, "max_position_embeddings", None) or 512)
        self._model = (model.get_encoder() if model.config.is_encoder_decoder else model).to(self._device).eval()

    def tokens(self, texts: Sequence[str]) -> list[list[int]]:
        """Return the token ids of every text, including marks such as [CLS]."""
        ids: list[list[int]] = self._batch(texts)["input_ids"]
        return ids

    def _batch(self, texts: Sequence[str], **options: Any) -> Any:
        stripped = [text.strip() for text in texts]
        return self._tokenizer(stripped, truncation=True, max_length=self._limit, return_special_tokens_mask=True, **options)

    @torch.inference_mode()
    def read(self, texts: Sequence[str]) -> list[_Text]:
        """Return the states of the chosen layer for every text, cut at the encoder's maximum length."""
        batch = self._batch(texts, padding=True, return_tensors="pt").to(self._device)
        ids, mask, special = batch["input_ids"], batch["attention_mask"].bool(), batch["special_tokens_mask"].bool()
        states = self._model(input_ids=ids, attention_mask=mask, output_hidden_states=True).hidden_states[self._layer]
        states = torch.nn.functional.normalize(states, dim=-1)
        return [_Text(i[m], s[m], x[m]) for i, s, x, m in zip(ids, states, special, mask, strict=True)]


def unknown_share(folder: Path, texts: Sequence[str]) -> float:
    """Return the share (0 to 1) of tokens that the tokenizer in a folder maps to its unknown token. Special tokens do not count."""
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
    ids = [token for text in texts for token in tokenizer(text, add_special_tokens=False, verbose=False)["input_ids"]]
    return ids.count(tokenizer.unk_token_id) / max(len(ids), 1)


def bert_score(encoder: Encoder, outputs: Sequence[str], references: Sequence[str], idf: bool, batch_size: int) -> list[float]:
    """Return the BERTScore F1 of every pair, from -1 to 1, not rescaled. It is 0 where either text has only special tokens.

    Each token is matched with the token of the other text that has the highest cosine. Precision is the weighted mean over the output's
    tokens, recall that over the reference's. With `idf`, a token that occurs in n of N references has the weight log((N + 1) / (n + 1)).
    Where all weights of a text are 0, all become equal. Marks such as [CLS] have weight 0.

    Source: Zhang, Kishore, Wu, Weinberger, Artzi 2020, BERTScore (ICLR, arXiv 1904.09675), section 3.
    """
    counts = Counter(token for ids in encoder.tokens(references) for token in set(ids)) if idf else None
    found: list[float] = []
    for i in range(0, len(references), batch_size):
        pairs = zip(encoder.read(outputs[i : i + batch_size]), encoder.read(references[i : i + batch_size]), strict=True)
        found += [_f1(output, reference, counts, len(references)) for output, reference in pairs]
    return found


def _f1(output: _Text, reference: _Text, counts: Counter[int] | None, documents: int) -> float:
    if output.special.all() or reference.special.all():
        return 0.0
    cosines = (output.states @ reference.states.T).clamp(max=1.0)  # rounding may exceed 1
    precision = _mean(cosines.amax(dim=1), _weights(output, counts, documents))
    recall = _mean(cosines.amax(dim=0), _weights(reference, counts, documents))
    return 2 * precision * recall / (precision + recall) if precision + recall else 0.0


def _weights(text: _Text, counts: Counter[int] | None, documents: int) -> torch.Tensor:
    alike = (~text.special).float()
    if counts is None:
        return alike
    idf = torch.tensor([log((documents + 1) / (counts[token] + 1)) for token in text.ids.tolist()], device=alike.device) * alike
    return idf if idf.any() else alike


def _mean(values: torch.Tensor, weights: torch.Tensor) -> float:
    return float((values * weights).sum() / weights.sum())
