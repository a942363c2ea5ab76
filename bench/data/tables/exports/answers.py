"""The answers of annotators, and the votes that give each document one label."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from bench.contracts import is_blank, normal_form
from bench.data.rows import text_of
from bench.data.tables.table import Table
from bench.system.sequences import collect

SEVERAL = ", "
"""Text between the choices of one answer. They are sorted, so equal sets are one label."""

NO_QUESTION = "no answer in it is a label of a whole document, such as a choice or a text"

LeftOut = tuple[str | None, str]
"""A question, or None for all, and what is no label for it."""

NO_LABEL = None
"""The vote of an annotator who rejects the label that is shown."""


@dataclass(kw_only=True)
class Document:
    """A document of an export, while its answers are collected."""

    row: int
    """Position of its first row in the table."""
    cells: Mapping[str, Any]
    """Column -> value, for all that is no answer."""
    votes: dict[str, dict[Hashable, dict[Hashable, str | None]]] = field(default_factory=dict)
    """Question -> item -> annotator -> label. The last answer of an annotator counts. A question has one item, None, unless the tool asks
    about each label alone."""

    def vote(self, question: str, annotator: Hashable, label: str | None, item: Hashable = None) -> None:
        """Count an answer. It replaces an earlier one of the annotator."""
        self.votes.setdefault(question, {}).setdefault(item, {})[annotator] = label

    def label(self, question: str) -> str | None:
        """Return the label of the majority. Those of several items are joined. None where no item has one."""
        labels = {label for votes in self.votes.get(question, {}).values() if (label := majority(votes))}
        return SEVERAL.join(sorted(labels)) or None


@dataclass(kw_only=True)
class Answers:
    """All documents of an export, and what was left out."""

    documents: Sequence[Document]
    questions: Collection[str]
    """Names of the questions, in the order of the file."""
    left_out: Mapping[LeftOut, int]
    """What is no label -> how often it occurs, such as rejected answers."""
    notes: tuple[str, ...] = ()
    """Warnings about the whole export, a sentence each."""


def known_by(value: Any, otherwise: Hashable) -> Hashable:
    """Return an id of a document or an annotator, or `otherwise` where the value is none."""
    return value if isinstance(value, str | int) and value != "" else otherwise


def only_text(value: Any) -> str | None:
    """Return an answer as text: a text, a number, or a list of them. None where it is blank, or holds objects such as spans."""
    if isinstance(value, list):
        inner = [only_text(one) for one in value]
        return SEVERAL.join(sorted({one for one in inner if one})) or None if None not in inner else None
    if isinstance(value, dict):
        return None
    text = value if isinstance(value, str) else text_of(value)
    return None if text is None or is_blank(text) else text


def majority(votes: Mapping[Hashable, str | None]) -> str | None:
    """Return the label with the most votes. None where two have as many, and where most annotators reject every label."""
    forms = {form: vote for vote in votes.values() for form in [_form(vote)]}
    ranked = Counter(map(_form, votes.values())).most_common(2)
    tied = len(ranked) == 2 and ranked[0][1] == ranked[1][1]
    return forms[ranked[0][0]] if ranked and not tied else None


def _form(vote: str | None) -> str | None:
    return None if vote is None else normal_form(vote)


def as_table(table: Table, tool: str, found: Answers) -> Table:
    """Return a row for each document, in the order of their first rows."""
    documents = found.documents
    names = dict.fromkeys(name for document in documents for name in document.cells)

    def values(name: str) -> Sequence[Any]:
        if name in found.questions:
            return collect(document.label(name) for document in documents)
        return collect(document.cells.get(name) for document in documents)

    return Table(
        file=table.file,
        kind=f"{table.kind} of {tool}",
        names=[*(name for name in names if name not in found.questions), *found.questions],
        numbers=[table.numbers[document.row] for document in documents],
        unit=table.unit,
        values=values,
        notes=(*table.notes, *found.notes),
        questions={name: _counts(table, tool, found, name) for name in found.questions},
        hint=lambda: "" if found.questions else NO_QUESTION,
    )


def _counts(table: Table, tool: str, found: Answers, question: str) -> tuple[str, ...]:
    """Return what was read and left out for one question."""
    items = [(document.label(question), [*document.votes.get(question, {}).values()]) for document in found.documents]
    several = [(label, of_each) for label, of_each in items if any(len(votes) > 1 for votes in of_each)]
    labelled = sum(label is not None for label, _ in items)
    place, unlabelled = f"{table.file}, '{question}'", len(found.documents) - labelled
    lines = [f"{place}: {tool} exported {len(found.documents):,} documents: {labelled:,} with a label, {unlabelled:,} without."]
    if left_out := [f"{what} {count:,}" for (about, what), count in found.left_out.items() if about in (None, question)]:
        lines.append(f"{place}: not counted as labels: {', '.join(left_out)}.")
    if several:
        differ = sum(any(len({*map(_form, votes.values())}) > 1 for votes in of_each) for _, of_each in several)
        none = sum(label is None for label, _ in several)
        lines.append(
            f"{place}: documents with several annotators: {len(several):,}; their labels differ: {differ:,}. "
            f"The majority is the label; no majority, so no label: {none:,}."
        )
    return tuple(lines)
