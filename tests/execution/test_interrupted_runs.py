"""A run that is cut off anywhere and goes on ends as one that never was, and spends what its plan says is still to go."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, note
from hypothesis import strategies as st

from bench import registry
from bench.contracts import METERS, Charge, no_progress
from bench.errors import BenchError
from bench.execution import prepare, runner
from bench.execution.job import ArmJob
from bench.execution.ledger import Ledger, rows
from bench.execution.prepared_suite import PreparedSuite
from bench.execution.record import Record
from bench.forecast.suite import SuiteForecast, refuse_above
from tests.forecast.both import Ground
from tests.forecast.draws import draws
from tests.forecast.valid_suites import Draw, suites

BILLIONTH = 1e-9
MEASURED = ("s", "kWh")
"""Units whose quantity is another one each time."""


@pytest.mark.parametrize("use", registry.names("strategies"))
@draws(10)
@given(data=st.data())
def test_a_run_that_was_cut_off_goes_on_to_the_same_rows_for_what_was_to_go(use: str, data: st.DataObject, here: Ground) -> None:
    body(use, data, here)


def body(use: str, data: st.DataObject, here: Ground) -> None:
    """Draw a suite, run it whole, run it again with Ctrl-C at some charge, let that go on, and compare."""
    draw, charge = foreseen(data.draw(suites(use))), data.draw(st.integers(1, 12))
    with here.prepared(draw) as prepared:
        note(f"{prepared.suite.text}\ncut off at charge {charge}")
        prepare.fetch(prepared, no_progress)
        whole = replace(prepared, results=prepared.results.with_name("whole"))
        expected = here.run(whole)
        with cut_off_at(charge):
            here.run(prepared)
        ahead = to_go(here, prepared)
        here.jobs.clear()
        records = here.run(prepared)
        assert {arm: ended(prepared, record) for arm, record in records.items()} == {
            arm: ended(whole, record) for arm, record in expected.items()
        }
        spent = newly_spent(here, prepared, ahead, records)
        note(f"spent {spent}, left {ahead.remaining}")
        assert spent <= ahead.remaining.at_most_usd + BILLIONTH
        if all(forecast.exact for arm, forecast in ahead.planned.items() if arm not in ahead.records):
            assert spent == pytest.approx(ahead.remaining.expected_usd, abs=BILLIONTH)


def foreseen(draw: Draw) -> Draw:
    """The same, paid by a meter whose amount is known beforehand."""
    prices = draw.tree["prices"]
    return (
        draw
        if METERS[prices.get("meter", "flops")].known_in_advance
        else replace(draw, tree={**draw.tree, "prices": {**prices, "meter": "flops"}})
    )


@contextmanager
def cut_off_at(number: int) -> Iterator[None]:
    """Ctrl-C at the charge of this number, which is not written down any more; nothing where there are fewer."""
    made, whole = iter(range(1, number)), Ledger.charge

    def charge(self: Ledger, charge: Charge) -> None:
        if next(made, None) is None:
            raise KeyboardInterrupt
        whole(self, charge)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Ledger, "charge", charge)
        try:
            yield
        except KeyboardInterrupt:
            return


def to_go(here: Ground, prepared: PreparedSuite) -> SuiteForecast:
    """What `bench plan` says of the rest; `--max-usd` allows as much as it says, and refuses a cent less."""
    ahead = here.ahead(prepared, here.plan(prepared, reuse=True), runner.kept(prepared, retry=False))
    told = round(ahead.remaining.at_most_usd, 2)
    refuse_above(ahead, told)
    with pytest.raises(BenchError, match="max-usd"):
        refuse_above(ahead, told - 0.01)
    return ahead


def ended(prepared: PreparedSuite, record: Record) -> dict[str, Any]:
    """How an arm ended, and its rows, without what is measured anew each time."""
    ledger = [row for row in rows(prepared.results / record.arm) if row["row"] in ("charge", "score") and row.get("unit") not in MEASURED]
    facts = {name: value for name, value in record.facts.items() if not name.endswith("_ms")}
    return {"status": record.status, "reason": record.reason, "usd": record.spent_usd, "facts": facts, "rows": ledger}


def newly_spent(here: Ground, prepared: PreparedSuite, ahead: SuiteForecast, records: dict[str, Record]) -> float:
    """Dollars that arms which had not ended paid for work that nobody had made before, and for labels that nobody had bought."""
    bought: dict[tuple[str, int, bool], float] = {}
    for arm in prepared.arms:
        record = ahead.records.get(arm)
        if record and record.status == "failed":  # it does not run again, and its labels are bought again by others
            continue
        before = record is not None
        charges = [row["usd"] for row in rows(prepared.results / arm.id) if row["row"] == "charge" and row["kind"] == "labels"]
        bought[arm.task_label, arm.seed, before] = max(bought.get((arm.task_label, arm.seed, before), 0.0), math.fsum(charges))
    labels = [max(0.0, usd - bought.get((task, seed, True), 0.0)) for (task, seed, before), usd in bought.items() if not before]
    return math.fsum([*labels, *(usd for job in here.jobs.values() for usd in made_usd(prepared, job))])


def made_usd(prepared: PreparedSuite, job: ArmJob) -> Iterator[float]:
    """Dollars of each piece of work that an arm had made itself."""
    prices, pays = prepared.suite.spec.prices, prepared.suite.spec.pays
    for work in job.works:
        if not work.shared and pays.who(work.phase) == "purse":
            task, bill = job._task_label, work.bill
            charges = prices.compute_charges(bill, task, work.phase, "purse") if work.recipe.on_device else []
            charges += prices.token_charges(bill.prompt_tokens, bill.output_tokens, work.phase, "purse")
            yield math.fsum(charge.usd for charge in charges if charge.paid_by == "purse")
