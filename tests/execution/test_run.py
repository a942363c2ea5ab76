"""Arms of suites/smoke.yaml, whose tiny random models are really trained: in this process, and in their own where a run is killed."""

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import psutil
import pytest

from bench.contracts import no_progress
from bench.execution import ledger, prepare
from bench.execution.store import DryStore
from bench.forecast import saved, start_up
from bench.forecast.arm import Forecast
from bench.forecast.suite import forecasts
from bench.suite import suite_file
from bench.suite.arms import Arm
from tests.execution.fake_worker import SUITE, bench, in_this_process, instead, records
from tests.facts import missing
from tests.prepared import prepared


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="session")
def smoke(tmp_path_factory: pytest.TempPathFactory, cache: Path) -> Path:
    """Results of an undisturbed run."""
    folder = tmp_path_factory.mktemp("results")
    with pytest.MonkeyPatch.context() as patch:
        instead(patch, in_this_process)
        done = bench("run", SUITE, "--results", folder, "--cache", cache)
    assert done.exit_code == 0, done.output
    return folder / "smoke"


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch) -> None:
    """Arms run in this process."""
    instead(monkeypatch, in_this_process)


def outcome(folder: Path) -> dict[str, tuple[list[object], list[object], str]]:
    """Scores, FLOP charges and predictions of every arm: what must not depend on when or how it ran."""
    result = {}
    for name in records(folder):
        rows = ledger.rows(folder / name)
        scores: list[object] = [(r["subject"], r["name"], r["value"]) for r in rows if r["row"] == "score"]
        exact = [r for r in rows if r["row"] == "charge" and r["unit"] in ("FLOP", "label")]
        charges: list[object] = [(r["phase"], r["unit"], r["quantity"]) for r in exact]
        result[name] = (scores, charges, (folder / name / "predictions.jsonl").read_text())
    return result


def foreseen(cache: Path, results: Path | None = None) -> dict[Arm, Forecast]:
    """What each arm will take; results: a folder whose store is asked for what was made before."""
    loaded = suite_file.read(Path(SUITE))
    ready = prepared(loaded, prepare.read_data(loaded, cache, no_progress), cache=cache, results=results)
    return dict(forecasts(ready, DryStore(cache, no_progress), no_progress, reuse=bool(results)))


WITHOUT_ARMS = """
import os, sys
from bench.executors.local import Local

def run(self, commands, logs, ended, gpu_bytes):
    print(len(commands), sorted({"torch", "transformers", "pandas", "pyarrow"} & sys.modules.keys()), flush=True)
    os._exit(0)

Local.run = run
from bench.cli import main
main(sys.argv[1:])
"""


