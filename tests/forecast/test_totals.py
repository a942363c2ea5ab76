"""What arms take alone, and all together; on a card; and what is refused."""

import json
import math
from dataclasses import replace
from pathlib import Path

import pytest

from bench.contracts import Bill, Charge, Reading
from bench.errors import BenchError
from bench.forecast import saved
from bench.forecast.device import CatalogGpu, ResourceUse
from bench.forecast.gpus import GIB, Card, cards, find
from bench.forecast.saved import ArmForecast, SavedForecast
from bench.forecast.suite import SuiteForecast, refuse_above, suite_forecast
from bench.forecast.terminal import duration
from bench.forecast.totals import Planned, Total
from bench.suite.suite_file import Suite
from tests.forecast.conftest import PACE, START_S, SUITE, ended, here, planned, read


@pytest.fixture(scope="module")
def arms(tiny: Suite, cache: Path) -> Planned:
    return planned(tiny, cache, "*sft*")


def ahead(tiny: Suite, arms: Planned, room: float = math.inf) -> SuiteForecast:
    return suite_forecast(tiny, arms, here(arms, room), 2)


def test_an_arm_takes_what_its_work_takes_one_after_the_other(tiny: Suite, arms: Planned) -> None:
    arm, forecast = next(iter(arms.items()))
    flops = [work.bill.flops for work in forecast.works if work.bill.flops]
    taken = ahead(tiny, arms).standalone[arm].taken
    assert taken.seconds == pytest.approx(len(flops) + 1e-9 * math.fsum(flops))
    assert taken.kwh == pytest.approx(36.0 * (taken.seconds or 0) / 3.6e6)
    assert taken.peak_bytes == 6000


def test_the_time_of_an_arm_holds_the_start_of_its_process(tiny: Suite, arms: Planned) -> None:
    found = ahead(tiny, arms)
    for total in found.standalone.values():
        assert total.seconds == pytest.approx((total.taken.seconds or 0) + START_S)
    assert found.deduplicated.start_s == pytest.approx(len(arms) * START_S)
    unknown = suite_forecast(tiny, arms, replace(here(arms), starts={}), 2)
    assert unknown.deduplicated.start_s is None
    assert unknown.deduplicated.seconds == unknown.deduplicated.taken.seconds == found.deduplicated.taken.seconds


def test_what_is_not_foreseen_of_one_piece_of_work_is_not_foreseen_of_the_arm() -> None:
    known, unknown = ResourceUse(2.0, 0.1, 7.0), ResourceUse(None, None, 9.0)
    assert ResourceUse.together([known, known]) == ResourceUse(4.0, 0.2, 7.0)
    assert ResourceUse.together([known, unknown]) == ResourceUse(None, None, 9.0)
    assert ResourceUse.together([]) == ResourceUse(0.0, 0.0, None)


def test_shared_work_and_labels_are_counted_once(tiny: Suite, arms: Planned) -> None:
    found = ahead(tiny, arms)
    alone = math.fsum(total.taken.seconds or 0 for total in found.standalone.values())
    assert 0 < (found.deduplicated.taken.seconds or 0) < alone
    works = {work.recipe.key for forecast in arms.values() for work in forecast.works if work.bill.flops}
    assert (found.deduplicated.taken.seconds or 0) > len(works)
    labels = sum(c.usd for forecast in arms.values() for c in forecast.charges if c.kind == "labels")
    compute = sum(c.usd for forecast in arms.values() for c in forecast.charges if c.kind != "labels" and c.paid_by == "purse")
    assert labels == pytest.approx(2 * (1.0 + 2.0))
    assert found.deduplicated.expected_usd == pytest.approx(2 * 2.0 + compute)


def test_what_a_single_arm_takes_is_the_same_alone_and_together(tiny: Suite, cache: Path) -> None:
    one = planned(tiny, cache, "*distill*4usd.seed1*")
    found = ahead(tiny, one)
    (alone,) = found.standalone.values()
    assert found.deduplicated.taken.seconds == pytest.approx(alone.taken.seconds)
    assert found.deduplicated.expected_usd == pytest.approx(alone.expected_usd)


