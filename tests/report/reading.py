"""Reports as values and as a person reads them; and scores that are the same on every example, so that means are known."""

from pathlib import Path

from rich.console import Console

from bench import report
from bench.report.analysis.active_arms import current
from bench.report.analysis.report_input import ReportInput, boards, priced
from bench.report.blocks import Heading, Paragraph, Points, Section, Table, Text, runs
from bench.report.sections import sections
from bench.results import table
from tests.report.arms import Scores


def given(folder: Path) -> ReportInput:
    """What a report of the folder is made from."""
    everything = table.read(folder)
    found = current(everything)
    metrics, drawn = boards(found)
    return ReportInput(folder=folder, found=found, everything=everything, metrics=metrics, boards=drawn, priced=priced(found, drawn))


def made(folder: Path) -> dict[str, Section]:
    """Id -> section of the folder's report."""
    return {section.id: section for section in sections(given(folder))}


def words(text: Text) -> str:
    """A text without its marks."""
    return "".join(run if isinstance(run, str) else run.text for run in runs(text))


def prose(section: Section) -> str:
    """All paragraphs and points of a section."""
    texts = [[block.text] if isinstance(block, Paragraph) else block.items if isinstance(block, Points) else () for block in section.blocks]
    return "\n".join(words(text) for of_block in texts for text in of_block)


def rows(section: Section, number: int = 0) -> list[dict[str, str]]:
    """The rows of one of a section's tables, head -> cell."""
    one = [block for block in section.blocks if isinstance(block, Table)][number]
    return [{column.head: words(cell) for column, cell in zip(one.columns, row, strict=True)} for row in one.rows]


def row(section: Section, start: str, number: int = 0) -> dict[str, str]:
    """The first row whose first cell begins so."""
    return next(found for found in rows(section, number) if next(iter(found.values())).startswith(start))


def headings(section: Section) -> list[str]:
    return [words(block.text) for block in section.blocks if isinstance(block, Heading)]


def section(text: str, title: str) -> str:
    return text.split(f"## {title}\n", 1)[1].split("\n## ", 1)[0]


def cells(text: str, start: str) -> list[str]:
    """The cells of the first line of a Markdown table that starts so."""
    line = next(line for line in text.splitlines() if line.startswith(f"| {start}"))
    return [cell.strip() for cell in line.strip("|").split(" | ")]


def shown(folder: Path, width: int) -> str:
    console = Console(width=width)
    with console.capture() as capture:
        console.print(report.terminal(table.read(folder), width))
    return capture.get()


def equal(student: float, examples: int = 12) -> Scores:
    return {"student": {"rouge2": [student] * examples}, "floor: lead": {"rouge2": [0.5] * examples}}
