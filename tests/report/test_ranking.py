import math
from statistics import NormalDist

import numpy as np
import pandas as pd
import pytest

from bench.report.analysis import ranking
from bench.report.analysis.ranking import LOOKED_AT, Ranking
from bench.report.analysis.significance import LEVEL, Effects


def samples(means: list[float], seeds: int = 3, examples: int = 60, noise: float = 6.0, luck: float = 0.5) -> dict[str, pd.DataFrame]:
    """By name s0, s1, ...; the same easy and hard examples for all."""
    generator = np.random.default_rng(len(means))
    hard, columns = generator.gamma(1.0, 10.0, examples), [f"e{i}" for i in range(examples)]
    found = {}
    for place, mean in enumerate(means):
        scores = mean + hard + luck * generator.standard_normal((seeds, 1)) + noise * generator.standard_normal((seeds, examples))
        found[f"s{place}"] = pd.DataFrame(scores, index=range(seeds), columns=columns)
    return found


def ranges(found: Ranking) -> dict[str, tuple[int, int]]:
    return {name: found.rank(name) for name in sorted(found.names)}


def test_a_setting_ranks_below_those_significantly_better_and_above_those_significantly_worse() -> None:
    assert ranges(ranking.ranking(samples([30.0, 10.0, 10.1, 0.0]))) == {"s0": (1, 1), "s1": (2, 3), "s2": (2, 3), "s3": (4, 4)}


def test_of_a_score_of_which_less_is_better_the_least_ranks_first() -> None:
    found = ranking.ranking(samples([30.0, 10.0, 0.0]), higher_is_better=False)
    assert ranges(found) == {"s0": (3, 3), "s1": (2, 2), "s2": (1, 1)}
    assert found.difference("s2", "s1").mean > 0


@pytest.mark.parametrize("settings", [5, 9, 20])
def test_ranks_never_contradict_each_other(settings: int) -> None:
    """One that is significantly better is above on both ends; two without a significant difference share a rank."""
    found = ranking.ranking(samples([1.2 * place for place in range(settings)]))
    significant = found.p_values < LEVEL
    assert significant.any()
    for better, worse in ((a, b) for b in range(settings) for a in range(b)):
        (first, last), (below_first, below_last) = found.rank(found.names[better]), found.rank(found.names[worse])
        if significant[better, worse]:
            assert first < below_first
            assert last < below_last
        else:
            assert max(first, below_first) <= min(last, below_last)


def test_what_follows_from_two_significant_differences_is_significant() -> None:
    """The difference of the first and the last varies much between examples; those to the second do not, less the variance of cells."""
    means = np.array([2.0, 1.0, 0.0])
    effects = Effects(
        seeds=np.zeros((3, 2)),
        examples=np.array([[2.0, 0.0], [0.0, 0.0], [-2.0, 0.0]]),  # the sum of squares of the first less the last is 16
        cells=np.array([[0.0, 0.0], [3.0, 0.0], [0.0, 0.0]]),  # more than the 4 by example of either less the second
        shape=(2, 50),
    )
    p = ranking.all_pairs(ranking.pairwise(means, effects, ranking.average(effects)))
    outer = effects.map(lambda part: part[[0, 2]])
    assert ranking.pairwise(means[[0, 2]], outer, ranking.average(outer))[0, 1] > 0.5
    assert p[0, 2] == max(p[0, 1], p[1, 2]) < 0.001


def test_a_pairs_spread_over_seeds_is_never_taken_for_less_than_the_average_pairs() -> None:
    """Two settings whose seeds agree by chance do not become significant by that."""
    found = samples([1.0, 0.0, 0.5, 0.5], noise=0.1, luck=3.0)
    luck = found["s0"].mean(axis=1) - found["s1"].mean(axis=1)
    found["s1"] = found["s1"].add(luck - luck.mean(), axis=0)
    alone = ranking.ranking({name: found[name] for name in ("s0", "s1")}).difference("s0", "s1")
    together = ranking.ranking(found).difference("s0", "s1")
    assert together.mean == pytest.approx(alone.mean)
    assert together.high - together.low > 10 * (alone.high - alone.low)
    assert alone.p < 0.05 < together.p


def test_it_is_taken_for_more_where_the_pairs_own_seeds_say_so() -> None:
    found = samples([1.0, 0.0, 0.5, 0.7], noise=0.1, luck=0.1)
    found["s0"] = found["s0"].add(pd.Series([4.0, -4.0, 0.0]), axis=0)
    ranked = ranking.ranking(found)
    wild, tame = ranked.difference("s0", "s1"), ranked.difference("s2", "s1")
    assert wild.high - wild.low > 1.3 * (tame.high - tame.low)


