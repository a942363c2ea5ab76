"""SQuAD's exact match and F1 of short answers."""

from __future__ import annotations

import re
import string
from collections import Counter
from collections.abc import Sequence
from statistics import fmean

from bench.contracts import Metric, Score

_PUNCTUATION = str.maketrans("", "", string.punctuation)


class Squad(Metric):
    """Short answers against one reference each: exact match, and F1 over words; means over examples, 0 to 100 points.

    Both after SQuAD's own normalisation: lower case, without ASCII punctuation, without the articles a, an and the, white
    space as one space. As in version 1.1 of the official script, F1 is 0 where no word is shared, also where neither
    has any word, as in 'The' against 'the', which match exactly.

    Source: Rajpurkar et al. 2016, SQuAD (arXiv 1606.05250), section 6.1, and its evaluate-v1.1.py. There the best of several
    references counts; Kang, Xu, Ritter 2023 give but one to a question, so scores are lower than where all are known.
    """

    @property
    def score_names(self) -> tuple[str, ...]:
        return "squad_em", "squad_f1"

    def score(self, predictions: Sequence[str], references: Sequence[str]) -> list[Score]:
        pairs = [(_words(p), _words(r)) for p, r in zip(predictions, references, strict=True)]
        exact = tuple(100.0 * (p == r) for p, r in pairs)
        f1 = tuple(100 * _f1(p, r) for p, r in pairs)
        return [Score(name, fmean(points), "points", "higher", points) for name, points in (("squad_em", exact), ("squad_f1", f1))]


def _words(text: str) -> list[str]:
    return re.sub(r"\b(a|an|the)\b", " ", text.lower().translate(_PUNCTUATION)).split()


def _f1(prediction: Sequence[str], reference: Sequence[str]) -> float:
    shared = (Counter(prediction) & Counter(reference)).total()
    return 2 * shared / (len(prediction) + len(reference)) if shared else 0.0
