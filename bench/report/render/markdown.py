"""Renders report.md: the answer, the leaderboard, where the dollars went, every arm, and the conditions."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

from bench.report.analysis import missing_scores
from bench.report.analysis.leaderboard import Board, Line, Metric
from bench.report.analysis.missing_scores import Missing
from bench.report.analysis.pareto import TradeOff
from bench.report.markdown import DASH, escape, fence, number, table
from bench.report.plots import budget
from bench.report.sections import forecast_check, pareto, published, tables
from bench.report.sections.answer import answer
from bench.report.sections.cells import behind, behind_teacher, rank, reached, statuses
from bench.report.sections.other_prices import Priced
from bench.report.sections.provenance import data, machines, models, money
from bench.results.table import Results

ALWAYS_LEADING = ("rouge2", "rougeL")
"""Metrics that the leaderboard shows wherever they exist, as the tables of Shleifer and Rush 2020 do."""

MILLISECONDS = """*ms per example* is the time per document in batches of up to 16 random documents of the greatest length that the
task allows, each of which generates exactly the greatest number of output tokens; large and compact model timed in turn in one
process, the median of 3 rounds. It is not the latency of a single request."""


def page(
    found: Results,
    everything: Results,
    metrics: Sequence[Metric],
    boards: Sequence[Board],
    trade_offs: Sequence[TradeOff],
    plots: Sequence[Path],
    money_matters: Priced | None = None,
    maps: Sequence[Path] = (),
) -> str:
    """Return the whole report as Markdown.

    `everything` also has the arms that the suite no longer holds, which are only listed. `money_matters` is
    None where no prices are known. `maps` are its pictures.
    """
    lacking = missing_scores.missing(found)
    leading = [metric for place, metric in enumerate(metrics) if place < 2 or metric.name in ALWAYS_LEADING]
    sections = {
        "At these prices": money_matters.at_these_prices() if money_matters else [],
        "Answer": answer(boards, metrics[:2], trade_offs, lacking),
        "Published figures": published.section(found, boards),
        "Leaderboard": [*_leaderboards(boards, leading, published.how_timed(found) or MILLISECONDS), *_missing(lacking)],
        "Cost axes": [*pareto.section(trade_offs), *published.costs(found, trade_offs)],
        "Plots": _plots(boards, plots),
        "Which to buy": money_matters.decision(maps) if money_matters else [],
        "With its use in the sum": money_matters.use_section() if money_matters else [],
        "Where the dollars went": tables.dollars(boards),
        "Memory, time, energy": tables.measured(found, boards),
        "Predicted and measured": forecast_check.section(found),
        "Other facts": tables.other_facts(found, boards, ["student_flops"] if trade_offs else []),
        "All metrics": [tables.all_metrics(boards, metrics)] if len(metrics) > len(leading) and boards else [],
        "Every arm": _every_arm(found, everything, metrics),
        "How money is counted": money(found.suite),
        "Models and texts": models(found.suite),
        "Data": data(found),
        "Machine and versions": machines(found),
        "The suite": [fence(found.suite_text, "yaml")] if found.suite_text else [],
    }
    head = [f"# {escape(found.suite.get('suite', 'results'))}"]
    head += [f"> {escape(found.suite['question'])}"] if found.suite.get("question") else []
    bodies = [text for title, body in sections.items() if body for text in (f"## {title}", *body)]
    return "\n\n".join(head + bodies) + "\n"


def _leaderboards(boards: Sequence[Board], metrics: Sequence[Metric], how_timed: str) -> list[str]:
    taught = any(line.teacher for board in boards for line in board.settings)
    heads = ["strategy (setting)", "rank", *(escape(m.title) for m in metrics)]
    heads += [f"behind the best ({escape(metrics[0].name)})"] if metrics else []
    heads += [f"its teacher ({escape(metrics[0].name)})", "behind its teacher"] if taught else []
    heads += ["seeds", "labels bought", "pseudo-labels", "spent / budget (USD)", "parameters (millions) ↓"]
    heads += ["ms per example ↓", "speed-up over the large model (times) ↑", "arms"]
    texts = []
    for board in boards:
        rows = [_leader(board, line, metrics, escape(line.name), taught) for line in board.settings]
        if board.references:
            rows.append(["*to be beaten:*"] + [""] * (len(heads) - 1))
        rows += [_leader(board, line, metrics, f"*{_reference(board, line)}*", taught) for line in board.references]
        texts += [f"### {escape(board.task)}, {board.budget_usd:g} USD added", table(heads, rows)]
    timed = any("student_ms" in line.facts for board in boards for line in board.settings)
    return [*texts, *([how_timed] if timed else [])]


def _leader(board: Board, line: Line, metrics: Sequence[Metric], name: str, taught: bool) -> list[str]:
    setting, facts = line.kind == "setting", line.facts
    scores = [reached(line, metric) for metric in metrics]
    parameters, speed_up = facts.get("student_parameters"), facts.get("speed_up")
    return [
        name,
        rank(board, line),
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
    """Return the mean score of a setting's own teachers, and how far the setting is behind them."""
    if line.kind != "setting":
        return ["", ""]
    mean = line.teacher.scores.get(board.primary.name) if line.teacher else None
    return [number(mean.mean if mean else None), behind_teacher(board, line)]


def _reference(board: Board, line: Line) -> str:
    if line.kind == "floor":
        return f"floor: {escape(line.name)}" + (" (lead baseline)" if line.name == board.lead else "")
    return f"{escape(line.name)} ({escape(line.who)})"


def _plots(boards: Sequence[Board], plots: Sequence[Path]) -> list[str]:
    shown = [f"![{escape(path.stem)}]({path.name})" for path in plots]
    return [*shown, *map(escape, budget.left_out(boards))] if shown else []


def _missing(lacking: Sequence[Missing]) -> list[str]:
    reasons = [f"- {escape(one.sentence)}" for one in lacking]
    return [f"Scores that are missing ({DASH}), and in no mean:\n\n" + "\n".join(reasons)] if reasons else []


def _every_arm(found: Results, everything: Results, metrics: Sequence[Metric]) -> list[str]:
    view = everything.by_arm
    column = f"student {metrics[0].name}" if metrics else ""
    reasons = missing_scores.of_students(everything, metrics[0].name) if metrics else {}
    rows = []
    wanted = [name for name in ("status", "reason", "usd spent", "budget_usd", column) if name in view]
    for name, cells in view[wanted].to_dict("index").items():
        value = cells.get(column, math.nan) if cells["status"] == "done" else math.nan
        said = escape(cells["reason"] or reasons.get(str(name), DASH)) if math.isnan(value) else number(value)
        rows.append([escape(name), escape(cells["status"]), said, number(cells["usd spent"]), number(cells["budget_usd"])])
    heads = ["arm", "status", f"{escape(metrics[0].title)}, or why there is none" if metrics else "reason", "spent (USD)", "budget (USD)"]
    current = set(found.table["arm"].unique())
    left_out = [f"- {escape(arm)}" for arm in view.index if arm not in current]
    note = ["Only listed, because the suite as it was run last does not hold them:\n\n" + "\n".join(left_out)] if left_out else []
    return [table(heads, rows, numbers_from=3), *note]
