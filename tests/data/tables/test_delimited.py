"""CSV and TSV: no row, header or column is lost without a line that says so."""

import csv
import io
import re
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.data.tables import Columns, TableSettings, read_rows
from bench.data.tables.delimited import read_delimited
from bench.data.tables.header import why_data
from bench.errors import DataError
from tests.data.tables.conftest import Reader, case, in_memory, pairs

DIALOG = "04-tsv-quotes/dialog.tsv"


def test_marks_that_swallow_rows_are_refused_with_line_and_setting() -> None:
    with pytest.raises(DataError, match=r"dialog.tsv, line 5: .* line 8\b.* 10 .* 30 more lines.*`quotes: none`"):
        case(DIALOG, "text", "label")


def test_with_quotes_none_every_line_is_a_row() -> None:
    found, notes = case(DIALOG, "text", "label", quotes="none")
    assert len(found) == 200
    assert sum('"' in text for text, _ in found) == 20
    assert notes == ()


def test_marks_quote_where_the_settings_say_so_and_a_note_names_the_line() -> None:
    found, notes = case(DIALOG, "text", "label", quotes="double")
    assert len(found) == 170
    assert "line 5" in notes[0]


def test_one_mark_in_a_csv_file_that_swallows_two_rows_is_refused(rows: Reader) -> None:
    content = 'text,label\na b c,pos\n"d e f,neg\ng h i,pos\nj k l",neg\nm n o,pos\n'
    with pytest.raises(DataError, match=r"own.csv, line 3: .* line 5"):
        rows(content)
    found, _ = rows(content, quotes="none")
    assert len(found) == 5
    assert found[1] == ('"d e f', "neg")


@pytest.mark.parametrize("quoting", [csv.QUOTE_MINIMAL, csv.QUOTE_ALL])
@pytest.mark.parametrize("delimiter", [",", "\t", ";"])
def test_line_breaks_inside_quotes_are_read_without_complaint(quoting: int, delimiter: str, rows: Reader) -> None:
    """As in real files: paragraphs, sentences with commas, code with tabs, doubled marks."""
    texts = [
        "One, two.\nThree, four.",
        "First paragraph.\n\nSecond; it says more.",
        'He said: "yes",\nand left.',
        "def f(a,b):\n\treturn a,b",
        "plain; text, here",
    ]
    text = io.StringIO()
    writer = csv.writer(text, delimiter=delimiter, quoting=quoting)
    writer.writerows([("text", "label"), *((f"{text} no. {i}", f"label {i}") for i in range(50) for text in texts)])
    found, notes = rows(text.getvalue(), delimiter=delimiter)
    assert found == [(f"{text} no. {i}", f"label {i}") for i in range(50) for text in texts]
    assert notes == ()


cells = st.text(st.sampled_from('ab ,;\t"\n\r'), max_size=8)


@given(st.lists(st.tuples(cells, cells, cells), min_size=1, max_size=8), st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]))
def test_what_the_csv_module_writes_is_read_back_with_quotes_double(table: list[tuple[str, str, str]], quoting: int) -> None:
    text = io.StringIO()
    csv.writer(text, quoting=quoting).writerows([("x", "text", "label"), *table])  # type: ignore[arg-type]
    found = read_delimited("own.csv", in_memory(text.getvalue()), ",", TableSettings(quotes="double"))
    assert list(zip(*map(found.values, ("x", "text", "label")), strict=True)) == table


def test_rows_that_do_not_fit_are_counted(rows: Reader) -> None:
    with pytest.raises(DataError, match=r"own.csv, line 3: 3 fields, .* 2; 2 more .* line 5;"):
        rows("text,label\na,b\nc,d,e\nf,g\nh\ni,j,k\n")


@pytest.mark.parametrize(
    ("content", "remedy"),
    [
        ("text,label\na,b\nc,d\nTotal: 2\n", r"line 4: 1 fields.*lines from 4 "),
        ("text,label\n'a, and b',c\nd,e\n", r"line 2: 3 .*single quote.*double"),
        ("text,label\na, and b,c\nd,e\n", r"line 2: 3 .*comma.*double quotes"),
    ],
)
def test_a_row_that_does_not_fit_comes_with_a_remedy(content: str, remedy: str, rows: Reader) -> None:
    with pytest.raises(DataError, match=remedy):
        rows(content)


