"""Text from a data set of the Hugging Face Hub."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field

from bench.contracts import ContentPath, Example, Progress, Text, content_hash, is_blank
from bench.data.hub import DataSet
from bench.data.rows import need_columns, text_of
from bench.data.splitting import lowest_hashes
from bench.errors import DataError


class Hub(Text):
    """One column of one split of a data set, loaded without remote code.

    It is taken from the folder that `--data` names, a cache, or the Hub, as in the task `hub`. Blank and
    repeated texts are left out.
    """

    path: ContentPath
    """'owner/name' on the Hub, or a folder of data files."""
    name: str | None = None
    """Configuration of the data set."""
    revision: str | None = None
    """Commit or tag. Required, except for a folder."""
    split: str = "train"
    """Split to read."""
    column: str = "text"
    """Name of the column that holds the texts."""
    most_documents: int | None = Field(default=None, ge=1)
    """Number of documents to take: those with the lowest hashes. Missing: all."""

    def documents(self, cache: Path, progress: Progress) -> tuple[Example, ...]:
        """Return the documents; see Text.documents."""
        progress(f"loading {self.path}", 0, 1)
        found = DataSet(path=self.path, name=self.name, revision=self.revision, splits=(("text", self.split),)).load(cache)["text"]
        need_columns(f"{self.path}, split '{self.split}'", (self.column,), found.column_names)
        try:
            texts = [text for value in found[self.column] if not is_blank(text := text_of(value) or "")]
        except TypeError as error:
            raise DataError(f"{self.path}, split '{self.split}': a cell of '{self.column}' {error}") from error
        progress(f"loading {self.path}", 1, 1)
        once = {content_hash(text): text for text in texts}
        return tuple(lowest_hashes([Example(key[:16], text) for key, text in once.items()], self.most_documents))
