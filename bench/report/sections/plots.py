"""The plots of quality, dollars and Pareto fronts."""

from __future__ import annotations

from pathlib import Path

from bench.report.analysis.report_input import ReportInput
from bench.report.blocks import Paragraph, Picture, Section
from bench.report.plots import budget


def section(given: ReportInput) -> Section | None:
    """Return the plots, and which settings and budgets they leave out."""
    pictures = [Picture(path.name, path.stem) for path in budget.plots(given.boards, given.metrics, given.trade_offs, Path())]
    if not pictures:
        return None
    return Section(id="plots", title="Plots", blocks=(*pictures, *map(Paragraph, budget.left_out(given.boards))))
