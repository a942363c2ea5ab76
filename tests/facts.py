"""Facts of a message, so that tests do not depend on its wording."""

import re
from collections.abc import Sequence
from itertools import zip_longest


def missing(text: object, *facts: object) -> list[str]:
    """Return the facts that a text does not hold: names, numbers with their unit, keys of a remedy.

    A fact stands for itself: 12 is not found in 120, 0.5 is not found in 10.5. Case does not count.
    """
    found = " ".join(str(text).split())
    return [str(fact) for fact in facts if not re.search(rf"(?<![\w.]){re.escape(str(fact))}(?!\w|\.\d)", found, re.IGNORECASE)]


def unmatched(lines: Sequence[object], *facts: Sequence[object]) -> list[str]:
    """Return what is wrong with lines of which the first holds the first facts, and so on; [] where there are as many of both."""
    pairs = zip_longest(lines, facts)
    return [f"{line}: {lost}" for line, wanted in pairs if (lost := missing(line, *wanted) if line and wanted else "without a partner")]
