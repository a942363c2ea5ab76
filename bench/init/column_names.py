"""Usual names of columns of documents, labels and keys."""

from __future__ import annotations

import re
from collections.abc import Sequence

DOCUMENTS = (
    *("document", "article", "source", "text", "body", "content", "story", "input", "passage", "dialogue", "dialog", "transcript"),
    *("review", "question", "sentence", "comment", "message", "post", "tweet", "description", "context", "prompt", "abstract"),
)
"""Names of columns of documents, the most likely first."""

LABELS = (
    *("summary", "highlights", "label", "target", "headline", "title", "class", "category", "sentiment", "answer", "output", "response"),
    *("reference", "completion", "intent", "topic", "stars", "rating", "tldr", "gist", "abstract"),
)
"""Names of columns of labels, the most likely first."""

KEYS = frozenset(
    ("id", "ids", "uid", "uuid", "guid", "key", "index", "idx", "nr", "no", "number", "url", "link", "date", "time", "timestamp")
)
"""Words in the names of columns that hold neither documents nor labels."""

INSTRUCTIONS = ((("instruction", "input"), "output"), (("instruction", "context"), "response"))
"""(Columns that are joined: an instruction and its input; the column of the answer), as in the files of Alpaca and Dolly."""

TRAIN, DEV, TEST = ("train", "training"), ("validation", "valid", "val", "dev", "eval"), ("test", "testing")
"""Names of the splits in a JSON object."""


def words_of(name: str) -> list[str]:
    """Return the words of a name, in lower case: 'articleText', 'article_text' -> article, text."""
    return re.findall(r"[^\W_\d]+|\d+", re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name).lower())


def is_usual(names: Sequence[str]) -> bool:
    """Return whether one of the names is exactly a usual name of a column."""
    usual = {*DOCUMENTS, *LABELS, *KEYS}
    return any(len(words := words_of(name)) == 1 and (words[0] in usual or words[0].removesuffix("s") in usual) for name in names)
