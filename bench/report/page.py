"""report.md: the answer, the leaderboard, where the dollars went, every arm, and under which conditions."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from bench import results
from bench.report import board as boarding
from bench.report.board import ARROWS, Board, Line, Metric
from bench.report.markdown import DASH, escape, fence, number, table
from bench.report.stats import Estimate
from bench.results import Results

SCALES = {"bytes": (2**20, "MiB"), "kWh": (1e-3, "Wh"), "FLOP": (1e12, "TFLOP")}
"""Units of readings that are easier to read in another one."""

LEADS = """↑: higher is better, ↓: lower is better. Scores are means over seeds and test examples with 95 % intervals (pigeonhole
bootstrap over both together).
*Behind the best* is paired: the same seeds and the same test examples on both sides; two settings are *tied* where that interval
holds 0. Each interval is for one comparison; nothing is corrected for having picked the best of several. With few seeds an
interval can be too narrow where seeds differ more than examples do; with one seed it says nothing about other seeds."""


def page(found: Results, boards: Sequence[Board], metrics: Sequence[Metric], plots: Sequence[Path]) -> str:
    """The whole report as Markdown."""
    sections = {
        "Answer": _answer(boards),
        "Leaderboard": _leaderboards(found, boards, metrics[:2]),
        "Plots": [f"![{escape(path.stem)}]({path.name})" for path in plots],
        "Where the dollars went": _dollars(boards),
        "Memory, time, energy": _measured(found, boards),
        "All metrics": [_all_metrics(boards, metrics)] if len(metrics) > 2 and boards else [],
        "Every arm": _every_arm(found, metrics),
        "How money is counted": _money(found.suite),
        "Data": _data(found),
        "Machine and versions": _machines(found),
        "The suite": [fence(found.suite_text, "yaml")] if found.suite_text else [],
    }
    head = [f"# {escape(found.suite.get('suite', 'results'))}"]
    head += [f"> {escape(found.suite['question'])}"] if found.suite.get("question") else []
    bodies = [text for title, body in sections.items() if body for text in (f"## {title}", *body)]
    return "\n\n".join(head + bodies) + "\n"


def score(estimate: Estimate | None) -> str:
    """'mean [low, high]'; only the mean where there is no interval."""
    if estimate is None:
        return DASH
    interval = f" [{estimate.low:.2f}, {estimate.high:.2f}]" if estimate.low == estimate.low else ""
    return f"{estimate.mean:.2f}{interval}"


def behind(board: Board, line: Line) -> str:
    """How far behind the best setting, paired, and whether that is a tie."""
    if not board.scored or line is board.scored[0]:
        return DASH
    estimate = board.difference(board.scored[0], line)
    return score(estimate) + ("" if estimate is None or estimate.apart or estimate.low != estimate.low else ", tied")


def statuses(line: Line) -> str:
    return ", ".join(f"{count} {status}" for status, count in sorted(line.statuses.items()))


def _answer(boards: Sequence[Board]) -> list[str]:
    lines = [f"- {_verdict(board)}" for board in boards]
    return ["\n".join(lines), LEADS] if lines else ["No arm has ended yet."]


def _verdict(board: Board) -> str:
    """Which setting is best at one budget, and what that can be told apart from."""
    where = f"{escape(board.task)}, {board.budget_usd:g} USD:"
    if not board.scored:
        ended = sum((Counter(line.statuses) for line in board.settings), Counter())
        return f"{where} no arm has a score ({', '.join(f'{n} {status}' for status, n in sorted(ended.items()))})."
    best = board.scored[0]
    reached = best.scores[board.primary.name]
    said = f"{where} **{escape(best.name)}** has the best mean, {escape(board.primary.name)} {score(reached)}"
    said += f", over {_count(reached.seeds, 'seed')} and {_count(reached.examples, 'test example')}."
    others = [("the next one", board.scored[1])] if len(board.scored) > 1 else []
    others += [("the best floor", board.floors[0])] if board.floors else []
    return " ".join([said, *(_comparison(board, best, what, other) for what, other in others)])


def _comparison(board: Board, best: Line, what: str, other: Line) -> str:
    estimate = board.difference(best, other)
    name = f"{what}, {escape(other.name)}"
    if estimate is None or estimate.low != estimate.low:
        return f"It cannot be compared with {name}: they share no seed and example."
    alone = " (one seed only)" if estimate.seeds == 1 else ""
    if not estimate.apart:
        return f"It is not told apart from {name}: difference {score(estimate)}{alone}."
    return f"It is {'better' if estimate.low > 0 else 'worse'} than {name}: difference {score(estimate)}{alone}."


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"


def _leaderboards(found: Results, boards: Sequence[Board], metrics: Sequence[Metric]) -> list[str]:
    heads = ["strategy (setting)", *(escape(m.title) for m in metrics)]
    heads += [f"behind the best ({escape(metrics[0].name)})"] if metrics else []
    heads += ["seeds", "labels bought", "pseudo-labels", "spent / budget (USD)", "parameters (millions) ↓"]
    heads += ["ms per example ↓", "speed-up over the large model (times) ↑", "arms"]
    texts = []
    for board in boards:
        rows = [_leader(board, line, metrics, escape(line.name)) for line in board.settings]
        if board.references:
            rows.append(["*to be beaten:*"] + [""] * (len(heads) - 1))
        rows += [_leader(board, line, metrics, f"*{_reference(found, line)}*") for line in board.references]
        texts += [f"### {escape(board.task)}, {board.budget_usd:g} USD added", table(heads, rows)]
    return texts


def _leader(board: Board, line: Line, metrics: Sequence[Metric], name: str) -> list[str]:
    setting, facts = line.kind == "setting", line.facts
    scores = [score(line.scores.get(metric.name)) for metric in metrics]
    seeds = max((estimate.seeds for estimate in line.scores.values()), default=0)
    parameters, speed_up = facts.get("student_parameters"), facts.get("speed_up")
    return [
        name,
        *scores,
        *([behind(board, line)] if metrics else []),
        str(seeds) if setting else "",
        number(facts.get("labels_bought"), 0) if setting else "",
        number(facts.get("pseudo_labels"), 0) if setting else "",
        f"{number(facts.get('usd spent'))} / {board.budget_usd:.2f}" if setting else "",
        "" if line.kind == "floor" else number(parameters and parameters / 1e6, 1),
        "" if line.kind == "floor" else number(facts.get("student_ms"), 1),
        number(speed_up) if setting else "",
        statuses(line) if setting else "",
    ]


def _reference(found: Results, line: Line) -> str:
    if line.kind == "floor":
        return f"floor: {escape(line.name)}"
    return f"teacher ({escape(found.suite.get('large', 'the large model'))}, tuned; mean of the teachers of these arms)"


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
    notes += [f"{DASH} is not measured, in at least one phase:\n\n" + "\n".join(reasons)] if reasons else []
    return [_by_task(boards, heads, rows), *notes]


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


def _every_arm(found: Results, metrics: Sequence[Metric]) -> list[str]:
    view = results.arms(found.table)
    column = f"student {metrics[0].name}" if metrics else ""
    rows = []
    for name, cells in view.to_dict("index").items():
        value = cells.get(column, math.nan)
        said = escape(cells["reason"]) or DASH if math.isnan(value) else number(value)
        rows.append([escape(name), escape(cells["status"]), said, number(cells["usd spent"]), number(cells["budget_usd"])])
    heads = ["arm", "status", f"{escape(metrics[0].title)}, or why there is none" if metrics else "reason", "spent (USD)", "budget (USD)"]
    left_out = [f"- {escape(arm)}" for arm in boarding.superseded(found)]
    note = ["Left out of all means, because the suite as it was run last does not hold them:\n\n" + "\n".join(left_out)] if left_out else []
    return [table(heads, rows, numbers_from=3), *note]


def _money(suite: Mapping[str, Any]) -> list[str]:
    if not suite:
        return []
    lines = [f"Compute is paid by the meter `{escape(suite.get('meter', DASH))}`; what other meters saw is in the table as well."]
    lines.append(f"{escape(suite.get('start_labels', DASH))} labels are owned at the start and cost nothing; a budget is what is added.")
    lines += [f"Price, label of {line} USD" for line in _flat(suite.get("label_usd", {}))]
    lines += [f"Price, {line}" for line in _flat(suite.get("prices", {})) if not line.startswith(("meter:", "label"))]
    lines += [f"{escape(str(phase).replace('_', ' '))}: {_payer(payer)}" for phase, payer in suite.get("pays", {}).items()]
    lines.append("Work that several arms need is done once and paid by each of them, as if it had been alone.")
    lines += [escape(suite["sunk"])] if suite.get("sunk") else []
    return ["\n".join(f"- {line}" for line in lines)]


def _payer(payer: object) -> str:
    return {"purse": "paid from the purse", "free": "not charged"}.get(str(payer), escape(payer))


def _data(found: Results) -> list[str]:
    notes = [f"- {escape(task)}: {escape(note)}" for task, said in found.suite.get("notes", {}).items() for note in said]
    prints = sorted({(r.task, r.data_fingerprint) for r in found.records.values() if r.data_fingerprint})
    notes += [f"- {escape(task)}: fingerprint {escape(fingerprint)}" for task, fingerprint in prints]
    changed = sorted(task for task, count in Counter(task for task, _ in prints).items() if count > 1)
    notes += [f"- **{escape(task)}: these arms saw different data; do not compare them.**" for task in changed]
    return ["\n".join(notes)] if notes else []


def _machines(found: Results) -> list[str]:
    """Every machine once, with the number of arms it ran."""
    seen = Counter(tuple(_flat(record.machine)) for record in found.records.values() if record.machine)
    blocks = ["\n".join([f"{_count(arms, 'arm')} ran on:", "", *(f"- {line}" for line in facts)]) for facts, arms in seen.most_common()]
    shapes = [f"Compact model: {', '.join(_flat(found.suite['compact']))}."] if found.suite.get("compact") else []
    return blocks + shapes


def _flat(values: Mapping[str, Any], before: str = "") -> Iterator[str]:
    """'name: value' for each leaf, names joined by dots."""
    for name, value in values.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{before}{name}.")
        else:
            shown = f"{value:.12g}" if isinstance(value, float) else DASH if value is None else value
            yield f"{escape(before + str(name))}: {escape(shown)}"
