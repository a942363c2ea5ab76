"""Renders sections as Markdown."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from functools import lru_cache

from bench.report.blocks import Block, Code, Heading, Paragraph, Picture, Points, Section, Table, Text, runs
from bench.report.text import plain

AROUND = {"strong": "**", "emphasis": "*"}
SPECIAL = re.compile(r"(\[(?:under |over )?-?[\d.,]+, (?:under |over )?-?[\d.,]+\](?![(\[:]))|([\\`*~|\[\]])")
"""An interval, which is no link and stays as it is; or a character to be escaped."""


def page(title: str, sections: Sequence[Section], quote: str = "") -> str:
    """Return a whole page. `quote` stands below its title."""
    texts = [f"# {escape(title)}", *([f"> {escape(quote)}"] if quote else [])]
    for section in sections:
        texts += [f"## {escape(section.title)}", *map(_block, section.blocks)]
    return "\n\n".join(texts) + "\n"


def _block(block: Block) -> str:
    match block:
        case Paragraph(text):
            return inline(text)
        case Heading(text):
            return f"### {inline(text)}"
        case Points(items):
            return "\n".join(f"- {inline(item)}" for item in items)
        case Table(columns, rows):
            rule = ["--:" if column.number else "---" for column in columns]
            heads, *cells = ([inline(cell, in_table=True) for cell in row] for row in ([column.head for column in columns], *rows))
            return "\n".join("| " + " | ".join(row) + " |" for row in (heads, rule, *cells))
        case Picture(file, title):
            return f"![{escape(title)}]({file})"
        case Code(text, language):
            return fence(text, language)


def inline(text: Text, in_table: bool = False) -> str:
    """Return text in which only marks are markup."""
    parts = []
    for place, run in enumerate(runs(text)):
        starts = place == 0 and not in_table
        if isinstance(run, str):
            before, after = (" " if run[:1].isspace() else ""), (" " if run[1:] and run[-1:].isspace() else "")
            parts.append(before + escape(run, starts) + after)  # spaces beside a mark stay
        elif run.kind == "code":
            held = plain(run.text).replace("|", "\\|") if in_table else plain(run.text)
            ticks, space = "`" * (1 + longest(held)), " " if longest(held) else ""
            parts.append(f"{ticks}{space}{held}{space}{ticks}")
        else:
            parts.append(f"{AROUND[run.kind]}{escape(run.text, starts)}{AROUND[run.kind]}")
    return "".join(parts)


def longest(text: str) -> int:
    """Return the length of the longest run of backticks."""
    return max((len(run) for run in re.findall("`+", text)), default=0)


@lru_cache(maxsize=100_000)
def escape(text: str, starts: bool = True) -> str:
    """Return one line in which no character is markup of Markdown, HTML, or GitHub's mathematics.

    `starts` says whether it may stand at the beginning of a line.
    """
    line = plain(text).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace("$", "&#36;")
    line = SPECIAL.sub(lambda found: found[1] or "\\" + found[2], line)
    line = re.sub(r"(?<![^\W_])_|_(?![^\W_])", r"\\_", line)
    if not starts:
        return line
    return re.sub(r"^([-+#=]|\d+(?=[.)](?:\s|$)))", lambda m: m[0] + "\\" if m[0].isdigit() else "\\" + m[0], line)


def fence(text: str, language: str) -> str:
    """Return a code block that its text cannot end."""
    marks = "`" * max(3, 1 + longest(text))
    lines = ("".join(c if c == "\t" or unicodedata.category(c)[0] != "C" else " " for c in line) for line in text.splitlines())
    return "\n".join([marks + language, *lines, marks])
