"""The figures carried into the project are those of the source, and none is without one."""

from importlib.resources import files
from pathlib import Path

import pytest

from bench import published

FACTS = Path(__file__).parents[3] / "shared" / "facts"
NAMES = sorted(file.name.removesuffix(".csv") for file in files(published).iterdir() if file.name.endswith(".csv"))


@pytest.mark.parametrize("name", NAMES)
def test_a_file_is_the_one_it_was_copied_from(name):
    source = FACTS / f"{name}.csv"
    if not source.exists():
        pytest.skip(f"{FACTS} is not beside this checkout")
    assert (files(published) / f"{name}.csv").read_bytes() == source.read_bytes()


@pytest.mark.parametrize("name", NAMES)
def test_a_file_is_a_table_without_holes(name):
    table = published.rows(name)
    assert table
    assert all(None not in row and None not in row.values() for row in table)


def test_the_readme_says_of_each_file_what_it_is_and_whence_it_comes():
    lines = (files(published) / "README.md").read_text(encoding="utf-8").splitlines()
    told = {line.split("`")[1]: line.count("|") for line in lines if line.startswith("| `")}
    assert told == {f"{name}.csv": 4 for name in NAMES}


def test_a_cell_is_as_printed():
    first = published.rows("kang2023_cells")[0]
    assert (first["task"], first["usd_per_label"], first["strategy"], first["score"]) == ("WLP", "0.26", "annotate", "50.0")
    assert {"teacher_layers": "16", "student_layers": "4", "copied": "0 5 10 15", "supervised": "4 9 12 15"} in published.rows(
        "shleifer2020_layers"
    )