def test_settings_are_compared_on_the_seeds_and_examples_that_all_have_and_one_without_any_is_left_out() -> None:
    found = samples([3.0, 2.0, 1.0, 0.0])
    found["s1"] = found["s1"].iloc[:, 10:]
    found["s2"] = found["s2"].iloc[1:]
    found["s3"] = pd.DataFrame([[5.0]], index=[0], columns=["the whole test set"])
    ranked = ranking.ranking(found)
    assert (sorted(ranked.names), ranked.effects.shape) == (["s0", "s1", "s2"], (2, 50))


@pytest.mark.parametrize(("seeds", "examples"), [(1, 60), (3, 2)])
def test_nothing_is_significant_with_one_seed_or_hardly_any_examples(seeds: int, examples: int) -> None:
    found = ranking.ranking(samples([90.0, 0.0], seeds, examples))
    assert not found.tested
    assert ranges(found) == {"s0": (1, 2), "s1": (1, 2)}
    assert not found.difference("s0", "s1").significant
    assert math.isnan(found.detectable())


def test_nothing_is_found_on_an_empty_board_and_one_setting_alone_is_first() -> None:
    assert ranking.ranking({}).names == ()
    assert ranges(ranking.ranking(samples([3.0]))) == {"s0": (1, 1)}
    assert math.isnan(ranking.ranking(samples([3.0])).detectable())


def test_of_very_many_settings_only_pairs_with_one_of_the_best_are_tested() -> None:
    count = LOOKED_AT + 20
    found = ranking.ranking(samples([100.0 * (count - place) for place in range(count)], examples=8))
    assert found.rank("s0") == (1, 1)
    assert found.rank(f"s{LOOKED_AT - 1}") == (LOOKED_AT, LOOKED_AT)
    assert found.rank(f"s{count - 1}") == (LOOKED_AT + 1, count)
    assert not found.difference(f"s{count - 2}", f"s{count - 1}").significant


def test_the_lead_that_could_have_been_found_shrinks_with_more_seeds_and_examples() -> None:
    few = ranking.ranking(samples([0.0] * 4))
    now = few.detectable()
    assert few.detectable(seeds=2) < now
    assert few.detectable(examples=2) < now
    assert few.detectable(seeds=1000, examples=1000) == pytest.approx(0.0, abs=0.15)


@pytest.mark.parametrize(("settings", "critical"), [(4, 2.062), (6, 2.234), (10, 2.417)])
def test_comparisons_with_the_best_have_the_critical_values_of_dunnetts_tables(settings: int, critical: float) -> None:
    """critical: one-sided 5 % points of the largest of settings - 1 normal variables with correlation 1/2."""
    pair = 2 * (1 - NormalDist().cdf(critical))
    found = ranking.with_best(np.array([1.0, pair, *[0.9] * (settings - 2)]))
    assert found[1] == pytest.approx(0.05, abs=2e-4)


def test_a_p_value_with_the_best_is_that_of_the_winner_or_more_than_that_of_the_pair() -> None:
    pairs = np.array([1.0, 0.3, 0.04, 0.01, 1e-6, 1e-30, 0.0])
    found = ranking.with_best(pairs)
    assert (found >= pairs).all()
    assert (np.diff(found) <= 0).all()
    assert (found[0], found[1]) == (1.0, 0.3)  # no p-value is above that of the winner
    assert found[4] == pytest.approx(6 * 1e-6 / 2, rel=0.05)  # far out Dunnett's is Bonferroni's
    assert ranking.with_best(np.array([1.0, 0.04, 0.04, 0.04, 0.04]))[1:] == pytest.approx([0.04] * 4)


def test_a_setting_wins_alone_and_otherwise_all_that_may_be_best_are_named() -> None:
    assert ranking.ranking(samples([0.0, 30.0, 10.0])).may_be_best == ("s1",)
    close = ranking.ranking(samples([10.1, 10.0, 0.0]))
    assert set(close.may_be_best) == {"s0", "s1"}
    assert ranking.ranking(samples([90.0, 0.0], seeds=1)).may_be_best == ("s0", "s1")


@pytest.mark.parametrize("settings", [3, 6, 12])
def test_what_is_significant_among_all_pairs_is_significant_in_the_comparison_with_the_best(settings: int) -> None:
    found = ranking.ranking(samples([1.0 * place for place in range(settings)]))
    assert (found.behind <= found.p_values[0]).all()
    assert (found.behind[0], found.pairs[0]) == (1.0, 1.0)
    best, last = found.names[0], found.names[-1]
    assert found.difference(best, last).p == found.difference(last, best).p == found.behind[-1]


def test_more_examples_never_promise_to_find_any_difference_where_seeds_agree_by_chance() -> None:
    found = samples([0.0, 0.0], seeds=2, luck=0.0)
    for sample in found.values():
        sample -= sample.to_numpy().mean(axis=1, keepdims=True)
    alike = ranking.ranking(found)
    assert alike.detectable(examples=2) == pytest.approx(alike.detectable() / math.sqrt(2), rel=0.05)
