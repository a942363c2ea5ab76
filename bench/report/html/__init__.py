"""report.html: the report as one page without a server or any request, under 6 MB.

    page          page.html, filled with the sections, the style, the scripts and the payload
    escape        untrusted text -> text that is safe in a page
    quantities    what the purse of each setting paid for: dollars at any prices
    curves        quality at any budget and prices, with the covariances that intervals need
    leaderboard   the leaderboard and the Pareto fronts
    predictions   texts that the models generated
    payload       all data of the scripts as one JSON document

In the page, statistics.js and pricing.js compute, like `bench.report.analysis.ranking` and `budget_curves`. elements.js, sliders.js,
arms.js, decision.js and charts.js draw; charts.js uses the libraries in vendor/. report.js assembles the page.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from bench.system import files

if TYPE_CHECKING:
    from bench.report.analysis.report_input import ReportInput
    from bench.report.blocks import Section

BYTES = 5_900_000
"""Largest size of a page, in bytes."""


def write(given: ReportInput, sections: Sequence[Section], out: Path) -> Path:
    """Write report.html to the folder `out` by an atomic write, and return its path. `out` is also the folder of the pictures."""
    from bench.report.html import page, payload

    name = str(given.found.suite.get("suite", given.folder.name))
    question = str(given.found.suite.get("question", "")).strip() or name
    filled = partial(page.page, name, question, sections, out=out)
    room = BYTES - len(filled(payload="").encode())
    files.write_text(out / "report.html", filled(payload=payload.payload(given, room)))
    return out / "report.html"
