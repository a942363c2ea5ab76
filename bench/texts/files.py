"""Text from a file of your own."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field

from bench.contracts import ContentPath, Example, Progress, Text, content_hash, is_blank
from bench.data.splitting import lowest_hashes
from bench.data.tables import Columns, Format, read_table


class Files(Text):
    """A column of a JSON-lines, CSV, TSV or Parquet file, in UTF-8, `.gz` or not. Blank and repeated texts are left out."""

    path: ContentPath
    """The file, absolute or relative to where `bench` runs."""
    column: str = "text"
    """Column of the texts."""
    format: Format | None = None
    """Format of the file. Missing: by suffix."""
    most_documents: int | None = Field(default=None, ge=1)
    """Documents taken: those with the lowest hashes. Missing: all."""

    def documents(self, cache: Path, progress: Progress) -> tuple[Example, ...]:  # noqa: ARG002 - reading is quick, nothing is kept
        """See Text.documents. Raises DataError where the file cannot be read."""
        progress(f"reading {self.path}", 0, 1)
        rows = read_table(self.path, self.format, Columns(self.column, self.column, None))
        progress(f"reading {self.path}", 1, 1)
        once = {content_hash(row.source): row.source for row in rows if not is_blank(row.source)}
        return lowest_hashes([Example(key[:16], text) for key, text in once.items()], self.most_documents)
