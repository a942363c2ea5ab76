"""Plan and run agree on every valid suite that is drawn: how each arm ends, and what it costs."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given, note
from hypothesis import strategies as st

from bench import registry
from bench.contracts import Charge, Phase, no_progress
from bench.execution import prepare, stored
from bench.execution.ledger import rows
from bench.execution.prepared_suite import PreparedSuite
from bench.execution.record import Record
from bench.forecast.arm import Forecast
from bench.forecast.suite import SuiteForecast
from bench.suite.arms import Arm
from bench.training.conversion import Converted
from tests.forecast.both import Ground
from tests.forecast.draws import draws
from tests.forecast.valid_suites import ENDPOINT, Draw, model, rows_of, suites

BILLIONTH = 1e-9


@pytest.mark.parametrize("use", registry.names("strategies"))
@draws(40)
@given(data=st.data())
def test_plan_and_run_agree(use: str, data: st.DataObject, here: Ground) -> None:
    body(use, data, here)


@pytest.mark.parametrize("meter", ["flops", "wall"])
@pytest.mark.parametrize("engine", ["torch", "ctranslate2"])
def test_plan_and_run_agree_with_each_engine_and_conversions_are_paid_by_time_alone(engine: str, meter: str, here: Ground) -> None:
    pytest.importorskip(engine)
    tree = {
        "suite": "engines",
        "question": "Which?",
        "large": model("t5", 8),
        "tasks": {"own": {"use": "files", "with": {**rows_of("train.csv"), "max_source_tokens": 12, "max_target_tokens": 3}}},
        "strategies": {"taught": {"use": "distill", "with": {"student": {"epochs": 1}, "teacher": {"epochs": 1}}}},
        "engine": {"use": engine},
        "start_labels": 4,
        "budgets_usd": [100.0],
        "seeds": [1],
        "prices": {"label_usd": 1.0, "meter": meter, "device_hour_usd": 36.0, "device_flops_per_second": 1e9},
        "profilers": {},
    }
    with here.prepared(Draw(tree=tree, sum=None, off_usd=0.0)) as prepared:
        prepare.fetch(prepared, no_progress)
        ahead = here.ahead(prepared, here.plan(prepared))
        ((arm, forecast),) = ahead.planned.items()
        record = here.run(prepared)[arm.id]
        assert record.status == "done", record.reason
        agree(here, prepared, ahead, arm, record)
        same(here, prepared, arm, here.plan(prepared, reuse=True)[arm], record)
        converted = [work for work in here.jobs[arm.id].works if isinstance(work.recipe, Converted)]
        assert [work.phase for work in converted] == [work.phase for work in forecast.works if isinstance(work.recipe, Converted)]
        assert [work.phase for work in converted] == ([Phase.PSEUDO_LABELLING, Phase.EVALUATION] if engine == "ctranslate2" else [])
        paid_for = {Phase.PSEUDO_LABELLING, Phase.STUDENT_TRAINING, Phase.TEACHER_TUNING}
        times = [work.bill.wall_s for work in here.jobs[arm.id].works if work.phase in paid_for]
        charged = [charge for charge in paid(rows(prepared.results / arm.id)) if charge[2] == "s"]
        assert math.fsum(quantity for *_, quantity, _ in charged) == pytest.approx(math.fsum(times) if meter == "wall" else 0.0)
        assert all(work.bill.flops == 0 and work.bill.wall_s > 0 for work in converted)
        assert len(list(prepared.results.glob("store/*/converted-*/artifact"))) == len(converted)
        stored.remove_unneeded(prepared.results)
        assert not list(prepared.results.glob("store/*/converted-*/artifact"))


def test_a_plan_says_how_much_it_costs_at_most_where_answers_are_of_no_use_and_the_other_labels_are_repeated(here: Ground) -> None:
    """No answer is one of the classes, so that only the labels are left, whose documents are longer."""
    asked = {"endpoint": {"base_url": ENDPOINT, "model": "words"}, "prompt": {"answers": [["yes", "no"]]}}
    tree = {
        "suite": "repeated",
        "question": "Which?",
        "large": model("t5", 8),
        "tasks": {"own": {"use": "files", "with": {**rows_of("short_pool.csv"), "max_source_tokens": 40, "max_target_tokens": 6}}},
        "strategies": {"asked": {"use": "llm_label", "with": {**asked, "student": {"epochs": 1, "batch_size": 1, "min_steps": 40}}}},
        "start_labels": 4,
        "budgets_usd": [100.0],
        "seeds": [1],
        "prices": {"label_usd": 1.0, "device_hour_usd": 36_000.0, "device_flops_per_second": 1e9},
        "profilers": {},
    }
    with here.prepared(Draw(tree=tree, sum=None, off_usd=0.0)) as prepared:
        ahead = here.ahead(prepared, here.plan(prepared))
        ((arm, forecast),) = ahead.planned.items()
        record = here.run(prepared)[arm.id]
        assert not forecast.exact
        assert record.facts["invalid_answers"] == 6
        assert forecast.usd < (record.spent_usd or 0.0) <= ahead.standalone[arm].at_most_usd < arm.budget_usd


def body(use: str, data: st.DataObject, here: Ground) -> None:
    """Draw a suite, plan it, run it, plan it once more over what was made, and compare."""
    draw = data.draw(suites(use))
    with here.prepared(draw) as prepared:
        note(prepared.suite.text)
        prepare.fetch(prepared, no_progress)
        planned = here.plan(prepared)
        ahead = here.ahead(prepared, planned)
        records = here.run(prepared)
        for arm, forecast in planned.items():
            note(f"{arm.id}: {forecast.status} {forecast.stops} {forecast.usd} exact={forecast.exact}; {records[arm.id]}")
            agree(here, prepared, ahead, arm, records[arm.id])
        for arm, forecast in here.plan(prepared, reuse=True).items():
            if records[arm.id].status == "done":
                same(here, prepared, arm, forecast, records[arm.id])


def agree(here: Ground, prepared: PreparedSuite, ahead: SuiteForecast, arm: Arm, record: Record) -> None:
    """What was foreseen before anything was made, and what came of it."""
    forecast, meter = ahead.planned[arm], prepared.suite.spec.prices.paying
    assert record.spent_usd is not None
    assert record.spent_usd <= arm.budget_usd
    total = ahead.standalone[arm]
    assert record.spent_usd <= total.at_most_usd + BILLIONTH
    if meter.known_in_advance:
        assert total.expected_usd is not None
        assert 0 <= total.expected_usd <= total.at_most_usd
        assert not forecast.exact or total.expected_usd == total.at_most_usd
    if meter.known_in_advance and forecast.exact:
        same(here, prepared, arm, forecast, record)
    elif record.status == "failed":
        assert (forecast.status, words(forecast.stops)) == ("failed", record.reason)
    elif meter.known_in_advance and not forecast.limited:
        assert record.status in (forecast.status, "skipped")  # skipped: no output was any use as a label


def same(here: Ground, prepared: PreparedSuite, arm: Arm, forecast: Forecast, record: Record) -> None:
    """A forecast in which nothing hangs on what a model will say, and what came of it."""
    assert (record.status, record.reason) == (forecast.status, words(forecast.stops))
    assert record.spent_usd == pytest.approx(forecast.usd, abs=BILLIONTH)
    assert paid(rows(prepared.results / arm.id)) == [told(charge) for charge in forecast.charges if counts(charge.paid_by, charge.phase)]
    for name, value in forecast.facts.items():
        assert record.facts.get(name) == value, name
    if prepared.suite.spec.prices.paying.known_in_advance:  # a clock may have ended a training before its last step
        assert here.steps(arm) == forecast.steps


def paid(ledger: list[dict[str, Any]]) -> list[tuple[Any, ...]]:
    charges = [row for row in ledger if row["row"] == "charge" and counts(row["paid_by"], row["phase"])]
    return [(row["phase"], row["kind"], row["unit"], row["quantity"], row["usd"]) for row in charges]


def told(charge: Charge) -> tuple[object, ...]:
    return charge.phase, charge.kind, charge.unit, charge.quantity, charge.usd


def counts(paid_by: object, phase: object) -> bool:
    return paid_by == "purse" and phase != "evaluation"


def words(reason: str) -> str:
    return " ".join(reason.split())
