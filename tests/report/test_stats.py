import math

import numpy as np
import pandas as pd
import pytest

from bench.report import stats


@pytest.mark.parametrize("seeds", [2, 3])
@pytest.mark.parametrize(("of_seeds", "of_examples", "of_cells"), [(1.0, 15.0, 12.0), (1.0, 8.0, 12.0), (0.0, 15.0, 12.0)])
def test_intervals_cover_the_true_mean_about_as_often_as_they_say(seeds: int, of_seeds: float, of_examples: float, of_cells: float) -> None:
    generator = np.random.default_rng(3)
    covered = 0
    for _ in range(400):
        effects = of_seeds * generator.standard_normal((seeds, 1)) + of_examples * generator.standard_normal(200)
        found = stats.estimate(30 + effects + of_cells * generator.standard_normal((seeds, 200)), resamples=500)
        covered += found.low <= 30 <= found.high
    assert 0.90 <= covered / 400 <= 0.99


def test_the_spread_of_seeds_is_drawn_again_in_full() -> None:
    """Var of the mean of n seeds is s2/n; drawing seeds again without the factor would give (n - 1)/n of it."""
    for by_seed in ([1.0, 3.0], [1.0, 2.0, 6.0]):
        scores = np.repeat(np.array(by_seed)[:, None], 50, axis=1)
        expected = np.var(by_seed, ddof=1) / len(by_seed)
        assert stats.means(scores, 20_000).var() == pytest.approx(expected, rel=0.05)


def test_the_spread_of_examples_is_that_of_the_mean_with_one_seed() -> None:
    scores = np.random.default_rng(0).gamma(2.0, 5.0, (1, 400))
    found = stats.estimate(scores)
    error = 1.96 * scores.std() / 20
    assert found.mean == pytest.approx(scores.mean())
    assert (found.mean - found.low, found.high - found.mean) == pytest.approx((error, error), rel=0.1)
    assert (found.seeds, found.examples) == (1, 400)


def test_equal_scores_have_an_interval_of_no_width() -> None:
    found = stats.estimate(np.full((3, 20), 7.0))
    assert (found.mean, found.low, found.high) == pytest.approx((7.0, 7.0, 7.0))


def test_the_same_scores_give_the_same_interval_and_the_global_generator_is_left_alone() -> None:
    scores = np.random.default_rng(1).random((2, 60))
    np.random.seed(5)
    first = stats.estimate(scores)
    drawn = np.random.random()
    np.random.seed(5)
    assert np.random.random() == drawn
    assert stats.estimate(scores) == first


def test_one_example_alone_has_no_interval() -> None:
    found = stats.estimate(np.array([[4.0], [6.0]]))
    assert found.mean == 5.0
    assert math.isnan(found.low)
    assert not found.apart


def frame(values: np.ndarray, seeds: list[int]) -> pd.DataFrame:
    return pd.DataFrame(values, index=seeds, columns=[f"e{i}" for i in range(values.shape[1])])


def test_a_paired_difference_is_narrow_where_both_meet_the_same_easy_and_hard_examples() -> None:
    generator = np.random.default_rng(2)
    hard = 20 * generator.standard_normal(300)
    worse = frame(hard + generator.standard_normal((2, 300)), [0, 1])
    better = frame(hard + 1 + generator.standard_normal((2, 300)), [0, 1])
    found = stats.difference(better, worse)
    alone = stats.estimate(better.to_numpy())
    assert found is not None
    assert found.apart
    assert found.low < 1 < found.high
    assert found.high - found.low < 0.2 * (alone.high - alone.low)


def test_a_difference_uses_the_seeds_and_examples_that_both_have() -> None:
    first, second = frame(np.full((2, 30), 5.0), [0, 1]), frame(np.full((2, 20), 3.0), [1, 2])
    found = stats.difference(first, second)
    assert found is not None
    assert (found.mean, found.seeds, found.examples) == (2.0, 1, 20)
    assert stats.difference(first, frame(np.ones((1, 30)), [7])) is None
