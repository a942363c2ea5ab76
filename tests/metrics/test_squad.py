import pytest

from bench.metrics.squad import Squad


@pytest.mark.parametrize(
    ("prediction", "reference", "exact", "f1"),
    [
        ("The Eiffel  Tower!", "eiffel tower", 100, 100),
        ("in the big red dog", "red dog", 0, 100 * 4 / 6),
        ("dog dog", "dog", 0, 100 * 2 / 3),
        ("1,998", "1998", 100, 100),  # punctuation goes without a space left
        ("theatre", "atre", 0, 0),  # an article is a whole word
        ("", "x", 0, 0),
        ("The", "the", 100, 0),  # the official F1 is 0 where no word is left
    ],
)
def test_answers_are_compared_as_squad_does(prediction, reference, exact, f1):
    scores = {score.name: score.value for score in Squad().score([prediction], [reference])}
    assert scores == {"squad_em": exact, "squad_f1": pytest.approx(f1)}


def test_scores_are_means_over_examples():
    exact, f1 = Squad().score(["a dog", "red cat"], ["dog", "cat"])
    assert (exact.value, exact.per_example) == (50, (100, 0))
    assert f1.value == pytest.approx((100 + 100 * 2 / 3) / 2)
    assert (f1.unit, f1.direction) == ("points", "higher")
