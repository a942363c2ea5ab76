"""report.md: the answer, the leaderboard, where the dollars went, every arm, and under which conditions."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

from bench import results
from bench.report import figures
from bench.report.answer import answer
from bench.report.board import ARROWS, Board, Line, Metric
from bench.report.cells import behind, behind_teacher, score, statuses
from bench.report.conditions import data, machines, money
from bench.report.markdown import DASH, escape, fence, number, table
from bench.results import Results

SCALES = {"bytes": (2**20, "MiB"), "kWh": (1e-3, "Wh"), "FLOP": (1e12, "TFLOP")}
"""Units of readings that are easier to read in another one."""

MILLISECONDS = """*ms per example* is the time per document in batches of up to 16 random documents of the greatest length that the
task allows, each of which generates exactly the greatest number of output tokens; large and compact model timed in turn in one
process, the median of 3 rounds. It is not the latency of a single request."""


def page(found: Results, everything: Results, boards: Sequence[Board], metrics: Sequence[Metric], plots: Sequence[Path]) -> str:
    """The whole report as Markdown. everything: also the arms that the suite no longer holds, which are only listed."""
    sections = {
        "Answer": answer(boards, metrics[:2]),
        "Leaderboard": _leaderboards(found, boards, metrics[:2]),
        "Plots": _plots(boards, plots),
        "Where the dollars went": _dollars(boards),
        "Memory, time, energy": _measured(found, boards),
        "All metrics": [_all_metrics(boards, metrics)] if len(metrics) > 2 and boards else [],
        "Every arm": _every_arm(found, everything, metrics),
        "How money is counted": money(found.suite),
        "Data": data(found),
        "Machine and versions": machines(found),
        "The suite": [fence(found.suite_text, "yaml")] if found.suite_text else [],
    }
    head = [f"# {escape(found.suite.get('suite', 'results'))}"]
    head += [f"> {escape(found.suite['question'])}"] if found.suite.get("question") else []
    bodies = [text for title, body in sections.items() if body for text in (f"## {title}", *body)]
    return "\n\n".join(head + bodies) + "\n"


def _leaderboards(found: Results, boards: Sequence[Board], metrics: Sequence[Metric]) -> list[str]:
    taught = any(line.teacher for board in boards for line in board.settings)
    heads = ["strategy (setting)", *(escape(m.title) for m in metrics)]
    heads += [f"behind the best ({escape(metrics[0].name)})"] if metrics else []
    heads += [f"its teacher ({escape(metrics[0].name)})", "behind its teacher"] if taught else []
    heads += ["seeds", "labels bought", "pseudo-labels", "spent / budget (USD)", "parameters (millions) ↓"]
    heads += ["ms per example ↓", "speed-up over the large model (times) ↑", "arms"]
    texts = []
    for board in boards:
        rows = [_leader(board, line, metrics, escape(line.name), taught) for line in board.settings]
        if board.references:
            rows.append(["*to be beaten:*"] + [""] * (len(heads) - 1))
        rows += [_leader(board, line, metrics, f"*{_reference(found, board, line)}*", taught) for line in board.references]
        texts += [f"### {escape(board.task)}, {board.budget_usd:g} USD added", table(heads, rows)]
    timed = any("student_ms" in line.facts for board in boards for line in board.settings)
    return [*texts, *([MILLISECONDS] if timed else [])]


def _leader(board: Board, line: Line, metrics: Sequence[Metric], name: str, taught: bool) -> list[str]:
    setting, facts = line.kind == "setting", line.facts
    scores = [score(line.scores.get(metric.name)) for metric in metrics]
    parameters, speed_up = facts.get("student_parameters"), facts.get("speed_up")
    return [
        name,
        *scores,
        *([behind(board, line)] if metrics else []),
        *(_own_teacher(board, line) if taught else []),
        str(line.seeds) if setting else "",
        number(facts.get("labels_bought"), 0) if setting else "",
        number(facts.get("pseudo_labels"), 0) if setting else "",
        f"{number(facts.get('usd spent'))} / {board.budget_usd:.2f}" if setting else "",
        "" if line.kind == "floor" else number(parameters and parameters / 1e6, 1),
        "" if line.kind == "floor" else number(facts.get("student_ms"), 1),
        number(speed_up) if setting else "",
        statuses(line) if setting else "",
    ]


def _own_teacher(board: Board, line: Line) -> list[str]:
    """The mean of a setting's own teachers, and how far it is behind them."""
    if line.kind != "setting":
        return ["", ""]
    mean = line.teacher.scores.get(board.primary.name) if line.teacher else None
    return [number(mean.mean if mean else None), behind_teacher(board, line)]


def _reference(found: Results, board: Board, line: Line) -> str:
    if line.kind == "floor":
        return f"floor: {escape(line.name)}" + (" (lead baseline)" if line.name == board.lead else "")
    return f"{escape(line.name)} ({escape(found.suite.get('large', 'the large model'))}, tuned)"


