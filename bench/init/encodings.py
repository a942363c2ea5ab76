"""Bytes that are not UTF-8: where the first one stands, and which encoding reads them."""

from __future__ import annotations

from typing import NamedTuple

from bench.data.tables.decoding import encoding_of, utf_16_without_mark

SAMPLE_BYTES = 1 << 18
"""How much of a file is shown to the detector."""

MOSTLY_ASCII = 0.1
"""Western text has fewer bytes above 127 than this, text in other scripts more. The detector confuses Western code pages."""


class Guess(NamedTuple):
    """An encoding, and what a reader should know about it."""

    encoding: str | None
    """The name that Python knows it by; None where the reader finds it without being told."""
    damaged: bool
    """Whether some bytes can only be read as U+FFFD."""
    trouble: str
    """What was wrong with the bytes; '' where nothing was."""


def guess_encoding(data: bytes) -> Guess:
    """Guess what reads the bytes: UTF-8, or what their mark says; else a guess that never fails, as Latin-1 reads any bytes."""
    marked = encoding_of(data)
    try:
        text = data.decode(marked)
    except UnicodeDecodeError as error:
        return _guess_other(data, error) if marked == "utf-8" else Guess(None, True, f"not {marked} throughout, as its first bytes say")
    if encoding := utf_16_without_mark(data, text):
        return Guess(encoding, False, f"every second byte is 0; {encoding} reads it")
    return Guess(None, False, "")


def _guess_other(data: bytes, error: UnicodeDecodeError) -> Guess:
    line = data.count(b"\n", 0, error.start) + 1
    where = f"not UTF-8: the first bad byte is 0x{data[error.start]:02x}, on line {line:,} (byte {error.start:,} of the file)"
    text = data.decode("utf-8-sig", errors="replace")
    broken, whole = text.count("\ufffd"), sum(character > "\x7f" for character in text if character != "\ufffd")
    if whole > broken:
        return Guess(None, True, f"{where}; the rest is UTF-8, so {broken:,} places are damaged and read as '\ufffd'")
    encoding = _legacy(data)
    return Guess(encoding, False, f"{where}; {encoding} reads it (a guess: look at some rows)")


def _legacy(data: bytes) -> str:
    candidates = ["cp1252"] if sum(byte > 127 for byte in data) < MOSTLY_ASCII * len(data) and b"\0" not in data else []
    for encoding in (*candidates, _detected(data), "cp1252"):
        try:
            data.decode(encoding)
        except (UnicodeDecodeError, LookupError):
            continue
        return encoding
    return "latin-1"


def _detected(data: bytes) -> str:
    from charset_normalizer import from_bytes

    first = next((at for at, byte in enumerate(data) if byte > 127), 0)
    start = max(0, first - SAMPLE_BYTES // 2) // 4 * 4  # wide characters stay whole
    found = from_bytes(data[start : start + SAMPLE_BYTES]).best()
    return found.encoding if found else ""
