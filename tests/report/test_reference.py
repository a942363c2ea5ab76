"""The committed reference results, their reports, and the table in the README show the same figures."""

from pathlib import Path

import pytest
from rich.console import Console

from bench import report
from bench.report.analysis import leaderboard
from bench.report.analysis.active_arms import current
from bench.report.analysis.format import score
from bench.report.render.markdown import escape
from bench.results import table

ROOT = Path(__file__).parents[2]
REFERENCES = sorted(path.parent for path in (ROOT / "results" / "reference").glob("*/table.parquet"))
COLUMNS = 106
"""Width of the terminal whose output the README shows."""


@pytest.mark.parametrize("folder", REFERENCES, ids=lambda folder: folder.name)
def test_a_reference_report_shows_the_scores_and_intervals_of_its_table(folder: Path) -> None:
    found = current(table.read(folder))
    metrics = leaderboard.metrics(found)[:2]
    rows = [row.split(" | ") for row in (folder / "report.md").read_text(encoding="utf-8").splitlines() if row.startswith("| ")]
    for board in leaderboard.boards(found, metrics):
        for line in (*board.settings, *board.references):
            scores = [score(line.scores[metric.name]) for metric in metrics if metric.name in line.scores]
            of_line = [row for row in rows if escape(line.name, starts=False) in row[0]]
            assert any(all(any(cell.startswith(one) for cell in row) for one in scores) for row in of_line), (line.name, scores)


def test_the_readme_shows_what_the_terminal_prints_for_the_reference() -> None:
    shown = (ROOT / "README.md").read_text(encoding="utf-8").split("## What they print\n")[1].split("```\n")[1].splitlines()
    console = Console(width=COLUMNS, force_terminal=False, color_system=None)
    with console.capture() as printed:
        console.print(report.terminal(table.read(ROOT / "results" / "reference" / "pegasus"), COLUMNS))
    lines = iter([line.rstrip() for line in printed.get().splitlines()])
    assert len([line for line in shown if " done" in line]) == 6  # 5 settings, and the number of arms
    for line in shown:
        assert line in lines, line  # in this order; the README leaves some out
