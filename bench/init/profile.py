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
from bench.system.sequences import Collector

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
    source, target = named(choice.source.name), named(choice.target.name)
    found = _first_of_each(table.texts(choice.source.name), table.texts(choice.target.name))
    texts, targets = found.documents, [normal_form(label) for label in found.labels]
    if not targets:
        raise DataError(f"{table.file}: no row has both a document in {source} and a label in {target}. {NO_LABELS}")
    if len(targets) < LABELS_AT_LEAST:
        raise DataError(f"{table.file}: only {len(targets)} different documents have a label in {target}, too few to split. {NO_LABELS}")
    if len({label.strip().casefold() for label in targets}) == 1:
        raise DataError(f"{table.file}: every label in {target} is {shown(targets[0])}, so there is nothing to learn")
    coverage = None
    if large.tokenizer:
        from bench.training.text_coverage import Coverage

        coverage = Coverage(large.tokenizer)
    document_loss, label_text = (coverage.of_texts(each, LOOKED_AT) if coverage else None for each in (texts, targets))
    document_unknown, label_unknown = (bool(loss and loss.mostly_unknown) for loss in (document_loss, label_text))
    return DatasetProfile(
        rows=table.rows,
        labelled=len(targets),
        unlabelled=len(texts) - len(targets),
        blank=found.blank,
        repeated=table.rows - found.blank - len(texts),
        conflicting=found.conflicting,
        in_document=sum(_stands_in(label, normal_form(text)) for label, text in zip(targets, texts, strict=False)),
        replaced=sum("\ufffd" in text for text in texts),
        invisible=found.invisible,
        spellings=len({*found.labels}) - len({*targets}),
        classes=classes(targets),
        document_words=words(texts),
        label_words=words(targets),
        document_tokens=tokens(texts, coverage.source_tokens if coverage else None, document_unknown, distinct=True),
        label_tokens=tokens(targets, coverage.target_tokens if coverage else None, label_unknown),
        document_loss=document_loss,
        label_loss=coverage.of_labels(targets) if coverage else None,
        label_letters=letters_of(targets),
    )


@dataclass(frozen=True, kw_only=True)
class _Distinct:
    """The distinct documents of a file, and counts of its rows."""

    documents: Sequence[str]
    """Those with a label are first."""
    labels: Sequence[str]
    """The labels of the first documents, as spelt."""
    blank: int
    conflicting: int
    invisible: int


def _first_of_each(documents: Sequence[str | None], labels: Sequence[str | None]) -> _Distinct:
    """Return the first row of each document, one with a label where there is one. The task `files` keeps the same rows."""
    first = dict[bytes, str]()
    distinct = Collector[str]()
    blank = conflicting = invisible = 0
    for labelled in (True, False):
        for document, label in ((document or "", label or "") for document, label in zip(documents, labels, strict=True)):
            if is_blank(label) is labelled:
                continue
            invisible += not labelled and label.strip() != ""
            if is_blank(document):
                blank += 1
                continue
            key = bytes.fromhex(content_hash(document))
            if key in first:
                conflicting += labelled and normal_form(label) != normal_form(first[key])
                continue
            first[key] = label
            distinct.add(document)
    kept = [label for label in first.values() if not is_blank(label)]
    return _Distinct(documents=distinct.finish(), labels=kept, blank=blank, conflicting=conflicting, invisible=invisible)


def _stands_in(label: str, document: str) -> bool:
    """Return whether all words of the label occur consecutively in the document, without case and punctuation."""
    found, inside = (f" {' '.join(WORD.findall(text.casefold()))} " for text in (label, document))
    return found.strip() != "" and found in inside
