import itertools
import math

import numpy as np
import pandas as pd
import pytest

from bench.report.analysis import significance
from bench.report.analysis.significance import Spread

SHAPES = [(2, 40), (3, 200), (5, 60)]


def crossed(seeds: int, examples: int, of_seeds: float = 1.0, of_examples: float = 8.0, of_cells: float = 12.0) -> np.ndarray:
    generator = np.random.default_rng(seeds)
    effects = of_seeds * generator.standard_normal((seeds, 1)) + of_examples * generator.standard_normal(examples)
    return np.asarray(30 + effects + of_cells * generator.standard_normal((seeds, examples)))


def known(seeds: float, examples: float, freedom: int) -> Spread:
    return Spread(np.array(seeds), np.array(examples), np.array(0.0), freedom)


def test_the_spread_of_seeds_is_drawn_again_in_full() -> None:
    """Var of the mean of n seeds is s2/n; drawing seeds again without the factor would give (n - 1)/n of it."""
    for by_seed in ([1.0, 3.0], [1.0, 2.0, 6.0]):
        scores = np.repeat(np.array(by_seed)[:, None], 50, axis=1)
        assert significance.means(scores, 200).var() == pytest.approx(np.var(by_seed, ddof=1) / len(by_seed))


@pytest.mark.parametrize("shape", SHAPES)
def test_variances_by_where_they_come_from_are_those_of_an_analysis_of_variance(shape: tuple[int, int]) -> None:
    seeds, examples = shape
    scores = crossed(seeds, examples)
    residual = scores - scores.mean(axis=1, keepdims=True) - scores.mean(axis=0) + scores.mean()
    cells = (residual**2).sum() / ((seeds - 1) * (examples - 1)) / (seeds * examples)
    found = significance.spread(significance.means(scores, 20_000), seeds, examples)
    assert float(found.seeds) == pytest.approx(scores.mean(axis=1).var(ddof=1) / seeds)
    assert float(found.cells) == pytest.approx(cells, rel=0.05)
    by_examples = scores.mean(axis=0).var(ddof=1) / examples - cells
    assert float(found.examples) == pytest.approx(by_examples * (examples - 1) / (examples - 3), rel=0.05)
    assert found.freedom == seeds - 1


@pytest.mark.parametrize("shape", SHAPES)
def test_draws_of_what_lies_between_two_samples_lie_between_their_draws(shape: tuple[int, int]) -> None:
    first, second = crossed(*shape), crossed(*shape, of_cells=3.0) ** 2
    between = significance.means(0.3 * first + 0.7 * second, 50)
    np.testing.assert_allclose(between, 0.3 * significance.means(first, 50) + 0.7 * significance.means(second, 50))
    assert between.shape == (shape[0] * 50,)
    assert between.mean() == pytest.approx((0.3 * first + 0.7 * second).mean())


def test_the_draws_of_a_mean_are_all_that_its_interval_needs() -> None:
    scores = crossed(3, 50)
    assert significance.of_draws(significance.means(scores), float(scores.mean()), 3, 50) == significance.estimate(scores)


@pytest.mark.parametrize("examples", [1, 2, 30, 500])
def test_as_many_draws_as_examples_vary_as_a_thousand_do(examples: int, monkeypatch: pytest.MonkeyPatch) -> None:
    few = _covariances(examples)
    monkeypatch.setattr(significance, "_fewer", lambda draws: draws)
    many = _covariances(examples)
    np.testing.assert_allclose(few[0], many[0], atol=1e-12)
    np.testing.assert_allclose(few[1], many[1], atol=1e-12)
    assert (few[2], many[2]) == (examples, significance.RESAMPLES)


def _covariances(examples: int) -> tuple[significance.Floats, significance.Floats, int]:
    """Mean and covariances of draws where one example alone scores, example by example; and how many draws there are."""
    significance._weights.cache_clear()
    drawn = significance.means(np.eye(examples)[:, None, :])
    significance._weights.cache_clear()
    return drawn.mean(axis=1), np.cov(drawn, bias=True).reshape(examples, examples), drawn.shape[1]


