"""Figures about the rows, for the two chosen columns: labels, duplicates, classes, copied labels, lengths."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bench.contracts import content_hash, is_blank, normal_form
from bench.data.classes import Classes, classes
from bench.errors import DataError
from bench.init.columns import NO_LABELS, named
from bench.init.large_model import Large
from bench.init.lengths import Lengths, tokens, words
from bench.init.read_file import ColumnChoice, Table
from bench.metrics._tokenizers import Letters, letters_of
from bench.system.one_line import shown

if TYPE_CHECKING:
    from bench.training.text_coverage import LabelLoss, TextLoss

LABELS_AT_LEAST = 30
"""Fewest labels. Fewer cannot be split into starting labels, labels to buy, dev and test."""

LOOKED_AT = 512
"""Tokens of a document or label in which unknown tokens are counted."""

WORD = re.compile(r"[^\W_]+")


@dataclass(frozen=True, kw_only=True)
class DatasetProfile:
    """Figures of a file. Documents are distinct: a repeated one counts once."""

    rows: int
    labelled: int
    """Documents with a label."""
    unlabelled: int
    """Documents without a label."""
    blank: int
    """Rows without a document."""
    repeated: int
    """Rows whose document occurs in an earlier row, ignoring case, white space and normal form."""
    conflicting: int
    """Rows among these whose label differs from that of the first row."""
    in_document: int
    """Labelled documents that contain their label word for word."""
    replaced: int
    """Documents with U+FFFD, the character that replaces broken ones."""
    invisible: int
    """Labels of only invisible characters. They count as no label."""
    spellings: int
    """Spellings of a label that differ from another one only by Unicode normal form."""
    classes: Classes | None
    """None where the labels are free text."""
    document_words: Lengths
    label_words: Lengths
    document_tokens: Lengths
    label_tokens: Lengths
    document_loss: TextLoss | None
    """What the model cannot read. None where its tokenizer is not on this machine."""
    label_loss: LabelLoss | None
    """What the model cannot write. None where its tokenizer is not on this machine."""
    label_letters: Letters
    """What ROUGE's published tokenizer drops from the labels."""

    @property
    def typical_label_words(self) -> int:
        """Number of words of the median label, at least 1."""
        return max(1, self.label_words.percentile(0.5))

    @property
    def word(self) -> str:
        """The unit that counts as a word of the labels, in the plural."""
        return "characters" if self.label_letters.suited == "characters" else "words"


def profile_dataset(table: Table, choice: ColumnChoice, large: Large) -> DatasetProfile:
    """Return the figures of a table for its two columns, in the tokens of a model. Raises DataError where there is too little to learn."""
    rows = [
        (document or "", label or "")
        for document, label in zip(table.texts(choice.source.name), table.texts(choice.target.name), strict=True)
    ]
    documents, spelt, conflicting = _first_of_each(rows)
    blank, source, target = sum(is_blank(document) for document, _ in rows), named(choice.source.name), named(choice.target.name)
    if not spelt:
        raise DataError(f"{table.file}: no row has both a document in {source} and a label in {target}. {NO_LABELS}")
    if len(spelt) < LABELS_AT_LEAST:
        raise DataError(f"{table.file}: only {len(spelt)} different documents have a label in {target}, too few to split. {NO_LABELS}")
    labels = {key: normal_form(label) for key, label in spelt.items()}
    texts, targets = [*documents.values()], [*labels.values()]
    if len({label.strip().casefold() for label in targets}) == 1:
        raise DataError(f"{table.file}: every label in {target} is {shown(targets[0])}, so there is nothing to learn")
    coverage = None
    if large.tokenizer:
        from bench.training.text_coverage import Coverage

        coverage = Coverage(large.tokenizer)
    document_loss, label_text = (coverage.of_texts(each, LOOKED_AT) if coverage else None for each in (texts, targets))
    return DatasetProfile(
        rows=len(rows),
        labelled=len(labels),
        unlabelled=len(documents) - len(labels),
        blank=blank,
        repeated=len(rows) - blank - len(documents),
        conflicting=conflicting,
        in_document=sum(_stands_in(label, normal_form(documents[key])) for key, label in labels.items()),
        replaced=sum("\ufffd" in text for text in texts),
        invisible=sum(is_blank(label) and label.strip() != "" for _, label in rows),
        spellings=len({*spelt.values()}) - len({*targets}),
        classes=classes(targets),
        document_words=words(texts),
        label_words=words(targets),
        document_tokens=tokens(texts, coverage.source_tokens if coverage else None, bool(document_loss and document_loss.mostly_unknown)),
        label_tokens=tokens(targets, coverage.target_tokens if coverage else None, bool(label_text and label_text.mostly_unknown)),
        document_loss=document_loss,
        label_loss=coverage.of_labels(targets) if coverage else None,
        label_letters=letters_of(targets),
    )


def _first_of_each(rows: Sequence[tuple[str, str]]) -> tuple[dict[str, str], dict[str, str], int]:
    """Return documents and labels by content hash, and how many repeated documents have another label than the first one. The task `files`
    does the same: it keeps the first row of a repeated document that has a label."""
    documents: dict[str, str] = {}
    labels: dict[str, str] = {}
    conflicting = 0
    for document, label in sorted(rows, key=lambda row: is_blank(row[1])):
        if is_blank(document):
            continue
        key = content_hash(document)
        if key in documents:
            conflicting += not is_blank(label) and normal_form(label) != normal_form(labels.get(key, ""))
            continue
        documents[key] = document
        if not is_blank(label):
            labels[key] = label
    return documents, labels, conflicting


def _stands_in(label: str, document: str) -> bool:
    """Return whether all words of the label occur consecutively in the document, without case and punctuation."""
    found, inside = (f" {' '.join(WORD.findall(text.casefold()))} " for text in (label, document))
    return found.strip() != "" and found in inside
