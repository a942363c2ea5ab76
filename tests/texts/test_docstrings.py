"""Text of the installed packages."""

from pathlib import Path

import pytest

from bench.contracts import no_progress
from bench.texts.docstrings import Docstrings


def test_every_docstring_stands_there_once_and_is_long_enough(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bench.texts.docstrings.PACKAGES", ("rich",))  # to read them all takes most of a minute
    found = Docstrings(least_words=15, most_documents=50).documents(tmp_path, no_progress)
    assert len(found) == 50
    assert len({e.id for e in found}) == 50
    assert min(len(e.source.split()) for e in found) >= 15
    assert all(e.target is None for e in found)
    assert Docstrings(least_words=15, most_documents=10).documents(tmp_path, no_progress) == found[:10]
