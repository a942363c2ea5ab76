"""Values that show themselves: as text in a terminal, as HTML in Jupyter, and as a document for JSON."""

from __future__ import annotations

import html
import math
import shutil
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

WIDE = 10_000
"""Columns of a terminal in which no column of a table is left out."""


class Shown(ABC):
    """A value that shows itself."""

    @abstractmethod
    def document(self) -> dict[str, Any]:
        """Return plain values for JSON. A number that is missing is None, and so is one that is NaN or infinite."""

    @abstractmethod
    def blocks(self, width: int) -> Iterable[RenderableType]:
        """Return what a terminal of `width` columns shows, from top to bottom."""

    def __repr__(self) -> str:
        from rich.console import Console

        width = shutil.get_terminal_size().columns
        console = Console(width=width, highlight=False, markup=False, color_system=None)
        with console.capture() as captured:
            for block in self.blocks(width):
                console.print(block)
        return captured.get().rstrip("\n")

    def _repr_html_(self) -> str:
        """Return the HTML that Jupyter shows. No text in it is markup."""
        from rich.console import Console

        console = Console(width=WIDE, markup=False)
        return "\n".join(filter(None, (_html(block, console) for block in self.blocks(WIDE))))


def plain(value: Any) -> Any:
    """Return a value as JSON can hold it: numbers that are not finite become None, paths become text, NumPy's numbers Python's."""
    if isinstance(value, Mapping):
        return {str(name): plain(inner) for name, inner in value.items()}
    if isinstance(value, Sequence | set | frozenset) and not isinstance(value, str):
        return [plain(inner) for inner in value]
    if isinstance(value, Path):
        return str(value)
    if hasattr(value, "item"):
        value = value.item()
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _html(block: RenderableType, console: Console) -> str:
    """Return a block that rich can draw as HTML: a table as a table, several blocks one after the other, all else as a paragraph."""
    from rich.console import Group
    from rich.table import Table

    match block:
        case Group():
            return "\n".join(filter(None, (_html(inner, console) for inner in block.renderables)))
        case Table():
            heads = "".join(_cell("th", column.header, column.justify, console) for column in block.columns)
            rows = zip(*(column.cells for column in block.columns), strict=True)
            kinds = [column.justify for column in block.columns]
            drawn = ("".join(_cell("td", cell, kind, console) for cell, kind in zip(row, kinds, strict=True)) for row in rows)
            head = f"<thead><tr>{heads}</tr></thead>" if block.show_header else ""
            return f"<table>{head}<tbody>{''.join(f'<tr>{row}</tr>' for row in drawn)}</tbody></table>"
        case _:
            text = _inline(block, console)
            return f"<p>{text}</p>" if text else ""


def _cell(tag: str, cell: RenderableType, justify: str, console: Console) -> str:
    return f'<{tag} style="text-align: {"right" if justify == "right" else "left"}">{_inline(cell, console)}</{tag}>'


def _inline(text: RenderableType, console: Console) -> str:
    """Return a text as HTML, with its bold and italic words."""
    from rich.text import Text

    from bench.report.html.escape import visible

    found = text if isinstance(text, Text) else Text(str(text))
    parts = []
    for segment in found.render(console):
        shown, style = html.escape(visible(segment.text)).replace("\n", "<br>"), segment.style or console.get_style(found.style)
        shown = f"<em>{shown}</em>" if style.italic else shown
        parts.append(f"<strong>{shown}</strong>" if style.bold else shown)
    return "".join(parts).strip()
