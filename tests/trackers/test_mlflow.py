"""MLflow: the SQLite file on this machine, and a real tracking server with an SQLite store."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import time
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import httpx2
import pytest
from click.testing import CliRunner

from bench.cli import main
from tests.report.arms import write_arm
from tests.trackers.environment import TRACKERS, hosts_asked_for

pytestmark = [
    pytest.mark.skipif(find_spec("mlflow") is None, reason="MLflow is not installed; `make test-trackers` installs it"),
    pytest.mark.filterwarnings("ignore"),
]


def export(*arguments: object) -> dict[str, Any]:
    shown = CliRunner().invoke(main, ["export", "mlflow", *map(str, arguments), "--json"])
    assert shown.exit_code == 0, shown.output
    found: dict[str, Any] = json.loads(shown.stdout)["result"]
    return found


def counts(sent: dict[str, Any]) -> tuple[int, int]:
    return sent["written"], sent["unchanged"]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """URI of a server, which runs in an environment of its own."""
    folder = tmp_path_factory.mktemp("server")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    store = ["--backend-store-uri", f"sqlite:///{folder}/server.db", "--artifacts-destination", str(folder / "artifacts")]
    where = ["--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
    command = [str(TRACKERS / "bin" / "python"), "-m", "mlflow", "server", *store, *where]
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"} | {"MLFLOW_DISABLE_TELEMETRY": "true"}
    with (folder / "log").open("w", encoding="utf-8") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, cwd=folder, env=environment, start_new_session=True)
    uri, until = f"http://127.0.0.1:{port}", time.monotonic() + 180
    try:
        while not healthy(uri):
            assert process.poll() is None, (folder / "log").read_text()
            assert time.monotonic() < until, (folder / "log").read_text()
            time.sleep(0.5)
        yield uri
    finally:
        os.killpg(process.pid, 15)
        process.wait()


def healthy(uri: str) -> bool:
    try:
        return httpx2.get(f"{uri}/health").status_code == 200
    except httpx2.HTTPError:
        return False


def held(uri: str, experiment: str) -> dict[str, Any]:
    """Arm -> run, as the server says over HTTP."""
    api = f"{uri}/api/2.0/mlflow"
    found = httpx2.get(f"{api}/experiments/get-by-name", params={"experiment_name": experiment}).json()["experiment"]
    runs = httpx2.post(f"{api}/runs/search", json={"experiment_ids": [found["experiment_id"]]}).json().get("runs", [])
    assert len({run["info"]["run_name"] for run in runs}) == len(runs)
    return {run["info"]["run_name"]: run for run in runs}


def plain(run: dict[str, Any], what: str) -> dict[str, Any]:
    return {one["key"]: one["value"] for one in run["data"].get(what, [])}


def test_a_server_holds_one_run_for_each_arm_however_often_it_is_exported(server: str, results: Path) -> None:
    to = (results, "--tracking-uri", server)
    assert counts(export(*to)) == (3, 0)
    assert counts(export(*to)) == (0, 3)
    runs = held(server, "example")
    assert {arm: run["info"]["status"] for arm, run in runs.items()} == {
        "done-1": "FINISHED",
        "done-2": "FINISHED",
        "infeasible-1": "KILLED",
    }
    done = runs["done-2"]
    assert plain(done, "metrics") == {"student/rouge2_points": 2.5, "student_ms": 2.5, "usd/spent": 0.0}
    params = plain(done, "params")
    assert (params["student.epochs"], params["student.prefix"], params["budget_usd"], params["option119"]) == ("3", "", "10.0", "119")
    tags = plain(done, "tags")
    assert (tags["bench.arm"], tags["bench.status"], tags["bench.data_fingerprint"]) == ("done-2", "done", "f00")
    assert plain(runs["infeasible-1"], "tags")["bench.reason"] == "a 'teacher' costs 20 USD"
    assert (done["info"]["start_time"], done["info"]["end_time"]) == (1767225600000, 1767225660000)


def test_a_changed_arm_replaces_its_run(server: str, results: Path) -> None:
    to = (results, "--tracking-uri", server, "--experiment", "changing")
    export(*to)
    write_arm(results, "infeasible-1", {"student": {"rouge2": [8.0]}}, strategy="distill", seed=3)
    assert counts(export(*to)) == (1, 2)
    changed = held(server, "changing")["infeasible-1"]
    assert (changed["info"]["status"], plain(changed, "metrics")["student/rouge2_points"]) == ("FINISHED", 8.0)


def test_without_a_server_the_runs_are_in_a_file_beside_the_results(results: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    before = {*tmp_path.iterdir()}
    sent = export(results)
    assert counts(sent) == (3, 0)
    assert sent["where"] == f"sqlite:///{results / 'mlflow.db'}"
    assert counts(export(results)) == (0, 3)
    assert {*tmp_path.iterdir()} == before


def test_a_server_that_does_not_answer_is_an_error_of_one_line(results: Path) -> None:
    shown = CliRunner().invoke(main, ["export", "mlflow", str(results), "--tracking-uri", "http://127.0.0.1:9", "--json"])
    assert shown.exit_code == 2
    assert "127.0.0.1:9" in json.loads(shown.stdout)["error"]["message"]


def test_nothing_goes_to_the_network(results: Path) -> None:
    assert hosts_asked_for("export", "mlflow", str(results)) == "hosts 0 []"
