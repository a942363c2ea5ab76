"""Bytes that are not UTF-8: where the first one stands, and which encoding reads them."""

from __future__ import annotations

from typing import NamedTuple

SAMPLE_BYTES = 1 << 18
"""How much of a file is shown to the detector."""

MOSTLY_ASCII = 0.1
"""Western text has fewer bytes above 127 than this, text in other scripts more. The detector confuses Western code pages."""


class Decoded(NamedTuple):
    """A text, and what was wrong with its bytes; '' where they are UTF-8. encoding: the name that Python knows it by."""

    text: str
    encoding: str
    trouble: str


def decode(data: bytes) -> Decoded:
    """UTF-8, with or without its mark; else a guess, which never fails: Latin-1 reads any bytes."""
    try:
        return Decoded(data.decode("utf-8-sig"), "utf-8", "")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        where = f"not UTF-8: the first bad byte is 0x{data[error.start]:02x}, on line {line:,} (byte {error.start:,} of the file)"
    text = data.decode("utf-8-sig", errors="replace")
    broken, whole = text.count("\ufffd"), sum(character > "\x7f" for character in text if character != "\ufffd")
    if whole > broken and not data.startswith((b"\xff\xfe", b"\xfe\xff")):
        return Decoded(text, "utf-8", f"{where}; the rest is UTF-8, so {broken:,} places are damaged and read as '\ufffd'")
    encoding = _guess(data)
    return Decoded(data.decode(encoding), encoding, f"{where}; {encoding} reads it (a guess: look at some rows)")


def _guess(data: bytes) -> str:
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
