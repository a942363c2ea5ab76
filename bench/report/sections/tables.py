"""Tables with a line for each setting at each budget: dollars, readings, facts, all metrics."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from bench.report.analysis.leaderboard import ARROWS, Board, Line, Metric
from bench.report.markdown import DASH, escape, number, table
from bench.report.plots.budget import PURPOSES
from bench.report.sections.cells import reached
from bench.results.table import Results

SCALES = {"bytes": (2**20, "MiB"), "kWh": (1e-3, "Wh"), "FLOP": (1e12, "TFLOP")}
"""Unit of readings -> a unit that is easier to read, and its size."""

OF_ONE_ANSWER = {"FLOP": (1e9, "GFLOP")}
"""The same for facts."""

SHOWN = frozenset({"labels_owned", "labels_bought", "pseudo_labels", "student_parameters", "teacher_parameters", "student_ms"})
"""Facts that the leaderboard or the section on money already shows."""


def dollars(boards: Sequence[Board]) -> list[str]:
    """Return a table of what the purse paid for."""
    purposes = [*PURPOSES, "spent", "not from the purse"]
    keys = [key for p in purposes if any((key := f"usd {p}") in line.facts for line in _lines(boards))]
    heads = [f"{key[4:].replace('_', ' ')} (USD)" for key in keys]
    shown = _table(boards, heads, lambda line: [number(line.facts.get(key, 0.0)) for key in keys])
    return [shown, "Means over the arms that are done, or over all arms where none is."] if keys else []


def measured(found: Results, boards: Sequence[Board]) -> list[str]:
    """Return a table of the profilers' readings, and the reasons for missing ones."""
    read = found.table[found.table["row"] == "reading"].drop_duplicates(["quantity", "unit"])
    if read.empty or not boards:
        return []
    pairs = [(str(q), str(u), str(d)) for q, u, d in zip(read["quantity"], read["unit"], read["direction"], strict=True)]
    pairs = [(q, u, d) for q, u, d in pairs if any(f"{q} ({u})" in line.facts for line in _lines(boards))]
    heads = [escape(f"{q} ({SCALES.get(u, (1, u))[1]}){ARROWS.get(d, '')}") for q, u, d in pairs]
    missing = found.table[(found.table["row"] == "reading") & found.table["value"].isna()].drop_duplicates(["quantity", "reason"])
    reasons = sorted(
        {f"- {escape(q)}: {escape(r or 'no reason given')}" for q, r in zip(missing["quantity"], missing["reason"], strict=True)}
    )
    notes = [
        "Means over the arms that are done. Time, energy and FLOPs are added up over all phases, evaluation included, and are what "
        "the arm would have taken alone: work that another arm had done before is counted here again. Of memory it is the peak."
    ]
    shown = [_table(boards, heads, lambda line: [_reading(line, q, u) for q, u, _ in pairs]), *notes] if pairs else []
    return shown + ([f"Not measured, in at least one phase ({DASH}, or no column):\n\n" + "\n".join(reasons)] if reasons else [])


def other_facts(found: Results, boards: Sequence[Board], shown: Sequence[str]) -> list[str]:
    """Return a table of the facts that are not shown elsewhere: in the leaderboard, or by `shown`."""
    facts = found.table[found.table["row"] == "fact"].drop_duplicates("quantity")
    named = {str(name): str(unit) for name, unit in zip(facts["quantity"], facts["unit"], strict=True)}
    left = [name for name in named if name not in {*SHOWN, *shown} and any(_fact(line, name) is not None for line in _lines(boards))]
    scales = {name: OF_ONE_ANSWER.get(named[name], (1.0, named[name])) for name in left}
    heads = [escape(name if unit == "1" else f"{name} ({unit})") for name, (_, unit) in scales.items()]
    cells = _table(boards, heads, lambda line: [_figure(_fact(line, name), scale) for name, (scale, _) in scales.items()])
    return [cells, "Means over the arms that are done, or over all arms where none is."] if left else []


def all_metrics(boards: Sequence[Board], metrics: Sequence[Metric]) -> str:
    """Return a table of all metrics, including those without room in the leaderboard."""
    return _table(boards, [escape(metric.title) for metric in metrics], lambda line: [reached(line, metric) for metric in metrics])


def _lines(boards: Sequence[Board]) -> list[Line]:
    return [line for board in boards for line in board.settings]


def _table(boards: Sequence[Board], heads: Sequence[str], cells: Callable[[Line], list[str]]) -> str:
    """Return a table, with a column for the task where there are several."""
    rows = [[escape(b.task), escape(line.name), f"{b.budget_usd:.2f}", *cells(line)] for b in boards for line in b.settings]
    own = 1 if len({row[0] for row in rows}) < 2 else 0
    return table(["task", "strategy (setting)", "budget (USD)", *heads][own:], [row[own:] for row in rows], numbers_from=2 - own)


def _reading(line: Line, quantity: str, unit: str) -> str:
    value = line.facts.get(f"{quantity} ({unit})")
    scale, _ = SCALES.get(unit, (1.0, unit))
    return DASH if value is None else number(value / scale, 0 if abs(value / scale) >= 100 else 2)


def _fact(line: Line, name: str) -> float | None:
    """Return a fact. Where `results.arms` has another column of its name, the fact's column is called 'fact:
    NAME'."""
    return line.facts.get(f"fact: {name}", line.facts.get(name))


def _figure(value: float | None, scale: float) -> str:
    """Return a whole number as it is, and any other with four significant digits."""
    if value is None:
        return DASH
    whole = abs(value / scale) >= 1000 or (value / scale).is_integer()
    return number(value / scale, 0) if whole else f"{value / scale:.4g}"
