"""`bench.run` and `bench.plan` on suites/smoke.yaml, whose arms are made up here."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

import bench
from bench.api.arms import RunOptions, run_arms
from bench.contracts import Progress, no_progress
from bench.errors import BenchError
from bench.execution.prepared_suite import PreparedSuite
from bench.executors.local import Local
from bench.executors.slurm import Slurm
from bench.forecast import gpu_sharing
from bench.suite.arms import Key
from bench.system import machine
from tests.execution.fake_worker import SUITE, Ended, FakeWorker, arms_of, instead, records
from tests.forecast.both import Silent


def test_a_run_gives_its_results_and_says_how_each_arm_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake = FakeWorker()
    instead(monkeypatch, fake.run)
    said = list[str]()
    found = bench.run(SUITE, device="cpu", results=tmp_path, cache=tmp_path / "cache", say=said.append)
    assert found.folder == tmp_path / "smoke"
    assert sorted(found.arms.index) == sorted(fake.started) == sorted(records(found.folder))
    assert [arm for arm in fake.started if not any(line.startswith(f"{arm}: done") for line in said)] == []
    assert (found.folder / "report.html").exists()
    assert bench.read(Path(SUITE), parent=tmp_path).arms.index.equals(found.arms.index)
    bench.run(SUITE, device="cpu", results=tmp_path, cache=tmp_path / "cache")
    assert len(fake.started) == len(found.arms)


def test_limits_of_a_run_are_checked_before_anything_runs(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="max_seeds"):
        bench.run(SUITE, max_seeds=3, results=tmp_path)
    with pytest.raises(ValidationError):
        bench.run(SUITE, workers=0, results=tmp_path)
    with pytest.raises(BenchError, match="--max-usd 2"):
        bench.run(SUITE, max_usd=2, device="cpu", results=tmp_path, cache=tmp_path / "cache")
    assert not (tmp_path / "smoke").exists()


def test_the_executor_of_a_run_is_chosen_and_changes_no_result(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fakes, used, devices = {name: FakeWorker() for name in ("local", "slurm")}, list[Slurm](), set[str]()

    def on_slurm(self: Slurm, commands: Mapping[str, Sequence[str]], logs: Mapping[str, Path], ended: Ended, gpu_bytes: object) -> None:
        used.append(self)
        devices.update(command[-1] for command in commands.values())
        fakes["slurm"].run(commands, logs, ended)

    instead(monkeypatch, fakes["local"].run)
    monkeypatch.setattr(Slurm, "run", on_slurm)
    chosen: dict[str, dict[str, Any]] = {"local": {}, "slurm": {"gpus": 1, "partition": "gpu"}}
    folders = {
        name: bench.run(SUITE, executor=name, executor_settings=settings, results=tmp_path / name, cache=tmp_path / "cache").folder
        for name, settings in chosen.items()
    }
    assert used == [Slurm(gpus=1, partition="gpu")]
    assert devices == {"cuda"}
    local, slurm = ({arm: (one.status, one.spent_usd, one.facts) for arm, one in records(folder).items()} for folder in folders.values())
    assert local == slurm
    assert fakes["local"].started == fakes["slurm"].started
    asked, again = (json.loads((folder / "suite.json").read_text(encoding="utf-8")) for folder in folders.values())
    assert asked == again
    bench.run(SUITE, executor="local", results=tmp_path / "slurm", cache=tmp_path / "cache")
    assert len(fakes["local"].started) == len(local)


def test_wrong_settings_of_an_executor_are_found_before_anything_runs(tmp_path: Path) -> None:
    for settings, name in (({"gpuz": 1}, "gpus"), ({"workers": 2}, "there are: ")):
        with pytest.raises(BenchError, match=name):
            bench.run(SUITE, executor="slurm", executor_settings=settings, results=tmp_path)
    with pytest.raises(BenchError, match="partition"):
        bench.run(SUITE, executor_settings={"partition": "gpu"}, results=tmp_path)
    assert not (tmp_path / "smoke").exists()


def test_a_plan_has_a_row_for_each_arm_and_the_totals_of_its_document(tmp_path: Path) -> None:
    found = bench.plan(SUITE, device="cpu", calibrate=False, results=tmp_path, cache=tmp_path / "cache")
    rows, document = found.table, found.document()
    assert rows.index.tolist() == [arm["arm"] for arm in document["arms"]]
    assert (rows["at_most_usd"] <= rows["budget_usd"] + 1e-9).all()
    assert found.at_most_usd == document["totals"]["at_most_usd"] <= rows["at_most_usd"].sum()
    assert found.seconds is None
    assert rows["seconds"].isna().all()
    (bought,) = {row.labels_bought for row in rows.itertuples() if row.strategy == "annotate" and row.budget_usd == 8}
    assert bought == 36
    assert found._repr_html_().count("<tr>") >= len(rows)


class Quiet(Silent):
    def preparing(self) -> AbstractContextManager[Progress]:
        return nullcontext(no_progress)


def test_an_executor_gets_the_gpu_memory_of_each_arm_where_several_may_share_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The machine has no GPU. No arm starts."""
    found = list[dict[str, float]]()

    def keep(self: Local, commands: object, logs: object, ended: object, gpu_bytes: Mapping[str, float]) -> None:
        found.append({**gpu_bytes})

    def sized(prepared: PreparedSuite, *_: object) -> dict[Key, float]:
        return {arm.key: arm.budget_usd for arm in prepared.arms if arm.budget_usd > 4}

    monkeypatch.setattr(Local, "run", keep)
    monkeypatch.setattr(gpu_sharing, "gpu_bytes", sized)
    monkeypatch.setattr(machine, "device", lambda name: "cuda")
    options = RunOptions(suite=Path(SUITE), executor_settings={"per_device": "auto"}, parent=tmp_path, cache=tmp_path / "cache")
    run_arms(options, Quiet())
    assert found == [{name: arm.budget_usd for name, arm in arms_of(Path(SUITE)).items() if arm.budget_usd > 4}]
    assert found[0]
