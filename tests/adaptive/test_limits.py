"""The hours that another look would take, from the records of arms that have ended."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from bench.adaptive.limits import Limits
from bench.execution.record import Record
from bench.suite import suite_file
from bench.suite.arms import Arm, arms
from tests.execution.fake_worker import SUITE
from tests.records import record

BEGUN = datetime(2026, 1, 1, tzinfo=UTC)


def ended(arm: Arm, begun_h: float, hours: float) -> Record:
    """The record of an arm that ran for some hours."""
    start, end = (BEGUN + timedelta(hours=at) for at in (begun_h, begun_h + hours))
    about = {"task": arm.task_label, "strategy": arm.cell.label, "setting": arm.cell.setting, "budget_usd": arm.budget_usd}
    return record(arm=arm.id, seed=arm.seed, started=start.isoformat(), ended=end.isoformat(), **about)


SUITE_READ = suite_file.read(Path(SUITE))
(SHORT, LONG), NEXT = arms(SUITE_READ)[:2], arms(SUITE_READ, (2,))[:2]


def refused(limit_h: float, missing: list[Arm], records: list[Record]) -> bool:
    return bool(Limits(max_hours=limit_h).refusal(SUITE_READ, [], missing, records))


def test_arms_take_as_long_as_those_of_their_setting_one_after_the_other() -> None:
    records = [ended(SHORT, 0.0, 1.0), ended(LONG, 1.0, 3.0)]
    assert refused(4.9, [NEXT[0]], records)
    assert not refused(5.1, [NEXT[0]], records)
    assert refused(7.9, [*NEXT], records)
    assert not refused(8.1, [*NEXT], records)


def test_arms_that_ran_side_by_side_will_do_so_again_but_none_is_quicker_than_alone() -> None:
    records = [ended(SHORT, 0.0, 2.0), ended(LONG, 0.0, 2.0)]
    assert refused(3.9, [*NEXT], records)
    assert not refused(4.1, [*NEXT], records)
    assert refused(3.9, [NEXT[0]], records)


def test_hours_in_which_no_arm_ran_do_not_count() -> None:
    records = [ended(SHORT, 0.0, 1.0), ended(LONG, 100.0, 1.0)]
    assert not refused(3.1, [NEXT[0]], records)
    assert refused(2.9, [NEXT[0]], records)


def test_a_clock_that_was_set_while_an_arm_ran_adds_and_takes_no_hours() -> None:
    ahead, back = replace(ended(SHORT, 0.0, 24.0), duration_s=3600.0), replace(ended(SHORT, 0.0, -1.0), duration_s=3600.0)
    for records in ([ahead], [back]):
        assert refused(1.9, [NEXT[0]], records)
        assert not refused(2.1, [NEXT[0]], records)
    assert not refused(0.001, [NEXT[0]], [ended(SHORT, 0.0, -1.0)])


def test_nothing_is_refused_before_an_arm_has_ended_or_where_its_record_has_no_times() -> None:
    assert not refused(0.001, [*NEXT], [])
    assert not refused(0.001, [*NEXT], [replace(ended(SHORT, 0.0, 1.0), started="", ended="")])


@pytest.mark.parametrize("seconds", [0.0, 1e-3])
def test_arms_of_no_length_are_no_division_by_zero(seconds: float) -> None:
    assert not refused(1.0, [*NEXT], [ended(SHORT, 0.0, seconds / 3600)])
