"""Arms as runs of an experiment tracker. tests/trackers writes them to real ones."""

from __future__ import annotations

import json
import posixpath
import re
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner

from bench.api import trackers
from bench.api.trackers import ARM, Run
from bench.cli import main
from bench.contracts import Charge, Reading, no_progress
from bench.results import table
from tests.report.arms import NO_TOKEN, write_arm, write_suite

REFERENCES = sorted(path.parent for path in (Path(__file__).parents[2] / "results" / "reference").glob("*/table.parquet"))
CHARGES = (
    Charge(kind="labels", quantity=7, unit="label", unit_price_usd=0.1, paid_by="purse", phase="student_training"),
    Charge(kind="compute", quantity=3.0, unit="s", unit_price_usd=0.5, paid_by="purse", phase="student_training"),
)
READINGS = (
    Reading("wall", 12.5, "s", "counter"),
    Reading("energy", 0.25, "kWh", "modelled"),
    Reading("peak_rss", 2.0**30, "bytes", "polled"),
    Reading("gpu_peak_allocated", None, "bytes", "counter", reason="no GPU"),
)
SCORES = {"student": {"rouge2": [1.0, 2.0, 6.0], "words": [None] * 3}, "floor: first 12 words": {"rouge2": [0.0, 1.0, 2.0]}}


class Held:
    """A tracker in memory that counts what is written."""

    where = "memory"

    def __init__(self) -> None:
        self.runs: dict[str, Run] = {}
        self.written: list[str] = []

    def held(self) -> Mapping[str, str]:
        return {arm: run.content for arm, run in self.runs.items()}

    def write(self, run: Run) -> None:
        self.runs[run.arm] = run
        self.written.append(run.arm)


def write(root: Path) -> None:
    write_suite(root, arms=["a", "b", "c"])
    settings = {"student": {"epochs": 3, "lora": None, "layers": [0, 7]}}
    write_arm(root, "a", SCORES, charges=CHARGES, readings=READINGS, facts={"labels_bought": 7.0}, settings=settings, seed=4)
    write_arm(root, "b", status="failed", reason="killed by SIGKILL")
    (root / "c").mkdir()
    write_arm(root, "gone", {"student": {"rouge2": [1.0]}})


def test_a_run_has_the_settings_numbers_and_fingerprints_of_its_arm(tmp_path: Path) -> None:
    write(tmp_path)
    done, failed = trackers.runs(table.read(tmp_path))
    assert done.params == {
        "task": "docstrings",
        "strategy": "annotate",
        "use": "annotate",
        "setting": "",
        "budget_usd": 10.0,
        "seed": 4,
        "large": "flan-t5-small",
        "label_share": 0.5,
        "student.epochs": 3,
        "student.layers": "[0, 7]",
    }
    assert done.metrics == pytest.approx(
        {
            "student/rouge2_points": 3.0,
            "baseline_first_12_words/rouge2_points": 1.0,
            "usd/spent": 2.2,
            "usd/labels": 0.7,
            "usd/student_training": 1.5,
            "wall_s": 12.5,
            "energy_kWh": 0.25,
            "peak_rss_bytes": 2.0**30,
            "labels_bought": 7.0,
        }
    )
    missing = {"missing/gpu_peak_allocated_bytes": "no GPU", "missing/student/words_points": NO_TOKEN}
    known = {ARM: "a", "bench.suite": "example", "bench.status": "done", "bench.data_fingerprint": "f00"}
    assert done.tags == known | missing
    assert (done.started, done.ended) == ("2026-01-01T00:00:00+00:00", "2026-01-01T00:01:00+00:00")
    assert (failed.arm, failed.status, failed.tags["bench.reason"]) == ("b", "failed", "killed by SIGKILL")
    assert set(failed.metrics) <= {"usd/spent", "usd/labels", "usd/student_training"}


@pytest.mark.parametrize("folder", REFERENCES, ids=lambda folder: folder.name)
def test_the_names_of_the_reference_results_are_accepted_everywhere(folder: Path) -> None:
    runs = trackers.runs(table.read(folder))
    assert runs
    for name in {name for run in runs for names in (run.params, run.metrics, run.tags) for name in names}:
        assert re.fullmatch(r"[\w./-]{1,250}", name)
        assert posixpath.normpath(name) == name
        assert name[0] not in "./_"


def test_what_was_exported_is_left_alone_until_it_changes(tmp_path: Path) -> None:
    write(tmp_path)
    tracker, found = Held(), table.read(tmp_path)
    sent = [trackers.export(found, tracker, no_progress) for _ in range(2)]
    assert [(one.written, one.unchanged) for one in sent] == [(2, 0), (0, 2)]
    tracker.runs["a"] = replace(tracker.runs["a"], metrics={})  # cut off, or of older results
    assert trackers.export(found, tracker, no_progress).written == 1
    assert tracker.written == ["a", "b", "a"]


@pytest.mark.parametrize("name", ["mlflow", "trackio"])
def test_without_the_library_an_error_names_what_to_install(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path)
    monkeypatch.setitem(sys.modules, name, None)
    shown = CliRunner().invoke(main, ["export", name, str(tmp_path), "--json"])
    assert shown.exit_code == 2
    assert f"costbench[{name}]" in json.loads(shown.stdout)["error"]["message"]
