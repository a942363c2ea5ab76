"""A document goes into a prompt as it is, and only what the prompt asks for comes out of an answer."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from bench.contracts import Example
from bench.training.llm_prompt import Prompt

SHOTS = (Example("1", "a {target} in {source}", "{braces}"), Example("2", "two cats", "cats"))
PROMPT = Prompt(system="Be brief.", instruction="Text: {source}\nTitle: {target}")


def test_examples_are_turns_of_a_conversation() -> None:
    assert PROMPT.messages(SHOTS, "one {dog}") == [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "Text: a {target} in {source}\nTitle:"},
        {"role": "assistant", "content": "{braces}"},
        {"role": "user", "content": "Text: two cats\nTitle:"},
        {"role": "assistant", "content": "cats"},
        {"role": "user", "content": "Text: one {dog}\nTitle:"},
    ]


def test_for_a_model_without_turns_they_are_one_text_to_be_continued() -> None:
    text = PROMPT.plain(SHOTS[1:], "one dog")
    assert text.split("\n") == [
        "Be brief.",
        "",
        "Text: two cats",
        "Title: cats",
        "",
        "Text: one dog",
        "Title:",
    ]


def test_without_a_place_for_labels_they_follow_on_a_line_of_their_own() -> None:
    text = Prompt(instruction="Shorten: {source}").plain(SHOTS[1:], "one dog")
    assert text.split("\n") == [
        "Shorten: two cats",
        "cats",
        "",
        "Shorten: one dog",
        "",
    ]


@given(st.text())
def test_whatever_stands_in_a_document_changes_nothing_around_it(source: str) -> None:
    (message,) = Prompt(instruction="<{source}> {{x}}:\n{target}").messages((), source)
    assert message["content"] == f"<{source}> {{{{x}}}}:"


@pytest.mark.parametrize("instruction", ["Shorten.", "{source} {source}", "{target} for {source}", "{source} {target} {target}"])
def test_an_instruction_has_one_place_for_the_document_and_labels_at_its_end(instruction: str) -> None:
    with pytest.raises(ValidationError, match=r"\{source\} once.* \{target\} .*end"):
        Prompt(instruction=instruction)


@pytest.mark.parametrize(
    ("text", "finished", "judged"),
    [
        ("A title", True, ("A title", "valid")),
        ("\n A title \nand more", True, ("A title", "valid")),
        ("A title\nand mo", False, ("A title", "valid")),
        ("A tit", False, ("A tit", "cut_off")),
        (" \n ", True, ("", "empty")),
        ("", False, ("", "empty")),
    ],
)
def test_an_answer_is_its_first_line_if_that_is_whole(text: str, finished: bool, judged: tuple[str, str]) -> None:
    assert Prompt().judge(text, finished) == judged


def test_an_answer_may_have_lines_where_the_prompt_says_so() -> None:
    assert Prompt(stop_at_newline=False).judge("one\ntwo\n", True) == ("one\ntwo", "valid")
    assert Prompt(stop_at_newline=False).judge("one\ntw", False) == ("one\ntw", "cut_off")


@pytest.mark.parametrize(
    ("text", "judged"),
    [("refutes.", ("REFUTES", "valid")), ("**SUPPORTS**", ("SUPPORTS", "valid")), ("It SUPPORTS it", ("It SUPPORTS it", "no_class"))],
)
def test_an_answer_is_one_of_the_classes_or_none(text: str, judged: tuple[str, str]) -> None:
    assert Prompt(answers=("SUPPORTS", "REFUTES")).judge(text, True) == judged


@pytest.mark.parametrize("spelt", ["caf\u00e9", "Cafe\u0301.", "\ufeffcaf\u00e9\u200b"])
@pytest.mark.parametrize("name", ["caf\u00e9", "cafe\u0301"])
def test_an_answer_names_a_class_in_whatever_form_both_are_spelt(spelt: str, name: str) -> None:
    assert Prompt(answers=(name, "tea")).judge(spelt, finished=True) == ("caf\u00e9", "valid")


def test_an_answer_of_nothing_that_can_be_seen_is_empty() -> None:
    assert Prompt().judge("\u200b\u200d", finished=True) == ("", "empty")
