import math
import random
import statistics

import pytest
import sacrebleu
from hypothesis import given
from hypothesis import strategies as st

from bench.metrics.chrf import Chrf

TEXT = st.text(st.sampled_from("ab cде今。👍"), min_size=1, max_size=12).filter(str.strip)
PAIRS = st.lists(st.tuples(TEXT, TEXT), min_size=1, max_size=6)
OPTIONS = st.fixed_dictionaries(
    {
        "char_order": st.integers(1, 7),
        "word_order": st.integers(0, 3),
        "beta": st.integers(1, 3),
        "lowercase": st.booleans(),
        "whitespace": st.booleans(),
        "eps_smoothing": st.booleans(),
    }
)


def found(pairs, **settings):
    predictions, references = zip(*pairs, strict=True)
    return {score.name: score for score in Chrf(**settings).score(predictions, references)}


@given(PAIRS, OPTIONS)
def test_both_scores_are_those_of_sacrebleu(pairs, options):
    scores = found(pairs, **options)
    predictions, references = map(list, zip(*pairs, strict=True))
    theirs = sacrebleu.CHRF(**options)
    assert scores["chrf"].value == pytest.approx(theirs.corpus_score(predictions, [references]).score)
    assert list(scores["chrf_sentence"].per_example) == [theirs.sentence_score(p, [r]).score for p, r in pairs]


@pytest.mark.parametrize("text", ["Привет, мир", "今天天气很好。", "สวัสดี", "می‌خواهم", "bảo tàng", "👍🏽", "...", "क्या?"])
def test_a_copy_in_any_script_scores_one_hundred_and_another_text_less(text):
    copied, other = found([(text, text)]), found([("no such characters", text)])
    assert {score.value for score in copied.values()} == {100}
    assert all(score.value < 10 for score in other.values())


def test_a_decomposed_accent_is_the_composed_one():
    assert found([("cafe\u0301", "caf\u00e9")])["chrf"].value == 100


def test_the_spread_of_the_jackknife_values_is_that_of_the_corpus_score():
    draw = random.Random(1)
    words = ["the", "cat", "sat", "on", "a", "mat", "and", "then", "it", "ran"]
    pairs = [(" ".join(draw.choices(words, k=draw.randint(1, 9))), " ".join(draw.choices(words, k=5))) for _ in range(200)]
    values = found(pairs)["chrf"].per_example
    error = statistics.stdev(values) / math.sqrt(len(values))
    again = [found(draw.choices(pairs, k=len(pairs)))["chrf"].value for _ in range(200)]
    assert error == pytest.approx(statistics.stdev(again), rel=0.2)


def test_a_reference_without_a_character_has_no_score():
    scores = found([("a cat", "a cat"), ("a dog", "\u200b ")])
    assert scores["chrf_sentence"].per_example == (100, None)
    assert scores["chrf"].per_example[1] is None
    assert (scores["chrf"].value, scores["chrf_sentence"].value) == (100, 100)
    assert all(score.reason for score in scores.values())
    assert all(score.value is None and score.reason for score in found([("a", "\u200b")]).values())
