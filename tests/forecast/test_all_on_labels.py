"""Budgets of which nothing is left for training: every arm has a row, in `bench plan`, in `bench run`, and with `--max-usd`."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench import registry
from bench.execution import evaluation
from tests.execution.fake_worker import bench, in_this_process, instead, records
from tests.forecast.conftest import SUITE, planned, read

CASE = Path("tests/cases/26-all-on-labels").absolute()


@pytest.fixture
def places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Options that keep all files of a command in the test's folder; arms run in this process."""
    instead(monkeypatch, in_this_process)
    monkeypatch.setattr(evaluation, "TIMED_DOCUMENTS", 1)
    monkeypatch.chdir(CASE)
    return ["--results", str(tmp_path / "results"), "--cache", str(tmp_path / "cache")]


def test_the_case_gives_a_row_for_every_arm(places: list[str], tmp_path: Path) -> None:
    plan = bench("plan", "suite.yaml", "--no-calibrate", *places)
    assert plan.exit_code == 0, plan.output
    assert plan.output.count("infeasible") == 1
    refused = bench("run", "suite.yaml", "--max-usd", "1", *places)
    assert refused.exit_code != 0
    assert not (tmp_path / "results" / "all").exists()
    ran = bench("run", "suite.yaml", "--max-usd", "8", *places)
    assert ran.exit_code == 0, ran.output
    ends = {record.settings["label_share"]: record for record in records(tmp_path / "results" / "all").values()}
    assert {share: record.status for share, record in ends.items()} == {0.5: "done", 1.0: "infeasible"}
    assert ends[1.0].spent_usd == 4.0
    assert ends[1.0].facts["labels_bought"] == 20


def test_whatever_the_strategy_an_arm_that_spends_all_on_labels_is_infeasible(folder: Path, cache: Path) -> None:
    text = SUITE.replace("label_share: 0.5", "label_share: 1.0").replace("{method: kd,", "{method: kd, label_share: 1.0,")
    arms = planned(read(folder, text), cache)
    assert {arm.cell.strategy.label_share for arm in arms} == {1.0}
    assert {registry.name_of(arm.cell.strategy) for arm in arms} == set(registry.names("strategies")) - {"llm_label"}
    for arm, forecast in arms.items():
        assert (forecast.status, forecast.usd) == ("infeasible", arm.budget_usd)
        assert forecast.limited
