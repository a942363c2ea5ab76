"""Suites and their data are found in a checkout and in a wheel, whatever the current folder is."""

import ast
from pathlib import Path

import pytest

from bench.system import shipped

ROOT = Path(__file__).parents[2]


def test_every_suite_has_its_name(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    files = sorted((ROOT / "suites").rglob("*.yaml"))
    names = [file.relative_to(ROOT / "suites").with_suffix("").as_posix() for file in files]
    assert {"smoke", "pegasus", "papers/tay2021"} <= {*names}
    assert [shipped.suite_named(name) for name in names] == files


@pytest.mark.parametrize("name", ["nosuch", "papers", "../suites/smoke", "a/b/c", "", "smoke.yaml"])
def test_what_is_no_name_of_a_suite_has_no_file(name: str) -> None:
    assert shipped.suite_named(name) is None


def test_a_wheel_holds_what_a_checkout_has_beside_the_package(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    package = tmp_path / "site-packages" / "bench"
    (package / "suites").mkdir(parents=True)
    (package / "suites" / "smoke.yaml").touch()
    monkeypatch.setattr(shipped, "PACKAGE", package)
    assert shipped.suite_named("smoke") == package / "suites" / "smoke.yaml"
    assert shipped.suite_named("pegasus") is None


def test_everything_under_suites_is_put_into_the_wheel() -> None:
    source = ast.parse((ROOT / "setup.py").read_text(encoding="utf-8"))
    (patterns,) = (
        ast.literal_eval(node.value) for node in source.body if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "SHIPPED"
    )
    put = {path for pattern in patterns for path in ROOT.glob(pattern)}
    assert put == {path for path in (ROOT / "suites").rglob("*") if path.is_file()} | {ROOT / "requirements" / "zoo.txt"}


def test_a_shipped_file_is_read_where_there_is_none_of_its_own(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    assert shipped.located("suites/data/smoke.csv") == ROOT / "suites" / "data" / "smoke.csv"
    for path in ("suites/data/none.csv", "suites/../README.md", "suites", "README.md", "bench/errors.py"):
        assert shipped.located(path) == Path(path)
    (tmp_path / "suites" / "data").mkdir(parents=True)
    (tmp_path / "suites" / "data" / "smoke.csv").touch()
    assert shipped.located("suites/data/smoke.csv") == Path("suites/data/smoke.csv")