@pytest.mark.parametrize("seeds", [1, 3])
def test_the_spread_of_sums_of_means_is_that_of_the_sums_of_their_draws(seeds: int) -> None:
    generator = np.random.default_rng(3)
    draws = significance.means(generator.normal(size=(4, seeds, 30)))
    weights = generator.normal(size=(6, 4))
    told, drawn = significance.spread_of_sums(weights, draws, seeds, 30), significance.spread(weights @ draws, seeds, 30)
    for mine, other in zip(told, drawn, strict=True):
        np.testing.assert_allclose(mine, other, atol=1e-12)


def test_differences_found_together_are_those_found_one_by_one() -> None:
    generator = np.random.default_rng(4)
    one, two = (pd.DataFrame(generator.normal(size=(3, 20))) for _ in range(2))
    pairs = [(one, two), (one, two.iloc[:2, 5:]), (one, two.add_prefix("other ")), (two, one)]
    assert significance.differences(pairs) == [significance.difference(*pair) for pair in pairs]
    assert significance.differences(pairs)[2] is None


def test_many_samples_of_unlike_shapes_are_estimated_as_each_alone() -> None:
    samples = [crossed(2, 30), crossed(3, 20), crossed(2, 30, of_seeds=4.0)]
    for alone, together in zip(map(significance.estimate, samples), significance.estimates(samples), strict=True):
        assert (together.mean, together.low, together.high, together.p) == pytest.approx((alone.mean, alone.low, alone.high, alone.p))


def test_the_spread_of_examples_is_that_of_the_mean_with_one_seed() -> None:
    scores = np.random.default_rng(0).gamma(2.0, 5.0, (1, 400))
    found = significance.estimate(scores)
    error = 1.96 * scores.std() / 20
    assert found.mean == pytest.approx(scores.mean())
    assert (found.mean - found.low, found.high - found.mean) == pytest.approx((error, error), rel=0.1)
    assert (found.seeds, found.examples) == (1, 400)


def test_with_one_seed_nothing_is_tested() -> None:
    found = significance.estimate(np.full((1, 50), 7.0))
    assert found.sure
    assert not found.tested
    assert not found.apart


def test_equal_scores_have_an_interval_of_no_width() -> None:
    found = significance.estimate(np.full((3, 20), 7.0))
    assert (found.mean, found.low, found.high) == pytest.approx((7.0, 7.0, 7.0))
    assert found.apart
    assert significance.estimate(np.full((3, 20), 0.1) - np.full((3, 20), 0.3 - 0.2)).p == pytest.approx(1.0)


def test_the_same_scores_give_the_same_interval_and_the_global_generator_is_left_alone() -> None:
    scores = np.random.default_rng(1).random((2, 60))
    np.random.seed(5)
    first = significance.estimate(scores)
    drawn = np.random.random()
    np.random.seed(5)
    assert np.random.random() == drawn
    assert significance.estimate(scores) == first


@pytest.mark.parametrize("examples", [1, 3])
def test_very_few_examples_have_no_interval(examples: int) -> None:
    found = significance.estimate(np.array([[4.0, 4.5, 5.0], [6.0, 5.5, 5.0]])[:, :examples])
    assert found.mean == 5.0
    assert math.isnan(found.low)
    assert not found.sure
    assert not found.apart


@pytest.mark.parametrize(("freedom", "t"), [(1, 12.706), (2, 4.303), (4, 2.776), (10, 2.228), (30, 2.042), (1000, 1.962)])
def test_where_examples_do_not_differ_the_distribution_is_students_t(freedom: int, t: float) -> None:
    """t: from the tables of its 97.5 % quantile."""
    spread = known(4.0, 0.0, freedom)
    assert float(significance.p_value(np.array(2 * t), spread)) == pytest.approx(0.05, abs=2e-4)
    assert float(significance.half_width(spread)) == pytest.approx(2 * t, rel=2e-3)


