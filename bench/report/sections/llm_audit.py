"""The audit of labels that an LLM wrote elsewhere, against the labels owned for the same documents."""

from __future__ import annotations

from collections.abc import Sequence

from bench.report.analysis.leaderboard import Board
from bench.report.analysis.line import Line
from bench.report.analysis.report_input import ReportInput
from bench.report.blocks import Block, Column, Heading, Paragraph, Section, Table
from bench.report.text import dollars, number
from bench.results import arm_columns

AUDIT = (arm_columns.LLM_AUDITED, arm_columns.LLM_AGREEMENT, arm_columns.LLM_USABLE_USD)
"""Facts of an audit, in the order of the table."""

HOW_TO_READ = Paragraph(
    "An LLM's label is usable if it equals the label owned, without case and outer white space. The price of a usable label is the cost of "
    "all labels of the LLM, divided by the estimated number of usable ones. The estimate applies the agreement of the audited labels to "
    "all labels. Free texts seldom agree word for word, so read their agreement with care."
)

WHY_MISSING = Paragraph(
    "No price of a usable label is known where no audited label agrees, or where no document has both an owned label and one of the LLM."
)

PAIRS_AT_MOST = 10
"""Most pairs of confused classes of a task and a setting."""


def section(given: ReportInput) -> Section | None:
    """Return the agreement and the price for each setting, and the confused classes; None where no arm has an audit."""
    lines = [(board, line) for board in given.boards for line in board.settings if arm_columns.LLM_AUDITED in line.facts]
    if not lines:
        return None
    heads = ("budget (USD)", "audited labels", "agreement (%)", "a usable label (USD)")
    columns = (Column("task"), Column("strategy (setting)"), *(Column(head, number=True) for head in heads))
    table = []
    for board, line in lines:
        audited, agreement, usd = (line.facts.get(name) for name in AUDIT)
        cells = (number(audited, 0), number(agreement, 1), dollars(usd, computed=True))
        table.append((board.task, line.name, f"{board.budget_usd:.2f}", *cells))
    missing = [WHY_MISSING] if any(arm_columns.LLM_USABLE_USD not in line.facts for _, line in lines) else []
    blocks: list[Block] = [Table(columns, tuple(table)), *missing, *_confused(lines), HOW_TO_READ]
    return Section(id="llm-labels", title="Labels that an LLM wrote", blocks=tuple(blocks))


def _confused(lines: Sequence[tuple[Board, Line]]) -> list[Block]:
    """Return a table of the confused classes of each task and setting, the most frequent first, at the budget with most of them."""
    counts: dict[tuple[str, str], dict[str, float]] = {}
    for board, line in lines:
        found = counts.setdefault((board.task, line.name), {})
        for name, value in line.facts.items():
            if name.startswith(arm_columns.LLM_CONFUSED):
                found[name] = max(value, found.get(name, 0.0))
    table = [
        (*of, name.removeprefix(arm_columns.LLM_CONFUSED), number(count, 0))
        for of, found in counts.items()
        for name, count in sorted(found.items(), key=lambda pair: (-pair[1], pair[0]))[:PAIRS_AT_MOST]
    ]
    if not table:
        return []
    heads = (*map(Column, ("task", "strategy (setting)", "the LLM's label, and the label owned")), Column("documents", number=True))
    return [Heading("Confused classes"), Table(heads, tuple(table))]
