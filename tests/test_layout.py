"""The layout: what lies at the top of bench, and that the README shows it."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import bench
from bench.system import results_folder

ROOT = Path(__file__).parents[1]
BENCH = ROOT / "bench"
NOT_COUNTED = {"__init__.py", "__init__.pyi", "__pycache__", "py.typed"}
NAMES_OF_THE_API = {"run", "plan", "fit", "read", "price", "compare"}


def tree_of_the_readme() -> list[str]:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    (block,) = re.findall(r"```\n(bench/\n.*?)```", text, flags=re.DOTALL)
    return [line for line in block.splitlines() if line]


def on_disk(folder: Path) -> set[str]:
    return {path.name + "/" * path.is_dir() for path in folder.iterdir() if path.name not in NOT_COUNTED}


def test_the_tree_of_the_readme_is_what_lies_in_bench() -> None:
    shown = {line.split()[0] for line in tree_of_the_readme() if line.startswith("  ")}
    assert shown == on_disk(BENCH)
    assert len(shown) <= 25


def test_the_other_folders_of_the_readme_exist() -> None:
    others = [line.split()[0] for line in tree_of_the_readme() if not line.startswith(" ")]
    assert all((ROOT / name).is_dir() for name in others)


def test_files_that_the_architecture_page_names_exist() -> None:
    text = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    table = text.split("## Where to look")[1]
    named = re.findall(r"`([\w*]+/[\w/*]*(?:\.\w+)?)`", table)
    assert len(named) > 25
    assert [name for name in named if not list(BENCH.glob(name.rstrip("/")))] == []


def test_importing_bench_loads_nothing_but_the_version_and_leaves_names_free() -> None:
    code = "import sys; before = set(sys.modules); import bench; print(sorted(set(sys.modules) - before)); print(sorted(vars(bench)))"
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT).stdout
    loaded, names = map(ast.literal_eval, told.splitlines())
    assert loaded == ["bench"]
    assert {name for name in names if not name.startswith("__")} == set()
    assert not NAMES_OF_THE_API & {name.removesuffix(".py").rstrip("/") for name in on_disk(BENCH)}


def test_no_file_of_bench_is_longer_than_300_lines() -> None:
    long = {path.name: n for path in BENCH.rglob("*.py") if (n := len(path.read_text(encoding="utf-8").splitlines())) > 300}
    assert long == {}


def test_names_of_files_in_a_results_folder_are_written_in_one_module() -> None:
    names = {value for value in vars(results_folder).values() if isinstance(value, str) and value.endswith((".json", ".jsonl", ".log"))}
    assert len(names) == 8
    places = {
        path.relative_to(BENCH).as_posix()
        for path in BENCH.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Constant) and node.value in names
    }
    assert places == {"system/results_folder.py"}


POSITIONS_ALLOWED = {"Score", "Reading", "Splits", "Outcome"}
"""Values that parts of other packages construct: their fields keep their positions."""


def test_dataclasses_with_more_than_three_fields_are_keyword_only() -> None:
    positional = []
    for path in sorted(BENCH.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.ClassDef) or node.name in POSITIONS_ALLOWED:
                continue
            (*decorators,) = (ast.unparse(decorator) for decorator in node.decorator_list)
            fields = [field for field in node.body if isinstance(field, ast.AnnAssign) and "ClassVar" not in ast.unparse(field.annotation)]
            if any(one.startswith("dataclass") and "kw_only" not in one for one in decorators) and len(fields) > 3:
                positional.append(f"{path.stem}.{node.name}")
    assert positional == []


def test_every_text_file_is_read_and_written_as_utf_8_whatever_the_locale() -> None:
    silent = []
    for path in BENCH.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and _opens_a_text(node) and not any(word.arg == "encoding" for word in node.keywords):
                silent.append(f"{path.name}:{node.lineno}")
    assert silent == []


def _opens_a_text(call: ast.Call) -> bool:
    """Whether a call is `open`, `x.open`, `x.read_text` or `x.write_text`, not of `bench.system.files`, and without a binary mode."""
    function = call.func
    name = function.attr if isinstance(function, ast.Attribute) else function.id if isinstance(function, ast.Name) else ""
    ours = name == "write_text" and (isinstance(function, ast.Name) or ast.unparse(function.value) == "files")  # type: ignore[attr-defined]
    binary = any(isinstance(a, ast.Constant) and isinstance(a.value, str) and "b" in a.value for a in call.args)
    return name in ("open", "read_text", "write_text") and not ours and not binary


def test_bench_has_the_names_of_the_api_and_says_so_to_editors() -> None:
    stub = ast.parse((BENCH / "__init__.pyi").read_text(encoding="utf-8"))
    imported = {name.name for node in stub.body if isinstance(node, ast.ImportFrom) for name in node.names}
    assert imported == set(bench.__all__) <= NAMES_OF_THE_API
    assert all(callable(getattr(bench, name)) for name in imported)
    assert set(bench.__all__) <= set(dir(bench))