def test_where_seeds_do_not_differ_it_is_the_normal_one() -> None:
    for mean, p in ((1.0, 0.3173), (1.96, 0.0500), (3.2905, 0.001), (5.0, 5.733e-7)):
        assert float(significance.p_value(np.array(3 * mean), known(0.0, 9.0, 2))) == pytest.approx(p, rel=2e-3)
    assert float(significance.half_width(known(0.0, 9.0, 2))) == pytest.approx(3 * 1.96, rel=2e-3)


def test_a_difference_is_the_less_likely_chance_the_greater_it_is_and_an_interval_the_wider_the_fewer_seeds_there_are() -> None:
    p_values = significance.p_value(np.linspace(0, 40, 200), Spread(np.full(200, 2.0), np.full(200, 1.0), np.zeros(200), 2))
    assert (np.diff(p_values) < 0).all()
    widths = [float(significance.half_width(known(1.0, 1.0, freedom))) for freedom in (1, 2, 4, 9, 100)]
    assert widths == sorted(widths, reverse=True)


def test_an_interval_that_holds_0_belongs_to_no_p_value_under_its_level() -> None:
    for seeds, freedom, level in itertools.product((0.01, 0.3, 1.0, 10.0), (1, 2, 5), (0.05, 0.001)):
        spread = known(seeds, 1.0, freedom)
        low, _ = significance.interval(1.001 * significance.half_width(spread, level, significance.SAFE), spread, level)
        assert low > 0
        assert float(significance.p_value(significance.half_width(spread, level), spread)) >= 0.999 * level


def test_holm_multiplies_the_least_p_value_by_their_number_the_next_by_one_less_and_never_falls() -> None:
    corrected = significance.holm(np.array([0.01, 0.04, 0.03, 0.005]))
    assert corrected == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert significance.holm(np.array([0.01, 0.02, 0.6])) == pytest.approx([0.03, 0.04, 0.6])
    assert significance.holm(np.array([0.4, 0.5])) == pytest.approx([0.8, 0.8])
    assert significance.holm(np.array([0.7, 0.9])) == pytest.approx([1.0, 1.0])
    assert significance.holm(np.array([])).size == 0


def test_comparisons_that_are_left_out_count_in_the_correction_of_the_others() -> None:
    assert significance.holm(np.array([0.01, 0.001]), family=10) == pytest.approx([0.09, 0.01])


def frame(values: np.ndarray, seeds: list[int]) -> pd.DataFrame:
    return pd.DataFrame(values, index=seeds, columns=[f"e{i}" for i in range(values.shape[1])])


def test_a_paired_difference_is_narrow_where_both_meet_the_same_easy_and_hard_examples() -> None:
    generator = np.random.default_rng(2)
    hard = 20 * generator.standard_normal(300)
    worse = frame(hard + generator.standard_normal((3, 300)), [0, 1, 2])
    better = frame(hard + 1 + generator.standard_normal((3, 300)), [0, 1, 2])
    found = significance.difference(better, worse)
    alone = significance.estimate(better.to_numpy())
    assert found is not None
    assert found.apart
    assert found.low < 1 < found.high
    assert found.high - found.low < 0.2 * (alone.high - alone.low)
    assert (-found).p == found.p


def test_a_difference_uses_the_seeds_and_examples_that_both_have() -> None:
    first, second = frame(np.full((2, 30), 5.0), [0, 1]), frame(np.full((2, 20), 3.0), [1, 2])
    found = significance.difference(first, second)
    assert found is not None
    assert (found.mean, found.seeds, found.examples) == (2.0, 1, 20)
    assert significance.difference(first, frame(np.ones((1, 30)), [7])) is None
