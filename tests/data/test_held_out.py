"""What is scored on is not trained on."""

from hypothesis import given
from hypothesis import strategies as st

from bench.contracts import Example
from bench.data.held_out import without


def documents(*texts: str) -> tuple[Example, ...]:
    return tuple(Example(str(i), text) for i, text in enumerate(texts))


def test_a_document_that_holds_a_held_out_one_is_left_out_whatever_stands_between_its_words() -> None:
    held_out = documents("the cat sat on the red mat today", "two words", " ")
    own = documents("the cat sat on the red mat", "TWO more words", "words two")
    assert tuple(without(own, held_out)) == own
    for text in ("He said: The  CAT sat on\nthe `red` mat, today!", "TWO words!", "(two_words)"):
        assert not without(documents(text), held_out)


def test_a_target_of_four_words_or_more_is_held_out_too() -> None:
    held_out = (Example("1", "def f(x): return 2 * x", "Return the double of it."), Example("2", "some code", "Return it."))
    assert not without(documents("A function. Return the double of it, or more."), held_out)
    assert without(documents("Return it."), held_out)


def test_nothing_held_out_leaves_everything() -> None:
    assert without(documents("a", "b"), ()) == documents("a", "b")


words = st.lists(st.sampled_from("abc"), min_size=1, max_size=12)


@given(words, words, words)
def test_whatever_stands_around_it_it_is_found(before: list[str], held_out: list[str], after: list[str]) -> None:
    assert not without(documents(" ".join([*before, *held_out, *after])), documents(" ".join(held_out)))


@given(words, words)
def test_what_does_not_hold_it_is_kept(text: list[str], held_out: list[str]) -> None:
    holds = f" {' '.join(held_out)} " in f" {' '.join(text)} "
    assert bool(without(documents(" ".join(text)), documents(" ".join(held_out)))) != holds


def test_a_document_spelt_in_another_normal_form_is_found() -> None:
    held_out = documents("the caf\u00e9 served re\u0301sume\u0301s")
    assert not without(documents("He said: the cafe\u0301 served r\u00e9sum\u00e9s."), held_out)
    assert without(documents("He said: the cafe served resumes."), held_out)
