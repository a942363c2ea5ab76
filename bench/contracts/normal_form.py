"""The one form in which labels, classes and documents are compared and hashed."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable

INVISIBLE = "\u200b\u2060\ufeff"
"""Zero-width space, word joiner and byte order mark: they are no part of any word."""

Form = Callable[[str], str]
"""A text -> the form in which it is compared."""

JOINERS = "\u200c\u200d"
"""Zero-width non-joiner and joiner: they belong to words in Persian and Indic scripts."""


def normal_form(text: str) -> str:
    """Return the text in Unicode NFC, without the characters in INVISIBLE. Case and white space stay."""
    return text if text.isascii() else unicodedata.normalize("NFC", _without(INVISIBLE, text))


def nfkc_form(text: str) -> str:
    """Return the normal form in Unicode NFKC, for tokenizers that apply it: a circled digit is a digit, a ligature is its letters."""
    return text if text.isascii() else unicodedata.normalize("NFKC", normal_form(text))


def is_blank(text: str) -> bool:
    """Whether nothing can be seen of a text: it holds only white space, INVISIBLE characters and JOINERS."""
    return not _without(JOINERS, normal_form(text)).strip()


def _without(characters: str, text: str) -> str:
    """Remove characters. `str.translate` does the same, and takes 2,000 times as long on a document that holds none of them."""
    for character in characters:
        text = text.replace(character, "")
    return text
