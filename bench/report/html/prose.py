"""The sections of report.md as HTML: what is said there once is said here in the same words.

report.md escapes what comes from data. Here, besides, no rule of Markdown is on that could make a link, take raw HTML, or fetch a
picture: the only pictures are those that the report drew itself, put in as data.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from pathlib import Path

from markdown_it import MarkdownIt
from markdown_it.token import Token

SECTION_CHARACTERS = 40_000
"""A longer section is cut between two lines; report.md has the rest."""

PICTURES_BYTES = 1_000_000
"""All pictures together; what does not fit is not put in, and lies beside the page."""

CUT = "Cut here, for the size of this page; report.md has the rest."

SCROLLED = '<div class="scroll" tabindex="0" role="group" aria-label="table, scrolls sideways">\n<table>'

CELLS: dict[str, dict[str, str | int | float]] = {"th_open": {"scope": "col"}, "td_open": {}}


def sections(text: str) -> dict[str, str]:
    """Title -> Markdown of each section of report.md; '' holds what stands before the first."""
    prose, heading, suite = text.partition("\n## The suite\n")  # the last one: it quotes a file that may hold lines like headings
    parts = re.split(r"^## (.*)\n", prose, flags=re.MULTILINE)
    found = {"": parts[0], **dict(zip(parts[1::2], parts[2::2], strict=True))}
    return {title: body.strip() for title, body in found.items()} | ({"The suite": suite.strip()} if heading else {})


def paragraphs(markdown: str) -> list[str]:
    """Its blocks, as `page.page` joins them."""
    return [block for block in markdown.split("\n\n") if block]


def pictures(markdown: str, folder: Path) -> dict[str, Path]:
    """Those that are named there and fit, by file name."""
    found, room = {}, PICTURES_BYTES
    for name in dict.fromkeys(re.findall(r"\]\(([\w-]+\.png)\)", markdown)):
        path = folder / name
        room -= path.stat().st_size if path.exists() else 0
        if path.exists() and room >= 0:
            found[name] = path
    return found


def html(markdown: str, pictures: Mapping[str, Path] | None = None) -> str:
    """pictures: file name -> file; any other picture is only named."""
    reader = MarkdownIt("zero", {"html": False})
    reader.enable(["heading", "list", "table", "fence", "blockquote", "emphasis", "escape", "entity", "backticks", "newline", "image"])
    tokens = reader.parse(_cut(markdown))
    for token in tokens:
        if token.type in CELLS:
            token.attrs = _cell(token)
        token.children = token.children and [_picture(child, pictures or {}) for child in token.children]
    # No text can hold these tags: its '<' are escaped by now.
    drawn = str(reader.renderer.render(tokens, reader.options, {}))
    return drawn.replace("<table>", SCROLLED).replace("</table>", "</table></div>").replace("<pre>", '<pre tabindex="0">')


def _cut(markdown: str) -> str:
    if len(markdown) <= SECTION_CHARACTERS:
        return markdown
    kept = markdown[: markdown.rfind("\n", 0, SECTION_CHARACTERS)]
    fence = "\n```" if kept.count("\n```") + kept.startswith("```") == 1 else ""
    return f"{kept}{fence}\n\n*{CUT}*"


def _cell(token: Token) -> dict[str, str | int | float]:
    """Markdown-it aligns by style attributes, which the page's policy forbids."""
    kind: dict[str, str | int | float] = {"class": "number"} if "right" in str(token.attrs.get("style", "")) else {}
    return {**CELLS[token.type], **kind}


def _picture(token: Token, pictures: Mapping[str, Path]) -> Token:
    """With the picture as data, or its name in words."""
    if token.type != "image":
        return token
    path = pictures.get(str(token.attrs.get("src", "")))
    if path is None:
        return Token("text", "", 0, content=f"{token.content} (a picture, beside report.md)")
    token.attrs["src"] = f"data:image/png;base64,{base64.b64encode(path.read_bytes()).decode()}"
    return token