@pytest.mark.parametrize(("meter", "more"), [("wall", ""), ("energy", ", kwh_usd: 40.0")])
def test_where_money_is_metered_it_is_estimated_by_time_or_energy_and_the_budgets_are_the_most(
    meter: str, more: str, folder: Path, cache: Path
) -> None:
    by_meter = read(folder, SUITE.replace("device_flops_per_second: 5e+6", f"meter: {meter}, device_hour_usd: 36.0{more}"))
    arms = planned(by_meter, cache, "*annotate*4usd*")
    found = ahead(by_meter, arms)
    for arm, total in found.standalone.items():
        work = [w for w in arms[arm].works if w.phase == "student_training" and w.bill.flops]
        seconds = sum(PACE.seconds(w.bill.flops) for w in work)
        usd = 0.01 * seconds if meter == "wall" else 36.0 * seconds / 3.6e6 * 40.0
        assert total.expected_usd == pytest.approx(min(4.0, 2.0 + usd))
        assert total.at_most_usd == 4.0
    assert found.deduplicated.at_most_usd == 8.0
    arm, one = next(iter(arms.items()))
    trained = [replace(work, shared=True) for work in one.works if work.phase == "student_training"]
    done = replace(
        one,
        charges=(Charge(kind="compute", quantity=0.5, unit="", unit_price_usd=1.0, paid_by="purse", phase="student_training"),),
        works=tuple(trained),
    )
    made = suite_forecast(by_meter, {arm: done}, here(arms), 1).standalone[arm]
    assert made.expected_usd == made.at_most_usd == 0.5  # what is made has its charges, and nothing more is spent
    assert found.deduplicated.expected_usd <= found.deduplicated.at_most_usd
    assert suite_forecast(by_meter, arms, None, 1).deduplicated.expected_usd is None


def test_more_than_was_allowed_is_refused_with_what_it_would_spend(tiny: Suite, arms: Planned) -> None:
    found = ahead(tiny, arms)
    usd = found.deduplicated.at_most_usd
    refuse_above(found, None)
    refuse_above(found, usd + 0.01)
    with pytest.raises(BenchError, match=rf"\${usd:.2f}.*--max-usd 1\b"):
        refuse_above(found, 1.0)


def test_where_nothing_is_made_all_is_to_go(tiny: Suite, arms: Planned) -> None:
    found = ahead(tiny, arms)
    assert found.remaining == found.deduplicated


def test_to_go_are_arms_that_have_not_ended_but_for_work_that_is_made_and_labels_that_are_bought(tiny: Suite, arms: Planned) -> None:
    (small,), (large, *_) = ([arm for arm in arms if (arm.budget_usd, arm.seed) == (usd, 1)] for usd in (2.0, 4.0))
    made = {arm: replace(forecast, works=tuple(replace(w, shared=w.phase == "teacher_tuning") for w in forecast.works))
            for arm, forecast in arms.items() if arm in (small, large)}  # fmt: skip
    found = suite_forecast(tiny, made, here(made), 1, {small.id: ended(small), large.id: None})
    open_ = [work for work in made[large].works if not work.shared and work.bill.flops]
    paid = sum(charge.usd for charge in made[large].charges if charge.phase == "student_training")
    assert found.remaining.expected_usd == pytest.approx((2.0 - 1.0) + paid)
    assert found.remaining.taken.seconds == pytest.approx(sum(PACE.seconds(work.bill.flops) for work in open_))
    refuse_above(found, (found.remaining.expected_usd or 0) + 0.01)
    assert suite_forecast(tiny, made, here(made), 1, {small.id: ended(small), large.id: ended(large)}).remaining == Total(
        expected_usd=0.0, at_most_usd=0.0, taken=ResourceUse(0.0, 0.0, None), start_s=0.0
    )


def test_of_work_that_is_made_what_was_measured_is_told(tiny: Suite, arms: Planned) -> None:
    bill = Bill(
        flops=5.0,
        wall_s=12.5,
        kwh=0.25,
        readings=(Reading("gpu_peak_allocated", None, "bytes", "counter"), Reading("peak_rss", 7e9, "bytes", "polled")),
    )
    work = replace(next(iter(arms.values())).works[-1], bill=bill, shared=True)
    assert here(arms).takes(work) == ResourceUse(12.5, 0.25, 7e9)


def test_arms_that_do_not_fit_are_named(tiny: Suite, arms: Planned) -> None:
    assert ahead(tiny, arms, room=6000).too_large == {}
    assert ahead(tiny, arms, room=5999).too_large == dict.fromkeys(arms, 6000)


def on_card(arms: Planned, card: Card) -> CatalogGpu:
    keys = [work.recipe.key for forecast in arms.values() for work in forecast.works if work.bill.flops]
    return CatalogGpu(card=card, training=0.5, generating=0.1, context_bytes=100.0, kept_free=0.5, peaks=dict.fromkeys(keys, 50))