@pytest.mark.skipif(sys.platform != "linux", reason="work is forked on Linux alone")
def test_the_process_that_starts_arms_has_imported_no_large_library(cache: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-c", WITHOUT_ARMS, "run", SUITE, "--results", str(tmp_path), "--cache", str(cache)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "8 []"


def test_every_arm_is_done_and_none_spent_more_than_its_budget(smoke: Path) -> None:
    found = records(smoke)
    assert len(found) == 8
    assert {record.status for record in found.values()} == {"done"}
    assert all(0 < record.spent_usd <= record.budget_usd for record in found.values())


def test_the_table_holds_the_ledgers_dollars_to_the_cent(smoke: Path) -> None:
    table = pd.read_parquet(smoke / "table.parquet")
    charges = table[(table["row"] == "charge") & (table["paid_by"] == "purse")]
    for name, record in records(smoke).items():
        of_ledger = sum(r["usd"] for r in ledger.rows(smoke / name) if r["row"] == "charge" and r["paid_by"] == "purse")
        assert charges[charges["arm"] == name]["usd"].sum() == pytest.approx(of_ledger, abs=1e-9)
        assert record.spent_usd == pytest.approx(of_ledger, abs=1e-9)
    assert len(pd.read_csv(smoke / "table.csv")) == len(table)


def test_every_arm_has_a_line_in_the_report_and_the_plots_are_there(smoke: Path) -> None:
    report = (smoke / "report.md").read_text()
    assert all(name in report for name in records(smoke))
    assert list(smoke.glob("*.png"))


def test_compact_models_are_kept_where_the_records_say(smoke: Path) -> None:
    for record in records(smoke).values():
        assert (smoke / record.student / "model.safetensors").exists()


def test_teachers_and_baselines_are_scored_beside_the_students(smoke: Path) -> None:
    rows = [row for name in records(smoke) if ".sft." in name for row in ledger.rows(smoke / name)]
    subjects = {row["subject"] for row in rows if row["row"] == "score"}
    assert {"student", "teacher"} < subjects
    assert any(subject.startswith("floor: ") for subject in subjects)


def test_work_that_arms_share_was_done_once_and_paid_by_each(smoke: Path) -> None:
    both = [name for name in records(smoke) if "distill" in name and "label_share=0.0-" in name]
    assert len(both) == 2
    bills = [[r["usd"] for r in ledger.rows(smoke / n) if r["row"] == "charge" and r["phase"] == "teacher_tuning"] for n in both]
    assert bills[0] == bills[1]
    shared = [[r["shared"] for r in ledger.rows(smoke / n) if r["row"] == "reading" and r["phase"] == "teacher_tuning"] for n in both]
    assert sorted(any(flags) for flags in shared) == [False, True]


def test_dollars_by_flops_are_foreseen_exactly_and_where_a_model_speaks_as_a_ceiling(smoke: Path, cache: Path) -> None:
    kept = records(smoke)
    for arm, forecast in foreseen(cache).items():
        spent = kept[arm.id].spent_usd
        assert spent is not None
        assert forecast.exact == (arm.cell.label != "distill")
        if forecast.exact:
            assert forecast.usd == pytest.approx(spent, abs=1e-9)
        else:
            assert spent <= forecast.usd <= arm.budget_usd
        charged = [row for row in ledger.rows(smoke / arm.id) if row["row"] == "charge" and row["unit"] == "FLOP"]
        trained = sum(row["quantity"] for row in charged if row["phase"] == "teacher_tuning")
        assert trained == sum(work.bill.flops for work in forecast.works if work.phase == "teacher_tuning")


def test_stored_outputs_of_a_model_make_dollars_by_flops_exact_in_every_arm(smoke: Path, cache: Path, tmp_path: Path) -> None:
    """The teachers' outputs are there, and nothing that came of them, as when a run was stopped before its students."""
    folder = tmp_path / "smoke"
    shutil.copytree(smoke, folder)
    kept = records(folder)
    for student in {record.student for record in kept.values()}:
        shutil.rmtree((folder / student).parent)
    for arm, forecast in foreseen(cache, folder).items():
        assert forecast.exact
        assert forecast.usd == pytest.approx(kept[arm.id].spent_usd, abs=1e-9)
        open_ = [work for work in forecast.works if work.phase == "student_training" and work.bill.flops]
        assert open_
        assert not any(work.shared for work in open_)


def test_a_plan_says_what_of_a_run_has_ended_and_what_is_left(smoke: Path, cache: Path, tmp_path: Path) -> None:
    folder = tmp_path / "smoke"
    shutil.copytree(smoke, folder)
    command = ["plan", SUITE, "--results", str(tmp_path), "--cache", str(cache), "--no-calibrate"]
    whole = bench(*command, "--max-usd", "0")
    assert whole.exit_code == 0, whole.stderr
    assert missing(whole.stdout, "All arms have ended") == []
    for path in [*folder.glob("*.annotate.4usd*"), *folder.glob("*.annotate.8usd*")]:
        shutil.rmtree(path)
    begun = bench(*command, "--max-usd", "0.5")
    assert begun.exit_code == 2
    (line,) = (line for line in begun.stdout.splitlines() if "6 of 8 arms" in line)
    assert missing(line, "$0.80") == []


def test_what_a_plan_foresaw_stands_beside_what_was_measured(
    smoke: Path, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(start_up, "measure", lambda *_: {"seconds": 2.5})
    folder = tmp_path / "results" / "smoke"
    command = ["plan", SUITE, "--results", str(folder.parent), "--cache", str(cache), "--workers", "1", "--only"]
    planned = bench(*command, "*4usd*")
    assert planned.exit_code == 0, planned.output
    assert "Time of all arms" in planned.stdout
    forecast = saved.read(folder)
    assert forecast is not None
    assert len(forecast.arms) == 4
    assert any("annotate" in arm_id for arm_id in forecast.arms)
    for arm_id, arm in forecast.arms.items():
        assert arm.exact or "annotate" not in arm_id
        assert (arm.seconds or 0) > 0
        assert arm.start_s == 2.5
        assert 0 < (arm.expected_usd or 0) <= (arm.usd or 0)
        assert arm.expected_usd == arm.usd or not arm.exact
        assert (arm.peak_bytes or 0) > 2**27
        assert 0 < (arm.usd or 0) <= 4
    shutil.copytree(smoke, folder, ignore=shutil.ignore_patterns("store"), dirs_exist_ok=True)
    assert "Forecast and measurement" not in (folder / "report.md").read_text()
    kept = (folder / "forecast.json").read_text()
    assert bench(*command, "*").exit_code == 0  # arms that have ended are not forecast any more
    assert (folder / "forecast.json").read_text() == kept
    assert bench("report", str(folder)).exit_code == 0
    section = (folder / "report.md").read_text().split("## Forecast and measurement\n")[1].split("\n## ")[0]
    assert sum(line.startswith("| stories") for line in section.splitlines()) == 4
    assert re.search(r"dollars [^.]*\b2 of (the )?2 arms", section)
    assert re.search(r"time [^.]*\b25%", section)
    assert "Forecast and measurement" in (folder / "report.html").read_text()


def test_a_second_run_does_no_work(smoke: Path, cache: Path) -> None:
    """What the processes of arms say of their data and models is what the runner compares them with."""

    def made() -> dict[Path, int]:
        return {
            path: path.stat().st_mtime_ns
            for path in smoke.rglob("*")
            if path.is_file() and path.name in ("ledger.jsonl", "bill.json", "record.json")
        }

    before = made()
    again = bench("run", SUITE, "--results", str(smoke.parent), "--cache", str(cache))
    assert again.exit_code == 0
    assert "8 of them ended before" in again.stdout
    assert made() == before


def test_an_arm_that_runs_out_of_dollars_or_labels_is_a_row_with_its_reason(here: None, cache: Path, tmp_path: Path) -> None:
    broken = Path(SUITE).read_text().replace("suite: smoke", "suite: broken")
    broken = broken.replace("sft: {use: sft, with: {label_share: 0.8, ", "sft: {use: sft, with: {label_share: 1.0, ")
    broken = broken.replace("budgets_usd: [4, 8]", "budgets_usd: [4, 80]")
    path = tmp_path / "broken.yaml"
    path.write_text(broken)
    done = bench("run", str(path), "--results", str(tmp_path), "--cache", str(cache), "--only", "*sft*")
    assert done.exit_code == 0, done.output
    statuses = {record.budget_usd: (record.status, record.reason) for record in records(tmp_path / "broken").values()}
    assert statuses[4.0][0] == "infeasible"
    assert statuses[80.0][0] == "skipped"
    report = (tmp_path / "broken" / "report.md").read_text()
    assert statuses[4.0][1].replace("$", "&#36;") in report


def test_gc_keeps_compact_models_and_reports_and_frees_the_rest(smoke: Path, tmp_path: Path) -> None:
    folder = tmp_path / "smoke"
    shutil.copytree(smoke, folder, symlinks=True)
    done = bench("store", "gc", str(folder))
    assert done.exit_code == 0, done.stderr
    left = {path.parent.parent for path in folder.glob("store/*/*/artifact/model.safetensors")}
    assert left == {(folder / record.student).parent for record in records(folder).values()}
    assert records(folder) == records(smoke)
    assert bench("report", str(folder)).exit_code == 0
    assert bench("store", "gc", str(tmp_path)).exit_code == 2


@pytest.mark.parametrize(("meter", "prices"), [("wall", "device_hour_usd: 360"), ("energy", "kwh_usd: 50000")])
def test_a_suite_that_pays_by_a_measured_meter_overspends_nothing(here: None, cache: Path, tmp_path: Path, meter: str, prices: str) -> None:
    text = Path(SUITE).read_text().replace("device_hour_usd: 1.875, meter: flops", f"{prices}, meter: {meter}")
    (tmp_path / "metered.yaml").write_text(text.replace("budgets_usd: [4, 8]", "budgets_usd: [8]"))
    done = bench("run", str(tmp_path / "metered.yaml"), "--results", str(tmp_path), "--cache", str(cache))
    assert done.exit_code == 0, done.output
    found = records(tmp_path / "smoke")
    assert len(found) == 4
    assert {record.status for record in found.values()} <= {"done", "infeasible"}
    assert any(record.status == "done" for record in found.values())
    unit = {"wall": "s", "energy": "kWh"}[meter]
    for name, record in found.items():
        paid = [r for r in ledger.rows(tmp_path / "smoke" / name) if r["row"] == "charge" and r["paid_by"] == "purse"]
        assert {r["unit"] for r in paid} <= {"label", unit}
        assert record.spent_usd <= record.budget_usd


def test_the_likelihood_of_the_references_is_known_of_models_and_of_token_frequencies_alone(smoke: Path) -> None:
    table = pd.read_parquet(smoke / "table.parquet")
    found = table[table["quantity"] == "log_perplexity"]
    subjects = found.groupby("subject")["value"].min()
    assert set(subjects.index) == {"student", "teacher", "floor: token frequencies"}
    assert subjects.gt(0).all()
    assert found.loc[found["subject"] == "student", "arm"].nunique() == len(records(smoke))


def test_a_run_killed_in_the_middle_goes_on_to_the_same_end(
    smoke: Path, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Arms in processes of their own until the kill, as a user runs them, and in this one afterwards; two of the four share a teacher."""
    command = ["run", SUITE, "--results", str(tmp_path), "--cache", str(cache), "--only", "*distill*", "--workers", "2"]
    folder = tmp_path / "smoke"
    elsewhere = [sys.executable, "-m", "bench", *command]
    with subprocess.Popen(elsewhere, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as running:
        workers: list[psutil.Process] = []
        while not (folder.exists() and records(folder) and len(workers := psutil.Process(running.pid).children(recursive=True)) > 1):
            assert running.poll() is None, "the run ended before it could be killed"
            time.sleep(0.1)
        os.kill(running.pid, signal.SIGKILL)
    _, alive = psutil.wait_procs(workers, timeout=60)
    assert not alive, "a killed run left a worker behind"
    ended_before = records(folder)
    assert 0 < len(ended_before) < 4
    instead(monkeypatch, in_this_process)
    again = bench(*command)
    assert again.exit_code == 0, again.output
    assert {name: record for name, record in records(folder).items() if name in ended_before} == ended_before
    undisturbed = {name: found for name, found in outcome(smoke).items() if "distill" in name}
    assert len(undisturbed) == 4
    continued = outcome(folder)
    assert continued.keys() == undisturbed.keys()
    for name, (scores, charges, predictions) in undisturbed.items():
        assert continued[name][0] == scores, name
        assert continued[name][1] == charges, name
        assert continued[name][2].splitlines() == predictions.splitlines(), name
