"""Files of examples in all formats, with every setting for reading them."""

from __future__ import annotations

import gzip
import io
import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from bench.data import tables
from bench.data.rows import sift
from bench.data.tables import Columns, TableSettings
from bench.errors import DataError
from bench.init import read_file
from tests.fuzz import hostile

ROWS: list[dict[str, Any]] = [
    {"text": f'The {word} "cat", sat; on\nthe mat', "label": label, "id": number, "parts": [{"text": word}, {"text": "x"}], "share": 0.5}
    for number, (word, label) in enumerate([("red", "yes"), ("blue", "no"), ("grün", "yes"), ("", None)])
]


CSV = "".join(f'"{row["text"]}",{row["label"] or ""},{row["id"]}\n'.replace('"cat"', '""cat""') for row in ROWS).encode()
LABEL_STUDIO = [
    {
        "id": 1,
        "data": {"text": "a cat"},
        "annotations": [{"result": [{"from_name": "label", "type": "choices", "value": {"choices": ["yes"]}}], "was_cancelled": False}],
    }
]
PRODIGY = [{"text": "a cat", "answer": "accept", "accept": ["yes"], "options": [{"id": "yes", "text": "Yes"}], "_annotator_id": "one"}]
ARGILLA = [{"id": "1", "fields": {"text": "a cat"}, "responses": {"label": [{"value": "yes", "user_id": "one"}]}, "status": "completed"}]
CHATS = [{"messages": [{"role": "user", "content": "a?"}, {"role": "assistant", "content": "b"}]}]


def lines(rows: list[dict[str, Any]]) -> bytes:
    return b"".join(hostile.as_json(row) + b"\n" for row in rows)


PACKED = {".csv.gz": gzip.compress(b"text,label,id\n" + CSV)}
TEXTS = {".csv": b"text,label,id\n" + CSV, ".tsv": (b"text,label,id\n" + CSV).replace(b",", b"\t"), ".jsonl": lines(ROWS)}
TREES = [ROWS, {"data": {"train": ROWS}}, {"columns": ["text", "label"], "data": [["a", "b"]]}, LABEL_STUDIO, PRODIGY, ARGILLA, CHATS]

CLASS = {"names": ["no", "yes"], "_type": "ClassLabel"}
CLASSES = {"label": CLASS, "list": [{"text": CLASS}], "parts": {"feature": {"text": CLASS}}}


def arrow(features: Any, suffix: str) -> bytes:
    """A table as `datasets` writes it, with the classes of its columns."""
    rows = [{**row, "label": number % 2, "list": [{"text": number}]} for number, row in enumerate(ROWS)]
    about = {"huggingface": json.dumps({"info": {"features": features}}).encode()}
    table, written = pa.Table.from_pylist(rows).replace_schema_metadata(about), io.BytesIO()
    if suffix == ".parquet":
        pq.write_table(table, written)
    else:
        new = pa.ipc.new_file if suffix == ".feather" else pa.ipc.new_stream
        with new(written, table.schema) as file:
            file.write_table(table)
    return written.getvalue()


BINARY = {suffix: arrow(CLASSES, suffix) for suffix in (".parquet", ".arrow", ".feather")}

contents = st.one_of(
    *(st.tuples(st.just(suffix), hostile.raw(content)) for suffix, content in (PACKED | TEXTS | BINARY).items()),
    hostile.trees(CLASSES).map(lambda features: (".arrow", arrow(features, ".arrow"))),
    *(st.tuples(st.just(".json"), hostile.files_of(tree)) for tree in TREES),
    *(st.tuples(st.just(".jsonl"), hostile.trees(tree).map(lambda rows: b"\n".join(map(hostile.as_json, rows)))) for tree in TREES[3:]),
)
ENCODINGS = ("utf-8", "utf-16", "utf-32", "cp1252", "punycode", "utf-7", "koi8_r", "shift_jis", "hz")
settings = st.fixed_dictionaries(
    {},
    optional={
        "encoding": st.sampled_from(ENCODINGS),
        "encoding_errors": st.just("replace"),
        "delimiter": st.sampled_from((",", "\t", ";", " ", "a", "\0", "\U0001f600", "\u2028")),
        "quotes": st.sampled_from(("double", "none")),
        "names": st.sampled_from((("text", "label"), ("text", "label", "id"), ("", "\0"))),
        "skip_lines": st.sampled_from((1, 3, 10**9)),
        "joined_by": st.sampled_from(("", "\0", "\n")),
        "exported_by": st.sampled_from(("label_studio", "argilla", "prodigy")),
        "format": st.sampled_from(("json", "jsonl", "csv")),
    },
)
names = st.sampled_from(("text", "label", "id", "parts[0].text", "parts[*].text", f"parts[{'9' * 5000}]", "a.b[-1]", "[", "", "\0", "é"))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("data")


@hostile.cases(400)
@given(content=contents, how=settings, source=names | st.just("text"), target=names | st.just("label"), field=st.none() | names)
def test_a_file_gives_examples_or_one_error(
    content: tuple[str, bytes], how: dict[str, Any], source: str, target: str, field: str | None, folder: Path
) -> None:
    path = folder / f"data{content[0]}"
    path.write_bytes(content[1])
    with hostile.survived("data files", folder):
        rows, _ = tables.read_rows(str(path), TableSettings(**how), Columns(source, target, None), field)
        sift({"train": rows}, "train")


@hostile.cases(200)
@given(content=contents)
def test_bench_init_reads_a_file_or_says_why_not(content: tuple[str, bytes], folder: Path) -> None:
    path = folder / f"data{content[0]}"
    path.write_bytes(content[1])
    with hostile.survived("data files", folder):
        read_file.read(path)


@pytest.mark.parametrize("encoding", ["idna", "undefined", "punycode"])
def test_an_encoding_that_does_not_say_where_it_fails_is_an_error_too(encoding: str, tmp_path: Path) -> None:
    path = tmp_path / "data.csv"
    path.write_bytes("text,label\ngrün,\xff\n".encode())
    try:
        how = TableSettings(encoding=encoding)
    except ValidationError:  # Python may refuse it at once
        return
    with pytest.raises(DataError, match=encoding):
        tables.read(str(path), how)


def test_a_position_of_thousands_of_digits_is_no_position(tmp_path: Path) -> None:
    path = tmp_path / "data.json"
    path.write_text(json.dumps(ROWS))
    with pytest.raises(DataError, match="no column"):
        tables.read_rows(str(path), TableSettings(), Columns(f"parts[{'9' * 5000}].text", "label"))
