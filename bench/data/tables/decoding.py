"""Decodes bytes to text, strictly."""

from __future__ import annotations

import codecs

from bench.data.tables.settings import TableSettings
from bench.errors import DataError

MARKS = (
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
"""Byte order marks. UTF-32 stands first, because its little-endian mark begins with that of UTF-16."""

MARK = "\ufeff"


def encoding_of(data: bytes) -> str:
    """Return the encoding of the byte order mark, or UTF-8 where there is none."""
    return next((name for mark, name in MARKS if data.startswith(mark)), "utf-8")


def utf_16_without_mark(data: bytes, text: str) -> str:
    """Return which UTF-16 the bytes are most likely in; '' unless `text`, what they were read as, is full of NUL characters."""
    if 4 * text.count("\0") <= len(text):
        return ""
    return "utf-16-le" if data[1:2] == b"\0" else "utf-16-be"


def decode(file: str, data: bytes, settings: TableSettings) -> tuple[str, tuple[str, ...]]:
    """Return the text, and notes about it. Raises DataError with the line where the bytes are not in this encoding."""
    encoding = settings.encoding or encoding_of(data)
    try:
        text = data.decode(encoding, settings.encoding_errors or "strict").removeprefix(MARK)
    except UnicodeDecodeError as e:
        line = data[: e.start].decode(encoding, "ignore").count("\n") + 1
        shown = "UTF-8" if encoding == "utf-8" else encoding
        remedy = "set `encoding`, such as cp1252" if settings.encoding is None else "set another `encoding`"
        raise DataError(f"{file}: line {line} is not {shown} (byte 0x{data[e.start]:02x}); {remedy}") from e
    if not text.strip():
        raise DataError(f"{file}: the file is empty")
    count = text.count("\0")
    if not count:
        return text, ()
    line = text.count("\n", 0, text.index("\0")) + 1
    if likely := utf_16_without_mark(data, text):
        raise DataError(f"{file}, line {line}: {count:,} of {len(text):,} characters are NUL; set `encoding`, most likely {likely}")
    return text, (f"{file}: {count:,} NUL characters stand in the text, the first on line {line:,}.",)