def test_on_a_card_time_is_flops_at_a_share_of_its_speed(tiny: Suite, arms: Planned) -> None:
    card = Card(name="card", memory_bytes=4 * GIB, usd_per_hour=1.0, bf16_flops_per_second=1e6, watts=360.0)
    arm, forecast = next(iter(arms.items()))
    found = suite_forecast(tiny, {arm: forecast}, on_card(arms, card), 1)
    writes = ("Predictions", "InferenceSpeed")
    of = {writing: sum(w.bill.flops for w in forecast.works if (type(w.recipe).__name__ in writes) == writing) for writing in (True, False)}
    taken = found.standalone[arm].taken
    assert taken.seconds == pytest.approx(of[False] / 5e5 + of[True] / 1e5)
    assert taken.kwh == pytest.approx(360.0 * (taken.seconds or 0) / 3.6e6)
    assert taken.peak_bytes == 50 / 0.5 + 100
    assert "assumed" in found.device.title if found.device else False


def test_a_card_whose_speed_is_not_known_tells_memory_alone(tiny: Suite, arms: Planned) -> None:
    arm, forecast = next(iter(arms.items()))
    device = on_card(arms, find("T4", cards()))
    assert device.title.startswith("T4 (15.0 GiB")
    taken = suite_forecast(tiny, {arm: forecast}, device, 1).standalone[arm].taken
    assert (taken.seconds, taken.kwh, taken.peak_bytes) == (None, None, 200.0)


def test_every_card_of_the_table_says_what_its_board_draws() -> None:
    assert all(card.watts and 50 < card.watts <= 1000 for card in cards())


def test_durations_are_short_to_read() -> None:
    assert [duration(s) for s in (None, 0.44, 48.2, 192.0, 5040.0, 9000.0, 190000.0)] == [
        *("?", "0.4 s", "48 s", "3.2 min", "84.0 min", "2.5 h", "2.2 days")
    ]


def test_a_forecast_is_read_as_it_was_written_and_arms_of_before_stay(tmp_path: Path) -> None:
    first, second = (
        ArmForecast(usd=1.5, exact=True, steps=10, seconds=3.0, kwh=None, peak_bytes=7.0),
        ArmForecast(usd=None, exact=False, steps=2, seconds=None, kwh=None, peak_bytes=None),
    )
    saved.write(tmp_path / "suite", SavedForecast(device="here", made="2026-11-26T10:00:00+00:00", arms={"a": first}))
    saved.write(tmp_path / "suite", SavedForecast(device="there", made="2026-11-26T11:00:00+00:00", arms={"b": second}))
    assert saved.read(tmp_path / "suite") == SavedForecast(device="there", made="2026-11-26T11:00:00+00:00", arms={"a": first, "b": second})
    assert saved.read(tmp_path) is None


@pytest.mark.parametrize("text", ["{", "[]", '{"schema": 99}', '{"schema": 1, "device": "", "made": "", "arms": {"a": {"usd": 1}}}'])
def test_a_forecast_that_cannot_be_read_is_a_problem_and_no_error(tmp_path: Path, text: str) -> None:
    (tmp_path / saved.FILE).write_text(text, encoding="utf-8")
    found = saved.read(tmp_path)
    assert found is not None
    assert found.arms == {}
    assert found.problem


def test_a_forecast_of_an_earlier_version_is_read_without_expected_dollars_and_start(tmp_path: Path) -> None:
    arm = {"usd": 1.5, "exact": False, "steps": 10, "seconds": 3.0, "kwh": None, "peak_bytes": 7.0}
    (tmp_path / saved.FILE).write_text(json.dumps({"schema": 1, "device": "here", "made": "then", "arms": {"a": arm}}), encoding="utf-8")
    found = saved.read(tmp_path)
    assert found is not None
    assert found.arms == {"a": ArmForecast(**arm)}
    assert (found.arms["a"].expected_usd, found.arms["a"].start_s) == (None, None)


def test_what_is_written_is_what_each_arm_takes_alone(tiny: Suite, arms: Planned) -> None:
    stopped = {arm: replace(forecast, stops="no money") if arm.seed == 2 else forecast for arm, forecast in arms.items()}
    found = ahead(tiny, stopped)
    kept = found.written
    assert set(kept.arms) == {arm.id for arm in arms if arm.seed == 1}
    for arm, total in found.standalone.items():
        if arm.seed == 1:
            assert kept.arms[arm.id] == ArmForecast(
                usd=total.at_most_usd,
                expected_usd=total.expected_usd,
                exact=True,
                steps=arms[arm].steps,
                start_s=START_S,
                **vars(total.taken),
            )


def test_an_arm_of_which_something_was_done_before_is_no_forecast_to_be_held_against_what_was_measured(tiny: Suite, arms: Planned) -> None:
    begun = {
        arm: replace(forecast, works=(replace(forecast.works[0], shared=arm.seed == 2), *forecast.works[1:]))
        for arm, forecast in arms.items()
    }
    assert set(ahead(tiny, begun).written.arms) == {arm.id for arm in arms if arm.seed == 1 or not begun[arm].works[0].bill.flops}
