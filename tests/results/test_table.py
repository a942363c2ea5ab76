import json
import math
import shutil
from pathlib import Path

import pandas as pd
import pytest

from bench.contracts import Charge, Reading
from bench.errors import BenchError
from bench.execution.ledger import rows
from bench.results import examples
from bench.results import table as results
from bench.results.columns import COLUMNS, Column
from tests.report.arms import FLOP_USD, write_arm, write_suite

SCORES = {"student": {"rouge2": [1.0, 2.0, 6.0]}, "teacher": {"rouge2": [4.0, 5.0, 6.0]}, "floor: lead": {"rouge2": [0.0, 1.0, 2.0]}}

CHARGES = (
    Charge(kind="labels", quantity=7, unit="label", unit_price_usd=0.1, paid_by="purse", phase="student_training"),
    Charge(kind="compute", quantity=1.23456789e16, unit="FLOP", unit_price_usd=FLOP_USD, paid_by="purse", phase="teacher_tuning"),
    Charge(kind="compute", quantity=2.5e15, unit="FLOP", unit_price_usd=FLOP_USD, paid_by="purse", phase="student_training"),
    Charge(kind="compute", quantity=3.0e15, unit="FLOP", unit_price_usd=FLOP_USD, paid_by="free", phase="evaluation"),
    Charge(kind="compute", quantity=12.5, unit="s", unit_price_usd=0.000521, paid_by="other meter", phase="student_training"),
)

READINGS = (
    Reading("wall", 12.5, "s", "counter"),
    Reading("rss_peak", 2.0**30, "bytes", "polled"),
    Reading("gpu_peak", None, "bytes", "counter", reason="no GPU"),
)


def dtypes(frame: pd.DataFrame) -> dict[str, str]:
    return {name: str(dtype) for name, dtype in frame.dtypes.items()}


def declared(columns: dict[str, Column]) -> dict[str, str]:
    return {name: column.dtype for name, column in columns.items()}


def test_the_table_has_the_declared_columns_and_dtypes_whatever_was_measured(tmp_path: Path) -> None:
    empty = results.read(tmp_path)
    write_arm(tmp_path, "a", SCORES, charges=CHARGES, readings=READINGS, facts={"labels_bought": 7})
    full = results.read(tmp_path)
    for found in (empty, full):
        assert dtypes(found.table) == declared(COLUMNS)
    assert empty.table.empty
    assert set(full.table["row"]) == {"record", "charge", "score", "reading", "fact"}


def test_dollars_in_the_table_are_those_of_the_ledger_exactly(tmp_path: Path) -> None:
    folder = write_arm(tmp_path, "a", charges=CHARGES)
    found = results.read(tmp_path)
    assert found.table["usd"].dropna().tolist() == [charge.usd for charge in CHARGES]
    assert found.table["usd"].dropna().tolist() == [row["usd"] for row in rows(folder) if row["row"] == "charge"]
    arm = results.arms(found.table).loc["a"]
    assert arm["usd spent"] == found.records["a"].spent_usd == round(math.fsum(c.usd for c in CHARGES if c.paid_by == "purse"), 9)
    assert arm["usd labels"] == CHARGES[0].usd
    assert arm["usd teacher_tuning"] == CHARGES[1].usd
    assert arm["usd student_training"] == CHARGES[2].usd
    assert arm["usd not from the purse"] == CHARGES[3].usd


def test_a_charge_keeps_what_is_needed_to_price_it_again(tmp_path: Path) -> None:
    write_arm(tmp_path, "a", charges=CHARGES)
    table = results.read(tmp_path).table
    charges = table[table["row"] == "charge"]
    assert [*zip(charges["value"], charges["unit"], charges["unit_price_usd"], charges["paid_by"], strict=True)] == [
        (c.quantity, c.unit, c.unit_price_usd, c.paid_by) for c in CHARGES
    ]


