"""Escapes untrusted text for a page.

Names, reasons and model output may be hostile. They reach the page as characters of text nodes, never as markup. Characters that are
invisible, or that move others about, are written out. For example U+202E, which turns the reading direction, becomes ⟨U+202E⟩.
"""

from __future__ import annotations

import json
import math
import unicodedata
from collections.abc import Mapping, Sequence
from typing import Any

JOINERS = "\u200c\u200d"
"""Invisible characters that stay, because they belong to words in Persian and to emoji."""
ESCAPED = {c: f"\\u{ord(c):04x}" for c in "<>&\u2028\u2029"}
"""Characters escaped in JSON inside a page. Without them no text can end its element, or begin another."""


def visible(text: object) -> str:
    """Return the text with control, format, surrogate and unassigned characters written as ⟨U+XXXX⟩.

    Line ends and tabs stay, and so do joiners.
    """
    whole = str(text)
    if whole.isprintable():
        return whole
    shown = {}
    for character in {character for character in whole if not character.isprintable()}:
        hidden = unicodedata.category(character)[0] == "C" and character not in "\n\t" + JOINERS
        shown[ord(character)] = f"⟨U+{ord(character):04X}⟩" if hidden else " " if character in "\u2028\u2029" else character
    return whole.replace("\r\n", "\n").translate(shown)


def shortened(text: object, characters: int) -> str:
    """Return the first `characters` characters, made visible, and state how many more there were."""
    whole = str(text)
    more = len(whole) - characters
    return visible(whole) if more <= 0 else f"{visible(whole[:characters])}… ({more:,} more characters)"


def clean(value: Any) -> Any:
    """Return a value that JSON can hold: visible text, finite numbers, None for what is missing."""
    if isinstance(value, str):
        return visible(value)
    if isinstance(value, bool) or value is None:
        return value
    if not isinstance(value, float | int):  # most values are numbers, and checks against abc's classes are slow
        if isinstance(value, Mapping):
            return {visible(name): clean(inner) for name, inner in value.items()}
        if isinstance(value, Sequence):
            return [clean(inner) for inner in value]
    number = float(value)
    if not math.isfinite(number):
        return None
    return int(number) if number.is_integer() and abs(number) < 2**53 else number


def script_json(value: Any) -> str:
    """Return JSON for the inside of a <script> of type application/json."""
    text = json.dumps(clean(value), ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    for character, escaped in ESCAPED.items():  # many times as fast as str.translate
        text = text.replace(character, escaped)
    return text
