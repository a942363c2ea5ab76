"""Finds the first byte that is not UTF-8, and an encoding that reads the file."""

from __future__ import annotations

from typing import NamedTuple

from bench.data.tables.content import RawFile
from bench.data.tables.decoding import Text, counts, encoding_of, utf_16_without_mark

SAMPLE_BYTES = 1 << 18
"""Bytes of the file that the detector sees."""

MOSTLY_ASCII = 0.1
"""Largest share of bytes above 127 in Western text. Text in other scripts has more. The detector confuses Western code pages."""


class Guess(NamedTuple):
    """A guessed encoding, and warnings about it."""

    encoding: str | None
    """Python's name for it. None where the reader finds the encoding without the setting."""
    damaged: bool
    """Whether some bytes can only be read as U+FFFD."""
    trouble: str
    """What was wrong with the bytes, or ''."""


def guess_encoding(raw: RawFile) -> Guess:
    """Guess the encoding: UTF-8, or what the byte order mark says, or else a likely one. It never fails, because Latin-1 reads any
    bytes."""
    marked = encoding_of(raw.head)
    try:
        found = counts(Text(raw=raw, encoding=marked))
    except UnicodeDecodeError as error:
        if marked != "utf-8":
            return Guess(None, True, f"not {marked} throughout, as its first bytes say")
        return _not_utf_8(raw.read(), error.start)
    encoding = utf_16_without_mark(raw.head, found)
    return Guess(encoding, False, f"every second byte is 0; {encoding} reads it") if encoding else Guess(None, False, "")


def _not_utf_8(data: bytes, bad: int) -> Guess:
    """Guess the encoding where the byte at `bad` is not UTF-8."""
    line = data.count(b"\n", 0, bad) + 1
    where = f"not UTF-8: the first bad byte is 0x{data[bad]:02x}, on line {line:,} (byte {bad:,} of the file)"
    text = data.decode("utf-8-sig", errors="replace")
    broken, whole = text.count("\ufffd"), sum(character > "\x7f" for character in text if character != "\ufffd")
    if whole > broken:
        return Guess(None, True, f"{where}; the rest is UTF-8, so {broken:,} places are damaged and read as '\ufffd'")
    encoding = _legacy(data)
    return Guess(encoding, False, f"{where}; {encoding} reads it (a guess: look at some rows)")


def _legacy(data: bytes) -> str:
    from charset_normalizer import from_bytes

    first = next((at for at, byte in enumerate(data) if byte > 127), 0)
    start = max(0, first - SAMPLE_BYTES // 2) // 4 * 4  # keeps wide characters whole
    detected = from_bytes(data[start : start + SAMPLE_BYTES]).best()
    western = sum(byte > 127 for byte in data) < MOSTLY_ASCII * len(data) and b"\0" not in data
    for encoding in ("cp1252" if western else "", detected.encoding if detected else "", "cp1252"):
        try:
            data.decode(encoding)
        except (UnicodeDecodeError, LookupError):
            continue
        return encoding
    return "latin-1"
