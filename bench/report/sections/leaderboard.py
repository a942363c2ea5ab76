"""The leaderboard: one set of columns, from which every table of settings takes some."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from bench.report.analysis.format import chance, score
from bench.report.analysis.leaderboard import Board
from bench.report.analysis.line import Line
from bench.report.analysis.metric import Metric
from bench.report.analysis.report_input import ReportInput
from bench.report.blocks import Block, Column, Heading, Paragraph, Points, Section, Table, Text, emphasis
from bench.report.sections import published
from bench.report.text import DASH, count, dollars, ended, number
from bench.results import arm_columns

MILLISECONDS = (
    emphasis("ms per example"),
    " is the time per document in batches of up to 16 random documents. Each document has the maximum length that the task allows, and "
    "each output has exactly the maximum number of tokens. The large and the compact model are timed in turn in one process; the median "
    "of 3 rounds counts. It is not the latency of a single request.",
)

HOW_TO_READ = (
    "↑: higher is better, ↓: lower is better. Scores are means over seeds and test examples with 95 % intervals (analysis of variance over "
    "both). An interval is for one score or one comparison. With one seed it says nothing about other seeds. ",
    emphasis("Behind the best"),
    " is paired: both sides have the same seeds and the same test examples. Its p-value is corrected for the comparison of all settings "
    "with the best (Hsu). For the baseline that is best on dev it is corrected for the number of settings (Holm). For other baselines and "
    "for teachers it is multiplied by the number of such comparisons. A positive difference favours the setting that is named first, also "
    "where lower scores are better. Where all settings are equally good, at most 1 such table in 20 names a best one. ",
    emphasis("Tied"),
    " means a p-value of 0.05 or more: this setting may be the best one too. The interval may still exclude 0. A ",
    emphasis("rank"),
    " is 1 + the number of settings that are significantly better, corrected for all pairs of settings (Holm). It is a range where "
    "further settings may be better without a significant difference. It answers more questions, so even a winner may have a range. "
    "Intervals hold possible scores only. With one seed nothing is tested, and no setting is called the best. A setting is ",
    emphasis("incomplete"),
    " where it lacks a score for a seed that others have. It stands below the others, whatever its mean.",
)


@dataclass(frozen=True)
class Shown:
    """A column of the leaderboard, and what it shows of a line."""

    column: Column
    cell: Callable[[Board, Line], Text]


def section(given: ReportInput) -> Section:
    """Return a table for each task and budget, how times were measured, and the scores that are missing."""
    taught = [TEACHER, BEHIND_TEACHER] if any(line.teacher for board in given.boards for line in board.settings) else []
    scores = [reached_in(metric) for metric in given.leading]
    shown = [NAME, RANK, *scores, BEHIND, *taught, SEEDS, LABELS, PSEUDO_LABELS, SPENT, PARAMETERS, MS, SPEED_UP, ARMS]
    timed = any(arm_columns.STUDENT_MS in line.facts for board in given.boards for line in board.settings)
    times = [Paragraph(published.HOW_TIMED if published.is_published(given.found) else MILLISECONDS)] if timed else []
    return Section(id="leaderboard", title="Leaderboard", blocks=(*_tables(given, shown), *times, *_missing(given)))


def brief(given: ReportInput) -> Section:
    """Return the leaderboard for the terminal: fewer columns, and the number of arms in each status."""
    scores = [reached_in(metric, spare=3 * place) for place, metric in enumerate(given.metrics[:2])]
    shown = [SHORT_NAME, RANK, *scores, SPENT, BEHIND, PARAMETERS, MS, SPEED_UP, ARMS]
    statuses = Counter(given.found.table.loc[given.found.table["row"] == "record", "status"])
    counts = Paragraph(f"arms: {ended(statuses) or 'none has ended yet'}")
    return Section(id="leaderboard", title="", blocks=(*_tables(given, shown), *_missing(given), counts))


def how_to_read(given: ReportInput) -> Section | None:
    return Section(id="reading", title="How to read the scores", blocks=(Paragraph(HOW_TO_READ),)) if given.boards else None


def _tables(given: ReportInput, shown: Sequence[Shown]) -> Iterator[Block]:
    for board in given.boards:
        yield Heading(board_title(board))
        rows = tuple(tuple(one.cell(board, line) for one in shown) for line in (*board.settings, *board.references))
        yield Table(tuple(one.column for one in shown), rows)


def board_title(board: Board) -> str:
    return f"{board.task}, {board.budget_usd:g} USD added"


def _missing(given: ReportInput) -> list[Block]:
    unranked = given.metrics[0].name if given.metrics and not any(board.scored for board in given.boards) else ""
    reasons = [one.sentence + ("; nothing is ranked" if one.metric == unranked else "") for one in given.missing]
    return [Paragraph(f"Missing scores ({DASH}); no mean includes them:"), Points(tuple(reasons))] if reasons else []


def name(board: Board, line: Line) -> Text:
    """Return the name of a line, the model of a teacher, and whether a baseline is the lead. Both stand out."""
    about = line.who if line.kind == "teacher" else "lead baseline" if line.kind == "baseline" and line.name == board.lead else ""
    whole = short_name(board, line) + (f" ({about})" if about else "")
    return whole if line.kind == "setting" else emphasis(whole)


def short_name(_: Board, line: Line) -> str:
    return f"baseline: {line.name}" if line.kind == "baseline" else line.name


def reached(line: Line, metric: Metric) -> str:
    """Return the score of a line. The number of seeds is added where it differs from that of the line."""
    found = line.scores.get(metric.name)
    return score(found) + (f" ({count(found.seeds, 'seed')})" if found and found.seeds != line.seeds else "")


def mean_of(line: Line | None, metric: Metric) -> float | None:
    """Return the mean of a line, or None where there is no line or no score."""
    return line.scores[metric.name].mean if line and metric.name in line.scores else None


def rank(board: Board, line: Line) -> str:
    """Return '1', or '2–4' where the rank may be any of these. A line that is not a setting has ''."""
    found = board.rank(line)
    if found is None:
        return DASH if line.kind == "setting" else ""
    return str(found[0]) if found[0] == found[1] else f"{found[0]}–{found[1]}"


def behind(board: Board, line: Line) -> str:
    """Return the paired difference to the best setting, with its corrected p-value, and whether the two tie."""
    if not board.scored or line is board.scored[0]:
        return DASH
    estimate = board.difference(board.scored[0], line)
    if estimate is None or not estimate.tested:
        return score(estimate)
    return f"{score(estimate)}, {chance(estimate)}{'' if estimate.significant else ', tied'}"


def statuses(line: Line) -> str:
    """Return how many arms ended in each status, and whether the line lacks seeds that others have."""
    incomplete = line.seeds and not line.complete
    stopped = [f"stopped at look {line.stopped}"] if line.stopped else []
    return ", ".join([ended(line.statuses), *stopped, *([f"incomplete ({line.seeds} of {line.wanted_seeds} seeds)"] if incomplete else [])])


def reached_in(metric: Metric, spare: int = 0) -> Shown:
    """Return the column of scores in a metric."""
    return Shown(Column(metric.title, number=True, spare=spare), lambda _, line: reached(line, metric))


def _of_setting(head: str, spare: int, cell: Callable[[Board, Line], str], number: bool = True) -> Shown:
    """Return a column that is empty for baselines and teachers."""
    return Shown(Column(head, number=number, spare=spare), lambda board, line: cell(board, line) if line.kind == "setting" else "")


def _of_model(head: str, spare: int, fact: str, scale: float = 1.0) -> Shown:
    """Return a column with a fact of a model. A baseline has none."""

    def cell(_: Board, line: Line) -> str:
        value = line.facts.get(fact)
        return "" if line.kind == "baseline" else number(value and value / scale, 1)

    return Shown(Column(head, number=True, spare=spare), cell)


NAME = Shown(Column("strategy (setting)"), name)
SHORT_NAME = Shown(Column("strategy (setting)"), short_name)
RANK = Shown(Column("rank", number=True), rank)
BEHIND = Shown(Column("behind the best", number=True, spare=4), behind)
TEACHER = _of_setting("its teacher", 11, lambda board, line: number(mean_of(line.teacher, board.primary)))
BEHIND_TEACHER = _of_setting(
    "behind its teacher", 12, lambda board, line: score(board.difference(line.teacher, line)) if line.teacher else DASH
)
SEEDS = _of_setting("seeds", 10, lambda _, line: str(line.seeds))
LABELS = _of_setting("labels bought", 8, lambda _, line: number(line.facts.get(arm_columns.LABELS_BOUGHT), 0))
PSEUDO_LABELS = _of_setting("pseudo-labels", 9, lambda _, line: number(line.facts.get(arm_columns.PSEUDO_LABELS), 0))
SPENT = _of_setting("spent (USD)", 1, lambda _, line: dollars(line.facts.get(arm_columns.SPENT_USD)))
PARAMETERS = _of_model("parameters (M) ↓", 5, arm_columns.STUDENT_PARAMETERS, 1e6)
MS = _of_model("ms per example ↓", 6, arm_columns.STUDENT_MS)
SPEED_UP = _of_setting("speed-up ↑", 7, lambda _, line: number(line.facts.get(arm_columns.SPEED_UP)))
ARMS = _of_setting("arms", 0, lambda _, line: statuses(line), number=False)
