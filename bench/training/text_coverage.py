"""Measures which parts of documents and labels a model's tokenizer can read and write.

T5's vocabulary lacks '<', '{' and most scripts. The model reads an unknown token in their place, and can
never write them. Tokenizers that fall back on bytes know every character.
"""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.contracts import Form, is_blank, nfkc_form, normal_form
from bench.data.splitting import some_texts
from bench.system.one_line import percent, shown
from bench.training.batches import decode, target_ids
from bench.training.checkpoints import load_tokenizer, read_config

MEASURED = 1000
"""Most distinct texts that are measured, those with the lowest hashes. Shares are then known to 3 points. 1,000 long documents take 2 s."""

EXAMPLES = 3
"""Number of characters or labels that are shown."""

BEFORE = 15
"""Characters that are shown before the first difference."""

MOST = 0.5
"""Share above which most of a text is unknown, or most labels are lost."""

UNCUT = 2**31 - 1
"""A limit in tokens that cuts no label."""

COMPATIBLE = "\ufb01\u2460\uff21\u00b2"
"""A ligature, a circled digit, a wide letter and a superscript. NFKC turns them into plain characters."""


@dataclass(frozen=True, kw_only=True)
class TextLoss:
    """The parts of some texts that a tokenizer does not know."""

    of: int
    """Number of texts."""
    texts: int
    """Number of texts that were measured."""
    holding: int
    """Number of these that contain a character unknown to the tokenizer."""
    share_of_text: float
    """Share of their characters, without white space, that is unknown."""
    characters: tuple[str, ...]
    """The most common of these characters."""

    @property
    def mostly_unknown(self) -> bool:
        """Whether more than half of the text is unknown."""
        return self.share_of_text > MOST

    def sentence(self, what: str) -> str:
        """Return a sentence about documents or labels, whichever `what` names."""
        counted, examples = _counted(self.holding, self.texts, self.of, what), " ".join(map(shown, self.characters))
        return f"{counted} hold unknown tokens ({percent(self.share_of_text)} of the text): {examples}"


@dataclass(frozen=True, kw_only=True)
class LabelLoss:
    """Labels that a tokenizer changes."""

    of: int
    """Number of labels."""
    labels: int
    """Number of labels that were measured."""
    lost: int
    """Number of these that encoding and decoding change."""
    words_lost: int
    """Number of these that lose a letter or digit, and not only punctuation."""
    examples: tuple[tuple[str, str], ...]
    """The most common of these labels, and what they become."""

    @property
    def mostly_lost(self) -> bool:
        """Whether more than half of the labels lose letters or digits."""
        return self.words_lost > MOST * self.labels

    @property
    def counted(self) -> str:
        """A phrase with the number of lost labels."""
        return _counted(self.lost, self.labels, self.of, "labels")

    def sentence(self) -> str:
        """Return a sentence with the number of lost labels, and examples."""
        return f"{self.counted} cannot be written: {changes_in_words(self.examples)}"


def changes_in_words(lost: Sequence[tuple[str, str]]) -> str:
    """Return in words what the first few texts become. Long ones are shown from shortly before the first difference."""
    changes = []
    for text, again in lost[:EXAMPLES]:
        pairs = enumerate(zip(text, again, strict=False))
        start = max(0, next((at for at, (one, two) in pairs if one != two), min(len(text), len(again))) - BEFORE)
        changes.append(f"{shown(text[start:])} becomes {shown(again[start:])}")
    return ", ".join(changes)


def comparison_form(tokenizer: Any) -> Form:
    """Return the form in which references and the outputs of a tokenizer are compared. It is NFKC where the tokenizer's normalizer, of any
    name, turns compatibility characters into plain ones."""
    normalizer = tokenizer.backend_tokenizer.normalizer
    plain = nfkc_form(COMPATIBLE).casefold()
    return nfkc_form if normalizer and plain in normalizer.normalize_str(COMPATIBLE).casefold() else normal_form


