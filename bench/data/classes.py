"""Recognises labels that are classes: few different ones, each short and in many rows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from bench.contracts import normal_form

CLASSES_AT_MOST = 200
"""Most different labels that count as classes."""
EXAMPLES_A_CLASS = 10
"""Fewest rows for each class, on average."""
CLASS_WORDS_AT_MOST = 10
"""Most words in the name of a class."""


@dataclass(frozen=True)
class Classes:
    """The classes that a column of labels holds."""

    names: tuple[str, ...]
    """Names in normal form, in their most frequent spelling. The most common class is first."""
    counts: tuple[int, ...]
    """Number of labelled documents of each class, in the order of `names`."""
    spellings: int
    """Number of other spellings. They differ from the names in case or outer white space, and count as the same class."""

    @property
    def majority(self) -> float:
        """Share of the most common class, which is the accuracy of a constant answer."""
        return self.counts[0] / sum(self.counts)


def classes(labels: Sequence[str]) -> Classes | None:
    """Return the classes in the labels, or None where the labels are free text or absent."""
    spelt: dict[str, Counter[str]] = {}
    for label in labels:
        name = normal_form(label).strip()
        spelt.setdefault(name.casefold(), Counter())[name] += 1
    too_many = len(spelt) > CLASSES_AT_MOST or len(spelt) * EXAMPLES_A_CLASS > len(labels)
    if not spelt or too_many or max(len(name.split()) for name in spelt) > CLASS_WORDS_AT_MOST:
        return None
    ordered = sorted(spelt.values(), key=lambda c: (-c.total(), c.most_common(1)[0][0]))
    others = sum(len(c) - 1 for c in ordered)
    return Classes(tuple(c.most_common(1)[0][0] for c in ordered), tuple(c.total() for c in ordered), others)
