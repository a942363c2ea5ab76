"""What the rows hold, by the two columns chosen: labels, duplicates, labels that are classes or stand in their document, lengths."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from bench.contracts.values import content_hash
from bench.errors import DataError
from bench.init.columns import NO_LABELS, Choice, named
from bench.init.large_model import Large
from bench.init.lengths import Lengths, tokens, words
from bench.init.read_file import Table
from bench.init.yaml_text import shown

LABELS_AT_LEAST = 30
"""Fewer cannot be split into labels to own, to buy, to tune on and to be scored on."""

CLASSES_AT_MOST = 200
EXAMPLES_A_CLASS = 10
CLASS_WORDS_AT_MOST = 10
"""Labels are classes where they are no more than so many, stand in so many rows each on average, and are no longer than that."""

WORD = re.compile(r"[^\W_]+")


@dataclass(frozen=True)
class Classes:
    """Labels that are classes. names: as written most often, the commonest first. counts: labelled documents of each."""

    names: tuple[str, ...]
    counts: tuple[int, ...]
    spellings: int
    """Ways of writing that differ from the names, in case or white space at the ends, and count as the same."""

    @property
    def majority(self) -> float:
        """Share of the commonest class: what always saying it would score."""
        return self.counts[0] / sum(self.counts)


@dataclass(frozen=True, kw_only=True)
class Look:
    """Figures of a file. labelled, unlabelled: different documents with a label, and without; what is repeated counts once.

    blank: rows without a document. repeated: rows whose document stood before, case and white space aside; conflicting: those of them
    that have another label than the first. in_document: labelled documents in which the label stands word for word.
    replaced: labelled or not, documents with the character that stands for broken ones.
    """

    rows: int
    labelled: int
    unlabelled: int
    blank: int
    repeated: int
    conflicting: int
    in_document: int
    replaced: int
    classes: Classes | None
    document_words: Lengths
    label_words: Lengths
    document_tokens: Lengths
    label_tokens: Lengths

    @property
    def typical_label_words(self) -> int:
        """Words of the median label, one at least."""
        return max(1, self.label_words.percentile(0.5))


def look(table: Table, choice: Choice, large: Large) -> Look:
    """The figures of a table by its two columns, in the tokens of a model. Raises DataError where there is too little to learn from."""
    labels: dict[str, str] = {}
    documents: dict[str, str] = {}
    conflicting, rows = 0, list(zip(table.texts(choice.source), table.texts(choice.target), strict=True))
    for document, label in sorted(rows, key=lambda row: not _filled(row[1])):  # as `files`: of repeated documents a labelled one is kept
        if not _filled(document):
            continue
        key = content_hash(document or "")
        if key in documents:
            conflicting += _filled(label) and label != labels.get(key)
            continue
        documents[key] = document or ""
        if _filled(label):
            labels[key] = label or ""
    blank = sum(not _filled(document) for document, _ in rows)
    _enough(table, choice, len(labels))
    texts, targets = [*documents.values()], [*labels.values()]
    if len({target.strip().casefold() for target in targets}) == 1:
        raise DataError(f"{table.file}: every label in {named(choice.target)} is {shown(targets[0])}, so there is nothing to learn")
    return Look(
        rows=len(rows),
        labelled=len(labels),
        unlabelled=len(documents) - len(labels),
        blank=blank,
        repeated=len(rows) - blank - len(documents),
        conflicting=conflicting,
        in_document=sum(_stands_in(label, documents[key]) for key, label in labels.items()),
        replaced=sum("\ufffd" in text for text in texts),
        classes=classes(targets),
        document_words=words(texts),
        label_words=words(targets),
        document_tokens=tokens(texts, large.tokenizer),
        label_tokens=tokens(targets, large.tokenizer),
    )


def classes(labels: Sequence[str]) -> Classes | None:
    """The classes that labels are; None where they are texts."""
    spelt: dict[str, Counter[str]] = {}
    for label in labels:
        spelt.setdefault(label.strip().casefold(), Counter())[label.strip()] += 1
    too_many = len(spelt) > CLASSES_AT_MOST or len(spelt) * EXAMPLES_A_CLASS > len(labels)
    if too_many or max(len(name.split()) for name in spelt) > CLASS_WORDS_AT_MOST:
        return None
    ordered = sorted(spelt.values(), key=lambda c: (-c.total(), c.most_common(1)[0][0]))
    others = sum(len(c) - 1 for c in ordered)
    return Classes(tuple(c.most_common(1)[0][0] for c in ordered), tuple(c.total() for c in ordered), others)


def _enough(table: Table, choice: Choice, labelled: int) -> None:
    source, target = named(choice.source), named(choice.target)
    if not labelled:
        raise DataError(f"{table.file}: no row has both a document in {source} and a label in {target}. {NO_LABELS}")
    if labelled < LABELS_AT_LEAST:
        raise DataError(f"{table.file}: only {labelled} different documents have a label in {target}, too few to split. {NO_LABELS}")


def _filled(cell: str | None) -> bool:
    return cell is not None and cell.strip() != ""


def _stands_in(label: str, document: str) -> bool:
    """Whether all of its words stand there in a row, case and punctuation aside."""
    found, inside = (f" {' '.join(WORD.findall(text.casefold()))} " for text in (label, document))
    return found.strip() != "" and found in inside
