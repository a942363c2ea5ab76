"""Old results at other prices."""

from pathlib import Path

import pandas as pd
import pytest

from bench.contracts import Charge
from bench.errors import BenchError
from bench.report.html import quantities
from bench.results import repricing
from bench.results import table as results
from bench.results.table import Results
from tests.facts import missing
from tests.report import study
from tests.report.arms import write_arm, write_suite


@pytest.fixture
def found(tmp_path: Path) -> Results:
    return study.write(tmp_path, seeds=1, examples=3)


def _spent(found: Results) -> pd.Series:
    return results.arms(found.table)["usd spent"].round(6)


def test_the_prices_that_were_asked_change_nothing(found: Results) -> None:
    again = repricing.reprice(found, repricing.asked(found))
    pd.testing.assert_frame_equal(again.table, found.table)


def test_other_prices_are_counted_exactly_from_the_quantities(found: Results) -> None:
    quotes = repricing.asked(found).changed({"": 0.2}, device_hour_usd=7.2)
    spent = _spent(repricing.reprice(found, quotes))
    assert spent["annotate-40-0"] == pytest.approx(720 * 0.2 + 2 * 4.0)
    assert spent["distill-40-0"] == pytest.approx(2 * 2.0)


def test_scores_readings_and_budgets_stay(found: Results) -> None:
    again = repricing.reprice(found, repricing.asked(found).changed({"": 9.0}))
    for row in ("score", "fact", "reading"):
        pd.testing.assert_frame_equal(again.table[again.table["row"] == row], found.table[found.table["row"] == row])
    assert again.table["budget_usd"].equals(found.table["budget_usd"])


def test_the_record_of_what_was_spent_is_the_sum_of_the_charges(found: Results) -> None:
    table = repricing.reprice(found, repricing.asked(found).changed({"": 0.01}, device_hour_usd=100.0)).table
    paid = table[(table["row"] == "charge") & (table["paid_by"] == "purse")].groupby("arm")["usd"].sum()
    records = table[table["row"] == "record"].set_index("arm")["value"]
    assert records.to_dict() == pytest.approx(paid.to_dict())


@pytest.mark.parametrize(("meter", "price", "usd"), [("wall", {}, 1000 * 3.6 / 3600), ("energy", {"kwh_usd": 0.5}, 2e12 / 1e13 * 0.5)])
def test_compute_can_be_paid_by_another_meter(found: Results, meter: str, price: dict[str, float], usd: float) -> None:
    quotes = repricing.asked(found).changed({}, meter=meter, **price)
    assert _spent(repricing.reprice(found, quotes))["distill-40-0"] == pytest.approx(usd)


def test_there_and_back_again_is_where_it_began(found: Results) -> None:
    asked = repricing.asked(found)
    there = repricing.reprice(found, asked.changed({"": 0.3}, meter="wall"))
    pd.testing.assert_frame_equal(repricing.reprice(there, asked).table, found.table)


def test_dollars_are_linear_in_the_prices(found: Results) -> None:
    quotes = repricing.asked(found).changed({"": 0.7}, device_hour_usd=0.9)
    amounts = repricing.quantities(found)
    by_hand = sum(amounts[sold] * quotes.price(sold, "docstrings") for sold in repricing.PRICES) + amounts[repricing.FIXED]
    assert by_hand.to_dict() == pytest.approx(_spent(repricing.reprice(found, quotes)).to_dict())


def test_what_the_meter_did_not_count_is_unknown_and_not_free(tmp_path: Path) -> None:
    write_suite(tmp_path, prices=study.PRICES)
    unmeasured = [charge for charge in study.compute(2.0, "student_training") if charge.unit != "kWh"]
    write_arm(tmp_path, "known", charges=study.compute(2.0, "student_training"))
    write_arm(tmp_path, "unknown", charges=unmeasured)
    found = results.read(tmp_path)
    table = repricing.reprice(found, repricing.asked(found).changed({}, meter="energy", kwh_usd=0.5)).table
    spent = table[table["row"] == "record"].set_index("arm")["value"]
    assert spent["known"] == pytest.approx(0.1)
    assert pd.isna(spent["unknown"])


