"""Exact match: the share of predictions that equal their reference."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from bench.contracts import Metric, Score, normal_form
from bench.metrics._means import mean


class ExactMatch(Metric):
    """Share of predictions that equal their reference, 0 to 100 points.

    Both are put in normal form, and normalised by the settings below.
    """

    ignore_case: bool = True
    """Ignore the difference between upper and lower case, by Unicode case folding."""
    ignore_whitespace: bool = True
    """Read any run of white space as one space, and remove it at the ends."""

    score_names: ClassVar[tuple[str, ...]] = ("exact_match",)

    def score(self, predictions: Sequence[str], references: Sequence[str]) -> list[Score]:
        pairs = zip(predictions, references, strict=True)
        return [mean("exact_match", [100.0 * (self._normal(prediction) == self._normal(reference)) for prediction, reference in pairs])]

    def _normal(self, text: str) -> str:
        text = normal_form(text)
        if self.ignore_case:
            text = text.casefold()
        return " ".join(text.split()) if self.ignore_whitespace else text
