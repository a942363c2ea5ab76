"""The decision map as a table, and the prices at which two strategies break even."""

from __future__ import annotations

from pathlib import Path

from bench.report.analysis.break_even import MOVED
from bench.report.analysis.report_input import ReportInput
from bench.report.blocks import Block, Column, Heading, Paragraph, Picture, Section, Table, strong
from bench.report.plots.decision_map import cell, names, plots
from bench.report.text import dollars, interval

HOW_TO_READ = """A letter is the best setting there. A question mark means that there is no clear winner. A dash means that fewer than two
settings are known for that budget at that price. Scores are interpolated between the budgets that were run, and never extrapolated. At
another price of a label, the same work stands for the budget of which it spends the same share. If the budget did not limit the work of a
setting, its score holds for every budget that pays for this work. The price of compute does not change."""

BREAK_EVEN = "Each row moves one price and keeps the others at the prices of this report. The sliders of report.html do not change it."


def section(given: ReportInput) -> Section | None:
    """Return a map for each task: the best setting by budget and price of a label."""
    blocks: list[Block] = []
    for found in given.priced.maps if given.priced else ():
        letters = names(found)
        key = [part for name, letter in letters.items() for part in ("; ", strong(letter), f" {name}")][1:]
        columns = (Column("a label (USD)"), *(Column(f"{budget:g} USD", number=True) for budget in found.budgets_usd))
        cells = [tuple(cell(verdict, letters) for verdict in row) for row in found.verdicts]
        rows = tuple((f"{usd:.3g}", *row) for usd, row in zip(found.label_usd, cells, strict=True))
        heading = Heading(f"{found.field.task}: the best setting by budget and price of a label")
        blocks += [heading, Paragraph(tuple(key)), Table(columns, rows)]
    if not given.priced or not blocks:
        return None
    pictures = [Picture(path.name, path.stem) for path in plots(given.priced.maps, Path())]
    return Section(id="decision-map", title="Decision map", blocks=(*blocks, *pictures, Paragraph(HOW_TO_READ)))


def break_even(given: ReportInput) -> Section | None:
    """Return a table for each task: the prices at which two strategies reach the same score."""
    columns = (
        *map(Column, ("budget (USD)", "price of", "better below", "better above")),
        *(Column(head, number=True) for head in ("break-even (USD)", "95 % interval", "known between (USD)")),
    )
    blocks: list[Block] = []
    for task, found in given.priced.break_evens.items() if given.priced else ():
        rows = tuple(
            (
                f"{tie.budget_usd:g}",
                MOVED[tie.moved],
                tie.below,
                tie.above if tie.usd is not None else f"{tie.below} too, compared with {tie.above}",
                dollars(tie.usd, computed=True),
                interval(tie.low, tie.high, tie.least, tie.most),
                f"{dollars(tie.least, computed=True)} to {dollars(tie.most, computed=True)}",
            )
            for tie in found
        )
        blocks += [Heading(task), Table(columns, rows)] if rows else []
    return Section(id="break-even", title="Break-even prices", blocks=(*blocks, Paragraph(BREAK_EVEN))) if blocks else None
