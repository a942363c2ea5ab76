"""Decodes bytes to text, strictly."""

from __future__ import annotations

import codecs
import io
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import Literal

from bench.data.tables.content import RawFile
from bench.data.tables.settings import TableSettings
from bench.errors import DataError
from bench.system.one_line import first_line

MARKS = (
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
"""Byte order marks. UTF-32 stands first, because its little-endian mark begins with that of UTF-16."""

MARK = "\ufeff"

CHUNK = 1 << 20
"""Characters that are read at once."""


@dataclass(frozen=True, kw_only=True)
class Text:
    """The text of a file, which is decoded anew each time it is read. The byte order mark is left out."""

    raw: RawFile
    encoding: str
    errors: str = "strict"

    def lines(self, ends: Literal["", "\n"] = "") -> Iterator[str]:
        """Yield the lines with their ends. '' ends a line at CR, LF or both, as the csv module wants it."""
        with self.raw.binary() as stream, io.TextIOWrapper(stream, self.encoding, self.errors, newline=ends) as text:
            for number, line in enumerate(text):
                yield line if number else line.removeprefix(MARK)

    def chunks(self) -> Iterator[str]:
        """Yield the text in pieces of at most a million characters."""
        with self.raw.binary() as stream, io.TextIOWrapper(stream, self.encoding, self.errors, newline="") as text:
            yield text.read(CHUNK).removeprefix(MARK)
            yield from iter(partial(text.read, CHUNK), "")

    def whole(self) -> str:
        """Return the whole text."""
        return self.raw.read().decode(self.encoding, self.errors).removeprefix(MARK)

    def start(self) -> str:
        """Return the start of the text, without white space before it."""
        return next(filter(None, map(str.lstrip, self.chunks())), "")

    def count(self, part: str) -> int:
        """Return how often a part, which holds no line end, occurs."""
        return sum(line.count(part) for line in self.lines())


@dataclass(frozen=True, kw_only=True)
class Counts:
    """Counts of a text."""

    characters: int = 0
    nuls: int = 0
    blank: bool = True
    """Whether there is nothing but white space."""


def counts(text: Text) -> Counts:
    """Count the characters of a text. Raises UnicodeDecodeError, as decoding the whole text does."""
    characters = nuls = 0
    blank = True
    try:
        for chunk in text.chunks():
            characters, nuls, blank = characters + len(chunk), nuls + chunk.count("\0"), blank and not chunk.strip()
    except UnicodeError:
        text.whole()  # the error names the place in the file
        raise
    return Counts(characters=characters, nuls=nuls, blank=blank)


def encoding_of(head: bytes) -> str:
    """Return the encoding of the byte order mark at the start of a file, or UTF-8 where there is none."""
    return next((name for mark, name in MARKS if head.startswith(mark)), "utf-8")


def utf_16_without_mark(head: bytes, found: Counts) -> str:
    """Return which UTF-16 the bytes are most likely in; '' unless what they were read as is full of NUL characters."""
    if 4 * found.nuls <= found.characters:
        return ""
    return "utf-16-le" if head[1:2] == b"\0" else "utf-16-be"


def decode(file: str, raw: RawFile, settings: TableSettings) -> tuple[Text, tuple[str, ...]]:
    """Decode bytes to text. Return it, and notes about it. Raises DataError with the line where the bytes are not in this encoding."""
    encoding = settings.encoding or encoding_of(raw.head)
    text = Text(raw=raw, encoding=encoding, errors=settings.encoding_errors or "strict")
    try:
        found = counts(text)
    except UnicodeDecodeError as e:
        line = e.object[: e.start].decode(encoding, "ignore").count("\n") + 1
        shown = "UTF-8" if encoding == "utf-8" else encoding
        remedy = "set `encoding`, such as cp1252" if settings.encoding is None else "set another `encoding`"
        raise DataError(f"{file}: line {line} is not {shown} (byte 0x{e.object[e.start]:02x}); {remedy}") from e
    except UnicodeError as e:  # of encodings such as `idna`, which do not say where
        raise DataError(f"{file}: is not {encoding} ({first_line(e)}); set another `encoding`") from e
    if found.blank:
        raise DataError(f"{file}: the file is empty")
    if not found.nuls:
        return text, ()
    line = next(number for number, line in enumerate(text.lines("\n"), 1) if "\0" in line)
    if likely := utf_16_without_mark(raw.head, found):
        shares = f"{found.nuls:,} of {found.characters:,} characters are NUL"
        raise DataError(f"{file}, line {line}: {shares}; set `encoding`, most likely {likely}")
    return text, (f"{file}: {found.nuls:,} NUL characters stand in the text, the first on line {line:,}.",)
