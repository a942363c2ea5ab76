"""Two spellings of one text are one text; nothing else is."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.contracts import content_hash, is_blank, normal_form

COMPOSED, DECOMPOSED = "r\u00e9sum\u00e9 \u1ec7", "re\u0301sume\u0301 e\u0323\u0302"


def test_accents_composed_or_not_and_invisible_characters_make_no_difference() -> None:
    assert normal_form(DECOMPOSED) == normal_form(f"\ufeff{COMPOSED}\u200b\u2060") == COMPOSED
    assert content_hash(f"  {DECOMPOSED.upper()}\n") == content_hash(COMPOSED)


@pytest.mark.parametrize("other", ["resume \u1ec7", "R\u00c9SUM\u00c9 \u1ec6", " r\u00e9sum\u00e9 \u1ec7", "r\u00e9\u200csum\u00e9 \u1ec7"])
def test_nothing_else_is_forgiven(other: str) -> None:
    assert normal_form(other) != COMPOSED


def test_compatibility_characters_stay() -> None:
    assert normal_form("\ufb01 \u2460 m\u00b2") == "\ufb01 \u2460 m\u00b2"


@pytest.mark.parametrize(
    "text", ["", " \n\u00a0\u2028", "\u200b", "\ufeff \u2060", "\u200c\u200d", "\u00ad", "\u200e\u200f", "\u2800 \u3164", "\ufe0f"]
)
def test_a_text_of_which_nothing_can_be_seen_is_blank(text: str) -> None:
    assert is_blank(text)


@pytest.mark.parametrize("text", ["a", "\u200b0", "\u0645\u06cc\u200c\u0634\u0648\u062f", "\u0301", "\u00ada", "\u2764\ufe0f"])
def test_a_text_of_which_something_can_be_seen_is_not(text: str) -> None:
    assert not is_blank(text)


@given(st.text(alphabet=st.characters(codec="utf-8")))
def test_the_normal_form_of_a_normal_form_is_itself(text: str) -> None:
    found = normal_form(text)
    assert normal_form(found) == found == unicodedata.normalize("NFC", found)
    assert content_hash(text) == content_hash(found)


@given(st.text(alphabet="ae\u0301\u00e9 \u200b\u2060\ufeff\u200c"))
def test_characters_are_removed_before_the_text_is_composed(text: str) -> None:
    kept = "".join(character for character in text if character not in "\u200b\u2060\ufeff")
    assert normal_form(text) == unicodedata.normalize("NFC", kept)
    assert is_blank(text) == (kept.replace("\u200c", "").strip() == "")
