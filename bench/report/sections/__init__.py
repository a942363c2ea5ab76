"""Sections of a report, made from the analysis.

A section is a function that takes a `ReportInput` and returns a `Section`, or None where it has nothing to show.
To add one, write the function and put it into SECTIONS.
"""

from __future__ import annotations

from collections.abc import Callable

from bench.report.analysis.report_input import ReportInput
from bench.report.blocks import Section
from bench.report.sections import (
    card,
    cascade,
    certainty,
    decision_map,
    forecast_check,
    leaderboard,
    llm_audit,
    other_prices,
    pareto,
    plots,
    provenance,
    published,
    serving_cost,
    tables,
    targets,
    until_decided,
)

Maker = Callable[[ReportInput], Section | None]

SECTIONS: list[Maker] = [
    card.section,
    other_prices.section,
    until_decided.section,
    certainty.section,
    published.section,
    leaderboard.section,
    leaderboard.how_to_read,
    pareto.section,
    plots.section,
    decision_map.section,
    decision_map.break_even,
    targets.section,
    targets.more_money,
    serving_cost.section,
    cascade.section,
    tables.spending,
    tables.measured,
    forecast_check.section,
    llm_audit.section,
    tables.other_facts,
    tables.all_metrics,
    tables.every_arm,
    provenance.money,
    provenance.models,
    provenance.data,
    provenance.machines,
    provenance.suite,
]
"""Every section of report.md and report.html, in their order."""


def sections(given: ReportInput) -> list[Section]:
    """Return the sections that have something to show."""
    return [section for make in SECTIONS if (section := make(given))]