class Coverage:
    """Measures what the tokenizer in a folder can read and write."""

    def __init__(self, folder: Path) -> None:
        self._tokenizer = load_tokenizer(folder)
        self._encoder_decoder = bool(read_config(folder).is_encoder_decoder)
        self.form = comparison_form(self._tokenizer)
        self._vanishing: dict[str, bool] = {}

    def loosely(self, text: str) -> str:
        """Return the form in which a label is compared with what it becomes. Case and white space are ignored as well."""
        return " ".join(self.form(text).casefold().split())

    def source_tokens(self, texts: Sequence[str]) -> list[int]:
        """Return the number of tokens of each document, uncut."""
        return [len(ids) for ids in self._tokenizer([*texts], verbose=False)["input_ids"]] if texts else []

    def target_tokens(self, labels: Sequence[str]) -> list[int]:
        """Return the number of tokens of each label, end token included, uncut."""
        return [len(ids) for ids in self._encoded(labels)]

    def written(self, labels: Sequence[str]) -> list[str]:
        """Return what labels become when they are encoded as in training, uncut, and decoded as in generation."""
        return decode(self._tokenizer, self._encoded(labels)) if labels else []

    def _encoded(self, labels: Sequence[str]) -> list[tuple[int, ...]]:
        return target_ids(self._tokenizer, self._encoder_decoder, [*labels], UNCUT) if labels else []

    def of_labels(self, labels: Sequence[str]) -> LabelLoss:
        """Measure how many labels cannot be written, ignoring case and white space."""
        counts = Counter(labels)
        some = some_texts([*counts], MEASURED)
        pairs = zip(some, self.written(some), strict=True)
        lost = sorted((pair for pair in pairs if self.loosely(pair[0]) != self.loosely(pair[1])), key=lambda pair: -counts[pair[0]])
        of_words = (label for label, again in lost if _word_characters(self.loosely(label)) != _word_characters(self.loosely(again)))
        return LabelLoss(
            of=len(labels),
            labels=sum(counts[label] for label in some),
            lost=sum(counts[label] for label, _ in lost),
            words_lost=sum(counts[label] for label in of_words),
            examples=tuple(lost[:EXAMPLES]),
        )

    def of_texts(self, texts: Sequence[str], max_tokens: int, prefix: str = "") -> TextLoss:
        """Measure the unknown parts of the texts after a prefix, within the first `max_tokens` tokens."""
        some, characters, holding = some_texts(texts, MEASURED), 0, 0
        unknown: Counter[str] = Counter()
        wholes = [prefix + text for text in some]
        settings = {"truncation": True, "max_length": max_tokens, "return_offsets_mapping": True}
        encoded = self._tokenizer(wholes, **settings) if some else {"input_ids": [], "offset_mapping": []}
        for whole, ids, spans in zip(wholes, encoded["input_ids"], encoded["offset_mapping"], strict=True):
            read = whole if len(ids) < max_tokens else whole[: max(end for _, end in spans)]
            lost = [read[at] for at in sorted(self._unknown(read, ids, spans)) if at >= len(prefix)]
            unknown.update(lost)
            characters += len("".join(read[len(prefix) :].split()))
            holding += bool(lost)
        return TextLoss(
            of=len(texts),
            texts=len(some),
            holding=holding,
            share_of_text=unknown.total() / max(characters, 1),
            characters=tuple(character for character, _ in unknown.most_common(EXAMPLES)),
        )

    def _unknown(self, text: str, ids: Sequence[int], spans: Sequence[tuple[int, int]]) -> set[int]:
        """Return the positions of unknown characters. `spans` holds start and end of each token in the text. Some tokenizers drop unknown
        characters. Their spans show that something is missing, but not what, so each character is tried."""
        covered, unknown = {at for span in spans for at in range(*span)}, self._tokenizer.unk_token_id
        found = {at for token, span in zip(ids, spans, strict=True) if token == unknown for at in range(*span)}
        if len(covered) < len(text) and not all(is_blank(text[at]) for at in set(range(len(text))) - covered):
            new = [*set(text) - self._vanishing.keys()]
            self._vanishing |= {character: not again for character, again in zip(new, self.written(new), strict=True)}
            found |= {at for at, character in enumerate(text) if self._vanishing[character]}
        return {at for at in found if not is_blank(text[at])}


def _word_characters(text: str) -> str:
    return "".join(character for character in text if unicodedata.category(character)[0] in "LMN")


def _counted(count: int, looked_at: int, of: int, what: str) -> str:
    sample = f" looked at, out of {of:,}," if looked_at < of else ""
    return f"{count:,} of {looked_at:,} {what}{sample} ({percent(count / max(looked_at, 1))})"
