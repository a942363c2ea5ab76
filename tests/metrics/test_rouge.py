import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rouge_score.rouge_scorer import RougeScorer

from bench.errors import BenchError
from bench.metrics._tokenizers import letters_of
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
    assert set(points("", "a b c").values()) == {0}


def test_endings_are_stripped_by_default():
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


def test_the_score_is_the_mean_of_the_examples_in_order():
    scores = {score.name: score for score in Rouge().score(["a b", "x"], ["a b", "y"])}
    assert scores["rouge1"].per_example == (100, 0)
    assert scores["rouge1"].value == 50
    assert (scores["rouge1"].unit, scores["rouge1"].direction) == ("points", "higher")


@given(TEXT | st.text(max_size=20), TEXT | st.text(max_size=20), st.booleans())
def test_latin_is_the_package_rouge_score_to_the_last_bit(prediction, reference, stemmer):
    prediction, reference = prediction + " x", reference + " x"  # a reference without a token has no score here
    theirs = RougeScorer(list(VARIANTS), use_stemmer=stemmer).score(reference.replace("<n>", "\n"), prediction.replace("<n>", "\n"))
    assert points(prediction, reference, stemmer=stemmer) == {variant: 100 * theirs[variant].fmeasure for variant in VARIANTS}


def test_latin_drops_letters_outside_ascii_and_says_so():
    assert points("café", "cafe")["rouge1"] == 0
    assert points("café", "caf")["rouge1"] == 100
    assert points("bão tặng", "bảo tàng")["rougeL"] == 100


COPIES = [
    ("unicode", "Правительство объявило новые меры. Они вступят в силу завтра."),
    ("unicode", "भारत की राजधानी नई दिल्ली है। यह एक बड़ा शहर है।"),
    ("unicode", "القاهرة عاصمةُ مصر؟ نعم۔"),
    ("unicode", "می‌خواهم کتاب‌ها را بخوانم"),
    ("unicode", "bảo tàng mở cửa"),
    ("unicode", "서울은 대한민국의 수도이다"),
    ("unicode", "L'été à Paris, c'est l'œuvre"),
    ("unicode", "தமிழ் நாடு ஒரு மாநிலம்"),
    ("characters", "今天天气很好。他买了3本书！"),
    ("characters", "東京は日本の首都です。カタカナ"),
    ("characters", "กรุงเทพมหานครเป็นเมืองหลวง"),
    ("characters", "ភ្នំពេញជារាជធានី។"),
    ("characters", "ရန်ကုန်သည် မြို့ကြီးဖြစ်သည်။"),
]


@pytest.mark.parametrize(("tokenizer", "text"), COPIES)
@pytest.mark.parametrize("form", ["NFC", "NFD"])
def test_a_copy_in_any_script_scores_one_hundred_in_the_tokenizer_that_suits_it(tokenizer, text, form):
    assert letters_of([text]).suited == tokenizer
    assert set(points(unicodedata.normalize(form, text), text, tokenizer=tokenizer).values()) == {100}


@pytest.mark.parametrize(
    ("tokenizer", "one", "other"),
    [
        ("unicode", "bảo tàng", "bão tặng"),
        ("unicode", "दिन", "दान"),  # one vowel sign
        ("unicode", "क्षत्रिय", "कषतरय"),  # without the signs that join consonants
        ("unicode", "می‌خواهم", "می خواهم"),
        ("unicode", "Ёлка", "Елка"),
        ("characters", "ข้าว", "ขาว"),  # one tone mark
        ("characters", "がく", "かく"),
    ],
)
def test_words_that_differ_by_a_mark_are_different(tokenizer, one, other):
    assert points(one, other, tokenizer=tokenizer)["rougeL"] < 100


@given(st.lists(st.text(st.characters(categories=["L", "M", "N"]), min_size=1, max_size=6), min_size=1, max_size=5))
def test_no_word_of_any_script_is_dropped_by_unicode_or_characters(words):
    text = "а" + " а".join(words)  # a letter first, since a mark alone is no character
    for tokenizer in ("unicode", "characters"):
        assert points(text, text, tokenizer=tokenizer)["rougeL"] == 100
        assert points("а ", text + " б", tokenizer=tokenizer)["rougeL"] < 100


def test_rouge_lsum_ends_sentences_at_full_stops_unless_the_tokenizer_is_latin():
    for tokenizer, text, turned in (
        ("unicode", "кот сел. пёс лёг.", "пёс лёг. кот сел."),
        ("characters", "今天好。明日晴！", "明日晴！今天好。"),
        ("latin", "cats sat. dogs ran.", "dogs ran. cats sat."),
    ):
        found = points(turned, text, tokenizer=tokenizer)
        assert found["rougeL"] < 60
        assert (found["rougeLsum"] == 100) == (tokenizer != "latin")


@pytest.mark.parametrize(("tokenizer", "empty"), [("latin", "привет"), ("latin", "..."), ("unicode", "👍🏽 !"), ("characters", "。")])
def test_a_reference_without_a_token_has_no_score_and_the_mean_is_over_the_others(tokenizer, empty):
    for score in Rouge(tokenizer=tokenizer).score(["a b", empty, "no"], ["a b", empty, "a b"]):
        assert score.per_example == (100, None, 0)
        assert score.value == 50
        assert "1 of 3" in score.reason
    for score in Rouge(tokenizer=tokenizer).score([empty], [empty]):
        assert (score.value, score.per_example, bool(score.reason)) == (None, (None,), True)


@pytest.mark.parametrize(("tokenizer", "text"), [*COPIES, ("unicode", "Ελλάδα"), ("characters", "ວຽງຈັນ")])
def test_references_that_latin_drops_are_refused_or_warned_of_with_the_line_to_change(tokenizer, text):
    line = f"{{use: rouge, with: {{tokenizer: {tokenizer}}}}}"
    try:
        (warning,) = Rouge().check([text])
    except BenchError as error:
        assert 2 * letters_of([text]).dropped > letters_of([text]).letters
        warning = str(error)
    assert line in warning
    assert Rouge(tokenizer=tokenizer).check([text]) == []


def test_the_share_decides_between_a_refusal_a_warning_and_nothing():
    russian, english = "праздник", "a feast"  # 8 letters, 6 letters
    assert Rouge().check([english] * 99 + ["naïve words"]) == []
    assert len(Rouge().check([russian, english, english])) == 2  # a reference without a token, and damaged words
    with pytest.raises(BenchError, match="57%"):
        Rouge().check([russian, english])


def test_references_without_any_letter_are_refused():
    for tokenizer in ("latin", "unicode", "characters"):
        with pytest.raises(BenchError, match="no reference"):
            Rouge(tokenizer=tokenizer).check(["👍", "..."])
        assert ["1 of 2" in line for line in Rouge(tokenizer=tokenizer).check(["👍", "yes"])] == [True]
