"""The docstrings of installed packages."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field

from bench.contracts import Example, Progress, Text, content_hash
from bench.data.source_code import PACKAGES, documented_objects, installed
from bench.data.splitting import lowest_hashes


class Docstrings(Text):
    """Whole docstrings of the installed packages, about 60,000, read from source that is never imported.

    The tasks `names` and `docstrings` cut documents and labels from the same text. The job removes every text
    that contains a document of their dev and test splits, or a label of four or more words.
    """

    least_words: int = Field(default=20, ge=1)
    """Smallest number of words in a text. Shorter ones are left out."""
    most_documents: int | None = Field(default=None, ge=1)
    """Number of documents to take: those with the lowest hashes. Missing: all."""

    def documents(self, cache: Path, progress: Progress) -> tuple[Example, ...]:
        """Return the documents; see Text.documents."""
        texts = (" ".join(found.docstring.split()) for found in documented_objects(installed(PACKAGES), cache, progress))
        long_enough = {content_hash(text): text for text in texts if len(text.split()) >= self.least_words}
        return tuple(lowest_hashes([Example(key[:16], text) for key, text in long_enough.items()], self.most_documents))
