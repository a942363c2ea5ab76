"""What a plan says of a run that has begun, and of dollars that are a ceiling."""

import math
import re
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from bench.errors import BenchError
from bench.execution.ledger import LIMITED
from bench.forecast import terminal
from bench.forecast.suite import SuiteForecast, refuse_above, suite_forecast
from bench.forecast.totals import Planned
from bench.suite.arms import Arm
from bench.suite.suite_file import Suite
from tests.forecast.conftest import SUITE, ended, here, planned, read


@pytest.fixture(scope="module")
def arms(tiny: Suite, cache: Path) -> Planned:
    return planned(tiny, cache, "*4usd.seed1*")


def said(ahead: SuiteForecast) -> str:
    console = Console(width=300)
    with console.capture() as captured:
        for block in terminal.blocks(ahead):
            console.print(block)
    return captured.get()


def line(text: str, arm: Arm) -> str:
    return next(line for line in text.splitlines() if f" {arm.column} " in line)


def made(arms: Planned) -> Planned:
    return {arm: replace(forecast, works=tuple(replace(work, shared=True) for work in forecast.works)) for arm, forecast in arms.items()}


def test_expected_dollars_stand_beside_the_upper_bound_where_a_cost_depends_on_generated_text(tiny: Suite, arms: Planned) -> None:
    inexact = [work for forecast in arms.values() if not forecast.exact for work in forecast.works]
    ratios = dict.fromkeys([work.recipe.key for work in inexact if work.phase != "teacher_tuning"], 0.25)
    found = suite_forecast(tiny, arms, None, 1, ratios=ratios)
    text = said(found)
    assert all(head in text for head in ("expected $", "at most $"))
    for arm, forecast in arms.items():
        total = found.standalone[arm]
        assert total.expected_usd is not None
        assert (total.expected_usd < total.at_most_usd) == (not forecast.exact)
        assert f" {total.expected_usd:.2f} " in f"{line(text, arm)} "
        assert (f" {total.at_most_usd:.2f}" in line(text, arm).partition(f" {total.expected_usd:.2f}")[2]) == (not forecast.exact)
    assert found.deduplicated.expected_usd is not None
    assert found.deduplicated.expected_usd < found.deduplicated.at_most_usd
    assert {f"${found.deduplicated.expected_usd:.2f}", f"${found.deduplicated.at_most_usd:.2f}"} <= set(re.findall(r"\$[\d.]+\d", text))
    assert "at most $" not in said(suite_forecast(tiny, made(arms), None, 1, ratios=ratios))


def test_expected_dollars_are_those_of_outputs_as_long_as_the_labels(tiny: Suite, arms: Planned) -> None:
    """By known ratios: half of what generation costs, and a quarter off a student's training."""
    arm, forecast = next((arm, forecast) for arm, forecast in arms.items() if arm.cell.label == "distill")
    ratios = {"pseudo_labelling": 0.5, "student_training": 0.75}
    by_key = {work.recipe.key: ratios[work.phase] for work in forecast.works if work.phase in ratios}
    found = suite_forecast(tiny, {arm: forecast}, None, 1, ratios=by_key)
    paid = {phase: sum(c.usd for c in forecast.charges if c.phase == phase and c.paid_by == "purse") for phase in ratios}
    off = paid["pseudo_labelling"] / 2 + paid["student_training"] / 4
    assert off > 0
    assert found.standalone[arm].expected_usd == pytest.approx(forecast.usd - off)
    assert found.deduplicated.expected_usd == pytest.approx(forecast.usd - off)
    assert found.standalone[arm].at_most_usd == pytest.approx(forecast.usd)
    assert found.written.arms[arm.id].expected_usd == found.standalone[arm].expected_usd


