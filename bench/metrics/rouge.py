"""ROUGE: overlap of words, word pairs and common subsequences between a prediction and its reference."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from statistics import fmean
from types import SimpleNamespace
from typing import TYPE_CHECKING

from bench.contracts import Metric, Score

if TYPE_CHECKING:
    from rouge_score.rouge_scorer import RougeScorer

VARIANTS = ("rouge1", "rouge2", "rougeL", "rougeLsum")


class Rouge(Metric):
    """ROUGE-1, -2, -L and -Lsum by the package rouge-score: the mean over examples of the F1 measure, 0 to 100 points.

    The plain mean, not the bootstrap's middle value that `evaluate` reports: that one moves with NumPy's global seed
    (https://github.com/huggingface/datasets/issues/361). No random number is drawn here.

    Sentences, which rougeLsum wants apart, are lines; rougeL takes no notice of them, and on CNN/DailyMail the two differ by
    ten points (https://github.com/huggingface/transformers/issues/6808). The `<n>` that Pegasus writes for a new line is made one
    in predictions and references (https://github.com/huggingface/transformers/issues/6844). Nothing splits text without lines.

    A trap: letters outside a-z and digits outside 0-9 are dropped, so that a Russian text has no words at all and scores 0 even
    against itself, and 'café' is 'caf'.

    Source: Lin 2004, ROUGE: A Package for Automatic Evaluation of Summaries (https://aclanthology.org/W04-1013); what goes
    wrong where settings are left unsaid: Grusky 2023, Rogue Scores (https://aclanthology.org/2023.acl-long.107).
    """

    stemmer: bool = True
    """Strip endings by Porter's stemmer first. The published figures of Pegasus and BART do; `evaluate` does not by default."""

    @property
    def score_names(self) -> tuple[str, ...]:
        return VARIANTS

    def score(self, predictions: Sequence[str], references: Sequence[str]) -> list[Score]:
        scorer = _scorer(self.stemmer)
        pairs = zip(predictions, references, strict=True)
        found = [scorer.score(target=_lines(reference), prediction=_lines(prediction)) for prediction, reference in pairs]
        return [_mean(variant, tuple(100 * float(each[variant].fmeasure) for each in found)) for variant in VARIANTS]


def _lines(text: str) -> str:
    return text.replace("<n>", "\n")


def _mean(name: str, points: tuple[float, ...]) -> Score:
    return Score(name, fmean(points), "points", "higher", points)


@cache
def _scorer(stemmer: bool) -> RougeScorer:
    """The package's own scorer and words; each word is stemmed but once, which takes a quarter of the time."""
    from rouge_score import rouge_scorer, tokenize, tokenizers

    porter = SimpleNamespace(stem=cache(tokenizers.porter.PorterStemmer().stem)) if stemmer else None
    words = SimpleNamespace(tokenize=lambda text: tokenize.tokenize(text, porter))
    return rouge_scorer.RougeScorer(list(VARIANTS), tokenizer=words)
