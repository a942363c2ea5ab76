"""chrF: overlap of character sequences between a prediction and its reference."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from statistics import fmean
from typing import ClassVar

from pydantic import Field

from bench.contracts import Metric, Score, normal_form
from bench.metrics._means import mean

Counts = list[int]
"""For each sequence length: the count in the prediction, the count in the reference, and the shared count."""


class Chrf(Metric):
    """chrF by sacreBLEU: F-score of character sequences, in any script; 0 to 100 points.

    - `chrf`: sacreBLEU's corpus score, which first sums the counts of all examples. Published figures use it. Its values per example are
      jackknife values. Their mean is the score, and they give its standard error. A single value may lie outside 0 to 100.
    - `chrf_sentence`: the mean over examples of sacreBLEU's sentence score.

    Both texts are first put in normal form (NFC, no zero-width space), unlike in sacreBLEU. Punctuation, symbols and emoji count like other
    characters. With `word_order: 2` this is chrF++.

    Sources: Popović 2015, chrF (https://aclanthology.org/W15-3049); Popović 2017, chrF++ (https://aclanthology.org/W17-4770); Post 2018, A
    Call for Clarity in Reporting BLEU Scores (arXiv 1804.08771).
    """

    char_order: int = Field(default=6, ge=1)
    """Longest character sequence."""
    word_order: int = Field(default=0, ge=0)
    """Longest word sequence; 2 gives chrF++. Words are split at white space."""
    beta: int = Field(default=2, ge=1)
    """Recall weighs beta squared times as much as precision."""
    lowercase: bool = False
    """Ignore the difference between upper and lower case."""
    whitespace: bool = False
    """Count white space as characters."""
    eps_smoothing: bool = False
    """Average over all sequence lengths, including those longer than the texts, as Moses and NLTK do. A short
    copy then scores below 100."""

    score_names: ClassVar[tuple[str, ...]] = ("chrf", "chrf_sentence")
    not_means: ClassVar[tuple[str, ...]] = ("chrf",)

    def score(self, predictions: Sequence[str], references: Sequence[str]) -> list[Score]:
        from sacrebleu.metrics.chrf import CHRF

        if len(predictions) != len(references):
            raise ValueError(f"{len(predictions)} predictions for {len(references)} references")
        sacrebleu = CHRF(**self.model_dump())
        texts, wanted = [*map(normal_form, predictions)], [*map(normal_form, references)]
        counts: list[Counts] = sacrebleu._extract_corpus_statistics(texts, [wanted])
        kept = [bool(reference.strip()) for reference in wanted]
        reason = f"{kept.count(False):,} of {len(kept):,} references hold no character, and are left out"

        def f_score(found: Counts) -> float:
            return sacrebleu._compute_score_from_stats(found).score

        corpus = iter(jackknife([found for found, keep in zip(counts, kept, strict=True) if keep], f_score))
        return [
            mean("chrf", [next(corpus) if keep else None for keep in kept], reason),
            mean("chrf_sentence", [f_score(found) if keep else None for found, keep in zip(counts, kept, strict=True)], reason),
        ]


def jackknife(counts: Sequence[Counts], value: Callable[[Counts], float]) -> list[float]:
    """Return values per example for a score of summed counts. Their mean is the score, and their spread gives its standard error.

    Let `without` be the score without one example. Its value is score + (examples - 1) x (mean of all `without` - own `without`).

    Source: Efron, Stein 1981, The Jackknife Estimate of Variance (Annals of Statistics 9).
    """
    sums = [sum(column) for column in zip(*counts, strict=True)]
    if len(counts) < 2:
        return [value(sums) for _ in counts]
    without = [value([total - own for total, own in zip(sums, found, strict=True)]) for found in counts]
    average, score = fmean(without), value(sums)
    return [score + (len(counts) - 1) * (average - other) for other in without]
