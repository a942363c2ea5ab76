"""Tests assert numbers and structure: no test compares five or more words of prose with what the software says."""

import ast
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

TESTS = Path(__file__).parent

LIMIT = 5

EXEMPT = re.compile(r"# prose: \w+")
"""A comment with the reason allows a string, or the table that begins on its line: `# prose: input data`."""

NOT_PROSE = re.compile(r"`[^`]*`|(?<!\w)'[^']*'|(?<!\w)\"[^\"]*\"|\\.|\.[*+?]|[|^$]")
"""Quoted names, code and the signs of regular expressions."""

WORD = re.compile(r"[(\[]?[A-Za-z][A-Za-z'’-]*[)\].,:;?!]*")

COMPARES = {"startswith", "endswith", "split", "partition", "index", "match", "search", "fullmatch", "findall", "missing"}
"""Methods and functions that compare their argument with text."""

PASSES = {"escape", "join", "strip", "format", "removeprefix", "sorted", "set", "list", "tuple", "frozenset", "dict", "Counter"}
"""Calls whose argument shows in what they return. The arguments of every other call are input data."""


def words(text: str) -> int:
    """Count the words of prose: letters only, not in quotes."""
    return sum(bool(WORD.fullmatch(word)) for word in NOT_PROSE.sub(" ", text).split())


def text_of(node: ast.expr) -> str | None:
    """Return the text of a string, an f-string or a sum of them; values that are filled in are left out."""
    match node:
        case ast.Constant(value=str(text)):
            return text
        case ast.JoinedStr(values=values):
            return "".join(text_of(value) or "0" for value in values)
        case ast.BinOp(left=left, op=ast.Add(), right=right):
            texts = [text_of(side) for side in (left, right)]
            return None if texts == [None, None] else " ".join(text or "" for text in texts)
    return None


def name_of(call: ast.Call) -> str:
    return call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")


def visible(node: ast.expr) -> Iterator[ast.expr]:
    """Yield the strings and the names of which the value of an expression is made."""
    if text_of(node) is not None or isinstance(node, ast.Name):
        yield node
        for value in node.values if isinstance(node, ast.JoinedStr) else ():
            yield from visible(value.value) if isinstance(value, ast.FormattedValue) else ()
    elif isinstance(node, ast.Call):
        if isinstance(node.func, ast.Attribute):
            yield from visible(node.func.value)
        for argument in node.args if name_of(node) in PASSES else ():
            yield from visible(argument)
    elif isinstance(node, ast.Dict):
        for value in (*node.keys, *node.values):
            yield from visible(value) if value else ()
    elif isinstance(node, (ast.List, ast.Tuple, ast.Set)):
        for value in node.elts:
            yield from visible(value)
    elif isinstance(node, (ast.Subscript, ast.Starred, ast.Attribute)):
        yield from visible(node.value)
    elif isinstance(node, (ast.ListComp, ast.SetComp, ast.GeneratorExp)):
        yield from visible(node.elt)
    elif isinstance(node, ast.IfExp):
        yield from (*visible(node.body), *visible(node.orelse))
    elif isinstance(node, ast.BinOp):
        yield from (*visible(node.left), *visible(node.right))


