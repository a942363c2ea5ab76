"""Labels that are classes: few different ones, each short and in many rows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from bench.contracts import normal_form

CLASSES_AT_MOST = 200
EXAMPLES_A_CLASS = 10
CLASS_WORDS_AT_MOST = 10
"""Labels are classes if there are no more than so many, each in so many rows on average, and none of more words."""


@dataclass(frozen=True)
class Classes:
    """Labels that are classes."""

    names: tuple[str, ...]
    """In normal form, as written most often, the commonest class first."""
    counts: tuple[int, ...]
    """Labelled documents of each."""
    spellings: int
    """Ways of writing that differ from the names in case or white space at the ends, and count as the same."""

    @property
    def majority(self) -> float:
        """Share of the commonest class, which is the accuracy of always naming it."""
        return self.counts[0] / sum(self.counts)


def classes(labels: Sequence[str]) -> Classes | None:
    """Return the classes that labels are; None where they are texts, or there are none."""
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
