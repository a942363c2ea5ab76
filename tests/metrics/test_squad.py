import pytest

from bench.errors import BenchError
from bench.metrics.squad import Squad


@pytest.mark.parametrize(
    ("prediction", "reference", "exact", "f1"),
    [
        ("The Eiffel  Tower!", "eiffel tower", 100, 100),
        ("in the big red dog", "red dog", 0, 100 * 4 / 6),
        ("dog dog", "dog", 0, 100 * 2 / 3),
        ("1,998", "1998", 100, 100),  # punctuation goes without a space left
        ("theatre", "atre", 0, 0),  # an article is a whole word
        ("今天", "今天", 100, 100),
        ("北京市", "北京", 0, 0),  # no spaces, one word
        ("", "x", 0, 0),
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


@pytest.mark.parametrize("reference", ["The", "!!!", "a the"])
def test_a_reference_without_a_word_has_no_score_whatever_the_prediction(reference):
    for score in Squad().score([reference, "???", "dog"], [reference, reference, "dog"]):
        assert score.per_example == (None, None, 100)
        assert (score.value, bool(score.reason)) == (100, True)
    assert all(score.value is None and score.reason for score in Squad().score([reference], [reference]))


def test_references_without_words_are_counted_and_scripts_without_spaces_are_named():
    assert Squad().check(["a dog", "сад школа"]) == []
    assert ["1 of 2" in line for line in Squad().check(["a dog", "the"])] == [True]
    assert len(Squad().check(["今天天气", "很好"])) == 1
    with pytest.raises(BenchError, match="no reference"):
        Squad().check(["the", "!"])
