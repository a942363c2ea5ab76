"""The one form in which labels, classes and documents are compared and hashed."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable

INVISIBLE = "\u200b\u2060\ufeff"
"""Zero-width space, word joiner and byte order mark: they are no part of any word."""

Form = Callable[[str], str]
"""A text -> the form in which it is compared."""

_FILLERS = frozenset(
    map(chr, (0x034F, 0x115F, 0x1160, 0x17B4, 0x17B5, 0x2800, 0x3164, 0xFFA0, *range(0x180B, 0x1810), *range(0xFE00, 0xFE10)))
)
"""Fillers, variation selectors and the empty Braille cell: nothing of them is seen, and Unicode classes them with visible characters."""


def normal_form(text: str) -> str:
    """Return the text in Unicode NFC, without the characters in INVISIBLE. Case and white space stay."""
    return text if text.isascii() else unicodedata.normalize("NFC", _without(INVISIBLE, text))


def nfkc_form(text: str) -> str:
    """Return the normal form in Unicode NFKC, for tokenizers that apply it: a circled digit is a digit, a ligature is its letters."""
    return text if text.isascii() else unicodedata.normalize("NFKC", normal_form(text))


def is_blank(text: str) -> bool:
    """Whether nothing can be seen of a text: it holds only white space, format characters such as joiners, and fillers.

    Joiners are format characters. Words in Persian and Indic scripts hold them, so the normal form keeps them.
    """
    return all(c.isspace() or c in _FILLERS or unicodedata.category(c) == "Cf" for c in text)


def _without(characters: str, text: str) -> str:
    """Remove characters. `str.translate` does the same, and takes 2,000 times as long on a document that holds none of them."""
    for character in characters:
        text = text.replace(character, "")
    return text
