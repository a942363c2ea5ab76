"""Text of the installed packages."""

from pathlib import Path

from bench.texts.docstrings import Docstrings


def quiet(what: str, done: float, total: float) -> None: ...


def test_every_docstring_stands_there_once_and_is_long_enough(tmp_path: Path) -> None:
    found = Docstrings(least_words=30, most_documents=500).documents(tmp_path, quiet)
    assert len(found) == 500
    assert len({e.id for e in found}) == 500
    assert min(len(e.source.split()) for e in found) >= 30
    assert all(e.target is None for e in found)
    assert Docstrings(least_words=30, most_documents=10).documents(tmp_path, quiet) == found[:10]
