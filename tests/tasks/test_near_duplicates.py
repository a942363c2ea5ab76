from hypothesis import given
from hypothesis import strategies as st

from bench.tasks._near_duplicates import LIKENESS, alike, first_of_their_kind, with_near_duplicate, word_pairs

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


@given(texts, texts)
def test_between_two_lists_it_finds_what_comparing_all_with_all_finds(texts, others):
    expected = {i for i, text in enumerate(texts) if any(jaccard(text, other) >= LIKENESS for other in others)}
    assert with_near_duplicate(texts, others) == expected


def test_in_scripts_without_spaces_characters_are_compared():
    text = "\u51ac\u6728\u9928\u77f3\u9810\u5c71\u6751\u6d77\u98a8\u5cf6\u6c34\u706b\u5831\u6cb3\u5e02\u6a4b\u571f\u8fb2\u6536\u8b70"
    assert with_near_duplicate([text], [text[:12] + "\u661f" + text[13:]]) == {0}
    assert with_near_duplicate([text], [text[::-1]]) == set()
    mixed = "the \u51ac\u6728 museum opens"
    assert ("the", "\u51ac\u6728") in word_pairs(mixed)
