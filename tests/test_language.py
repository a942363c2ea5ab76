"""The language of docstrings: rules of plain English that a machine can check."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from bench import registry

ROOT = Path(__file__).parents[1]
BENCH = ROOT / "bench"

NOT_FIRST = re.compile(r"\s*(Of|By|As|So|That)\b")
"""Words with which no docstring begins: it would continue the name above it, and not say what the thing is."""

TO_DO: set[str] = set()
"""Folders and files of bench/ in which some docstrings still break the rule. Delete an entry when it is rewritten."""

SHELVES_TO_DO: set[str] = set()
"""Shelves on which the first line of some parts is not a whole sentence. Delete an entry when it is rewritten."""


def docstrings(path: Path) -> Iterator[tuple[int, str]]:
    """Yield (line, text) of every docstring: of modules, classes and functions, and those under fields and constants."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        body = getattr(node, "body", None)
        for statement in body if isinstance(body, list) else ():
            if isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant) and isinstance(statement.value.value, str):
                yield statement.lineno, statement.value.value


def is_to_do(path: Path) -> bool:
    return any(path.is_relative_to(BENCH / name) for name in TO_DO)


def test_no_docstring_begins_in_the_middle_of_a_sentence() -> None:
    paths = [path for path in sorted(BENCH.rglob("*.py")) if not is_to_do(path)]
    found = [(path.relative_to(ROOT), line, text) for path in paths for line, text in docstrings(path)]
    assert len(found) > 1000
    assert [f"{path}:{line}" for path, line, text in found if NOT_FIRST.match(text)] == []


def test_whatever_is_still_to_do_exists() -> None:
    assert {name for name in TO_DO if not (BENCH / name).exists()} == set()


@pytest.mark.parametrize("shelf", sorted({*registry.SHELVES} - SHELVES_TO_DO))
def test_the_first_line_of_a_part_is_a_whole_sentence(shelf: str) -> None:
    """`bench list` shows this line alone."""
    firsts = {name: (registry.find(shelf, name).__doc__ or "").strip().split("\n")[0] for name in registry.names(shelf)}
    assert firsts
    assert {name: first for name, first in firsts.items() if not first.endswith(".")} == {}


def test_docstrings_are_found_wherever_they_stand(tmp_path: Path) -> None:
    path = tmp_path / "module.py"
    path.write_text('"""A"""\nX = 1\n"""Of b"""\nclass C:\n    """As c"""\n    y: int\n    """d"""\n    def f(self):\n        """So e"""\n')
    found = dict(docstrings(path))
    assert found == {1: "A", 3: "Of b", 5: "As c", 7: "d", 9: "So e"}
    assert [line for line, text in found.items() if NOT_FIRST.match(text)] == [3, 5, 9]
    assert not NOT_FIRST.match("Often true.")