def _plots(boards: Sequence[Board], plots: Sequence[Path]) -> list[str]:
    shown = [f"![{escape(path.stem)}]({path.name})" for path in plots]
    return [*shown, *map(escape, figures.left_out(boards))] if shown else []


def _dollars(boards: Sequence[Board]) -> list[str]:
    purposes = ["labels", "teacher_tuning", "pseudo_labelling", "student_training", "evaluation", "spent", "not from the purse"]
    keys = [key for p in purposes if any((key := f"usd {p}") in line.facts for board in boards for line in board.settings)]
    heads = ["strategy (setting)", "budget (USD)", *(f"{key[4:].replace('_', ' ')} (USD)" for key in keys)]
    rows = [
        [escape(line.name), f"{board.budget_usd:.2f}", *(number(line.facts.get(key, 0.0)) for key in keys)]
        for board in boards
        for line in board.settings
    ]
    return [_by_task(boards, heads, rows), "Means over the arms with a score, or over all arms where none has one."] if keys else []


def _by_task(boards: Sequence[Board], heads: list[str], rows: list[list[str]]) -> str:
    """With a column for the task where there are several."""
    tasks = [escape(board.task) for board in boards for _ in board.settings]
    if len(set(tasks)) < 2:
        return table(heads, rows)
    return table(["task", *heads], [[task, *row] for task, row in zip(tasks, rows, strict=True)], numbers_from=2)


def _measured(found: Results, boards: Sequence[Board]) -> list[str]:
    read = found.table[found.table["row"] == "reading"].drop_duplicates(["quantity", "unit"])
    if read.empty or not boards:
        return []
    pairs = [(str(q), str(u), str(d)) for q, u, d in zip(read["quantity"], read["unit"], read["direction"], strict=True)]
    pairs = [(q, u, d) for q, u, d in pairs if any(f"{q} ({u})" in line.facts for board in boards for line in board.settings)]
    heads = ["strategy (setting)", "budget (USD)"]
    heads += [escape(f"{q} ({SCALES.get(u, (1, u))[1]}){ARROWS.get(d, '')}") for q, u, d in pairs]
    rows = [[escape(line.name), f"{b.budget_usd:.2f}", *(_reading(line, q, u) for q, u, _ in pairs)] for b in boards for line in b.settings]
    missing = found.table[(found.table["row"] == "reading") & found.table["value"].isna()]
    reasons = sorted(
        {f"- {escape(q)}: {escape(r or 'no reason given')}" for q, r in zip(missing["quantity"], missing["reason"], strict=True)}
    )
    notes = [
        "Means over the arms with a score. Time, energy and FLOPs are added up over all phases, evaluation included, and are what "
        "the arm would have taken alone: work that another arm had done before is counted here again. Of memory it is the peak."
    ]
    shown = [_by_task(boards, heads, rows), *notes] if pairs else []
    return shown + ([f"Not measured, in at least one phase ({DASH}, or no column):\n\n" + "\n".join(reasons)] if reasons else [])


def _reading(line: Line, quantity: str, unit: str) -> str:
    value = line.facts.get(f"{quantity} ({unit})")
    scale, _ = SCALES.get(unit, (1.0, unit))
    return DASH if value is None else number(value / scale, 0 if abs(value / scale) >= 100 else 2)


def _all_metrics(boards: Sequence[Board], metrics: Sequence[Metric]) -> str:
    heads = ["strategy (setting)", "budget (USD)", *(escape(m.title) for m in metrics)]
    rows = [
        [escape(line.name), f"{board.budget_usd:.2f}", *(score(line.scores.get(m.name)) for m in metrics)]
        for board in boards
        for line in board.settings
    ]
    return _by_task(boards, heads, rows)


def _every_arm(found: Results, everything: Results, metrics: Sequence[Metric]) -> list[str]:
    view = results.arms(everything.table)
    column = f"student {metrics[0].name}" if metrics else ""
    rows = []
    for name, cells in view.to_dict("index").items():
        value = cells.get(column, math.nan) if cells["status"] == "done" else math.nan
        said = escape(cells["reason"]) or DASH if math.isnan(value) else number(value)
        rows.append([escape(name), escape(cells["status"]), said, number(cells["usd spent"]), number(cells["budget_usd"])])
    heads = ["arm", "status", f"{escape(metrics[0].title)}, or why there is none" if metrics else "reason", "spent (USD)", "budget (USD)"]
    current = set(found.table["arm"])
    left_out = [f"- {escape(arm)}" for arm in view.index if arm not in current]
    note = ["Only listed, because the suite as it was run last does not hold them:\n\n" + "\n".join(left_out)] if left_out else []
    return [table(heads, rows, numbers_from=3), *note]
