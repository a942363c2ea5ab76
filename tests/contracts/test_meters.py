"""A meter is one entry of METERS: everything else reads the registry."""

from __future__ import annotations

import pickle
import sys
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest

import bench.profilers
from bench.contracts import METERS, Bill, Meter, Phase, Reading, Score, Splits, no_progress
from bench.execution import ledger
from bench.execution.job import ArmJob
from bench.execution.ledger import Ledger
from bench.execution.purse import Purse
from bench.execution.record import Ending
from bench.execution.store import Store
from bench.results import repricing
from bench.results import table as results
from bench.suite import suite_file
from bench.suite.arms import Arm
from bench.suite.prices import PriceBook
from tests.execution.fake_worker import FakeWorker, instead, records
from tests.execution.fake_worker import bench as command
from tests.execution.test_store import Steps
from tests.report.arms import write_arm, write_predictions, write_suite

CO2 = Meter(name="co2", counts="kg of CO2", unit="kg", profiler="co2")
"""All that it takes to add a meter that an instrument measures."""

PROFILER = '''
from bench.contracts import Instrument, Profiler, Reading


class Co2(Profiler):
    """Half a kg of CO2 for every window."""

    def instrument(self) -> Instrument:
        return Counter()


class Counter:
    quantity = "co2"

    def start(self) -> None: ...

    def so_far(self) -> float:
        return 0.25

    def stop(self) -> list[Reading]:
        return [Reading("co2", 0.5, "kg", "modelled")]
'''

PRICES = {"label_usd": 0.2, "device_hour_usd": 3.6, "device_flops_per_second": 1.0, "kwh_usd": 0.3}
BILL = Bill(flops=70.0, wall_s=3.0, kwh=2.0, items=5, readings=(Reading("co2", 0.5, "kg", "modelled"),))


@pytest.fixture
def with_co2(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    shelf = tmp_path / "shelf"
    shelf.mkdir()
    (shelf / "co2.py").write_text(PROFILER)
    monkeypatch.setitem(METERS, "co2", CO2)
    monkeypatch.setattr(bench.profilers, "__path__", [*bench.profilers.__path__, str(shelf)])
    yield
    sys.modules.pop("bench.profilers.co2", None)


def worked(arm: Arm, folder: Path) -> Ending:
    """The ending of an arm that has three steps made, paid by the meter of its suite."""
    loaded = suite_file.read(folder / "suite.yaml")
    book = Ledger(folder / arm.id)
    purse = Purse(arm.budget_usd, book)
    store = Store(folder / "store", folder, "cpu", loaded.profilers, no_progress)
    ArmJob(loaded, arm, Splits((), (), (), (), "f"), purse, store, book).make(Steps(3, name=arm.id), Phase.STUDENT_TRAINING)
    scores = {"student": {"rouge2": [arm.budget_usd] * 4}, "floor: lead": {"rouge2": [0.5] * 4}}
    for subject, found in scores.items():
        book.score(subject, Score("rouge2", found["rouge2"][0], "points", "higher"))
    write_predictions(folder / arm.id, scores)
    return Ending(status="done", spent_usd=purse.spent_usd)


def test_a_new_meter_is_run_tabled_priced_and_reported(with_co2: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = Path("suites/smoke.yaml").read_text(encoding="utf-8")
    text = text.replace("meter: flops,", "meter: co2, usd_per_unit: {co2: 0.4},") + "\nprofilers: {co2: {use: co2}, wall: {use: wall}}\n"
    (tmp_path / "mine.yaml").write_text(text, encoding="utf-8")
    instead(monkeypatch, FakeWorker(worked).run)
    ran = command(
        "run", tmp_path / "mine.yaml", "--results", tmp_path, "--cache", tmp_path / "cache", "--device", "cpu", "--only", "*annotate*"
    )
    folder = tmp_path / "smoke"
    assert ran.exit_code == 0, ran.output
    done = records(folder)
    assert len(done) == 2
    for name, record in done.items():
        assert record.spent_usd == pytest.approx(0.5 * 0.4)
        charges = {row["unit"]: row for row in ledger.rows(folder / name) if row["row"] == "charge"}
        assert {unit: row["paid_by"] for unit, row in charges.items()} == {"kg": "purse", "FLOP": "other meter", "s": "other meter"}
        assert (charges["kg"]["quantity"], charges["kg"]["unit_price_usd"]) == (0.5, 0.4)
    found = results.read(folder)
    assert found.by_arm.loc[[*done], "co2 (kg)"].tolist() == [0.5, 0.5]
    assert repricing.quantities(found).loc[[*done], "co2"].tolist() == [0.5, 0.5]
    for price in (0.4, 0.8):
        quotes = repricing.asked(found).changed({}, usd_per_unit={"co2": price})
        assert repricing.reprice(found, quotes).by_arm.loc[[*done], "usd spent"].tolist() == pytest.approx([0.5 * price] * 2)
        assert quotes.rates("stories")["co2"] == price
    by_wall = repricing.reprice(found, repricing.asked(found).changed({}, meter="wall"))
    assert repricing.reprice(by_wall, repricing.asked(found)).by_arm.loc[[*done], "usd spent"].tolist() == pytest.approx([0.2, 0.2])
    priced = command("price", folder, "--unit-usd", "co2=0.8", "--out", tmp_path / "priced")
    assert priced.exit_code == 0, priced.output
    assert "0.40" in (tmp_path / "priced" / "report.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", [*METERS, "co2"])
def test_the_same_prices_give_the_same_dollars(name: str, with_co2: None, tmp_path: Path) -> None:
    items = {"docstrings": {"teacher_tuning": 40.0, "teacher_set_up": 0.05}}
    prices = {**PRICES, "meter": name, "usd_per_1k_items": items, "usd_per_unit": {"co2": 0.25}}
    book = PriceBook.model_validate(prices)
    write_suite(tmp_path, prices=book.model_dump(mode="json"))
    charges = [*book.compute_charges(BILL, "docstrings", "teacher_tuning", "purse"), *book.token_charges(7, 9, "teacher_tuning", "purse")]
    write_arm(tmp_path, "arm", {"student": {"rouge2": [1.0, 2.0]}}, charges=charges)
    found = results.read(tmp_path)
    asked = repricing.asked(found)
    spent = found.by_arm["usd spent"]["arm"]
    assert spent > 0
    pd.testing.assert_frame_equal(repricing.reprice(found, asked).table, found.table)
    amounts = repricing.quantities(found).loc["arm"]
    assert sum(amounts[good] * asked.price(good, "docstrings") for good in repricing.goods()) + amounts[repricing.FIXED] == pytest.approx(
        spent
    )
    for other in METERS:
        there = repricing.reprice(found, asked.changed({}, meter=other))
        pd.testing.assert_frame_equal(repricing.reprice(there, asked).table, found.table)


def test_meters_differ_in_unit_and_are_pickled_by_name() -> None:
    assert len({meter.unit for meter in METERS.values()}) == len(METERS)
    assert all(pickle.loads(pickle.dumps(meter)) is meter for meter in METERS.values())