def test_one_row_for_each_arm_holds_its_scores_facts_readings_and_speed_up(tmp_path: Path) -> None:
    write_arm(tmp_path, "a", SCORES, readings=READINGS, facts={"student_ms": 20.0, "large_ms": 50.0, "labels_bought": 7})
    write_arm(tmp_path, "b", status="infeasible", reason="too dear", seed=1)
    arms = results.arms(results.read(tmp_path).table)
    a, b = arms.loc["a"], arms.loc["b"]
    assert (a["student rouge2"], a["teacher rouge2"], a["floor: lead rouge2"]) == (3.0, 5.0, 1.0)
    assert (a["speed_up"], a["wall (s)"], a["rss_peak (bytes)"], a["labels_bought"]) == (2.5, 12.5, 2.0**30, 7)
    assert math.isnan(a["gpu_peak (bytes)"])
    assert (b["status"], b["reason"], b["usd spent"]) == ("infeasible", "too dear", 0.0)
    assert math.isnan(b["student rouge2"])


def test_a_sum_over_phases_is_missing_where_one_phase_is(tmp_path: Path) -> None:
    kwh = [Reading("energy", value, "kWh", "modelled", reason="" if value else "no") for value in (0.25, None)]
    write_arm(tmp_path, "a", readings=kwh[:1] * 2)
    write_arm(tmp_path, "b", readings=kwh, seed=1)
    energy = results.arms(results.read(tmp_path).table)["energy (kWh)"]
    assert energy["a"] == 0.5
    assert math.isnan(energy["b"])


def test_what_was_not_measured_is_missing_and_says_why(tmp_path: Path) -> None:
    write_arm(tmp_path, "a", readings=READINGS)
    table = results.read(tmp_path).table
    gpu = table[table["quantity"] == "gpu_peak"].iloc[0]
    assert math.isnan(gpu["value"])
    assert gpu["reason"] == "no GPU"


def test_a_score_that_was_not_measured_is_missing_and_says_why(tmp_path: Path) -> None:
    write_arm(tmp_path, "a", SCORES, missing={"bert_ibleu": "no encoder"})
    found = results.read(tmp_path)
    lost = found.table[found.table["quantity"] == "bert_ibleu"]
    assert [*zip(lost["subject"], lost["reason"], strict=True)] == [(subject, "no encoder") for subject in SCORES]
    assert lost["value"].isna().all()
    arm = results.arms(found.table).loc["a"]
    assert math.isnan(arm["student bert_ibleu"])
    assert arm["student rouge2"] == 3.0
    assert ("student", "bert_ibleu") not in found.examples["a"].scores


def test_charges_of_every_phase_and_kind_are_dollars_of_their_phase(tmp_path: Path) -> None:
    charges = (
        Charge(kind="compute", quantity=2e3, unit="s", unit_price_usd=0.001, paid_by="purse", phase="continued_pretraining"),
        Charge(kind="prompt tokens", quantity=4000, unit="token", unit_price_usd=2e-4, paid_by="purse", phase="pseudo_labelling"),
        Charge(kind="output tokens", quantity=1000, unit="token", unit_price_usd=7e-4, paid_by="purse", phase="pseudo_labelling"),
    )
    write_arm(tmp_path, "a", charges=charges, facts={"student_flops": 3e9})
    found = results.read(tmp_path)
    arm = results.arms(found.table).loc["a"]
    assert (arm["usd continued_pretraining"], arm["usd pseudo_labelling"], arm["usd spent"]) == (2.0, 1.5, 3.5)
    assert found.table.loc[found.table["quantity"] == "student_flops", "unit"].tolist() == ["FLOP"]


def test_examples_hold_each_score_of_each_example_of_arms_that_are_done(tmp_path: Path) -> None:
    write_arm(tmp_path, "a", SCORES)
    write_arm(tmp_path, "b", SCORES, status="failed", reason="killed", seed=1)
    examples = results.read(tmp_path).examples
    assert set(examples) == {"a"}
    assert examples["a"].ids == ("e0", "e1", "e2")
    assert {key: list(values) for key, values in examples["a"].scores.items()} == {
        (subject, "rouge2"): by_metric["rouge2"] for subject, by_metric in SCORES.items()
    }


