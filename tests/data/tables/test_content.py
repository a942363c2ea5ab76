"""Files that are something else than their name says: one line that says what they are and what to do."""

import bz2
import gzip
import io
import lzma
import pickle
import sqlite3
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from bench.errors import DataError
from tests.data.tables.conftest import Reader

CSV = b"text,label\na,b\n"


def zipped(**files: bytes) -> bytes:
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as archive:
        for name, content in files.items():
            archive.writestr(name.replace("__", "/").replace("_", "."), content)
    return data.getvalue()


def tarred() -> bytes:
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w") as archive:
        entry = tarfile.TarInfo("a.csv")
        entry.size = len(CSV)
        archive.addfile(entry, io.BytesIO(CSV))
    return data.getvalue()


def sqlite(folder: Path) -> bytes:
    path = folder / "made.db"
    with sqlite3.connect(path) as database:
        database.execute("create table rows (text, label)")
    database.close()
    return path.read_bytes()


ODS = b"application/vnd.oasis.opendocument.spreadsheet"

KINDS: dict[str, tuple[Callable[[Path], bytes], str]] = {
    "gzip": (lambda _: gzip.compress(CSV), "gzip-compressed.* rename it to own.csv.gz"),
    "bzip2": (lambda _: bz2.compress(CSV), "bzip2.* bunzip2"),
    "xz": (lambda _: lzma.compress(CSV), "xz.* unxz"),
    "zstd": (lambda _: b"\x28\xb5\x2f\xfd" + CSV, "zstd.* zstd -d"),
    "zip": (lambda _: zipped(a_csv=CSV, b_csv=CSV), r"a zip archive of 2 files \(a.csv, b.csv\); unpack"),
    "damaged zip": (lambda _: zipped(a_csv=CSV)[:40], "a damaged zip archive"),
    "xlsx": (lambda _: zipped(xl__workbook_xml=b"<x/>"), r"Excel workbook \(xlsx\); save the sheet as CSV"),
    "ods": (lambda _: zipped(mimetype=ODS, content_xml=b"<x/>"), r"\(ods\); save the sheet as CSV"),
    "xls": (lambda _: b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + CSV, r"\(xls\); save the sheet as CSV"),
    "tar": (lambda _: tarred(), "a tar archive"),
    "sqlite": (sqlite, "SQLite database; export .*own.csv"),
    "pickle": (lambda _: pickle.dumps(pd.DataFrame({"text": ["a"]})), "pickle, which is never loaded"),
    "numpy": (lambda _: b"\x93NUMPY\x01\x00", "NumPy"),
    "web page": (lambda _: b"\n<!DOCTYPE html><html>", "a web page"),
    "git lfs": (lambda _: b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n", "git lfs pull"),
}


@pytest.mark.parametrize("name", ["own.csv", "own.jsonl", "own.parquet"])
@pytest.mark.parametrize(("made", "message"), KINDS.values(), ids=KINDS)
def test_bytes_of_another_kind_are_named(made: Callable[[Path], bytes], message: str, name: str, rows: Reader, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=f"^{name}: holds .*{message.replace('own.csv', name)}") as caught:
        rows(made(tmp_path), name)
    assert "\n" not in str(caught.value)


def test_parquet_and_arrow_under_another_name_say_the_setting(rows: Reader, tmp_path: Path) -> None:
    frame = pd.DataFrame({"text": ["a"], "label": ["b"]})
    for kind, write in (("parquet", frame.to_parquet), ("arrow", frame.to_feather)):
        write(tmp_path / "made")
        content = (tmp_path / "made").read_bytes()
        with pytest.raises(DataError, match=f"^own.csv: .*{kind.capitalize()}.*CSV.*`format`.* {kind}"):
            rows(content)
        assert rows(content, format=kind)[0] == [("a", "b")]


@pytest.mark.parametrize("content", [b"PAR1,PAR2\n", b"FEA1,x\n", b"ORC,elf\n", b"BZhang,x\n", b"<xml,x\n", b"PK,text\n"])
def test_text_that_begins_like_another_kind_is_text(content: bytes, rows: Reader) -> None:
    first, second = content.decode().strip().split(",")
    assert rows(content + b"a,b\n", source=first, target=second)[0] == [("a", "b")]


@pytest.mark.parametrize(
    ("files", "message"),
    [
        (["_SUCCESS", "part-00000", "part-00001"], "Spark .* 2 files"),
        (["part-00000.csv", "_temporary"], "Spark .* 1 files.* finish"),
        (["a.csv", "b.parquet", "notes.md"], "a folder.*: a.csv, b.parquet$"),
        (["notes.md"], "a folder, [^:]*$"),
    ],
)
def test_a_folder_says_what_it_is(files: list[str], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from bench.data.tables import TableSettings, read

    folder = tmp_path / "own.csv"
    folder.mkdir()
    for name in files:
        (folder / name).write_bytes(CSV)
    with pytest.raises(DataError, match=message):
        read(str(folder), TableSettings())