def test_trailing_delimiters_are_rows_that_do_not_fit_or_a_column_without_a_name(rows: Reader) -> None:
    with pytest.raises(DataError, match=r"line 2: 3 fields, .* 2; 1 more"):
        rows("text,label\na,b,\nc,d,\n")
    assert rows("text,label,\na,b,\nc,d,\n")[0] == [("a", "b"), ("c", "d")]


def test_blank_lines_are_no_rows_and_lines_are_counted_with_them(rows: Reader) -> None:
    found, _ = rows("\n\ntext,label\r\n\r\na,b\n\n\nc,d\n\n")
    assert found == [("a", "b"), ("c", "d")]
    with pytest.raises(DataError, match="line 6: 1 fields"):
        rows("\n\ntext,label\n\na,b\nc\n")


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
def test_line_ends_and_marks_of_all_systems(end: str, mark: bytes, rows: Reader) -> None:
    found, _ = rows(mark + end.join(("text,label", "a,b", '"c",d')).encode())
    assert found == [("a", "b"), ("c", "d")]


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-32"])
def test_an_excel_separator_line_is_obeyed_and_no_row(encoding: str, rows: Reader) -> None:
    for said, delimiter in (("sep=;", ";"), ('"sep=|"', "|"), ("SEP=\t", "\t")):
        text = f"{said}\r\ntext{delimiter}label\r\na, b{delimiter}c\r\n"
        assert rows(text.encode(encoding))[0] == [("a, b", "c")]


def test_the_case_of_excel_has_80_rows() -> None:
    found, _ = case("06-excel-sep/excel.csv", "text", "summary")
    assert len(found) == 80
    assert all(text and label for text, label in found)


def test_a_header_that_repeats_is_no_row_and_is_counted(rows: Reader) -> None:
    found, notes = rows("text,label\na,b\ntext,label\nc,d\ntext,label\n")
    assert found == [("a", "b"), ("c", "d")]
    assert len(notes) == 1
    assert "line 3" in notes[0]
    assert "2 in all" in notes[0]


def test_names_make_the_first_row_a_row(rows: Reader) -> None:
    found, _ = case("05-no-header/short.csv", "text", "label", names=("label", "text"))
    assert len(found) == 81
    assert Counter(label for _, label in found).keys() == {"pos", "neg"}
    with pytest.raises(DataError, match="line 1: 2 fields, `names` has 3"):
        rows("a,b\nc,d\n", names=("text", "label", "more"))


def test_without_names_the_error_says_that_the_first_row_looks_like_data() -> None:
    with pytest.raises(DataError, match=r"line 1 looks like data.*`names`"):
        case("05-no-header/short.csv", "text", "label")


@pytest.mark.parametrize(
    ("header", "table", "is_data"),
    [
        (["text", "label"], [["a text", "1"]] * 5, False),
        (["0", "1"], [["a text", "1"]] * 5, False),  # pandas numbers its columns
        (["5", "great"], [["3", "bad"], ["4", "fine"]], True),  # a number, as all below
        (["2020", "2021"], [["a", "b"], ["c", "d"]], False),
        (["spam", "win a prize now"], [["ham", "see you later"], ["spam", "cheap pills"]], True),
        (["the film was very good", "x1"], [["another film that I saw", "x2"]] * 3, True),
        (["How did you like the film?", "x"], [["I liked it, and the music too, though it was long and loud"] * 2] * 3, False),
        (["Go.", "Va !"], [["Hi.", "Salut !"], ["I see.", "Je comprends."], ["Run!", "Cours\u202f!"]], True),
        (["Why so?", "x"], [["It was long.", "x1"], ["I do not know.", "x2"]], False),  # a survey
        (["No.", "text"], [["1", "a text"], ["2", "another"]], False),
        (["id", "w" * 101], [["1", "a"]], True),
        (["text", "label"], [["text", "label"], ["a", "b"]], False),  # files that were joined
    ],
)
def test_a_first_row_that_is_data(header: list[str], table: list[list[str]], is_data: bool) -> None:
    assert bool(why_data(header, table)) == is_data