@pytest.mark.parametrize(
    "damage",
    [
        lambda folder: (folder / "record.json").write_text("{"),
        lambda folder: (folder / "record.json").write_text("[]"),
        lambda folder: (folder / "record.json").write_bytes(b"\xff\xfe"),
        lambda folder: (folder / "record.json").write_text(json.dumps({"arm": "a"})),
        lambda folder: edit(folder, budget_usd="much"),
        lambda folder: edit(folder, budget_usd=-1),
        lambda folder: edit(folder, spent_usd=1e308),
        lambda folder: edit(folder, facts={"labels_bought": -1e308}),
        lambda folder: append(folder / "ledger.jsonl", json.dumps({"row": "fact", "name": "a", "value": 1e308})),
        lambda folder: change_score(folder, 1e308),
        lambda folder: edit(folder, schema=99),
        lambda folder: edit(folder, task=None),
        lambda folder: edit(folder, machine=[]),
        lambda folder: append(folder / "ledger.jsonl", '{"row": "charge"}'),
        lambda folder: append(folder / "ledger.jsonl", '{"row": "riddle"}'),
        lambda folder: append(folder / "ledger.jsonl", "3"),
        lambda folder: (append(folder / "ledger.jsonl", '{"row"'), append(folder / "ledger.jsonl", "{}")),
        lambda folder: (folder / "ledger.jsonl").write_bytes(b"\xff\n" + (folder / "ledger.jsonl").read_bytes()),
        lambda folder: append(folder / "predictions.jsonl", '{"id": "e9", "scores": {"student": {"rouge2": null}}}'),
        lambda folder: append(folder / "predictions.jsonl", '{"id": "e9"}'),
        lambda folder: append(folder / "predictions.jsonl", "{"),
        lambda folder: append(folder / "predictions.jsonl", (folder / "predictions.jsonl").read_text().splitlines()[0]),
    ],
)
def test_an_arm_that_cannot_be_read_is_a_failed_row_and_leaves_the_others_alone(tmp_path: Path, damage: object) -> None:
    damaged = write_arm(tmp_path, "a", SCORES, charges=CHARGES)
    write_arm(tmp_path, "b", SCORES, seed=1)
    damage(damaged)  # type: ignore[operator]
    found = results.read(tmp_path)
    arms = results.arms(found.table)
    assert arms["status"].to_dict() == {"a": "failed", "b": "done"}
    assert arms.loc["a", "reason"].startswith("cannot be read: ")
    assert set(found.examples) == {"b"}


def change_score(folder: Path, value: float) -> None:
    path = folder / "predictions.jsonl"
    first, *others = path.read_text().splitlines(keepends=True)
    line = json.loads(first)
    line["scores"]["student"]["rouge2"] = value
    path.write_text("".join([json.dumps(line) + "\n", *others]))


def edit(folder: Path, **changes: object) -> None:
    path = folder / "record.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


def append(path: Path, line: str) -> None:
    with path.open("a") as file:
        file.write(line + "\n")


def test_an_arm_without_a_record_is_unfinished_and_keeps_its_charges(tmp_path: Path) -> None:
    write_suite(tmp_path, arms=["a", "b"])
    folder = write_arm(tmp_path, "a", SCORES, charges=CHARGES)
    (folder / "record.json").unlink()
    arms = results.arms(results.read(tmp_path).table)
    assert arms["status"].to_dict() == {"a": "unfinished", "b": "unfinished"}
    assert "running" in arms["reason"]["a"]
    assert arms["reason"]["b"] == "not started"
    assert arms.loc["a", "usd labels"] == CHARGES[0].usd


def test_a_changed_arm_is_read_anew(tmp_path: Path) -> None:
    write_arm(tmp_path, "a", SCORES)
    before = results.read(tmp_path).examples["a"]
    write_arm(tmp_path, "a", {"student": {"rouge2": [9.0]}})
    after = results.read(tmp_path).examples["a"]
    assert (len(before.ids), after.ids, after.scores["student", "rouge2"].tolist()) == (3, ("e0",), [9.0])


