"""Reports, read as a person reads them; and scores that are the same on every example, so that means are known."""

from pathlib import Path

from rich.console import Console

from bench import report
from bench.results import table
from tests.report.arms import Scores


def section(text: str, title: str) -> str:
    return text.split(f"## {title}\n", 1)[1].split("\n## ", 1)[0]


def cells(text: str, start: str) -> list[str]:
    """The cells of the first table line that starts so."""
    line = next(line for line in text.splitlines() if line.startswith(f"| {start}"))
    return [cell.strip() for cell in line.strip("|").split(" | ")]


def shown(folder: Path, width: int) -> str:
    console = Console(width=width)
    with console.capture() as capture:
        console.print(report.terminal(table.read(folder), width))
    return capture.get()


def equal(student: float, examples: int = 12) -> Scores:
    return {"student": {"rouge2": [student] * examples}, "floor: lead": {"rouge2": [0.5] * examples}}
