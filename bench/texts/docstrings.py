"""The docstrings of installed packages."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field

from bench.contracts import Example, Progress, Text, content_hash
from bench.data.source_code import PACKAGES, documented_objects, installed
from bench.data.splitting import lowest_hashes


class Docstrings(Text):
    """Whole docstrings of the packages that are installed anyway, about 60,000, read from their source and never imported.

    The tasks `names` and `docstrings` cut documents and labels from the same text: what holds a document, or a label of four words
    or more, of their dev and test splits is left out by the job.
    """

    least_words: int = Field(default=20, ge=1)
    """Shorter ones are left out."""
    most_documents: int | None = Field(default=None, ge=1)
    """Documents taken: those with the lowest hashes. Missing: all."""

    def documents(self, cache: Path, progress: Progress) -> tuple[Example, ...]:
        """See Text.documents."""
        texts = (" ".join(found.docstring.split()) for found in documented_objects(installed(PACKAGES), cache, progress))
        long_enough = {content_hash(text): text for text in texts if len(text.split()) >= self.least_words}
        return lowest_hashes([Example(key[:16], text) for key, text in long_enough.items()], self.most_documents)
