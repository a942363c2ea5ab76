import pytest
from hypothesis import given
from hypothesis import strategies as st
from rouge_score.rouge_scorer import RougeScorer

from bench.metrics.rouge import VARIANTS, Rouge

TEXT = st.lists(
    st.sampled_from(["running", "runs", "Cats", "cat", "the", "généralement", "studies,", "<n>", "\n", "7b", "-"]), max_size=12
).map(" ".join)


def points(prediction, reference, **settings):
    return {score.name: score.value for score in Rouge(**settings).score([prediction], [reference])}


def test_the_package_s_own_example_has_its_known_scores():
    # The pair of rouge-score's README: 6 common words of 9 and 8, 2 common pairs of 8 and 7, a common subsequence of 5.
    found = points("The quick brown dog jumps on the log.", "The quick brown fox jumps over the lazy dog")
    assert found["rouge1"] == pytest.approx(100 * 12 / 17)
    assert found["rouge2"] == pytest.approx(100 * 4 / 15)
    assert found["rougeL"] == found["rougeLsum"] == pytest.approx(100 * 10 / 17)


def test_the_example_of_the_rouge_paper_tells_word_order_apart():
    # Lin 2004, section 3.1: S2 and S3 share two words with S1, but S2 keeps three in order; beta = 1 gives 3/4 and 2/4.
    assert points("police kill the gunman", "police killed the gunman", stemmer=False)["rougeL"] == 75
    assert points("the gunman kill police", "police killed the gunman", stemmer=False)["rougeL"] == 50


def test_a_text_against_itself_scores_one_hundred_and_against_nothing_zero():
    assert set(points("a b c", "a b c").values()) == {100}
    assert set(points("", "a b c").values()) == set(points("a b c", "").values()) == {0}


def test_endings_are_stripped_unless_told_otherwise():
    assert points("summaries studied", "summary studies")["rouge1"] == 100
    assert points("summaries studied", "summary studies", stemmer=False)["rouge1"] == 0


def test_only_rouge_lsum_takes_notice_of_lines():
    found = points("b b b\na a a", "a a a\nb b b")
    assert found["rougeL"] == 50
    assert found["rougeLsum"] == 100


@pytest.mark.parametrize("where", ["prediction", "reference", "both"])
def test_the_new_line_of_pegasus_is_a_line_and_no_word(where):
    lines, marked = "the cat sat\nit was old", "the cat sat<n>it was old"
    prediction = lines if where == "reference" else marked
    reference = lines if where == "prediction" else marked
    assert set(points(prediction, reference).values()) == {100}


def test_the_known_trap_of_letters_outside_ascii_is_as_documented():
    assert set(points("привет мир", "привет мир").values()) == {0}
    assert points("café", "cafe")["rouge1"] == 0
    assert points("café", "caf")["rouge1"] == 100


def test_the_score_is_the_mean_of_the_examples_in_order():
    scores = {score.name: score for score in Rouge().score(["a b", "x"], ["a b", "y"])}
    assert scores["rouge1"].per_example == (100, 0)
    assert scores["rouge1"].value == 50
    assert (scores["rouge1"].unit, scores["rouge1"].direction) == ("points", "higher")


@given(TEXT, TEXT, st.booleans())
def test_remembered_words_change_nothing_against_a_fresh_scorer_of_the_package(prediction, reference, stemmer):
    fresh = RougeScorer(list(VARIANTS), use_stemmer=stemmer).score(reference.replace("<n>", "\n"), prediction.replace("<n>", "\n"))
    assert points(prediction, reference, stemmer=stemmer) == {variant: 100 * fresh[variant].fmeasure for variant in VARIANTS}
