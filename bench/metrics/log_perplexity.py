"""How surprised a model is by the references."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import fmean

from bench.contracts import Score, TokenMetric


class LogPerplexity(TokenMetric):
    """Cross-entropy of the references, teacher-forced: nats per token, the mean over the tokens of a reference, then over references.

    Its sign turned, it is the negative log-perplexity by which Tay et al. 2021 (Scale Efficiently, arXiv 2109.10686, section 4) rank what
    was pretrained; theirs is the mean over all tokens at once. It tells models apart that are trained too little to say anything of
    use. Only models of one tokenizer can be compared by it. Its floor knows how often each token stands in the starting labels
    (once more than it does, so that none is impossible), and nothing else.
    """

    @property
    def score_names(self) -> tuple[str, ...]:
        return ("log_perplexity",)

    def score_tokens(self, log_probs: Sequence[Sequence[float]]) -> list[Score]:
        surprise = tuple(-fmean(tokens) for tokens in log_probs)
        return [Score("log_perplexity", fmean(surprise), "nats per token", "lower", surprise)]
