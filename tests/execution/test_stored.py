"""`bench store`: what lies in the store, what of it is damaged, and what no record needs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from bench.execution import shared_folder, stored
from bench.execution.record import write_record
from bench.system import leases
from bench.system.files import write_json
from tests.execution.fake_worker import bench
from tests.execution.test_shared_store import FREE, Numbers, elsewhere, flip, store, truncate
from tests.records import record


@pytest.fixture
def results(tmp_path: Path) -> Path:
    """Two arms: both used artifact 1, and each has a compact model of its own, 2 and 3. Nobody used 4; three things were left behind."""
    (tmp_path / "suite.json").write_text("{}")
    made = store(tmp_path)
    for number in range(1, 5):
        made.bill_for(Numbers(number), FREE)
    for arm, number in (("a", 2), ("b", 3)):
        used = [made.artifact(Numbers(one)).relative_to(tmp_path).as_posix() for one in (1, number)]
        (tmp_path / arm).mkdir()
        write_json(tmp_path / arm / stored.USED, {"artifacts": used})
        write_record(tmp_path / arm, record(arm=arm, student=used[1]))
    key = Numbers(5).key
    (made.folder / f"{key}.unfinished").mkdir()
    (made.folder / f"{key}.unfinished" / "reached.json").write_text("{}")
    (made.folder / f"{key}.abc.part").mkdir()
    (made.folder / f"{key}.lock").touch()
    return tmp_path


def document(*arguments: object, status: int = 0) -> dict[str, Any]:
    result = bench("store", *arguments, "--json")
    assert result.exit_code == status, result.output
    found: dict[str, Any] = json.loads(result.stdout)["result"]
    return found


def test_ls_names_the_arms_that_use_an_artifact_and_what_a_record_needs(results: Path) -> None:
    found = document("ls", results)
    by_key = {Path(one["name"]).name: one for one in found["artifacts"]}
    uses = {number: by_key[Numbers(number).key] for number in range(1, 5)}
    assert [uses[number]["arms"] for number in range(1, 5)] == [["a", "b"], ["a"], ["b"], []]
    assert [number for number in uses if uses[number]["is_needed"]] == [2, 3]
    assert len(by_key) == 6
    assert (
        found["bytes"]
        == sum(one["bytes"] for one in found["artifacts"])
        == sum(path.stat().st_size for path in (results / "store").rglob("*") if path.is_file())
    )
    assert found["unneeded_bytes"] == found["bytes"] - uses[2]["bytes"] - uses[3]["bytes"]
    sizes = [one["bytes"] for one in found["artifacts"]]
    assert sizes == sorted(sizes, reverse=True)
    assert len(bench("store", "ls", results).stdout.splitlines()) == 1 + 6 + 1


def test_gc_frees_what_ls_says_and_keeps_the_compact_models(results: Path) -> None:
    said = document("ls", results)["unneeded_bytes"]
    assert document("gc", results) == {"freed_bytes": said, "removed": 4}
    assert {path.name for path in store(results).folder.iterdir()} == {Numbers(2).key, Numbers(3).key}
    assert document("gc", results) == {"freed_bytes": 0, "removed": 0}


def test_verify_reads_every_file_and_names_the_damaged(results: Path) -> None:
    made = store(results)
    assert document("verify", results) == {"intact": 4, "damaged": {}, "without_checksums": []}
    flip(made.artifact(Numbers(1)).parent)
    truncate(made.artifact(Numbers(2)).parent)
    elsewhere(made.artifact(Numbers(3)).parent)
    bill = made.artifact(Numbers(4)).parent / "bill.json"
    bill.write_text(json.dumps({"schema": 1, "readings": []}))
    found = document("verify", results, status=1)
    assert (found["intact"], [Path(name).name for name in found["without_checksums"]]) == (1, [Numbers(4).key])
    assert {Path(name).name for name in found["damaged"]} == {Numbers(1).key, Numbers(2).key}
    assert all("1.txt" in fault for fault in found["damaged"].values())


def test_gc_is_refused_while_a_run_or_an_arm_is_at_work(results: Path) -> None:
    before = document("ls", results)
    for path in (results / shared_folder.RUN, results / "a" / shared_folder.ARM):
        with leases.hold(path):
            assert bench("store", "gc", results).exit_code == 2
    assert document("ls", results) == before


@pytest.mark.parametrize("command", ["ls", "verify", "gc"])
def test_a_folder_without_results_is_refused(command: str, tmp_path: Path) -> None:
    result = bench("store", command, tmp_path)
    assert result.exit_code == 2
    assert str(tmp_path) in result.stderr


@pytest.mark.parametrize("command", ["ls", "gc"])
@pytest.mark.parametrize("content", ["{", "[]", "{}", '{"artifacts": 3}', '{"artifacts": ["elsewhere/model"]}'])
def test_a_damaged_list_of_artifacts_is_named(content: str, command: str, results: Path) -> None:
    (results / "a" / stored.USED).write_text(content)
    result = bench("store", command, results)
    assert result.exit_code == 2
    assert str(results / "a" / stored.USED) in result.stderr


def test_a_record_whose_model_is_not_in_the_store_is_named(results: Path) -> None:
    write_record(results / "b", record(arm="b", student="elsewhere/model"))
    result = bench("store", "ls", results)
    assert result.exit_code == 2
    assert str(results / "b" / "record.json") in result.stderr
