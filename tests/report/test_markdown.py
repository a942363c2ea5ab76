import pytest

from bench.report.blocks import Column, Paragraph, Section, Table, code, emphasis, strong
from bench.report.render import markdown
from bench.report.text import dollars, number


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
    assert [number(value) for value in (None, float("nan"), 0.0, 1234.5)] == ["–", "–", "0.00", "1,234.50"]


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("24.65 [21.23, 28.08]", "24.65 [21.23, 28.08]"),
        ("[under 0.1, over 1.5]", "[under 0.1, over 1.5]"),
        ("[1, 2](http://x)", r"\[1, 2\](http://x)"),
        ("[1, 2]: http://x", r"\[1, 2\]: http://x"),
        ("[x, 2]", r"\[x, 2\]"),
    ],
)
def test_an_interval_is_no_link(text: str, shown: str) -> None:
    assert markdown.escape(text) == shown


def test_only_marks_are_markup_in_paragraphs_and_tables() -> None:
    table = Table((Column("a|b"), Column("n", number=True)), ((("-1 ", code("x|`y`")), emphasis("*z*")), ("<b>", "-2")))
    page = markdown.page("<i>", [Section(id="s", title="S", blocks=(Paragraph((strong("_a_"), " - b")), table))], quote="# q")
    assert page.splitlines() == [
        *("# &lt;i&gt;", "", r"> \# q", "", "## S", "", r"**\_a\_** - b", ""),
        *(r"| a\|b | n |", "| --- | --: |", r"| -1 `` x\|`y` `` | *\*z\** |", "| &lt;b&gt; | -2 |"),
    ]


@pytest.mark.parametrize(
    ("usd", "shown", "computed"),
    [
        (None, "–", "–"),
        (0.0, "0.00", "0.00"),
        (20.0, "20.00", "20.0"),
        (1234.567, "1,234.57", "1,230"),
        (71009.26, "71,009.26", "71,000"),
        (0.0123456, "0.012", "0.0123"),
        (0.99951, "1.00", "1.00"),
        (-5.6e-17, "0.00", "0.00"),
    ],
)
def test_dollars_have_the_digits_that_are_known(usd: float | None, shown: str, computed: str) -> None:
    assert (dollars(usd), dollars(usd, computed=True)) == (shown, computed)
