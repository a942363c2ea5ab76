import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.data.segmentation import first_words, sentences, word_count


@pytest.mark.parametrize(
    "parts",
    [
        ["今天好。", "明天也好！", "“走吧。”", "他说？！", "好｡"],
        ["です。」", "と言った。", "「はい」"],
        ["版本３．５发布．", "下一版"],
        ["今天好.", "明天?", "他说:”走!”", "是"],
        ["यह है।", "वह था॥", "अब"],
        ["ما هذا؟", "نعم۔", "پھر"],
        ["Բարեւ։", "Ինչպես"],
        ["ሰላም።", "እንዴት፧", "እ"],
        ["ပထမ။", "ဒုတိယ။"],
        ["ខ្ញុំ។", "អ្នក"],
        ["Он ушёл.", "Да!", "Нет"],
        ["กรุงเทพ", "เมือง"],
    ],
)
@pytest.mark.parametrize("between", ["", " ", "\n"])
def test_sentences_end_at_the_full_stops_of_their_script(parts, between):
    needs_space = not between and parts[0][-1] in ".เ" and parts[0] != "今天好."
    if needs_space or (between != "\n" and "กรุงเทพ" in parts):
        assert len(sentences(between.join(parts))) < len(parts)
    else:
        assert sentences(between.join(parts)) == parts


@given(st.text(st.sampled_from("ab1 .!?\n,é\"'")))
def test_text_without_such_marks_is_split_as_before(text):
    before = re.split(r"(?<=[.!?])\s+|\n", text.strip(), maxsplit=1)[0]
    assert next(iter(sentences(text)), "") == before.strip()


@given(st.text(st.sampled_from("ab .!?。”．1今สव्。\n")))
def test_no_character_is_lost_but_white_space(text):
    assert "".join("".join(sentences(text)).split()) == "".join(text.split())
    assert "".join(first_words(text, 1000).split()) == "".join(text.split())


@pytest.mark.parametrize(
    ("text", "count", "first_two"),
    [
        ("the  cat sat", 3, "the cat"),
        ("Он ушёл домой", 3, "Он ушёл"),
        ("今天天气好。", 5, "今天"),
        ("「今日」は", 3, "「今日」"),
        ("abc 今天, x", 4, "abc 今"),
        ("東京タワー", 5, "東京"),
        ("ข้าวดี", 4, "ข้า"),
        ("서울은 큰 도시", 3, "서울은 큰"),
        ("", 0, ""),
    ],
)
def test_a_character_is_a_word_where_no_spaces_are_written(text, count, first_two):
    assert word_count(text) == count
    assert first_words(text, 2) == first_two
    assert first_words(text, count or 1) == " ".join(text.split())


def test_long_runs_of_marks_take_no_longer_than_text():
    assert sentences('"' * 50_000) == ['"' * 50_000]
    assert len(sentences("。" * 50_000)) == 1
