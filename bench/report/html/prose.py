"""Renders the sections of report.md as HTML, so that both state the same in the same words.

report.md escapes everything that comes from data. In addition, no Markdown rule is on here that could make a
link, accept raw HTML, or fetch a picture. The only pictures are those that the report drew itself, embedded
as data.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from pathlib import Path

from markdown_it import MarkdownIt
from markdown_it.token import Token

SECTION_CHARACTERS = 40_000
"""Largest number of characters in a section. A longer one is cut between two lines; report.md has the rest."""

PICTURES_BYTES = 1_000_000
"""Largest size of all pictures together, in bytes. Those that do not fit are not embedded, and lie beside the page."""

CUT = "Cut here, for the size of this page; report.md has the rest."

SCROLLED = '<div class="scroll" tabindex="0" role="group" aria-label="table, scrolls sideways">\n<table>'

CELLS: dict[str, dict[str, str | int | float]] = {"th_open": {"scope": "col"}, "td_open": {}}


def sections(text: str) -> dict[str, str]:
    """Return title -> Markdown for each section of report.md. The key '' holds what stands before the first."""
    prose, heading, suite = text.partition("\n## The suite\n")  # the suite comes last: it quotes a file that may hold lines like headings
    parts = re.split(r"^## (.*)\n", prose, flags=re.MULTILINE)
    found = {"": parts[0], **dict(zip(parts[1::2], parts[2::2], strict=True))}
    return {title: body.strip() for title, body in found.items()} | ({"The suite": suite.strip()} if heading else {})


def paragraphs(markdown: str) -> list[str]:
    """Return the blocks of the text, as `markdown.page` joins them."""
    return [block for block in markdown.split("\n\n") if block]


def pictures(markdown: str, folder: Path) -> dict[str, Path]:
    """Return the pictures that the text names and that fit, by file name."""
    found, room = {}, PICTURES_BYTES
    for name in dict.fromkeys(re.findall(r"\]\(([\w-]+\.png)\)", markdown)):
        path = folder / name
        room -= path.stat().st_size if path.exists() else 0
        if path.exists() and room >= 0:
            found[name] = path
    return found


def html(markdown: str, pictures: Mapping[str, Path] | None = None) -> str:
    """Return the text as HTML. `pictures` maps file name -> file. Any other picture is replaced by its name."""
    reader = MarkdownIt("zero", {"html": False})
    reader.enable(["heading", "list", "table", "fence", "blockquote", "emphasis", "escape", "entity", "backticks", "newline", "image"])
    tokens = reader.parse(_cut(markdown))
    for token in tokens:
        if token.type in CELLS:
            token.attrs = _cell(token)
        token.children = token.children and [_picture(child, pictures or {}) for child in token.children]
    # No text can hold these tags, because its '<' are already escaped.
    drawn = str(reader.renderer.render(tokens, reader.options, {}))
    return drawn.replace("<table>", SCROLLED).replace("</table>", "</table></div>").replace("<pre>", '<pre tabindex="0">')


def _cut(markdown: str) -> str:
    if len(markdown) <= SECTION_CHARACTERS:
        return markdown
    kept = markdown[: markdown.rfind("\n", 0, SECTION_CHARACTERS)]
    fence = "\n```" if kept.count("\n```") + kept.startswith("```") == 1 else ""
    return f"{kept}{fence}\n\n*{CUT}*"


def _cell(token: Token) -> dict[str, str | int | float]:
    """Return attributes that align a cell by a class. Markdown-it's style attributes are forbidden by the
    page's policy."""
    kind: dict[str, str | int | float] = {"class": "number"} if "right" in str(token.attrs.get("style", "")) else {}
    return {**CELLS[token.type], **kind}


def _picture(token: Token, pictures: Mapping[str, Path]) -> Token:
    """Return the token with its picture embedded as data, or replaced by its name."""
    if token.type != "image":
        return token
    path = pictures.get(str(token.attrs.get("src", "")))
    if path is None:
        return Token("text", "", 0, content=f"{token.content} (a picture, beside report.md)")
    token.attrs["src"] = f"data:image/png;base64,{base64.b64encode(path.read_bytes()).decode()}"
    return token
