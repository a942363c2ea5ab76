"""The audit of labels that an LLM wrote elsewhere, against the labels owned for the same documents."""

from __future__ import annotations

from bench.report.analysis.report_input import ReportInput
from bench.report.blocks import Block, Column, Heading, Paragraph, Section, Table
from bench.report.text import dollars, number
from bench.results import arm_columns
from bench.results.table import rows

AUDIT = (arm_columns.LLM_AUDITED, arm_columns.LLM_AGREEMENT, arm_columns.LLM_USABLE_USD)
"""Facts of an audit, in the order of the table."""

HOW_TO_READ = Paragraph(
    "An LLM's label is usable if it equals the label owned, without case and outer white space. The price of a usable label is the cost of "
    "all labels of the LLM, divided by the estimated number of usable ones. The estimate applies the agreement of the audited labels to "
    "all labels. Free texts seldom agree word for word, so read their agreement with care."
)


def section(given: ReportInput) -> Section | None:
    """Return the agreement and the price for each setting, and the confused classes; None where no arm has an audit."""
    lines = [(board, line) for board in given.boards for line in board.settings if line.facts.get(arm_columns.LLM_AUDITED)]
    if not lines:
        return None
    heads = ("budget (USD)", "audited labels", "agreement (%)", "a usable label (USD)")
    columns = (Column("task"), Column("strategy (setting)"), *(Column(head, number=True) for head in heads))
    table = []
    for board, line in lines:
        audited, agreement, usd = (line.facts.get(name) for name in AUDIT)
        cells = (number(audited, 0), number(agreement, 1), dollars(usd, computed=True))
        table.append((board.task, line.name, f"{board.budget_usd:.2f}", *cells))
    blocks: list[Block] = [Table(columns, tuple(table)), *_confused(given), HOW_TO_READ]
    return Section(id="llm-labels", title="Labels that an LLM wrote", blocks=tuple(blocks))


def _confused(given: ReportInput) -> list[Block]:
    """Return a table of the confused classes of all arms, the most frequent first."""
    facts = rows(given.found.table, "fact", "quantity", "value")
    facts = facts[facts["quantity"].str.startswith(arm_columns.LLM_CONFUSED)]
    if facts.empty:
        return []
    counts = facts.groupby("quantity")["value"].max().sort_values(ascending=False, kind="stable")
    found = tuple((str(name).removeprefix(arm_columns.LLM_CONFUSED), number(count, 0)) for name, count in counts.items())
    return [
        Heading("Confused classes"),
        Table((Column("the LLM's label, and the label owned"), Column("documents, in the arm with most", number=True)), found),
    ]