def test_lines_before_the_header_can_be_left_out_and_the_error_says_how(rows: Reader) -> None:
    content = "# made by a program\ntext,label\na,b\n"
    with pytest.raises(DataError, match=r"line 2: 2 fields, .* 1;.*`skip_lines: 1`"):
        rows(content)
    assert rows(content, skip_lines=1)[0] == [("a", "b")]
    with pytest.raises(DataError, match="line 4: 1 fields"):
        rows(content + "c\n", skip_lines=1)


@pytest.mark.parametrize(
    ("content", "hint"),
    [
        ("text;label\na;b\n", "semicolons: set `delimiter: ';'`"),
        ("text\tlabel\na\tb\n", r"tabs: set `delimiter: '\\t'`"),
        ('{"text": "a"}\n{"text": "b"}\n', "JSON: set `format: jsonl`"),
    ],
)
def test_a_file_of_another_kind_says_which_setting_reads_it(content: str, hint: str, rows: Reader) -> None:
    with pytest.raises(DataError, match=re.compile(f"no column 'text'.*{hint}")):
        rows(content)


def test_headers_with_spaces_or_quotes_are_kept_as_they_are(rows: Reader) -> None:
    assert rows('"text", label\na,b\n', target=" label")[0] == [("a", "b")]
    with pytest.raises(DataError, match="did you mean ' label'"):
        rows('"text", label\na,b\n')


def test_a_huge_field_is_read(rows: Reader) -> None:
    found, _ = rows(f"text,label\n{'word ' * 200_000},b\n")
    assert len(found[0][0]) == 1_000_000


def test_nul_characters_are_counted(rows: Reader) -> None:
    found, notes = rows("text,label\na\0b,c\nd,e\n")
    assert found == [("a\0b", "c"), ("d", "e")]
    assert "line 2" in notes[0]
    with pytest.raises(DataError, match="`encoding`, most likely utf-16-be"):
        rows("text,label\na,b\n".encode("utf-16-be"))


def test_other_encodings_have_to_be_named(rows: Reader) -> None:
    content = "text,label\na,b\ncafé,d\n"
    with pytest.raises(DataError, match=r"line 3 .* UTF-8 \(byte 0xe9\).* `encoding`"):
        rows(content.encode("cp1252"))
    assert rows(content.encode("cp1252"), encoding="cp1252")[0][1] == ("café", "d")
    assert rows(content.encode() + b"x\xff,y\n", encoding_errors="replace")[0][2] == ("x\ufffd", "y")
    with pytest.raises(DataError, match="line 3 is not ascii"):
        rows(content, encoding="ascii")
    for wrong in ("utf-9", "rot13", "unicode_escape"):
        with pytest.raises(ValueError, match="no text encoding"):
            TableSettings(encoding=wrong)


@pytest.mark.parametrize("delimiter", ["", "||", '"', "\n"])
def test_a_delimiter_is_one_character(delimiter: str) -> None:
    with pytest.raises(ValueError, match="one character"):
        TableSettings(delimiter=delimiter)


def test_home_is_where_the_tilde_points(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "mine.csv").write_text("text,label\na,b\n")
    found, _ = read_rows("~/mine.csv", TableSettings(), Columns("text", "label"))
    assert pairs(found) == [("a", "b")]
    assert found[0].where == "~/mine.csv, line 2"


@given(st.text(alphabet='a,"\r\n\u2028\x0b\x85 '))
def test_lines_and_chunks_of_a_file_are_those_of_its_text(text: str) -> None:
    assert list(in_memory(text).lines()) == list(io.StringIO(text, newline=""))
    assert "".join(in_memory(text).chunks()) == in_memory(text).whole() == text