def test_dollars_of_a_phase_that_the_meter_left_out_are_missing_and_no_part_of_a_sum(tmp_path: Path) -> None:
    write_suite(tmp_path, prices=study.PRICES)
    labels = Charge(kind="labels", quantity=20, unit="label", unit_price_usd=0.05, paid_by="purse", phase="labels")
    tuned, trained = study.compute(2.0, "teacher_tuning"), study.compute(2.0, "student_training")
    unmeasured = [charge for charge in trained if charge.unit != "kWh"]
    for seed, of_training in enumerate((trained, unmeasured)):
        write_arm(tmp_path, f"partly-{seed}", seed=seed, charges=[labels, *tuned, *of_training])
        write_arm(tmp_path, f"never-{seed}", strategy="sft", seed=seed, charges=[labels, *unmeasured])
    found = results.read(tmp_path)
    priced = repricing.reprice(found, repricing.asked(found).changed({}, meter="energy", kwh_usd=0.5))
    usd = priced.by_arm[["usd labels", "usd teacher_tuning", "usd student_training", "usd spent"]]
    assert usd.loc["partly-0"].tolist() == pytest.approx([1.0, 0.1, 0.1, 1.2])
    assert usd.loc["partly-1"].isna().tolist() == [False, True, True, True]
    assert usd.loc["never-0"].isna().tolist() == [False, False, True, True]
    bought = quantities.by_line(priced)
    assert bought["docstrings", 10.0, "annotate"]["student_training"] == pytest.approx({"kwh": 0.2})


def test_work_that_was_cut_off_is_known_in_its_own_unit_alone(tmp_path: Path) -> None:
    write_suite(tmp_path, prices={**study.PRICES, "meter": "wall"})
    cut_off = Charge(kind="compute cut off", quantity=100.0, unit="s", unit_price_usd=0.001, paid_by="purse", phase="student_training")
    write_arm(tmp_path, "a", charges=[cut_off, *(c for c in study.compute(1.0, "teacher_tuning") if c.unit != "s")])
    found = results.read(tmp_path)
    assert pd.isna(repricing.reprice(found, repricing.asked(found).changed({}, meter="flops")).table["value"].iloc[0])


def test_a_meter_that_no_arm_has_is_refused_in_one_line(found: Results) -> None:
    with pytest.raises(BenchError, match=r"items: .* energy .*flops .*wall"):
        repricing.reprice(found, repricing.asked(found).changed({}, meter="items"))


@pytest.mark.parametrize(
    ("label_usd", "others", "match"),
    [
        ({"": -1.0}, {}, "label .* -1 USD"),
        ({"": float("nan")}, {}, "label .* nan USD"),
        ({"": 1e10}, {}, r"label .* 1e\+10 USD"),
        ({"nothing": 1.0}, {}, "'nothing' .*docstrings"),
        ({}, {"device_hour_usd": -2.0}, "device_hour_usd"),
        ({}, {"meter": "steps"}, "meter"),
    ],
)
def test_prices_that_cannot_be_are_refused(found: Results, label_usd: dict[str, float], others: dict[str, object], match: str) -> None:
    with pytest.raises(BenchError, match=match):
        repricing.asked(found).changed(label_usd, **others)


def test_a_price_for_one_task_leaves_the_others(found: Results) -> None:
    quotes = repricing.Quotes(book=repricing.asked(found).book, label_usd={"a": 1.0, "b": 2.0}).changed({"": 5.0, "b": 3.0})
    assert quotes.label_usd == {"a": 5.0, "b": 3.0}


def test_results_without_prices_say_so(tmp_path: Path) -> None:
    write_arm(tmp_path, "a")
    with pytest.raises(BenchError, match=r"prices.*suite\.json.* run "):
        repricing.asked(results.read(tmp_path))


def test_arms_whose_work_money_set_are_named_with_what_it_set(tmp_path: Path) -> None:
    write_suite(tmp_path)
    write_arm(tmp_path, "buyer", facts={"labels_bought": 1200})
    write_arm(tmp_path, "cut", facts={"labels_bought": 0, "limited_by_budget": 1})
    write_arm(tmp_path, "free", facts={"labels_bought": 0})
    reasons = repricing.set_by_money(results.read(tmp_path))
    assert [*reasons] == ["buyer", "cut"]
    assert missing(reasons["buyer"], "1,200 labels") == []
    assert missing(reasons["cut"], "training", "distillation") == []
    assert "labels" not in reasons["cut"]


def test_arms_that_took_no_step_can_be_counted_by_the_meter_they_were_run_by(tmp_path: Path) -> None:
    write_suite(tmp_path, prices=study.PRICES)
    loaded = Charge(
        kind="compute", quantity=0.01, unit="s", unit_price_usd=0.001, paid_by="other meter", phase="student_training"
    )  # reading a checkpoint takes seconds and no FLOP
    write_arm(
        tmp_path,
        "a",
        status="infeasible",
        charges=[Charge(kind="labels", quantity=3, unit="label", unit_price_usd=0.05, paid_by="purse", phase="labels"), loaded],
    )
    found = results.read(tmp_path)
    again = repricing.reprice(found, repricing.asked(found).changed({"": 0.1}))
    assert _spent(again)["a"] == pytest.approx(0.3)
