"""trackio's store on this machine."""

from __future__ import annotations

import json
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from bench.cli import main
from tests.report.arms import write_arm
from tests.trackers.environment import hosts_asked_for

pytestmark = [
    pytest.mark.skipif(find_spec("trackio") is None, reason="trackio is not installed; `make test-trackers` installs it"),
    pytest.mark.filterwarnings("ignore"),
]


@pytest.fixture(autouse=True, scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """trackio's folder, which it reads from the environment when it is imported."""
    patch = pytest.MonkeyPatch()
    folder = tmp_path_factory.mktemp("trackio")
    patch.setenv("TRACKIO_DIR", str(folder))
    yield folder
    patch.undo()


def export(*arguments: object) -> dict[str, Any]:
    shown = CliRunner().invoke(main, ["export", "trackio", *map(str, arguments), "--json"])
    assert shown.exit_code == 0, shown.output
    found: dict[str, Any] = json.loads(shown.stdout)["result"]
    return found


def counts(sent: dict[str, Any]) -> tuple[int, int]:
    return sent["written"], sent["unchanged"]


def held() -> dict[str, Any]:
    """Name -> run."""
    import trackio

    runs = [*trackio.Api().runs("example")]
    assert len({run.name for run in runs}) == len(runs)
    return {run.name: run for run in runs}


def metrics(name: str) -> dict[str, Any]:
    from trackio.sqlite_storage import SQLiteStorage

    (logged,) = SQLiteStorage.get_logs("example", name)
    return {name: value for name, value in logged.items() if name not in ("step", "timestamp")}


def test_the_store_holds_one_run_for_each_arm_however_often_it_is_exported(results: Path, store: Path) -> None:
    sent = export(results)
    assert counts(sent) == (3, 0)
    assert Path(sent["where"]).is_relative_to(store)
    assert counts(export(results)) == (0, 3)
    assert set(held()) == {"done-1", "done-2", "infeasible-1"}
    assert metrics("done-2") == {"student/rouge2_points": 2.5, "student_ms": 2.5, "usd/spent": 0.0}
    config = held()["done-2"].config
    assert (config["student.epochs"], config["budget_usd"], config["bench.data_fingerprint"]) == (3, 10.0, "f00")
    assert held()["infeasible-1"].config["bench.reason"] == "a 'teacher' costs 20 USD"


def test_a_changed_arm_replaces_its_run(results: Path) -> None:
    export(results)
    write_arm(results, "infeasible-1", {"student": {"rouge2": [8.0]}}, strategy="distill", seed=3)
    assert counts(export(results)) == (1, 2)
    assert held()["infeasible-1"].config["bench.status"] == "done"
    assert metrics("infeasible-1")["student/rouge2_points"] == 8.0


def test_a_name_that_no_project_may_have_is_an_error_of_one_line(results: Path) -> None:
    shown = CliRunner().invoke(main, ["export", "trackio", str(results), "--project", "registry-x", "--json"])
    assert shown.exit_code == 2
    assert "registry-x" in json.loads(shown.stdout)["error"]["message"]


def test_nothing_goes_to_the_network(results: Path, tmp_path: Path) -> None:
    """A token would let trackio ask the hub for a name, and the other variable names a Space for all runs."""
    user = {"TRACKIO_DIR": str(tmp_path / "store"), "HF_TOKEN": "hf_only_for_this_test", "TRACKIO_SPACE_ID": "owner/space"}
    assert hosts_asked_for("export", "trackio", str(results), **user) == "hosts 0 []"
    assert [*(tmp_path / "store").glob("*.db")]
