"""Escapes text from suites, data and models, so that Markdown shows it unchanged."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from functools import lru_cache

DASH = "–"
"""Stands for a missing value."""

NAMED = 10
"""Largest number of names in a sentence. The leaderboard has all."""


def plain(text: object) -> str:
    """Return one line without control, format or surrogate characters.

    No text can then move the cursor or turn the reading direction.
    """
    line = str(text)
    if line.isascii() and line.isprintable():  # fast path: nearly all texts are ASCII, and a report of thousands of arms has very many
        return " ".join(line.split())
    return " ".join("".join(" " if unicodedata.category(c)[0] == "C" else c for c in line).split())


def escape(text: object) -> str:
    """Return one line in which no character is markup of Markdown, HTML, or GitHub's mathematics."""
    return _escaped(plain(text))


@lru_cache(maxsize=100_000)
def _escaped(line: str) -> str:
    line = line.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace("$", "&#36;")
    line = re.sub(r"([\\`*~|\[\]])", r"\\\1", line)
    line = re.sub(r"(?<![^\W_])_|_(?![^\W_])", r"\\_", line)
    return re.sub(r"^([-+#=]|\d+(?=[.)](?:\s|$)))", lambda m: m[0] + "\\" if m[0].isdigit() else "\\" + m[0], line)


def table(heads: Sequence[str], rows: Sequence[Sequence[str]], numbers_from: int = 1) -> str:
    """Return a table of cells that are Markdown already. Columns from `numbers_from` on are aligned to the
    right."""
    rule = ["---" if place < numbers_from else "--:" for place in range(len(heads))]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in (heads, rule, *rows))


def fence(text: str, language: str) -> str:
    """Return a code block that its text cannot end."""
    marks = "`" * max(3, 1 + max((len(run) for run in re.findall("`+", text)), default=0))
    lines = ("".join(c if c == "\t" or unicodedata.category(c)[0] != "C" else " " for c in line) for line in text.splitlines())
    return "\n".join([marks + language, *lines, marks])


def number(value: float | None, digits: int = 2) -> str:
    """Return a rounded number with thousands separators, or a dash where it is missing."""
    return DASH if value is None or value != value else f"{value:,.{digits}f}"


def count(number: int, what: str) -> str:
    """Return text such as '1 seed', '2 seeds'."""
    return f"{number:,} {what}{'' if number == 1 else 's'}"


def listed(names: Sequence[str], at_most: int = NAMED) -> str:
    """Return Markdown such as 'a, b and c' or 'a, b and 7 more'; '' for no names."""
    shown = [*map(escape, names[:at_most]), *([f"{len(names) - at_most:,} more"] if len(names) > at_most else [])]
    return conjoined(shown)


def conjoined(texts: Sequence[str]) -> str:
    """Return text such as 'a', 'a and b', 'a, b and c'."""
    return " and ".join([", ".join(texts[:-1]), texts[-1]] if len(texts) > 1 else texts)