def compared(tree: ast.AST) -> Iterator[ast.expr]:
    """Yield the strings and names that comparisons, `match=` and methods such as `startswith` look at."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Compare):
            for side in (node.left, *node.comparators):
                yield from visible(side)
        elif isinstance(node, ast.Call):
            if name_of(node) in COMPARES:
                for argument in node.args:
                    yield from visible(argument)
            for keyword in node.keywords:
                if keyword.arg == "match":
                    yield from visible(keyword.value)


def only_compared(tree: ast.AST) -> set[str]:
    """Names that are compared wherever they are read: what a test expects. The others are input data as well."""
    read = Counter(node.id for node in ast.walk(tree) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load))
    seen = {id(node): node.id for node in compared(tree) if isinstance(node, ast.Name)}
    return {name for name, count in Counter(seen.values()).items() if count == read[name]}


def rows_of(table: ast.expr, constants: dict[str, ast.expr]) -> list[ast.expr]:
    """Return the rows of a table that is written out, in place or as a constant of the file."""
    if isinstance(table, ast.Name) and table.id in constants:
        return rows_of(constants[table.id], {})
    if isinstance(table, ast.Call) and isinstance(table.func, ast.Attribute) and table.func.attr in ("values", "items"):
        inner = table.func.value
        inner = constants.get(inner.id, inner) if isinstance(inner, ast.Name) else inner
        if isinstance(inner, ast.Dict):
            pairs = zip(inner.keys, inner.values, strict=True)
            return inner.values if table.func.attr == "values" else [ast.Tuple(elts=[key, value]) for key, value in pairs if key]
    return list(getattr(table, "elts", ()))


def columns(names: list[str], rows: list[ast.expr]) -> Iterator[tuple[str, ast.expr]]:
    """Yield (name, value) of a table, as in `parametrize` and `for a, b in (...)`."""
    for row in rows:
        values = row.args if isinstance(row, ast.Call) and name_of(row) == "param" else getattr(row, "elts", [row])
        yield from zip(names, values if len(names) > 1 else [row], strict=False)


def bindings(function: ast.FunctionDef, constants: dict[str, ast.expr]) -> Iterator[tuple[str, ast.expr]]:
    """Yield (name, value) of assignments, loops over tables and tables of parameters of a function."""
    for node in ast.walk(function):
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            yield node.targets[0].id, node.value
        elif isinstance(node, (ast.For, ast.comprehension)):
            targets = getattr(node.target, "elts", [node.target])
            yield from columns([getattr(target, "id", "") for target in targets], rows_of(node.iter, constants))
        elif isinstance(node, ast.Call) and name_of(node) == "parametrize" and len(node.args) > 1:
            names = ast.literal_eval(node.args[0])
            yield from columns(re.split(r", *", names) if isinstance(names, str) else [*names], rows_of(node.args[1], constants))


def arguments(function: ast.FunctionDef, calls: list[ast.Call]) -> Iterator[tuple[str, ast.expr]]:
    """Yield (name of the parameter, value) of the calls of a function."""
    names = [parameter.arg for parameter in function.args.args]
    for call in calls:
        if name_of(call) == function.name:
            yield from zip(names, call.args, strict=False)
            yield from ((keyword.arg, keyword.value) for keyword in call.keywords if keyword.arg)


def sentences(source: str) -> dict[int, str]:
    """Return line -> text of every sentence that the source of a test compares."""
    tree = ast.parse(source)
    exempt = {number for number, line in enumerate(source.splitlines(), 1) if EXEMPT.search(line)}
    tables = [node for node in ast.walk(tree) if isinstance(node, (ast.List, ast.Tuple, ast.Dict, ast.Set, ast.Constant))]
    exempt |= {line for node in tables if node.lineno in exempt for line in range(node.lineno, (node.end_lineno or 0) + 1)}
    constants = {
        node.targets[0].id: node.value for node in tree.body if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name)
    }
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
    strings = [*compared(tree)]
    for function in (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)):
        if expected := only_compared(function):
            for name, value in (*bindings(function, constants), *arguments(function, calls), *constants.items()):
                strings.extend(visible(value) if name in expected else ())
    return {
        string.lineno: text
        for string in strings
        if (text := text_of(string)) and words(text) >= LIMIT
        if exempt.isdisjoint(range(string.lineno, (string.end_lineno or 0) + 1))
    }


SENTENCES = """
TABLE = {
    "one two three four five":
        "one two three four five",  # found
}
def test_all():
    assert "one two three four five" in f()  # found
    assert f("one two three four five") == 5
    assert x == "one two 'three four' five"
    with raises(Error, match=r"one two.* three four\\.five six"):  # found
        pass
    for name, expected in (("one two three four five", "one two three four five"),):  # found
        assert f(name) == expected
    for name, expected in TABLE.items():
        assert f(name) == expected
    assert g(x, "one two three four five")  # found
    assert y.startswith(
        f"one {two} two three "  # found
        "four five"
    )
    assert y == "one two three four five"  # prose: input data
    message = "one two three four five"  # found
    assert f"^{message}$" in y
def g(text, wanted):
    return wanted in text
"""


def test_sentences_are_found_wherever_they_are_compared() -> None:
    marked = [number for number, line in enumerate(SENTENCES.splitlines(), 1) if line.endswith("# found")]
    assert len(marked) == 7
    assert sorted(sentences(SENTENCES)) == marked


def test_no_test_compares_a_sentence() -> None:
    """Blind to: sentences in files, expected values that another file defines, and values that a function of bench returns."""
    paths = sorted(TESTS.rglob("*.py"))
    assert len(paths) > 50
    found = [(path, *one) for path in paths for one in sentences(path.read_text(encoding="utf-8")).items()]
    assert [f"{path.relative_to(TESTS)}:{line}: {text}" for path, line, text in found] == []
