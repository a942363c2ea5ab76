import pytest

from bench.report import markdown


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a | b", r"a \| b"),
        ("<script>&", "&lt;script&gt;&amp;"),
        ("`code` *bold* [l](u)", r"\`code\` \*bold\* \[l\](u)"),
        ("two\nlines\r\n\tand more", "two lines and more"),
        ("label_share=0.5", "label_share=0.5"),
        ("_hidden_", r"\_hidden\_"),
        ("$x$", "&#36;x&#36;"),
        ("back\\slash|", r"back\\slash\|"),
        ("# head", r"\# head"),
        ("1. item", r"1\. item"),
        ("0.05", "0.05"),
        ("\x1b[31mred\u202etfel", r"\[31mred tfel"),
        ("half \ud800 character", "half character"),
    ],
)
def test_text_is_shown_as_it_is_and_is_no_markup(text: str, shown: str) -> None:
    assert markdown.escape(text) == shown


def test_a_code_block_cannot_be_ended_by_its_text() -> None:
    block = markdown.fence("a\n````\n# not a title\x1b", "yaml").split("\n")
    assert block == ["`````yaml", "a", "````", "# not a title ", "`````"]


def test_a_missing_number_is_a_dash_and_never_zero() -> None:
    assert [markdown.number(value) for value in (None, float("nan"), 0.0, 1234.5)] == ["–", "–", "0.00", "1,234.50"]
