"""SQuAD's exact match and F1 of short answers."""

from __future__ import annotations

import re
import string
from collections import Counter
from collections.abc import Sequence
from typing import ClassVar

from bench.contracts import Metric, Score
from bench.errors import BenchError
from bench.metrics._means import mean
from bench.metrics._tokenizers import letters_of
from bench.system.one_line import shown

_PUNCTUATION = str.maketrans("", "", string.punctuation)


class Squad(Metric):
    """Exact match, and F1 over words, of short answers with one reference each.

    Both are means over examples, 0 to 100 points. They use SQuAD's own normalisation: lower case, no ASCII punctuation, no articles (a, an,
    the), white space as one space. Letters of all scripts stay, and so does punctuation outside ASCII.

    A reference that becomes empty, such as 'The', has no score. Version 1.1 of the official script gives it an F1 of 0, and an exact match
    with any other text that becomes empty.

    Source: Rajpurkar et al. 2016, SQuAD (arXiv 1606.05250), section 6.1, and its evaluate-v1.1.py. There the best of several references
    counts. Kang, Xu, Ritter 2023 give one reference per question, so scores are lower than with all known references.
    """

    score_names: ClassVar[tuple[str, ...]] = ("squad_em", "squad_f1")

    def check(self, references: Sequence[str]) -> list[str]:
        empty = [reference for reference in references if not _words(reference)]
        if len(empty) == len(references):
            raise BenchError(f"metric 'squad': no reference holds a word besides articles, e.g. {shown(empty[0])}; use exact_match")
        warnings = [f"metric 'squad': {_without_words(len(empty), len(references))} (the first is {shown(empty[0])})"] if empty else []
        if letters_of(references).suited == "characters":
            warnings.append(
                "metric 'squad': the references set no spaces between words, so squad_f1 takes each for one word; "
                "{use: rouge, with: {tokenizer: characters}} or {use: chrf} give partial credit"
            )
        return warnings

    def score(self, predictions: Sequence[str], references: Sequence[str]) -> list[Score]:
        pairs = [(_words(p), _words(r)) for p, r in zip(predictions, references, strict=True)]
        exact = [100.0 * (p == r) if r else None for p, r in pairs]
        f1 = [100 * _f1(p, r) if r else None for p, r in pairs]
        reason = _without_words(exact.count(None), len(exact))
        return [mean("squad_em", exact, reason), mean("squad_f1", f1, reason)]


def _without_words(count: int, of: int) -> str:
    return f"{count:,} of {of:,} references hold no word besides articles, and are left out"


def _words(text: str) -> list[str]:
    return re.sub(r"\b(a|an|the)\b", " ", text.lower().translate(_PUNCTUATION)).split()


def _f1(prediction: Sequence[str], reference: Sequence[str]) -> float:
    shared = (Counter(prediction) & Counter(reference)).total()
    return 2 * shared / (len(prediction) + len(reference)) if shared else 0.0
