"""ROUGE: overlap of words, word pairs and common subsequences between a prediction and its reference."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from bench.contracts import Metric, Score
from bench.errors import BenchError
from bench.metrics._means import mean
from bench.metrics._tokenizers import Tokenizer, letters_of, lines, tokenizer
from bench.system.one_line import shown

VARIANTS = ("rouge1", "rouge2", "rougeL", "rougeLsum")

WHO = "metric 'rouge'"


class Rouge(Metric):
    """ROUGE-1, -2, -L and -Lsum by the package rouge-score-rs, 0 to 100 points.

    Each score is the mean over examples of the F1 measure. With the tokenizer `latin` every value equals that of the package rouge-score
    0.1.2 to the last bit. `evaluate` reports the bootstrap's middle value instead, which changes with NumPy's global seed
    (https://github.com/huggingface/datasets/issues/361). This metric draws no random numbers.

    The tokenizers:

    - `latin` keeps runs of a-z and 0-9, in lower case. The published figures use it. It drops every other letter: 'café' becomes 'caf', and
      a Russian text has no words. `check` refuses references that lose most of their letters.
    - `unicode` keeps the words that UAX #29 finds in any script. An ideograph is a word, and so is each character of Thai or Lao.
    - `characters` keeps each character of any script, combining marks included. It suits scripts without spaces.

    The last two compare text after NFKC and full case folding. All three drop punctuation, symbols and emoji. A reference without any token
    has no score. A reference of one token has no pair of tokens, so its rouge2 is 0, as in rouge-score.

    Only rougeLsum uses sentences. rougeL ignores them, and on CNN/DailyMail the two differ by ten points
    (https://github.com/huggingface/transformers/issues/6808). With `latin`, sentences are lines, as published. With the others they also
    end at full stops. Pegasus writes `<n>` for a new line; it becomes a new line in predictions and references
    (https://github.com/huggingface/transformers/issues/6844).

    Source: Lin 2004, ROUGE: A Package for Automatic Evaluation of Summaries (https://aclanthology.org/W04-1013). Grusky 2023, Rogue Scores
    (https://aclanthology.org/2023.acl-long.107), shows the faults that come from unstated settings.
    """

    added: ClassVar[tuple[str, ...]] = ("tokenizer",)

    stemmer: bool = True
    """Strip English endings with Porter's stemmer first. Only `latin` uses it. The published figures of
    Pegasus and BART do so; `evaluate` does not by default."""
    tokenizer: Tokenizer = "latin"
    """Unit of text to count: `latin`, `unicode` or `characters`."""

    score_names: ClassVar[tuple[str, ...]] = VARIANTS

    def check(self, references: Sequence[str]) -> list[str]:
        if self.tokenizer == "latin":
            found = letters_of(references)
            if 2 * found.dropped > found.letters:
                raise BenchError(self._drops(references, found.suited, f"{found.dropped_share:.0%} of the letters of the references"))
        counts = self._counts(references)
        if not any(counts):
            raise BenchError(f"{WHO}: no reference holds a letter or digit (the first is {shown(references[0])}); use exact_match or chrf")
        empty = [reference for reference, count in zip(references, counts, strict=True) if not count]
        warnings = [f"{WHO}: {_empty(empty, references)} (the first is {shown(empty[0])})"] if empty else []
        if self.tokenizer == "latin" and found.suited != "latin":
            damaged = f"letters from {found.damaged_share:.0%} of the words of the references"
            warnings.append(self._drops(references, found.suited, damaged))
        return warnings

    def score(self, predictions: Sequence[str], references: Sequence[str]) -> list[Score]:
        from rouge_score_rs.rouge_scorer import RougeScorer

        scorer = RougeScorer(list(VARIANTS), tokenizer=tokenizer(self.tokenizer, self.stemmer))
        counts = self._counts(references)
        pairs = zip(self._lines(predictions), self._lines(references), counts, strict=True)
        found = [scorer.score(reference, prediction) if count else None for prediction, reference, count in pairs]
        reason = _empty([reference for reference, count in zip(references, counts, strict=True) if not count], references)
        return [mean(variant, [100 * each[variant].fmeasure if each else None for each in found], reason) for variant in VARIANTS]

    def _counts(self, texts: Sequence[str]) -> list[int]:
        tokenize = tokenizer(self.tokenizer, self.stemmer).tokenize
        return [len(tokenize(text)) for text in self._lines(texts)]

    def _lines(self, texts: Sequence[str]) -> list[str]:
        return [lines(text.replace("<n>", "\n"), self.tokenizer) for text in texts]

    def _drops(self, references: Sequence[str], suited: Tokenizer, what: str) -> str:
        first = next(reference for reference in references if letters_of([reference]).dropped)
        return f"{WHO}: the tokenizer 'latin' drops {what}, e.g. of {shown(first)}; write {{use: rouge, with: {{tokenizer: {suited}}}}}"


def _empty(empty: Sequence[str], references: Sequence[str]) -> str:
    return f"{len(empty):,} of {len(references):,} references hold no letter or digit that is counted, and are left out"
