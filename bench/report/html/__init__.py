"""report.html: the report as one page without a server or any request, under 6 MB.

    escape        untrusted text -> text that is safe in a page
    prose         the sections of report.md as HTML
    layout        the place of each section on the page
    quantities    what the purse of each setting paid for: dollars at any prices
    curves        quality at any budget and prices, with the covariances that intervals need
    leaderboard   the leaderboard
    pareto        quality against the cost of a model
    predictions   texts that the models generated
    failed_arms   every arm that has no score, and why
    payload       all of these as one JSON document
    template      page.html, report.css, the scripts and the payload -> the page

In the page, statistics.js and pricing.js compute, like `bench.report.analysis.ranking` and `budget_curves`.
elements.js, sliders.js, arms.js, decision.js and charts.js draw; charts.js uses the libraries in vendor/.
report.js assembles the page.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from bench.system import files

if TYPE_CHECKING:
    from bench.report.html.payload import Material

BYTES = 5_900_000
"""Largest size of a page, in bytes."""


def write(given: Material, text: str, out: Path) -> Path:
    """Write report.html to the folder `out` by an atomic write, and return its path.

    `text` is the content of report.md. `out` is also the folder of report.md.
    """
    from bench.report.html import layout, payload, template

    texts = layout.texts(given.found.suite, given.folder.name, text, out)
    room = BYTES - len(template.page(texts, "").encode())
    page = template.page(texts, payload.payload(given, room))
    files.write_text(out / "report.html", page)
    return out / "report.html"
