"""Renders tables and paragraphs for the terminal, or as Markdown."""

from __future__ import annotations

from collections.abc import Sequence

from rich import box
from rich.cells import cell_len
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from bench.report.markdown import escape, plain, table
from bench.report.sections.sheet import Block, Sheet

BETWEEN = 3
"""Terminal columns between two columns of a table."""

LEAST_TEXT = 18
"""Smallest width to which a column of text may be folded, in terminal columns."""


def markdown(title: str, blocks: Sequence[Block]) -> str:
    """Return a whole page of Markdown."""
    texts = [f"# {escape(title)}"]
    for block in blocks:
        texts += [escape(block)] if isinstance(block, str) else [f"## {escape(block.title)}", _markdown(block)]
    return "\n\n".join(texts) + "\n"


def terminal(blocks: Sequence[Block], width: int) -> RenderableType:
    """Return the blocks for rich, within `width` terminal columns."""
    drawn: list[RenderableType] = []
    for block in blocks:
        drawn += [Text(plain(block)) if isinstance(block, str) else _terminal(block, width), Text()]
    return Group(*drawn[:-1])


def _markdown(sheet: Sheet) -> str:
    texts = sum(not column.figure for column in sheet.columns)
    rows = [[cell if c.figure else escape(cell) for c, cell in zip(sheet.columns, row, strict=True)] for row in sheet.rows]
    return table([escape(column.head) for column in sheet.columns], rows, numbers_from=texts)


def _terminal(sheet: Sheet, width: int) -> Table:
    kept = _kept(sheet, width)
    left_out = [column.head for place, column in enumerate(sheet.columns) if place not in kept]
    caption = Text(f"no room here for: {plain(', '.join(left_out))}") if left_out else None
    title = Text(plain(sheet.title), style="bold")
    drawn = Table(title=title, title_justify="left", caption=caption, caption_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
    for column in (sheet.columns[place] for place in kept):
        if column.figure:
            drawn.add_column(Text(plain(column.head)), justify="right", no_wrap=True)
        else:
            drawn.add_column(Text(plain(column.head)), overflow="fold")
    for row in sheet.rows:
        drawn.add_row(*(Text(plain(row[place])) for place in kept))
    return drawn


def _kept(sheet: Sheet, width: int) -> list[int]:
    """Return the positions of the columns that fit."""
    needs = [max(cell_len(plain(cell)) for cell in (c.head, *cells)) for c, *cells in zip(sheet.columns, *sheet.rows, strict=True)]
    needs = [BETWEEN + (need if c.figure else min(need, LEAST_TEXT)) for c, need in zip(sheet.columns, needs, strict=True)]
    kept = list(range(len(needs)))
    while sum(needs[place] for place in kept) > width:
        least = max(kept, key=lambda place: sheet.columns[place].spare)
        if not sheet.columns[least].spare:
            break
        kept.remove(least)
    return kept
