"""Cross-entropy of the references."""

import math

import pytest

from bench.metrics.log_perplexity import LogPerplexity


def test_it_is_the_mean_over_tokens_then_over_references_and_lower_is_better():
    (score,) = LogPerplexity().score_tokens([[math.log(0.5), math.log(0.25)], [math.log(0.125)]])
    assert (score.name, score.unit, score.direction) == ("log_perplexity", "nats per token", "lower")
    assert score.per_example == pytest.approx((1.5 * math.log(2), 3 * math.log(2)))
    assert score.value == pytest.approx(2.25 * math.log(2))


def test_a_model_that_knows_nothing_scores_the_logarithm_of_its_vocabulary():
    (score,) = LogPerplexity().score_tokens([[-math.log(32128)] * 7] * 3)
    assert score.value == pytest.approx(math.log(32128))


def test_generated_text_is_not_scored():
    assert LogPerplexity().score(["a text"], ["a text"]) == []
