import itertools
import math
from dataclasses import astuple

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


@pytest.mark.parametrize("shape", SHAPES)
def test_variances_by_source_are_the_mean_squares_of_an_analysis_of_variance(shape: tuple[int, int]) -> None:
    """Mean squares as textbooks write them, score by score."""
    scores, (seeds, examples) = crossed(*shape), shape
    mean, of_seed, of_example = scores.mean(), scores.mean(axis=1), scores.mean(axis=0)
    cells = itertools.product(range(seeds), range(examples))
    mean_squares = {
        "seeds": examples * sum((of_seed[i] - mean) ** 2 for i in range(seeds)) / (seeds - 1),
        "examples": seeds * sum((of_example[j] - mean) ** 2 for j in range(examples)) / (examples - 1),
        "cells": sum((scores[i, j] - of_seed[i] - of_example[j] + mean) ** 2 for i, j in cells) / ((seeds - 1) * (examples - 1)),
    }
    found = significance.spread(significance.effects(scores))
    assert float(found.seeds) == pytest.approx(mean_squares["seeds"] / scores.size)
    assert float(found.cells) == pytest.approx(mean_squares["cells"] / scores.size)
    by_examples = (mean_squares["examples"] - mean_squares["cells"]) / scores.size
    assert by_examples > 0
    assert float(found.examples) == pytest.approx(by_examples * (examples - 1) / (examples - 3))
    assert found.freedom == seeds - 1


def test_they_are_unbiased_whatever_the_distribution() -> None:
    """Expected values, over 40,000 arrays of skewed effects whose variances are 1, 4 and 9."""
    generator, (seeds, examples) = np.random.default_rng(0), (3, 6)

    def effect(variance: float, *shape: int) -> np.ndarray:
        return math.sqrt(variance) * generator.exponential(1.0, (40_000, *shape))

    scores = effect(1.0, seeds, 1) + effect(4.0, 1, examples) + effect(9.0, seeds, examples)
    by_seed, by_example, cells = (np.square(part).sum(axis=-1).mean() for part in significance.effects(scores).parts)
    single = 9 / (seeds * examples)
    assert (by_seed, by_example, cells) == pytest.approx((1 / seeds + single, 4 / examples + single, single), rel=0.02)
    assert by_seed + by_example - cells == pytest.approx(scores.mean(axis=(1, 2)).var(), rel=0.02)


def test_they_are_what_a_bootstrap_of_examples_converges_to() -> None:
    """Examples drawn with replacement; the variance of means of n draws is (n - 1) / n of that of new samples."""
    scores, generator = crossed(3, 40), np.random.default_rng(0)
    drawn = generator.multinomial(40, [1 / 40] * 40, 40_000) / 40
    found = significance.effects(scores)
    by_example = np.square(found.examples).sum()
    assert (scores.mean(axis=0) @ drawn.T).var() * 40 / 39 == pytest.approx(by_example, rel=0.03)


def test_a_variance_estimated_below_0_counts_as_0() -> None:
    checked = np.array([[1.0, -1.0] * 10, [-1.0, 1.0] * 10])  # all examples have the same mean
    found = significance.spread(significance.effects(checked))
    assert float(found.examples) == 0.0
    assert float(found.cells) > 0.0


@pytest.mark.parametrize("shape", SHAPES)
def test_neither_the_order_of_seeds_nor_that_of_examples_matters(shape: tuple[int, int]) -> None:
    scores, generator = crossed(*shape), np.random.default_rng(1)
    one, other = significance.estimate(scores), significance.estimate(generator.permutation(generator.permutation(scores, axis=1)))
    assert (other.mean, other.low, other.high, other.p) == pytest.approx((one.mean, one.low, one.high, one.p))


def test_effects_of_what_lies_between_two_samples_lie_between_their_effects() -> None:
    first, second = crossed(3, 40), crossed(3, 40, of_cells=3.0) ** 2
    between = significance.effects(0.3 * first + 0.7 * second)
    for mine, one, two in zip(between.parts, significance.effects(first).parts, significance.effects(second).parts, strict=True):
        np.testing.assert_allclose(mine, 0.3 * one + 0.7 * two)


