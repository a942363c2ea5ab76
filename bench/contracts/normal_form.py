"""The one form in which labels, classes and documents are compared and hashed."""

from __future__ import annotations

import unicodedata

INVISIBLE = dict.fromkeys(map(ord, "\u200b\u2060\ufeff"))
"""Zero-width space, word joiner and byte order mark: they are no part of any word."""

JOINERS = "\u200c\u200d"
"""Zero-width non-joiner and joiner: they belong to words in Persian and Indic scripts."""


def normal_form(text: str) -> str:
    """Return the text in Unicode NFC, without the characters in INVISIBLE. Case and white space stay."""
    return text if text.isascii() else unicodedata.normalize("NFC", text.translate(INVISIBLE))


def is_blank(text: str) -> bool:
    """Whether nothing can be seen of a text: it holds only white space, INVISIBLE characters and JOINERS."""
    return not normal_form(text).translate(dict.fromkeys(map(ord, JOINERS))).strip()
