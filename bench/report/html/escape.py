"""Text that is nobody's -> text in a page, where it shows and does nothing else.

Names, reasons and model output are hostile: they reach the page as characters of text nodes, never as markup, and characters that
would not show, or would move others about, are written out: U+202E, which turns the direction of reading, becomes ⟨U+202E⟩.
"""

from __future__ import annotations

import json
import math
import unicodedata
from collections.abc import Mapping, Sequence
from typing import Any

JOINERS = "\u200c\u200d"
"""Are not drawn and belong to words, in Persian as in emoji: they stay."""

ESCAPED = {c: f"\\u{ord(c):04x}" for c in "<>&\u2028\u2029"}
"""In JSON inside of a page: no character can end the element that holds it, or begin another."""


def visible(text: object) -> str:
    """The same, with control, format, half and unassigned characters written out as ⟨U+XXXX⟩; line ends and tabs stay."""
    said = str(text)
    if said.isprintable():
        return said
    said = said.replace("\r\n", "\n")
    return said.translate({ord(character): _shown(character) for character in set(said) if not character.isprintable()})


def _shown(character: str) -> str:
    if character in "\n\t" or character in JOINERS or unicodedata.category(character)[0] != "C":
        return " " if character in "\u2028\u2029" else character
    return f"⟨U+{ord(character):04X}⟩"


def shortened(text: object, characters: int) -> str:
    """The first so many characters, visible, and how many more there were."""
    said = str(text)
    more = len(said) - characters
    return visible(said) if more <= 0 else f"{visible(said[:characters])}… ({more:,} more characters)"


def clean(value: Any) -> Any:
    """What JSON can hold: text visible, numbers to 7 digits that count, None for what is missing. Base64 comes through as it is."""
    if isinstance(value, str):
        return visible(value)
    if isinstance(value, bool) or value is None:
        return value
    if not isinstance(value, float | int):  # most are numbers, and abc's classes are slow to ask
        if isinstance(value, Mapping):
            return {visible(name): clean(inner) for name, inner in value.items()}
        if isinstance(value, Sequence):
            return [clean(inner) for inner in value]
    number = float(value)
    if not math.isfinite(number):
        return None
    return int(number) if number.is_integer() and abs(number) < 2**53 else number


def script_json(value: Any) -> str:
    """JSON for the inside of a <script> of type application/json."""
    text = json.dumps(clean(value), ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    for character, escaped in ESCAPED.items():  # many times as quick as str.translate
        text = text.replace(character, escaped)
    return text
