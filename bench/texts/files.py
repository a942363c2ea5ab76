"""Text from a local file."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field

from bench.contracts import Example, Progress, Text, content_hash
from bench.data.splitting import lowest_hashes
from bench.data.tables import Columns, Format, read_table


class Files(Text):
    """A column of a JSON-lines, CSV, TSV or Parquet file, in UTF-8, with or without `.gz`.

    Blank and repeated texts are left out.
    """

    path: str
    """The file, absolute or relative to the folder in which `bench` runs."""
    column: str = "text"
    """Name of the column that holds the texts."""
    format: Format | None = None
    """Format of the file. Missing: chosen by its suffix."""
    most_documents: int | None = Field(default=None, ge=1)
    """Number of documents to take: those with the lowest hashes. Missing: all."""

    def documents(self, cache: Path, progress: Progress) -> tuple[Example, ...]:  # noqa: ARG002 - reading is quick, so nothing is cached
        """Return the documents; see Text.documents. Raises DataError where the file cannot be read."""
        progress(f"reading {self.path}", 0, 1)
        rows = read_table(self.path, self.format, Columns(self.column, self.column, None))
        progress(f"reading {self.path}", 1, 1)
        once = {content_hash(row.source): row.source for row in rows if row.source.strip()}
        return lowest_hashes([Example(key[:16], text) for key, text in once.items()], self.most_documents)
