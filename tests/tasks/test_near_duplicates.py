from hypothesis import given
from hypothesis import strategies as st

from bench.tasks._near_duplicates import LIKENESS, alike, first_of_their_kind, word_pairs

texts = st.lists(st.lists(st.sampled_from("abcd"), max_size=12).map(" ".join), max_size=12)


def jaccard(a, b):
    return len(word_pairs(a) & word_pairs(b)) / len(word_pairs(a) | word_pairs(b))


@given(texts)
def test_it_finds_what_comparing_all_with_all_finds(texts):
    kept = []
    for i, text in enumerate(texts):
        if all(jaccard(text, texts[j]) < LIKENESS for j in kept):
            kept.append(i)
    assert first_of_their_kind(texts) == kept


def test_seven_shared_word_pairs_of_ten_are_alike_and_six_are_not():
    sentence = "one two three four five six seven"
    assert alike(word_pairs(sentence), word_pairs(f"{sentence} eight"))  # 7 shared of 10
    assert not alike(word_pairs(sentence), word_pairs(f"zero {sentence} eight"))  # 6 shared of 11


def test_case_and_punctuation_make_no_difference():
    assert first_of_their_kind(["Open the file.", "open THE file!", "Close the file."]) == [0, 2]
