import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.metrics._ratio_of_sums import linearised, score

COUNTS = st.lists(st.tuples(st.integers(0, 20), st.integers(0, 20)), min_size=1, max_size=30).filter(lambda rows: any(d for _, d in rows))


@given(COUNTS)
def test_the_mean_of_the_linearised_values_is_the_ratio_of_the_sums(rows):
    numerators, denominators = zip(*rows, strict=True)
    values = linearised(numerators, denominators)
    assert sum(values) / len(values) == pytest.approx(sum(numerators) / sum(denominators), abs=1e-9)


def test_where_all_denominators_are_alike_the_values_are_the_examples_own_ratios():
    assert linearised([1, 0, 2], [2, 2, 2]) == pytest.approx([0.5, 0, 1])


def test_the_spread_of_the_linearised_values_is_the_standard_error_that_the_bootstrap_finds():
    draw = np.random.default_rng(7)
    denominators = draw.integers(1, 12, 400)
    numerators = draw.binomial(denominators, draw.uniform(0.3, 0.9, 400))
    values = np.array(linearised(numerators.tolist(), denominators.tolist()))
    resampled = draw.integers(0, 400, (4000, 400))
    ratios = numerators[resampled].sum(axis=1) / denominators[resampled].sum(axis=1)
    assert values.std() / 20 == pytest.approx(ratios.std(), rel=0.05)


def test_a_ratio_without_denominators_is_left_out_of_the_mean_and_alone_is_missing():
    found = score("f1", [([1, 1], [1, 1]), ([0, 1], [1, 1]), ([0, 0], [0, 0])])
    assert found.value == 75
    assert score("f1", [([0.0], [0.0])], "nothing to count").reason == "nothing to count"
    assert score("f1", [([0.0], [0.0])], "nothing to count").value is None
