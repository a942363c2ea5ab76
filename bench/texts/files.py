"""Text from a local file."""

from __future__ import annotations

from itertools import repeat
from pathlib import Path

from pydantic import Field

from bench.contracts import ContentPath, Example, Progress, Text, content_hash, is_blank
from bench.data.splitting import lowest_hashes
from bench.data.tables import ColumnName, TableSettings, read, texts
from bench.data.tables.columns import roots


class Files(TableSettings, Text):
    """Reads a column of a CSV, TSV, JSON lines, JSON, Parquet or Arrow file, `.gz` or not. Blank and repeated texts are left out."""

    path: ContentPath
    """The file, absolute or relative to where `bench` runs; `~` is the home folder."""
    column: ColumnName = "text"
    """Column of the texts, as the `source` of the task `files`."""
    target: ColumnName | None = None
    """Column of labels that an LLM wrote for these texts, for the strategy `llm_label`. A repeated text has the first label of its rows.
    Missing: the texts have no labels."""
    field: str | None = None
    """Where in a JSON value the rows are, such as `data` or `data.train`. Missing: it holds one list of rows."""
    most_documents: int | None = Field(default=None, ge=1)
    """Number of documents to take: those with the lowest hashes. Missing: all."""

    def documents(self, cache: Path, progress: Progress) -> tuple[Example, ...]:  # noqa: ARG002 - reading is quick, so nothing is cached
        """Return the documents; see Text.documents. Raises DataError where the file cannot be read."""
        progress(f"reading {self.path}", 0, 1)
        table = read(self.path, self, self.field, wanted=roots(self.column).union(roots(self.target or ())))
        found = texts(table, self.column, self.joined_by)
        labels = repeat(None) if self.target is None else texts(table, self.target, self.joined_by)
        progress(f"reading {self.path}", 1, 1)
        pairs = zip(found, labels, strict=self.target is not None)
        once = dict[str, tuple[str, str | None]]()
        for text, label in pairs:
            if text and not is_blank(text) and is_blank(once.get(key := content_hash(text), ("", None))[1] or ""):
                once[key] = (text, label)
        return tuple(lowest_hashes([Example(key[:16], text, label) for key, (text, label) in once.items()], self.most_documents))
