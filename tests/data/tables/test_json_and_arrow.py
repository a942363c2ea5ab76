"""JSON in all its shapes, Parquet and Arrow: rows, parts of columns, class names, missing values."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pytest

from bench.errors import DataError
from tests.data.tables.conftest import Reader, case

ROWS = [{"text": f"document {i}", "label": f"label {i}"} for i in range(40)]
WANTED = [(row["text"], row["label"]) for row in ROWS]
FRAME = pd.DataFrame(ROWS)

SHAPES = {
    "a list": ROWS,
    "metadata and a list": {"version": "1.1", "authors": ["A", "B"], "data": ROWS},
    "rows by key": {f"q{i}": row for i, row in enumerate(ROWS)},
    "rows by number": dict(enumerate(ROWS)),
    "lists of a column each": {name: [row[name] for row in ROWS] for name in ("text", "label")},
    "the same and metadata": {"version": 1, **{name: [row[name] for row in ROWS] for name in ("text", "label")}},
    "one split": {"train": ROWS},
    "one split of columns": {"train": FRAME.to_dict("list")},
    **{f"pandas, {orient}": json.loads(FRAME.to_json(orient=orient)) for orient in ("columns", "index", "records", "split", "table")},
    "pandas, split, without an index": json.loads(FRAME.to_json(orient="split", index=False)),
    "pandas, named rows": json.loads(FRAME.set_index(pd.Index([f"r{i}" for i in range(40)])).to_json()),
}


@pytest.mark.parametrize("value", SHAPES.values(), ids=SHAPES)
def test_json_in_any_shape_gives_its_rows(value: object, rows: Reader) -> None:
    assert rows(json.dumps(value), "own.json")[0] == WANTED
    assert rows(json.dumps(value, indent=1), "own.json")[0] == WANTED


def test_what_is_not_read_is_named(rows: Reader) -> None:
    _, notes = rows(json.dumps({"version": 1, "data": ROWS, "authors": ["A"]}), "own.json")
    assert [name in notes[0] for name in ("'data'", "'version'", "'authors'")] == [True] * 3


def test_json_lines_may_be_called_json(rows: Reader) -> None:
    assert rows("\n".join(map(json.dumps, ROWS)), "own.json")[0] == WANTED
    assert rows("\r".join(map(json.dumps, ROWS)), "own.jsonl")[0] == WANTED


@pytest.mark.parametrize(
    ("path", "count"),
    [("07-json-shapes/dict_of_rows.json", None), ("07-json-shapes/splits.json", {"train": 80, "validation": 15, "test": 20})],
)
def test_the_cases_give_their_rows_or_ask_which(path: str, count: dict[str, int] | None) -> None:
    if count is None:
        assert len(case(path, "document", "summary")[0]) == 80
        return
    with pytest.raises(DataError) as caught:
        case(path, "document", "summary")
    for name, rows in count.items():
        assert f"'{name}' ({rows} rows)" in str(caught.value)
        assert len(case(path, "document", "summary", field=name)[0]) == rows
    assert "`train_field`" in str(caught.value)


def test_splits_inside_an_object_are_named_by_a_path(rows: Reader) -> None:
    value = {"info": {"by": "me"}, "data": {"train": ROWS, "test": FRAME.head(3).to_dict("list")}}
    assert rows(json.dumps(value), "own.json", field="data.train")[0] == WANTED
    assert rows(json.dumps(value), "own.json", field="data.test")[0] == WANTED[:3]
    with pytest.raises(DataError, match=r"'dev' of `data.dev`; .*'train' \(40 rows\), 'test' \(2 entries\)"):
        rows(json.dumps(value), "own.json", field="data.dev")
    with pytest.raises(DataError, match=r"`field` .* JSON .*format is csv"):
        rows("text,label\na,b\n", field="data")


def test_columns_of_different_lengths_are_refused_with_their_lengths(rows: Reader) -> None:
    with pytest.raises(DataError, match=r"'text' \(3 rows\), 'label' \(2 rows\)"):
        rows(json.dumps({"text": ["a", "b", "c"], "label": ["x", "y"]}), "own.json")


@pytest.mark.parametrize(
    ("columns", "data"),
    [
        (["text", "label"], [["a", "x"], ["b"]]),
        (["text", "text"], [["a", "x"]]),
        (["text", "label"], ["ab", "cd"]),
        (2, [["a", "x"]]),
    ],
)
def test_rows_that_do_not_fit_their_list_of_names_are_refused(columns: object, data: object, rows: Reader) -> None:
    with pytest.raises(DataError, match=r"own\.json"):
        rows(json.dumps({"columns": columns, "index": [0], "data": data}), "own.json")


def test_objects_beside_a_list_of_names_are_rows(rows: Reader) -> None:
    found, notes = rows(json.dumps({"columns": ["text", "label"], "index": [], "data": ROWS}), "own.json")
    assert found == WANTED
    assert all(name in notes[0] for name in ("'data'", "'columns'", "'index'"))


def test_large_numbers_that_differ_are_not_one_number_in_two_spellings(rows: Reader) -> None:
    def notes(*labels: int | float) -> tuple[str, ...]:
        return rows("\n".join(json.dumps({"text": f"d {i}", "label": str(label)}) for i, label in enumerate(labels)), "own.jsonl")[1]

    assert notes(2**53, 2**53 + 1) == ()
    assert len(notes(2, 2.0)) == 1


def test_squad_says_how_a_part_is_named(rows: Reader) -> None:
    value = {"version": "1.1", "data": [{"title": f"t {i}", "paragraphs": [{"context": f"c {i}", "qas": []}]} for i in range(3)]}
    parts = r"`paragraphs\[0\].context`, or all joined, `paragraphs\[\*\].context`"
    with pytest.raises(DataError, match=f"'paragraphs' holds list, not text; .*{parts}"):
        rows(json.dumps(value), "own.json", "paragraphs", "title")
    assert rows(json.dumps(value), "own.json", "paragraphs[0].context", "title")[0] == [(f"c {i}", f"t {i}") for i in range(3)]


def test_bad_lines_are_counted(rows: Reader) -> None:
    with pytest.raises(DataError, match=r"own.jsonl, line 2: .*JSON: .* column .* \(2 more"):
        rows('{"text": "a"}\n{"text"\n[1]\n{"text": "b"}\nx\n', "own.jsonl")


@pytest.mark.parametrize("name", ["own.json", "own.jsonl"])
@pytest.mark.parametrize(
    ("content", "remedy"),
    [
        ('{"text": "a", "label": "b"}{"text": "c", "label": "d"}', r"Extra data.*jq -c"),
        ("{'text': 'a', 'label': 'b'}", r"double quotes.*json\.dumps"),
    ],
)
def test_json_that_cannot_be_read_comes_with_a_remedy(content: str, remedy: str, name: str, rows: Reader) -> None:
    with pytest.raises(DataError, match=rf"{name}, line 1: .*{remedy}"):
        rows(content, name)


@pytest.mark.parametrize(("name", "content"), [("own.json", '[["a", "b"]]'), ("own.jsonl", '["a", "b"]')])
def test_rows_that_are_lists_come_with_a_remedy(name: str, content: str, rows: Reader) -> None:
    with pytest.raises(DataError, match=rf"{name}, \w+ 1: .*found list.*CSV"):
        rows(content, name)


@pytest.mark.parametrize("name", ["own.json", "own.jsonl"])
def test_a_key_that_comes_twice_would_lose_a_cell_or_a_row(name: str, rows: Reader) -> None:
    with pytest.raises(DataError, match="'text' stands twice"):
        rows('{"text": "a", "text": "b", "label": "c"}\n', name)


def test_equal_numbers_are_one_label_and_the_mixture_is_noted() -> None:
    found, notes = case("10-int-labels/mixed.jsonl", "text", "label")
    counts = Counter(label for _, label in found)
    assert counts.keys() == {"0", "1", "true", "false"}
    assert counts.total() == 300
    assert len(notes) == 1
    assert "true or false" in notes[0]


@pytest.mark.parametrize(("value", "text"), [(1.0, "1"), (-0.0, "0"), (2.5, "2.5"), (1e300, "1e+300"), (True, "true"), ("1.0", "1.0")])
def test_numbers_become_text(value: object, text: str, rows: Reader) -> None:
    assert rows(json.dumps({"text": "a", "label": value}), "own.jsonl")[0] == [("a", text)]


def test_numbers_as_text_that_are_spelt_in_two_ways_are_noted(rows: Reader) -> None:
    found, notes = rows("text,label\na,1\nb,1.0\nc,0\n")
    assert {label for _, label in found} == {"1", "1.0", "0"}
    assert "'1' and '1.0'" in notes[0]


def test_words_for_missing_are_labels_and_counted() -> None:
    found, notes = case("20-null-words/nulls.csv", "document", "summary")
    assert sum(label is not None and label.strip() != "" for _, label in found) == 191
    assert len(notes) == 1
    assert "91 of 191 labels" in notes[0]


def test_words_for_missing_in_json_too_but_not_inside_texts(rows: Reader) -> None:
    labels = ["NaN", "n/a", None, "none of it", "NULL", ""]
    _, notes = rows("\n".join(json.dumps({"text": f"t {i}", "label": label}) for i, label in enumerate(labels)), "own.jsonl")
    assert "line 1:" in notes[0]
    assert "3 of 4 labels" in notes[0]


def test_nan_in_parquet_is_no_label() -> None:
    found, _ = case("09-parquet/nan_labels.parquet", "text", "label")
    assert Counter(label for _, label in found)[None] == 150
    assert {label for _, label in found if label} == {"0", "1"}


def test_columns_of_lists_say_how_an_element_is_named() -> None:
    with pytest.raises(DataError) as caught:
        case("09-parquet/list_columns.parquet", "article", "summary")
    assert len(str(caught.value).splitlines()) == 2
    assert "`article[0]`" in str(caught.value)
    assert "`summary[*]`" in str(caught.value)
    first, _ = case("09-parquet/list_columns.parquet", "article[0]", "summary[-1]")
    every, _ = case("09-parquet/list_columns.parquet", "article[*]", "summary[*]", joined_by=" ")
    assert len(first) == len(every)
    assert all(text.startswith(part) and len(text) > len(part) for (text, _), (part, _) in zip(every, first, strict=True))


NESTED = {
    "answers": [{"text": ["x", "y"], "start": [1, 2]}, {"text": [], "start": []}, None],
    "a.b": ["flat", "flat", "flat"],
    "a": [{"b": "deep"}] * 3,
    "text": ["one", "two", "three"],
}


@pytest.mark.parametrize("suffix", ["jsonl", "parquet", "arrow", "feather"])
@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("answers.text[0]", ["x", None, None]),
        ("answers.text[-1]", ["y", None, None]),
        ("answers.start[1]", ["2", None, None]),
        ("answers.text[*]", ["x\ny", None, None]),
        ("a.b", ["flat"] * 3),
    ],
)
def test_parts_of_columns(suffix: str, name: str, expected: list[str | None], rows: Reader, tmp_path: Path) -> None:
    assert rows(nested(suffix, tmp_path), f"own.{suffix}", "text", name)[0] == list(zip(NESTED["text"], expected, strict=True))


def nested(suffix: str, folder: Path) -> bytes:
    frame = pd.DataFrame(NESTED)
    path = folder / "made"
    if suffix == "jsonl":
        return "\n".join(json.dumps({name: cells[i] for name, cells in NESTED.items()}) for i in range(3)).encode()
    if suffix == "arrow":  # a stream, as `datasets` writes
        table = pa.Table.from_pandas(frame)
        with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_stream(sink, table.schema) as writer:
            writer.write_table(table)
    elif suffix == "feather":
        frame.to_feather(path)
    else:
        frame.to_parquet(path)
    return path.read_bytes()


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("answers[0]", r"row 1: .*'answers\[0\]': .*dict, .*list"),
        ("text.x", "row 1: .*'text.x': .*str, .*object"),
        ("answer.text", "no column 'answer.text'; .* 'answers'"),
        ("answers.text[x]", "no column"),
        ("answers", "holds dict, not text; .*`answers.text"),
    ],
)
def test_parts_that_are_not_there_are_one_line(name: str, message: str, rows: Reader, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=message) as caught:
        rows(nested("parquet", tmp_path), "own.parquet", "text", name)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["own.parquet", "own.arrow"])
def test_class_names_of_datasets_become_the_labels(name: str, rows: Reader, tmp_path: Path) -> None:
    from datasets import ClassLabel, Dataset, Features, Sequence, Value

    kinds = ClassLabel(names=["neg", "pos"])
    features = Features({"text": Value("string"), "label": kinds, "tags": Sequence(kinds), "sub": {"label": kinds}})
    made = Dataset.from_dict(
        {"text": ["a", "b", "c"], "label": [1, 0, -1], "tags": [[0, 1], [1], []], "sub": [{"label": 1}, {"label": None}, {"label": 0}]},
        features=features,
    )
    if name.endswith("parquet"):
        made.to_parquet(str(tmp_path / name))
    else:
        made.save_to_disk(str(tmp_path / "saved"))
        (part,) = (tmp_path / "saved").glob("*.arrow")
        part.rename(tmp_path / name)
    content = (tmp_path / name).read_bytes()
    assert rows(content, name)[0] == [("a", "pos"), ("b", "neg"), ("c", None)]
    assert rows(content, name, target="tags[0]")[0] == [("a", "neg"), ("b", "pos"), ("c", None)]
    assert rows(content, name, target="sub.label")[0] == [("a", "pos"), ("b", None), ("c", "neg")]


DAMAGED = {
    "an offset beyond the end": ([0, 2**30, 5], b"worst"),
    "an offset below zero": ([0, -5, 5], b"worst"),
    "text that is not UTF-8": ([0, 4, 5], b"caf\xe9!"),
}


@pytest.mark.parametrize(("offsets", "texts"), DAMAGED.values(), ids=DAMAGED)
@pytest.mark.parametrize("opened", [pa.ipc.new_file, pa.ipc.new_stream], ids=["file", "stream"])
def test_a_damaged_arrow_column_is_an_error_and_crashes_nothing(opened: Any, offsets: list[int], texts: bytes, rows: Reader) -> None:
    column = pa.Array.from_buffers(pa.string(), 2, [None, pa.array(offsets, pa.int32()).buffers()[1], pa.py_buffer(texts)])
    table, written = pa.table({"text": column, "label": ["a", "b"]}), pa.BufferOutputStream()
    with opened(written, table.schema) as file:
        file.write_table(table)
    with pytest.raises(DataError, match=r"own\.arrow: .*'text' is damaged"):
        rows(written.getvalue().to_pybytes(), "own.arrow")


def test_alpaca_is_read_by_joining_columns() -> None:
    found, _ = case("11-alpaca/alpaca.json", ("instruction", "input"), "output", joined_by=" | ")
    assert len(found) == 150
    assert sum(" | " in text for text, _ in found) == 50
    assert not any(text.endswith(" | ") for text, _ in found)


def test_joined_columns_are_text_by_themselves(rows: Reader) -> None:
    found, _ = rows("a,b,c,label\nx, ,z,1\n,,,2\n", source=("a", "b", "c"))
    assert found == [("x\nz", "1"), ("", "2")]
    with pytest.raises(DataError, match="no column 'd'"):
        rows("a,b,c,label\nx,y,z,1\n", source=("a", "d"))
