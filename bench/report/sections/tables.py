"""Tables with a line for each setting at each budget (dollars, readings, facts, all metrics), and one for every arm."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from bench.report.analysis.leaderboard import Board
from bench.report.analysis.line import Line
from bench.report.analysis.metric import ARROWS
from bench.report.analysis.report_input import ReportInput
from bench.report.blocks import Block, Column, Paragraph, Points, Section, Table
from bench.report.plots.budget import PURPOSES
from bench.report.sections.leaderboard import reached
from bench.report.sections.llm_audit import AUDIT
from bench.report.text import DASH, dollars, number
from bench.results import arm_columns
from bench.results.table import rows

SCALES = {"bytes": (2**20, "MiB"), "kWh": (1e-3, "Wh"), "FLOP": (1e12, "TFLOP")}
"""Unit of readings -> a unit that is easier to read, and its size."""
OF_ONE_ANSWER = {"FLOP": (1e9, "GFLOP")}
"""The same for facts."""

SHOWN = frozenset(
    {
        arm_columns.LABELS_OWNED,
        arm_columns.LABELS_BOUGHT,
        arm_columns.PSEUDO_LABELS,
        *AUDIT,
        arm_columns.STUDENT_PARAMETERS,
        arm_columns.TEACHER_PARAMETERS,
        arm_columns.STUDENT_MS,
    }
)
"""Facts that the leaderboard or the sections on money and on an LLM's labels already show."""

MEANS = Paragraph("Means over the arms that are done, or over all arms where none is.")

WHOLE_WORK = (
    "Time, energy and FLOPs are sums over all phases, evaluation included. They count all work that the arm needs, also where another arm "
    "has done it before. Memory is the peak."
)


def spending(given: ReportInput) -> Section | None:
    """Return a table of what the purse paid for. Where a setting spent nothing for a purpose, it has 0, if its dollars are known."""
    purposes = [*PURPOSES, "spent", "not from the purse"]
    keys = [key for purpose in purposes if any((key := f"usd {purpose}") in line.facts for line in _lines(given.boards))]
    heads = [f"{key[4:].replace('_', ' ')} (USD)" for key in keys]

    def cell(line: Line, key: str) -> str:
        return dollars(line.facts.get(key, 0.0 if arm_columns.SPENT_USD in line.facts else None))

    table = _table(given.boards, heads, lambda line: [cell(line, key) for key in keys])
    return Section(id="dollars", title="Where the dollars went", blocks=(table, MEANS)) if keys else None


def measured(given: ReportInput) -> Section | None:
    """Return a table of the profilers' readings, and the reasons for missing ones."""
    readings = rows(given.found.table, "reading", "quantity", "unit", "direction", "value", "reason")
    if readings.empty or not given.boards:
        return None
    seen = readings.drop_duplicates(["quantity", "unit"])
    kinds = [(str(q), str(u), str(d)) for q, u, d in zip(seen["quantity"], seen["unit"], seen["direction"], strict=True)]
    kinds = [(q, u, d) for q, u, d in kinds if any(f"{q} ({u})" in line.facts for line in _lines(given.boards))]
    heads = [f"{q} ({SCALES.get(u, (1, u))[1]}){ARROWS.get(d, '')}" for q, u, d in kinds]

    def cell(line: Line, quantity: str, unit: str) -> str:
        value = line.facts.get(f"{quantity} ({unit})")
        shown = (value or 0.0) / SCALES.get(unit, (1.0, unit))[0]
        return DASH if value is None else number(shown, 0 if abs(shown) >= 100 else 2)

    table = _table(given.boards, heads, lambda line: [cell(line, q, u) for q, u, _ in kinds])
    undone = [line for line in _lines(given.boards) if not line.statuses.get("done")]
    shown = any(f"{q} ({u})" in line.facts for line in undone for q, u, _ in kinds)
    means = f"Means over the arms that are done{', or over all arms where none is' if shown else ''}. {WHOLE_WORK}"
    blocks: list[Block] = [table, Paragraph(means)] if kinds else []
    missing = readings[readings["value"].isna()].drop_duplicates(["quantity", "reason"])
    reasons = {f"{quantity}: {why or 'no reason given'}" for quantity, why in zip(missing["quantity"], missing["reason"], strict=True)}
    if reasons:
        blocks += [Paragraph(f"Not measured in at least one phase ({DASH}, or no column):"), Points(tuple(sorted(reasons)))]
    return Section(id="measured", title="Memory, time, energy", blocks=tuple(blocks)) if blocks else None