def copies(root: Path, count: int) -> None:
    """Arms that differ by seed, without writing each through the ledger."""
    template = write_arm(root, "a0", {"student": {"rouge2": [0.0]}})
    for seed in range(1, count):
        folder = shutil.copytree(template, root / f"a{seed}")
        edit(folder, arm=f"a{seed}", seed=seed)


def test_an_arm_that_has_not_changed_is_read_once_however_many_arms_there_are(tmp_path: Path) -> None:
    copies(tmp_path, 600)
    first, second = (results.read(tmp_path).examples for _ in range(2))
    assert len(first) == 600
    assert all(first[arm] is second[arm] for arm in first)


def test_a_ledger_damaged_before_its_last_line_is_refused_by_file_and_line(tmp_path: Path) -> None:
    folder = write_arm(tmp_path, "a", facts={"x": 1.0})
    append(folder / "ledger.jsonl", '{"row": "fact", "na')
    assert [row["name"] for row in rows(folder)] == ["x"]
    append(folder / "ledger.jsonl", '{"row": "fact"}')
    with pytest.raises(BenchError, match=r"ledger\.jsonl:2: cannot be read"):
        rows(folder)


@pytest.mark.parametrize("name", ["seed", "task", "arm", "status", "usd spent", "speed_up", "student rouge2", "wall (s)"])
def test_a_fact_called_like_another_column_stands_beside_it(tmp_path: Path, name: str) -> None:
    write_arm(tmp_path, "a", SCORES, readings=READINGS, facts={"student_ms": 20.0, "large_ms": 50.0})
    before = results.arms(results.read(tmp_path).table).loc["a"]
    write_arm(tmp_path, "a", SCORES, readings=READINGS, facts={"student_ms": 20.0, "large_ms": 50.0, name: 42.0})
    after = results.arms(results.read(tmp_path).table).loc["a"]
    assert after[f"fact: {name}"] == 42.0
    pd.testing.assert_series_equal(after.drop(f"fact: {name}"), before)


def test_a_saved_table_reads_back_the_same(tmp_path: Path) -> None:
    write_arm(tmp_path, "a", SCORES, charges=CHARGES, readings=READINGS)
    found = results.read(tmp_path)
    results.save(found, tmp_path)
    pd.testing.assert_frame_equal(pd.read_parquet(tmp_path / "table.parquet"), found.table)
    csv = pd.read_csv(tmp_path / "table.csv")
    assert csv["usd"].dropna().tolist() == [charge.usd for charge in CHARGES]
    assert not list(tmp_path.glob("*.part"))


def test_an_empty_folder_can_be_saved(tmp_path: Path) -> None:
    results.save(results.read(tmp_path), tmp_path)
    assert dtypes(pd.read_parquet(tmp_path / "table.parquet")) == declared(COLUMNS)


def test_a_folder_that_is_not_there_or_a_damaged_suite_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(BenchError, match="no such results folder"):
        results.read(tmp_path / "nowhere")
    (tmp_path / "suite.json").write_text("[1")
    with pytest.raises(BenchError, match="not a JSON object"):
        results.read(tmp_path)


def test_log_probabilities_are_the_same_whether_files_are_read_one_by_one_or_at_once(tmp_path: Path) -> None:
    scores = {who: {"rouge2": [1.0, 2.0]} for who in ("student", "teacher")}
    held = {"student": [-1.5, -2.0], "teacher": [-0.5, 0.0]}
    expected = {"new": held, "none": {}, "old": {}}
    for arm, log_probs in expected.items():
        write_arm(tmp_path, arm, scores, log_probs=None if arm == "old" else log_probs)
    paths = {arm: tmp_path / arm / "predictions.jsonl" for arm in expected}
    one_by_one = {arm: examples.read(path) for arm, path in paths.items()}
    for path in paths.values():
        path.touch()  # a file that changed is read again
    examples.read_ahead(paths.values())
    at_once = {arm: examples.read(path) for arm, path in paths.items()}
    for found in (one_by_one, at_once):
        assert {arm: {who: list(values) for who, values in one.log_probs.items()} for arm, one in found.items()} == expected
    assert all(at_once[arm] is not one_by_one[arm] for arm in expected)
