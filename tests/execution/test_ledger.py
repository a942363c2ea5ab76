"""Money is hard, rows are never lost, and a record is whole or not there."""

import json
import random
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.contracts import Charge, Fact, Reading, Score
from bench.errors import OverBudget
from bench.execution import ledger
from bench.execution.ledger import Ledger
from bench.execution.purse import Purse
from bench.execution.record import Record, read_record, write_record


def charge(quantity: float, price: float = 1.0, paid_by: str = "purse") -> Charge:
    return Charge(kind="compute", quantity=quantity, unit="s", unit_price_usd=price, paid_by=paid_by, phase="student_training")  # type: ignore[arg-type]


def test_ten_labels_of_ten_cents_fit_into_one_dollar_and_an_eleventh_does_not() -> None:
    purse = Purse(1.0)
    for _ in range(10):
        purse.pay(charge(1, 0.1))
    assert purse.left_usd == 0.0
    with pytest.raises(OverBudget, match=r"costs \$0.10, \$0.00 of \$1.00 are left"):
        purse.pay(charge(1, 0.1))


def test_what_the_purse_does_not_pay_for_leaves_it_alone() -> None:
    purse = Purse(1.0)
    purse.pay(charge(100, paid_by="free"))
    purse.pay(charge(100, paid_by="other meter"))
    assert (purse.spent_usd, len(purse.charges)) == (0.0, 2)


@given(st.floats(0.01, 1000), st.lists(st.tuples(st.floats(0, 1e3), st.floats(0, 1)), max_size=30))
def test_no_order_of_charges_overspends_a_purse(budget: float, wanted: list[tuple[float, float]]) -> None:
    purse = Purse(budget)
    for quantity, price in wanted:
        try:
            purse.pay(charge(quantity, price))
        except OverBudget:
            assert purse.spent_usd + quantity * price > budget - 1e-8
    assert purse.spent_usd <= budget


def test_a_refused_charge_is_not_written_down(tmp_path: Path) -> None:
    purse = Purse(1.0, Ledger(tmp_path))
    purse.pay(charge(0.5))
    with pytest.raises(OverBudget):
        purse.pay(charge(0.6))
    assert [row["usd"] for row in ledger.rows(tmp_path)] == [0.5]


def test_rows_are_on_disk_before_the_ledger_is_closed(tmp_path: Path) -> None:
    book = Ledger(tmp_path)
    book.charge(charge(2, 0.25))
    book.score("student", Score("rouge2", 12.5, "points", "higher", (12.5,)))
    book.reading("student_training", Reading("energy", None, "kWh", "modelled", reason="no meter"), shared=True)
    book.fact(Fact(name="labels_bought", value=7, unit="labels"))
    found = ledger.rows(tmp_path)
    assert [row["row"] for row in found] == ["charge", "score", "reading", "fact"]
    assert found[0]["usd"] == 0.5
    assert found[2]["value"] is None
    assert found[2]["reason"] == "no meter"


def test_a_new_attempt_keeps_the_ledger_of_the_one_before(tmp_path: Path) -> None:
    for n in (1, 2, 3):
        Ledger(tmp_path).fact(Fact(name="attempt", value=n))
    assert ledger.rows(tmp_path)[0]["value"] == 3
    kept = sorted(tmp_path.glob("ledger.attempt-*.jsonl"))
    assert [json.loads(path.read_text())["value"] for path in kept] == [1, 2]


def test_a_line_cut_off_by_a_kill_is_left_out(tmp_path: Path) -> None:
    Ledger(tmp_path).fact(Fact(name="whole", value=1))
    with (tmp_path / "ledger.jsonl").open("a") as f:
        f.write('{"row": "fact", "na')
    assert [row["name"] for row in ledger.rows(tmp_path)] == ["whole"]


def test_a_record_survives_the_disk(tmp_path: Path) -> None:
    record = Record(
        arm="a", suite="s", task="t", strategy="x", use="sft", setting="", settings={"label_share": 0.5}, budget_usd=1.0, seed=1,
        status="infeasible", reason="no money", spent_usd=0.5, facts={"labels_owned": 3.0}, data_fingerprint="f", machine={}, started="",
        ended="", student="",
    )  # fmt: skip
    assert read_record(tmp_path) is None
    write_record(tmp_path, record)
    assert read_record(tmp_path) == record
    assert not list(tmp_path.glob("*.part"))


def test_dollars_are_the_same_whatever_the_order_of_charges() -> None:
    charges = [charge(random.Random(i).random() * 100, 0.013) for i in range(200)]
    totals = set()
    for seed in range(5):
        random.Random(seed).shuffle(charges)
        purse = Purse(1e9)
        for c in charges:
            purse.pay(c)
        totals.add(purse.spent_usd)
    assert len(totals) == 1
