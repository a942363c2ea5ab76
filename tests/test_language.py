"""The language of bench: rules of plain English that a machine can check. `make check` runs this file, so it imports no torch."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from statistics import median

import pytest

from bench import registry

ROOT = Path(__file__).parents[1]
BENCH = ROOT / "bench"

NOT_FIRST = re.compile(r"\s*(Of|By|As|So|That)\b")
"""Words with which no docstring begins: it would continue the name above it, and not say what the thing is."""

BANNED = re.compile(r"(?<![a-z])(told|said|surely|apart|floors?|foresight|fores[ae]\w*|pretend\w*|rehears\w*)(?![a-z])")
"""Private words for baseline, forecast, calibration, significant and report, in lower case."""

STORED = re.compile(r"(^|['\"`]|, )floor:\s", re.MULTILINE)
"""Begins the subject of a baseline in stored tables: 'floor: NAME'."""

KEPT = {
    "--rehearse/--no-rehearse",  # the old name of an option
    "foresight",  # the folder of calibrations in caches
    "told",  # a field of suite.json in folders of published figures
}
"""Strings that are banned words, and which files or users already have."""


def docstrings(path: Path) -> Iterator[tuple[int, str]]:
    """Yield (line, text) of every docstring: of modules, classes and functions, and those under fields and constants."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        body = getattr(node, "body", None)
        for statement in body if isinstance(body, list) else ():
            if isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant) and isinstance(statement.value.value, str):
                yield statement.lineno, statement.value.value


def banned_in_code(source: str) -> Iterator[tuple[int, str]]:
    """Yield (line, text) of strings, docstrings and names of classes and functions with a banned word."""
    for node in ast.walk(ast.parse(source)):
        text = None
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value not in KEPT:
            text = node.value
        elif isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            text = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", node.name)
        if text and BANNED.search(STORED.sub("", text.lower())):
            yield node.lineno, text


def banned_in_text(text: str) -> Iterator[tuple[int, str]]:
    """Yield (line, text) of lines with a banned word. YAML keys, code and names of tests are no words."""
    for number, line in enumerate(text.splitlines(), 1):
        if BANNED.search(re.sub(r"^\s*-?\s*[\w-]+:(?=\s)|`[^`]*`|::\w+|<[^>]*>", "", line).lower()):
            yield number, line.strip()


def banned_in_script(text: str) -> Iterator[tuple[int, str]]:
    """Yield (line, text) of strings and comments of JavaScript with a banned word."""
    for number, line in enumerate(text.splitlines(), 1):
        if any(BANNED.search(part.lower()) for part in re.findall(r"\"[^\"]*\"|`[^`]*|/[/*].*", line)):
            yield number, line.strip()


FIND = {".py": banned_in_code, ".js": banned_in_script}


def shown_to_users() -> Iterator[Path]:
    """Yield the code and the texts of which users see names or sentences."""
    yield ROOT / "README.md"
    for folder, suffixes in {"bench": (".py", ".js", ".html"), "docs": (".md",), "suites": (".yaml",)}.items():
        for path in sorted((ROOT / folder).rglob("*")):
            if path.suffix in suffixes and "vendor" not in path.parts:
                yield path


def test_private_words_are_not_used() -> None:
    paths = [*shown_to_users()]
    assert len(paths) > 50
    texts = [(path, path.read_text(encoding="utf-8")) for path in paths]
    found = [(path.relative_to(ROOT), *one) for path, text in texts for one in FIND.get(path.suffix, banned_in_text)(text)]
    assert [f"{path}:{line}: {text}" for path, line, text in found] == []
    assert [path.name for path in paths if path.suffix == ".py" and BANNED.search(path.stem)] == []


def test_private_words_are_found_in_names_strings_and_texts() -> None:
    source = 'class ToldAll:\n    def f(self):\n        return f"{self} is Said"\ndef far_apart(): ...\n"""A floor: b"""\nX = "floor: "\n'
    assert sorted(line for line, _ in banned_in_code(source)) == [1, 3, 4, 5]
    assert [line for line, _ in banned_in_text("floor: lead\na floor\n`floor`\napartment\n<p id='said'>")] == [2]
    assert [line for line, _ in banned_in_script('told = Math.floor(x)\nf("told")\nx  // apart')] == [2, 3]


def test_a_docstring_has_short_sentences() -> None:
    texts = [text for path in sorted(BENCH.rglob("*.py")) for _, text in docstrings(path)]
    lengths = [len(words) for text in texts for sentence in re.split(r"[.!?](?:\s|$)", text) if (words := sentence.split())]
    assert median(lengths) <= 18


def test_no_docstring_begins_in_the_middle_of_a_sentence() -> None:
    found = [(path.relative_to(ROOT), line, text) for path in sorted(BENCH.rglob("*.py")) for line, text in docstrings(path)]
    assert len(found) > 1000
    assert [f"{path}:{line}" for path, line, text in found if NOT_FIRST.match(text)] == []


@pytest.mark.parametrize("shelf", sorted(registry.SHELVES))
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
