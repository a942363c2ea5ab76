"""report.html: the report as one page that asks for nothing: no server, no request, under 6 MB.

text       text that is nobody's -> text that shows and does nothing else
prose      the sections of report.md as HTML
places     which of them stands where
amounts    what the purse of each line paid for: dollars at any prices
live       the curves, with their draws: quality at any budget and prices
lines      the leaderboard
fronts     quality against what a model costs
examples   what the models wrote
endings    every arm that has no score, and why
payload    all of these as one JSON document
fill       page.html, report.css, the scripts and the payload -> the page

In the page: statistics.js and pricing.js compute, as `bench.report.analysis.ranking` and `curves` do; elements.js, arms.js, decision.js and
charts.js show, the last with the libraries in vendor/; report.js is the page.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from bench.system import files

if TYPE_CHECKING:
    from bench.report.html.payload import Material

BYTES = 5_900_000
"""Of a page, at most."""


def write(given: Material, text: str, out: Path) -> Path:
    """Write report.html to `out` by an atomic write. text, out: content of report.md, and its folder. Returns the path."""
    from bench.report.html import layout, payload, template

    texts = layout.texts(given.found.suite, given.folder.name, text, out)
    room = BYTES - len(template.page(texts, "").encode())
    page = template.page(texts, payload.payload(given, room))
    files.write_text(out / "report.html", page)
    return out / "report.html"
