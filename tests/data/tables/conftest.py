"""Reading a file that a test writes."""

import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import pytest

from bench.data.rows import Row
from bench.data.tables import Columns, TableSettings, read_rows
from bench.data.tables.content import RawFile
from bench.data.tables.decoding import Text

CASES = Path(__file__).parents[2] / "cases"
"""Small inputs that must not go wrong silently."""

Read = tuple[list[tuple[str, str | None]], tuple[str, ...]]
"""(source, target) of each row, and the notes."""

Reader = Callable[..., Read]


@pytest.fixture
def rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Reader:
    """Write a file and read two columns of it: (source, target) of each row, and the notes."""
    monkeypatch.chdir(tmp_path)

    def read(
        content: bytes | str, name: str = "own.csv", source: Any = "text", target: Any = "label", field: str | None = None, **told: Any
    ) -> Read:
        Path(name).write_bytes(content if isinstance(content, bytes) else content.encode())
        found, notes = read_rows(name, TableSettings(**told), Columns(source, target), field)
        return pairs(found), notes

    return read


@dataclass(frozen=True, kw_only=True)
class Bytes(RawFile):
    """Bytes that are in no file."""

    content: bytes

    def open(self) -> BinaryIO:
        return io.BytesIO(self.content)

    def read(self) -> bytes:
        return self.content


def in_memory(text: str) -> Text:
    """A text that is in no file."""
    content = text.encode()
    return Text(raw=Bytes(path=Path(), head=content[:512], content=content), encoding="utf-8")


def pairs(found: Sequence[Row]) -> list[tuple[str, str | None]]:
    return [(row.source, row.target) for row in found]


def case(path: str, source: Any, target: Any, field: str | None = None, **told: Any) -> Read:
    """Read two columns of a file in tests/cases."""
    found, notes = read_rows(str(CASES / path), TableSettings(**told), Columns(source, target), field)
    return pairs(found), notes
