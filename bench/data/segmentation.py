"""Splits text in any script into sentences and words."""

from __future__ import annotations

import regex

_OF_SPACELESS = r"[[\p{scx=Han}\p{scx=Hiragana}\p{scx=Katakana}\p{Line_Break=Complex_Context}]&&[\p{L}\p{M}]]"
"""Letters and marks of scripts that write no spaces between words: Chinese, Japanese, Thai, Lao, Khmer, Burmese and relatives."""

_FULL_STOP = r"[[\p{Sentence_Terminal}]--[.!?\u2024\uFE52\uFF0E]]"
"""Unicode's Sentence_Terminal without the characters that also occur inside numbers and names."""

_CLOSING = r"""[\p{Pe}\p{Pf}"']"""
"""Brackets and quotation marks that belong to the sentence before them. At most five count."""

_BOUNDARY = regex.compile(
    rf"""
      (?<=[.!?])\s+                                                                # Latin: a full stop before a space
    | \n
    | (?<=[.!?]{_CLOSING}{{0,5}})\s*(?={_OF_SPACELESS})                                  # no space follows where a script has none
    | (?<={_FULL_STOP}{_CLOSING}{{0,5}})(?!{_FULL_STOP}|{_CLOSING}|[!?])\s*              # other scripts need no space
    | (?<=[\u2024\uFE52\uFF0E]{_CLOSING}{{0,5}})(?!{_CLOSING}|[\p{{Latin}}\p{{N}}])\s*   # as in 3.5, but full width
    """,
    regex.VERBOSE | regex.VERSION1,
)

_SPACELESS = regex.compile(_OF_SPACELESS, regex.VERSION1)
_WORD = regex.compile(rf"\p{{P}}*(?={_OF_SPACELESS})\X\p{{P}}*|[[^\s]--{_OF_SPACELESS}]+", regex.VERSION1)


def spaceless(text: str) -> int:
    """Count the letters and marks of scripts that set no spaces between words."""
    return 0 if text.isascii() else len(_SPACELESS.findall(text))


def sentences(text: str) -> list[str]:
    """Split text at line breaks and after full stops, question marks and exclamation marks of any script.

    The marks have Unicode's property Sentence_Terminal (UAX #44). `.`, `!` and `?` end a sentence only before
    a space. Thai and Lao have no full stop: only line breaks end their sentences.
    """
    return [sentence for part in _BOUNDARY.split(text) if (sentence := part.strip())]


def word_count(text: str) -> int:
    """Count words: runs between white space. In a script without spaces each character counts as one word."""
    return sum(1 for _ in _WORD.finditer(text)) if _SPACELESS.search(text) else len(text.split())


def first_words(text: str, count: int) -> str:
    """Return the first `count` words, counted like `word_count`. White space becomes single spaces."""
    if not _SPACELESS.search(text):
        return " ".join(text.split()[:count])
    ends = [word.end() for word in _WORD.finditer(text)]
    return " ".join(text[: ends[count - 1]].split() if count <= len(ends) else text.split())