def test_where_money_ends_work_whose_outputs_may_be_shorter_the_budget_is_the_ceiling(tiny: Suite, arms: Planned) -> None:
    """For the same money more documents are labelled, and a student learns from all of them."""
    arm, forecast = next((arm, forecast) for arm, forecast in arms.items() if arm.cell.label == "distill")
    limited = replace(forecast, facts={**forecast.facts, LIMITED: 1})
    found, before = (suite_forecast(tiny, {arm: one}, None, 1) for one in (limited, forecast))
    assert line(said(found), arm).rstrip().endswith(" 4.00")
    assert found.standalone[arm].expected_usd == before.standalone[arm].expected_usd == before.standalone[arm].at_most_usd
    assert found.standalone[arm].at_most_usd == found.deduplicated.at_most_usd == pytest.approx(4.0)
    assert found.written.arms[arm.id].usd == pytest.approx(4.0)
    with pytest.raises(BenchError, match=r"\$4\.00"):
        refuse_above(found, 3.9)


def test_arms_that_failed_are_named_and_how_to_run_them_again(tiny: Suite, arms: Planned) -> None:
    first, *others = arms
    failed = replace(ended(first), status="failed", reason="killed by SIGKILL")
    all_ended = suite_forecast(tiny, arms, None, 1, {first.id: failed, **{arm.id: ended(arm) for arm in others}})
    assert "--retry" in said(all_ended)
    assert line(said(all_ended), first).rstrip().endswith("failed: killed by SIGKILL")
    none_failed = suite_forecast(tiny, arms, None, 1, {arm.id: ended(arm) for arm in arms})
    assert "--retry" not in said(none_failed)
    some = said(suite_forecast(tiny, arms, None, 1, {first.id: failed}))
    assert f"1 of {len(arms)} arms" in some
    assert "--retry" in some


def test_an_arm_that_failed_may_have_bought_no_labels(tiny: Suite, arms: Planned) -> None:
    first, second = (arm for arm in arms if arm.cell.label in ("annotate", "sft"))
    two = {first: arms[first], second: arms[second]}
    done, failed = (suite_forecast(tiny, two, None, 1, {first.id: replace(ended(first), status=status)}) for status in ("done", "failed"))
    labels = math.fsum(charge.usd for charge in arms[second].charges if charge.kind == "labels")
    assert labels > 0
    assert (failed.remaining.expected_usd or 0) - (done.remaining.expected_usd or 0) == pytest.approx(labels)


def test_several_processes_are_no_quicker_than_the_longest_arm(tiny: Suite, arms: Planned) -> None:
    one = dict([next(iter(arms.items()))])
    found = suite_forecast(tiny, one, here(one), 2)
    seconds = terminal.duration(found.deduplicated.seconds)
    assert f"{seconds}, {seconds} with 2 processes" in said(found)


def test_by_a_measured_meter_dollars_are_shown_once_they_are_known(folder: Path, cache: Path) -> None:
    by_time = read(folder, SUITE.replace("device_flops_per_second: 5e+6", "meter: wall, device_hour_usd: 36.0"))
    arms = planned(by_time, cache, "*annotate*4usd.seed1*") | planned(by_time, cache, "*distill*4usd.seed1*")
    text = said(suite_forecast(by_time, arms, None, 1))
    assert "`wall`" in text
    assert all(" ? " in line(text, arm) for arm in arms)
    text = said(suite_forecast(by_time, made(arms), None, 1))
    assert "`wall`" not in text
    assert all(" ? " not in line(text, arm) for arm in arms)


def test_what_is_made_is_no_longer_in_what_a_measured_meter_may_still_spend(folder: Path, cache: Path) -> None:
    by_time = read(folder, SUITE.replace("device_flops_per_second: 5e+6", "meter: wall, device_hour_usd: 36.0"))
    arms = planned(by_time, cache, "*sft*4usd.seed1*")
    assert suite_forecast(by_time, arms, None, 1).remaining.at_most_usd == 4.0
    begun = {
        arm: replace(
            forecast,
            works=(
                *(replace(work, shared=True, bill=replace(work.bill, wall_s=100.0)) for work in forecast.works[:2]),
                *forecast.works[2:],
            ),
        )
        for arm, forecast in arms.items()
    }
    paid = sum(work.phase != "evaluation" for forecast in begun.values() for work in forecast.works[:2])
    assert suite_forecast(by_time, begun, None, 1).remaining.at_most_usd == pytest.approx(4.0 - paid * 1.0)
