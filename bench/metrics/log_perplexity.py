"""Log-perplexity: the cross-entropy of the references under a model."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import fmean
from typing import ClassVar

from bench.contracts import Score, TokenMetric


class LogPerplexity(TokenMetric):
    """Cross-entropy of the references, teacher-forced, in nats per token.

    It is the mean over the tokens of a reference, then over references. Its negative is the negative log-perplexity by which Tay et al.
    2021 (Scale Efficiently, arXiv 2109.10686, section 4) rank pretrained models; theirs is the mean over all tokens at once. It
    distinguishes models with too little training to generate useful text. Only models with the same tokenizer are comparable.

    The baseline knows only how often each token occurs in the starting labels. Each token counts once more than it occurs, so no token is
    impossible.
    """

    score_names: ClassVar[tuple[str, ...]] = ("log_perplexity",)

    def score_tokens(self, log_probs: Sequence[Sequence[float]]) -> list[Score]:
        surprise = tuple(-fmean(tokens) for tokens in log_probs)
        return [Score("log_perplexity", fmean(surprise), "nats per token", "lower", surprise)]
