"""The files of a results folder, and the report of arms whose files hold odd values."""

from __future__ import annotations

import shutil
from pathlib import Path

import pyarrow
import pyarrow.parquet
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic_core import from_json

from bench import report
from bench.errors import BenchError
from bench.report.analysis.active_arms import current
from bench.report.analysis.report_input import ReportInput, boards, priced
from bench.report.html import page, payload
from bench.report.render import markdown
from bench.report.sections import sections
from bench.results import archive, folders, suite_json, table
from tests.fuzz import hostile
from tests.fuzz.test_arms import FILES, contents
from tests.report import study
from tests.report.arms import write_suite

FORECAST = {"usd": 1.5, "exact": True, "steps": 10, "seconds": 3.0, "kwh": None, "peak_bytes": 7.0}


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A results folder of six arms with a forecast."""
    folder = tmp_path_factory.mktemp("results")
    study.write(folder, seeds=1, examples=8, models={"own": "a model"}, price_sources={"label_usd": {"value": 0.05, "source": "a paper"}})
    arms = {f"annotate-{budget:g}-0": FORECAST for budget in study.BUDGETS}
    (folder / "forecast.json").write_bytes(hostile.as_json({"schema": 1, "device": "cpu", "made": "2026", "arms": arms}))
    return folder


@pytest.fixture(scope="module")
def kept(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same without the folders of its arms."""
    folder = tmp_path_factory.mktemp("kept")
    found = table.read(root)
    table.save(found, folder)
    archive.write(folder, found.records, found.examples)
    shutil.copy(root / "suite.json", folder)
    return folder


def reported(folder: Path) -> None:
    """Do everything that a report does, but draw no picture."""
    found = current(folders.read(folder))
    metrics, shown = boards(found)
    given = ReportInput(folder=folder, found=found, everything=found, metrics=metrics, boards=shown, priced=priced(found, shown))
    made = sections(given)
    markdown.page("results", made, str(found.suite.get("question", "")))
    page.page("results", "question", made, payload.payload(given, 1_000_000), folder)
    report.terminal(found, 100)
    table.save(found, folder)


@hostile.cases(200)
@given(content=st.data())
def test_suite_json_is_read_or_refused(content: st.DataObject, root: Path) -> None:
    path = root / "suite.json"
    before = path.read_bytes()
    try:
        path.write_bytes(content.draw(hostile.files_of(from_json(before))))
        with hostile.survived("results folders", root):
            assert isinstance(suite_json.read(root), dict)
    finally:
        path.write_bytes(before)


@pytest.mark.parametrize("name", ["suite.json", "forecast.json", "table.parquet", "scores.parquet"])
@hostile.cases(25)
@given(data=st.data())
def test_tables_that_are_left_of_a_run_are_read_or_refused(name: str, data: st.DataObject, kept: Path, root: Path) -> None:
    path = kept / name
    before = (root if name.endswith(".json") else kept).joinpath(name).read_bytes()
    try:
        path.write_bytes(data.draw(hostile.raw(before) if name.endswith("t") else hostile.files_of(from_json(before))))
        with hostile.survived("results folders", kept):
            folders.read(kept)
    finally:
        path.write_bytes(before)


@pytest.mark.parametrize("name", [*FILES, "suite.json", "forecast.json"])
@hostile.cases(4)
@given(data=st.data())
def test_a_report_of_odd_values_shows_them_or_is_refused(name: str, data: st.DataObject, root: Path) -> None:
    path = root / name if (root / name).exists() else root / "annotate-40-0" / name
    before = path.read_bytes()
    try:
        path.write_bytes(data.draw(contents(name, before)))
        with hostile.survived("reports", root):
            reported(root)
    finally:
        path.write_bytes(before)


def write(folder: Path, columns: dict[str, pyarrow.Array]) -> None:
    there = pyarrow.parquet.read_table(folder / "table.parquet")
    for name, values in columns.items():
        there = there.set_column(there.schema.get_field_index(name), name, values)
    pyarrow.parquet.write_table(there, folder / "table.parquet")


@pytest.mark.parametrize(
    "column",
    [
        {"arm": None},
        {"settings": "[1]"},
        {"settings": "{"},
        {"value": float("inf")},
        {"value": 1e308},
        {"budget_usd": -1.0},
        {"seed": "one"},
    ],
)
def test_a_table_of_other_values_is_refused(column: dict[str, object], kept: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(kept, tmp_path / "kept")
    count = pyarrow.parquet.read_metadata(folder / "table.parquet").num_rows
    write(folder, {name: pyarrow.array([value] * count) for name, value in column.items()})
    with pytest.raises(BenchError, match=r"table\.parquet: "):
        table.read(folder)


@pytest.mark.parametrize(
    "change",
    [
        {"arms": [1]},
        {"arms": 5},
        {"notes": ["a"]},
        {"label_usd": {"docstrings": "much"}},
        {"label_usd": {"docstrings": 1e308}},
        {"prices": [1]},
        {"lead": None},
    ],
)
def test_a_wrong_entry_of_suite_json_is_named(change: dict[str, object], tmp_path: Path) -> None:
    write_suite(tmp_path, **change)
    with pytest.raises(BenchError, match=rf"suite\.json: {next(iter(change))}"):
        table.read(tmp_path)


@pytest.mark.parametrize("arm", ["..", "a/..", "", "x\0y", "x" * 300])
def test_an_arm_that_no_folder_can_be_called_after_is_left_out(arm: str, tmp_path: Path) -> None:
    study.write(tmp_path / "results", seeds=1, examples=3)
    shutil.copytree(tmp_path / "results" / "annotate-10-0", tmp_path, dirs_exist_ok=True)
    write_suite(tmp_path / "results", arms=["annotate-10-0", arm])
    found = table.read(tmp_path / "results")
    assert len(found.records) == 6
    assert set(found.table["arm"]) == set(found.records)
