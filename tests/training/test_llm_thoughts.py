"""An answer begins where the thoughts end; without an end there is none; and the same answer to everything is found out."""

from pathlib import Path

import pytest

from bench.models.random import Random
from bench.training.checkpoints import load_tokenizer
from bench.training.llm_prompt import Prompt
from bench.training.llm_responses import Reply
from bench.training.llm_thoughts import LOOK_EVERY, TAGS, answer, judge, leaves_open, may_think, repeated_answer

LINE, LINES, CLASSES = Prompt(), Prompt(stop_at_newline=False), Prompt(answers=("yes", "no"))


def said(text: str, finished: bool = True, separate: bool = False) -> Reply:
    return Reply(text=text, finished=finished, prompt_tokens=1, output_tokens=1, has_separate_thoughts=separate)


@pytest.mark.parametrize(("opening", "closing"), TAGS.items())
def test_an_answer_is_what_follows_the_thoughts(opening: str, closing: str) -> None:
    assert answer(f"\n{opening}\nHm.\n\nSo.\n{closing}\n\na cat") == "a cat"
    assert answer(f"Hm.\nSo.{closing}a cat") == "a cat"
    assert answer(f"{opening}\n\n{closing}\n\na cat\na dog") == "a cat\na dog"
    assert answer(f"{opening}Hm.{closing}\n\n{closing}\n\na cat") == "a cat"
    assert answer(f"{opening}Hm. So") is None
    assert answer(f"{opening}Hm.{closing}a cat{closing}{opening}No") is None
    assert answer("a cat < a dog") == "a cat < a dog"


@pytest.mark.parametrize("prompt", [LINE, LINES])
@pytest.mark.parametrize(
    ("reply", "judged"),
    [
        (said("<think>\nHm.\nSo.\n</think>\n\na cat"), ("a cat", "valid")),
        (said("Hm.\nSo.\n</think>\n\na cat"), ("a cat", "valid")),
        (said("<think>\nHm.\nSo", finished=False), ("", "thoughts_only")),
        (said("<think>\nHm.\nSo"), ("", "thoughts_only")),
        (said("<think>\nHm.\n</think>\n\n", finished=False), ("", "thoughts_only")),
        (said("<think>\nHm.\n</think>\n\na c", finished=False), ("a c", "cut_off")),
        (said("", finished=False, separate=True), ("", "thoughts_only")),
        (said("", separate=True), ("", "thoughts_only")),
        (said("a cat", separate=True), ("a cat", "valid")),
        (said("a c", finished=False, separate=True), ("a c", "cut_off")),
        (said("a cat"), ("a cat", "valid")),
        (said(""), ("", "empty")),
        (said("", finished=False), ("", "empty")),
    ],
)
def test_an_answer_without_an_end_of_thoughts_is_no_label(prompt: Prompt, reply: Reply, judged: tuple[str, str]) -> None:
    assert judge(prompt, [reply]) == [judged]


def test_one_answer_with_only_a_closing_tag_shows_that_the_others_without_one_are_thoughts() -> None:
    hidden, cut, closed = said("Okay.\nThe user", finished=False), said("Okay.\nI see"), said("Okay.\n</think>\na cat")
    assert judge(LINE, [hidden, cut, closed]) == [("", "thoughts_only"), ("", "thoughts_only"), ("a cat", "valid")]


def test_a_model_that_opens_its_own_thoughts_may_answer_without_any() -> None:
    replies = [said("<think>Hm.</think>a cat"), said("a dog"), said("a bird\nwith", finished=False)]
    assert judge(LINE, replies) == [("a cat", "valid"), ("a dog", "valid"), ("a bird", "valid")]


def test_where_all_were_cut_off_a_first_line_may_be_a_thought_unless_it_is_a_class() -> None:
    all_cut = [said("Okay.\nThe user", finished=False), said("Yes.\nThe document", finished=False)]
    assert judge(LINE, all_cut) == [("", "thoughts_only"), ("", "thoughts_only")]
    assert judge(LINE, [*all_cut, said("a cat")]) == [("Okay.", "valid"), ("Yes.", "valid"), ("a cat", "valid")]
    assert judge(LINE, [*all_cut, said("a cat", separate=True)])[0] == ("Okay.", "valid")
    assert judge(CLASSES, all_cut) == [("Okay.", "no_class"), ("yes", "valid")]
    assert judge(LINE, all_cut, opened=False) == [("Okay.", "valid"), ("Yes.", "valid")]


def test_behind_an_open_tag_of_the_prompt_a_text_without_a_closing_one_is_all_thoughts() -> None:
    assert judge(LINE, [said("a cat"), said("Hm.</think>a dog")], opened=True) == [("", "thoughts_only"), ("a dog", "valid")]


@pytest.mark.parametrize(("prompt", "opens"), [("[user] x\n<think>\n", True), ("x [THINK]", True), ("<think>x", False), ("", False)])
def test_a_prompt_that_ends_with_an_open_tag_is_known(prompt: str, opens: bool) -> None:
    assert leaves_open(prompt) == opens


def test_a_model_whose_tokenizer_knows_a_tag_may_think(tmp_path: Path) -> None:
    tokenizer = load_tokenizer(Random(family="llama").folder(tmp_path))
    assert not may_think(tokenizer)
    tokenizer.chat_template = "{{ '<think>' if add_generation_prompt else content.split('</think>')[-1] }}"
    assert may_think(tokenizer)
    tokenizer.chat_template = None
    tokenizer.add_tokens(["<think>", "</think>"])
    assert may_think(tokenizer)


@pytest.mark.parametrize(
    ("labels", "found"),
    [
        (["a"] * (LOOK_EVERY - 1), False),
        (["a"] * LOOK_EVERY, True),
        (["a"] * 10 + list("bcdefghijk"), False),
        (["a"] * 11 + list("bcdefghij"), True),
        ([""] * 11 + list("bcdefghij"), True),
        ([str(i) for i in range(100)], False),
        ([], False),
    ],
)
def test_more_than_half_the_same_is_found_from_twenty_answers_on(labels: list[str], found: bool) -> None:
    assert bool(repeated_answer(LINE, labels)) == found


def test_the_same_class_is_normal_but_nothing_at_all_is_not() -> None:
    assert repeated_answer(CLASSES, ["yes"] * 40) == ""
    assert repeated_answer(CLASSES, ["maybe"] * 40) == ""
    assert repeated_answer(CLASSES, ["yes"] * 19 + [""] * 21)


def test_the_reason_names_an_example_and_keeps_it_short() -> None:
    assert "'so sorry'" in repeated_answer(LINE, ["so sorry"] * 20)
    assert len(repeated_answer(LINE, ["so\nsorry " * 1000] * 20)) < 300
    assert "\n" not in repeated_answer(LINE, ["so\nsorry"] * 20)
