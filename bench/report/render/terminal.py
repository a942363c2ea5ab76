"""Renders sections in the terminal."""

from __future__ import annotations

from collections.abc import Sequence

from rich import box
from rich.cells import cell_len
from rich.console import Group, RenderableType
from rich.table import Table as Drawn
from rich.text import Text as Line

from bench.report.blocks import Block, Code, Heading, Mark, Paragraph, Picture, Points, Section, Table, Text, runs
from bench.report.text import plain

BETWEEN = 3
"""Terminal columns between two columns of a table."""
LEAST_TEXT = 18
"""Smallest width to which a column of text may be folded, in terminal columns."""
STYLES = {"strong": "bold", "emphasis": "italic", "code": ""}


def page(sections: Sequence[Section], width: int) -> RenderableType:
    """Return the sections for rich, within `width` terminal columns."""
    drawn: list[RenderableType] = []
    for section in sections:
        drawn += [Line(plain(section.title), style="bold"), Line()] if section.title else []
        left_out: dict[str, None] = {}
        for block in section.blocks:
            drawn += [*_block(block, width), *([] if isinstance(block, Heading) else [Line()])]
            if isinstance(block, Table):
                kept = _kept(block, width)
                left_out |= dict.fromkeys(column.head for place, column in enumerate(block.columns) if place not in kept)
        drawn += [Line(f"no room here for: {plain(', '.join(left_out))}"), Line()] if left_out else []
    return Group(*drawn[:-1])


def _block(block: Block, width: int) -> list[RenderableType]:
    match block:
        case Paragraph(text):
            return [line(text)]
        case Heading(text):
            return [Line.assemble(line(text), style="bold")]
        case Points(items):
            return [Line.assemble("- ", line(item)) for item in items]
        case Table(columns, rows):
            kept = _kept(block, width)
            drawn = Drawn(box=box.SIMPLE_HEAD, pad_edge=False)
            for column in (columns[place] for place in kept):
                if column.number:
                    drawn.add_column(line(column.head), justify="right", no_wrap=True)
                else:
                    drawn.add_column(line(column.head), overflow="fold")
            for row in rows:
                drawn.add_row(*(line(row[place]) for place in kept))
            return [drawn]
        case Picture(file):
            return [Line(f"picture: {plain(file)}")]
        case Code(text):
            return [Line(plain(row)) for row in text.splitlines()]


def line(text: Text) -> Line:
    """Return one line for rich. No text in it can move the cursor."""
    found = Line()
    for run in runs(text):
        if isinstance(run, Mark):
            found.append(plain(run.text), STYLES[run.kind])
        else:
            found.append(" " * run[:1].isspace() + plain(run) + " " * run[-1:].isspace() if run.strip() else " ")
    return found


def _kept(table: Table, width: int) -> list[int]:
    """Return the positions of the columns that fit."""
    cells = [[table.columns[place].head, *(row[place] for row in table.rows)] for place in range(len(table.columns))]
    needs = [max(cell_len(line(cell).plain) for cell in column) for column in cells]
    needs = [BETWEEN + (need if c.number else min(need, LEAST_TEXT)) for c, need in zip(table.columns, needs, strict=True)]
    kept = list(range(len(needs)))
    while sum(needs[place] for place in kept) > width:
        least = max(kept, key=lambda place: table.columns[place].spare)
        if not table.columns[least].spare:
            break
        kept.remove(least)
    return kept
