"""Decides where on the page each section of report.md stands."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from pathlib import Path
from typing import Any

from bench.report.html import prose
from bench.report.html.escape import visible
from bench.report.sections.answer import LEADS

ELSEWHERE = ("", "Answer", "Leaderboard", "Plots", "Where the dollars went", "Every arm", "The suite")
"""Sections of report.md that the page shows in its own way."""

EARLY = ("At these prices", "Published figures")
"""Sections that belong to the answer."""

TIES = "Which to buy"
"""A section from which the page keeps only the break-even table. Its map is redrawn at the reader's prices."""

TIED, AS_COUNTED = "where two strategies are worth the same", "At the prices that this report was made for; sliders do not move these."

MANY = 6
"""A list with more points than this is folded."""

TABLES = ("Cost axes", "With its use in the sum", "Memory, time, energy", "Predicted and measured", "Other facts", "All metrics")
CONDITIONS = ("How money is counted", "Models and texts", "Data", "Machine and versions")


def texts(suite: Mapping[str, Any], folder: str, text: str, out: Path) -> dict[str, str]:
    """Return placeholder in page.html -> HTML.

    `folder` is the name of the results folder, used for a suite without a name. `text` is the content of
    report.md, and `out` its folder.
    """
    found = prose.sections(text)
    blocks = prose.paragraphs(found.get("Answer", ""))
    headline = [block for block in blocks if block.startswith("**")] or blocks[:1]
    sure = [block for block in blocks if block not in (*headline, LEADS)]
    if TIES in found:
        found[TIES] = _ties(found[TIES])
    found = {title: body for title, body in found.items() if body or title != TIES}
    pictures = prose.pictures("".join(found[title] for title in found if title not in ELSEWHERE), out)
    own = [title for title in found if title not in (*ELSEWHERE, *EARLY, *TABLES, *CONDITIONS)]
    name = escape(visible(suite.get("suite", folder)))
    return {
        "name": name,
        "question": escape(visible(str(suite.get("question", "")).strip())) or name,
        "answer": prose.html("\n\n".join(headline)),
        "size": "answer many" if len(headline) > MANY else "answer",
        "early": "".join(_section(title, prose.html(found[title], pictures)) for title in EARLY if title in found),
        "sure": "".join(map(_points, sure)) or "<p>Nothing to be said yet.</p>",
        "links": "".join(f'<li><a href="#{_place(title)}">{escape(title)}</a></li>' for title in own),
        "sections": "".join(_section(title, prose.html(found[title], pictures)) for title in own),
        "tables": "".join(_folded(title, prose.html(found[title], pictures)) for title in TABLES if title in found),
        "conditions": "".join(f"<h3>{escape(title)}</h3>\n{prose.html(found[title])}" for title in CONDITIONS if title in found),
        "suite": prose.html(found.get("The suite", "")) or "<p>The text of the suite is not in the results folder.</p>",
        "leads": prose.html(LEADS),
    }


def _ties(markdown: str) -> str:
    blocks = prose.paragraphs(markdown)
    first = next((place for place, block in enumerate(blocks) if block.startswith("### ") and block.endswith(TIED)), len(blocks))
    return "\n\n".join([AS_COUNTED, *blocks[first:]]) if blocks[first:] else ""


def _points(block: str) -> str:
    count = block.count("\n") + 1
    shown = prose.html(block)
    return _folded(f"{count} points, task by task and budget by budget", shown) if count > MANY and block.startswith("- ") else shown


def _section(title: str, body: str) -> str:
    place, heading = _place(title), f'<h2 id="{_place(title)}-title">{escape(title)}</h2>'
    return f'<section id="{place}" aria-labelledby="{place}-title">\n{heading}\n<div class="prose wide">{body}</div></section>\n'


def _place(title: str) -> str:
    return "".join(c if c.isalnum() else "-" for c in title.lower())


def _folded(title: str, body: str) -> str:
    return f"<details>\n<summary>{escape(title)}</summary>\n{body}</details>\n"
