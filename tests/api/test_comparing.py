"""`bench.compare`, against the command line and the analysis."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner
from pydantic import ValidationError

import bench
from bench.api.shown import plain
from bench.cli import main
from bench.errors import BenchError
from tests.report import study
from tests.report.arms import write_arm


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Two studies that differ in one arm: distill at 10 USD is 5 points worse in B."""
    root = tmp_path_factory.mktemp("studies")
    for name in ("a", "b"):
        study.write(root / name)
    for path in (root / "b").glob("distill-10-*/predictions.jsonl"):
        lines = [json.loads(line) for line in path.read_text().splitlines()]
        for line in lines:
            line["scores"]["student"]["rouge2"] -= 5.0
        path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return root / "a", root / "b"


def test_the_table_has_the_change_of_every_setting(folders: tuple[Path, Path]) -> None:
    changes = bench.compare(*folders)
    table = changes.table.set_index(["setting", "budget_usd"])
    assert len(table) == 6
    changed = table.loc[("distill", 10.0)]
    assert changed["after"] - changed["before"] == pytest.approx(-5.0)
    assert changed["difference_mean"] == pytest.approx(-5.0)
    assert (changed["verdict"], changed["worse"], changes.got_worse) == ("worse beyond noise", True, True)
    assert set(table.drop(index=("distill", 10.0))["verdict"]) == {"identical"}


def test_results_and_folders_give_what_the_command_line_prints(folders: tuple[Path, Path]) -> None:
    a, b = folders
    changes = bench.compare(bench.read(a), b, metrics=["rouge2"])
    shown = CliRunner().invoke(main, ["compare", str(a), str(b), "--json"])
    assert json.loads(shown.stdout)["result"] == plain(changes.document())
    assert "distill" in repr(changes)
    assert "<table>" in changes._repr_html_()


def test_results_at_other_prices_are_compared_at_these(folders: tuple[Path, Path]) -> None:
    found = bench.read(folders[0])
    costs = bench.compare(found, found.price(2 * study.LABEL_USD)).document()["costs"]
    before, after = next(one["costs"]["spent USD"] for one in costs if one["setting"] == "annotate" and one["budget_usd"] == 40.0)
    assert (before, after) == pytest.approx((40.0, 76.0), abs=0.01)


def test_what_cannot_be_compared_is_refused(folders: tuple[Path, Path], tmp_path: Path) -> None:
    write_arm(tmp_path, "other", {"student": {"rouge2": [1.0, 2.0]}}, task="other")
    for arguments in ({"after": tmp_path}, {"after": tmp_path / "none"}, {"after": folders[1], "metrics": ["nope"]}):
        with pytest.raises(BenchError):
            bench.compare(folders[0], **arguments)  # type: ignore[arg-type]
    with pytest.raises(ValidationError):
        bench.compare(folders[0], 7)  # type: ignore[arg-type]