def test_the_effects_behind_a_mean_are_all_that_its_interval_needs() -> None:
    scores = crossed(3, 50)
    assert significance.estimate_of(float(scores.mean()), significance.effects(scores)) == significance.estimate(scores)


@pytest.mark.parametrize("at_once", [1, 400, significance.AT_ONCE])
def test_many_estimates_are_those_of_each_alone_and_a_score_has_no_p_value(at_once: int, monkeypatch: pytest.MonkeyPatch) -> None:
    generator = np.random.default_rng(4)
    many = [generator.normal(size=shape) for shape in [(3, 40), (1, 40), (3, 40), (2, 7), (3, 40), (2, 2)]]
    monkeypatch.setattr(significance, "AT_ONCE", at_once)
    alone, together = [significance.estimate_of(float(one.mean()), significance.effects(one)) for one in many], significance.estimates(many)
    np.testing.assert_array_equal([astuple(one) for one in together], [astuple(one) for one in alone])
    assert [one.tested for one in together] == [True, False, True, True, True, False]
    scores = significance.estimates(many, tested=False)
    assert not any(one.tested for one in scores)
    np.testing.assert_array_equal([(one.mean, one.low, one.high) for one in scores], [(one.mean, one.low, one.high) for one in alone])
    assert significance.estimates([]) == []


@pytest.mark.parametrize("seeds", [1, 3])
def test_the_spread_of_linear_combinations_of_means_follows_from_their_covariances(seeds: int) -> None:
    generator = np.random.default_rng(3)
    scores, weights = generator.normal(size=(4, seeds, 30)), generator.normal(size=(6, 4))
    found = significance.spread_of_sums(weights, significance.effects(scores))
    expected = significance.spread(significance.effects(np.tensordot(weights, scores, 1)))
    for mine, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(mine, other, atol=1e-12)


def test_the_spread_of_examples_is_that_of_the_mean_with_one_seed() -> None:
    scores = np.random.default_rng(0).gamma(2.0, 5.0, (1, 400))
    found = significance.estimate(scores)
    error = 1.96 * scores.std() / 20
    assert found.mean == pytest.approx(scores.mean())
    assert (found.mean - found.low, found.high - found.mean) == pytest.approx((error, error), rel=0.01)
    assert (found.seeds, found.examples) == (1, 400)


def test_with_one_seed_nothing_is_tested() -> None:
    found = significance.estimate(np.full((1, 50), 7.0))
    assert found.has_interval
    assert not found.tested
    assert not found.significant


def test_equal_scores_have_an_interval_of_no_width() -> None:
    found = significance.estimate(np.full((3, 20), 7.0))
    assert (found.mean, found.low, found.high) == pytest.approx((7.0, 7.0, 7.0))
    assert found.significant
    assert significance.estimate(np.full((3, 20), 0.1) - np.full((3, 20), 0.3 - 0.2)).p == pytest.approx(1.0)


@pytest.mark.parametrize("examples", [1, 3])
def test_very_few_examples_have_no_interval(examples: int) -> None:
    found = significance.estimate(np.array([[4.0, 4.5, 5.0], [6.0, 5.5, 5.0]])[:, :examples])
    assert found.mean == 5.0
    assert math.isnan(found.low)
    assert not found.has_interval
    assert not found.significant


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


def test_an_interval_leaves_out_0_where_the_p_value_is_under_its_level() -> None:
    for seeds, freedom, level in itertools.product((0.01, 0.3, 1.0, 10.0), (1, 2, 5), (0.05, 0.001)):
        spread = known(seeds, 1.0, freedom)
        assert float(significance.p_value(significance.half_width(spread, level), spread)) == pytest.approx(
            level, rel=0.015
        )  # a table holds the widths


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
    assert found.significant
    assert found.low < 1 < found.high
    assert found.high - found.low < 0.2 * (alone.high - alone.low)


def test_a_difference_uses_the_seeds_and_examples_that_both_have() -> None:
    first, second = frame(np.full((2, 30), 5.0), [0, 1]), frame(np.full((2, 20), 3.0), [1, 2])
    found = significance.difference(first, second)
    assert found is not None
    assert (found.mean, found.seeds, found.examples) == (2.0, 1, 20)
    assert significance.difference(first, frame(np.ones((1, 30)), [7])) is None