def other_facts(given: ReportInput) -> Section | None:
    """Return a table of the facts that are neither in the leaderboard nor among the cost axes."""
    shown = {*SHOWN, *([arm_columns.STUDENT_FLOPS] if given.trade_offs else [])}
    facts = rows(given.found.table, "fact", "quantity", "unit").drop_duplicates("quantity")
    units = {str(name): str(unit) for name, unit in zip(facts["quantity"], facts["unit"], strict=True)}
    kept = [name for name in units if name not in shown and not name.startswith(arm_columns.LLM_CONFUSED)]
    left = [name for name in kept if any(_fact(line, name) is not None for line in _lines(given.boards))]
    scales = {name: OF_ONE_ANSWER.get(units[name], (1.0, units[name])) for name in left}
    heads = [name if unit == "1" else f"{name} ({unit})" for name, (_, unit) in scales.items()]

    def cell(value: float | None, scale: float) -> str:
        shown = (value or 0.0) / scale  # a whole number as it is, and any other with four significant digits
        return DASH if value is None else number(shown, 0) if abs(shown) >= 1000 or shown.is_integer() else f"{shown:.4g}"

    table = _table(given.boards, heads, lambda line: [cell(_fact(line, name), scale) for name, (scale, _) in scales.items()])
    return Section(id="facts", title="Other facts", blocks=(table, MEANS)) if left else None


def all_metrics(given: ReportInput) -> Section | None:
    """Return a table of all metrics, where the leaderboard has no room for some."""
    if not given.boards or len(given.metrics) == len(given.leading):
        return None
    heads = [metric.title for metric in given.metrics]
    table = _table(given.boards, heads, lambda line: [reached(line, metric) for metric in given.metrics])
    return Section(id="metrics", title="All metrics", blocks=(table,))


def every_arm(given: ReportInput) -> Section:
    """Return a table of every arm, with its score or the reason why it has none."""
    primary = given.metrics[0] if given.metrics else None
    found = given.every_arm
    last = f"{primary.title}, or why there is none" if primary else "reason"
    columns = (Column("arm"), Column("status"), Column(last), Column("spent (USD)", number=True), Column("budget (USD)", number=True))
    values = [arm.reason or DASH if arm.score is None else number(arm.score) for arm in found]
    money = [(dollars(arm.spent_usd), number(arm.budget_usd)) for arm in found]
    rows = tuple((arm.id, arm.status, value, *usd) for arm, value, usd in zip(found, values, money, strict=True))
    blocks: list[Block] = [Table(columns, rows)]
    if left_out := [arm.id for arm in found if not arm.held]:
        blocks += [Paragraph("Not in the suite any more, so listed here only:"), Points(tuple(left_out))]
    return Section(id="arms", title="Every arm", blocks=tuple(blocks))


def _lines(boards: Sequence[Board]) -> list[Line]:
    return [line for board in boards for line in board.settings]


def _table(boards: Sequence[Board], heads: Sequence[str], cells: Callable[[Line], list[str]]) -> Table:
    """Return a table, with a column for the task where there are several."""
    rows = [(board.task, line.name, f"{board.budget_usd:.2f}", *cells(line)) for board in boards for line in board.settings]
    first = 1 if len({row[0] for row in rows}) < 2 else 0
    numbers = (Column(head, number=True) for head in ("budget (USD)", *heads))
    columns = (Column("task"), Column("strategy (setting)"), *numbers)
    return Table(columns[first:], tuple(row[first:] for row in rows))


def _fact(line: Line, name: str) -> float | None:
    """Return a fact. Where `results.arms` has another column of its name, the fact's column is called 'fact: NAME'."""
    return line.facts.get(f"fact: {name}", line.facts.get(name))
