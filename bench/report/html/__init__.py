"""report.html: the report as one page that asks for nothing: no server, no request, under 6 MB.

escape       text from anybody -> text that shows and does nothing else
prose        the sections of report.md as HTML
layout       which of them stands where
quantities   what the purse of each line paid for: dollars at any prices
curves       quality at any budget and prices, with the covariances that intervals need
leaderboard  the leaderboard
pareto       quality against what a model costs
predictions  what the models wrote
failed_arms  every arm that has no score, and why
payload      all of these as one JSON document
template     page.html, report.css, the scripts and the payload -> the page

In the page, statistics.js and pricing.js compute what `bench.report.analysis.ranking` and `budget_curves` compute. elements.js, arms.js,
decision.js and charts.js show it, the last with the libraries in vendor/. report.js is the page.
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
