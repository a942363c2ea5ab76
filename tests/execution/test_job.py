"""What a strategy can do with the money, over a builder that makes nothing heavy."""

import json
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.contracts import (
    Bill,
    BuildContext,
    Example,
    Limit,
    Outcome,
    Phase,
    Progress,
    Reading,
    Recipe,
    Splits,
    Text,
    no_progress,
    numbers,
)
from bench.errors import BenchError, NotEnough, OverBudget
from bench.execution.evaluation import Evaluation
from bench.execution.job import ArmJob
from bench.execution.ledger import LIMITED, Ledger, rows
from bench.execution.purse import Purse
from bench.execution.store import DryStore, Store
from bench.execution.training_checkpoints import StoredCheckpoints
from bench.models.random import Random
from bench.suite import arms, suite_file
from bench.training.recipes import Pretrained
from tests.execution.test_store import Steps
from tests.suite.test_suite import GOOD

TRAIN = tuple(Example(str(i), f"document {i}", f"label {i}") for i in range(100))
SPLITS = Splits(TRAIN, (), (), (), "fingerprint")
TEXT = GOOD.replace("label_usd: 0.1", "label_usd: 0.1, device_hour_usd: 3.6, device_flops_per_second: 1.0")
"""One FLOP costs a thousandth of a dollar."""


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> suite_file.Suite:
    path = tmp_path_factory.mktemp("suite") / "tiny.yaml"
    path.write_text(TEXT, encoding="utf-8")
    return suite_file.read(path)


@dataclass(frozen=True, kw_only=True)
class After(Steps):
    """Steps that need others."""

    needed: Steps


def job(loaded: suite_file.Suite, folder: Path, budget: float = 1.0, seed: int = 1) -> ArmJob:
    arm = replace(arms.arms(loaded)[0], budget_usd=budget, seed=seed)
    ledger = Ledger(folder / f"arm-{budget}-{seed}")
    store = Store(folder / "store", folder, "cpu", {}, no_progress, arm=str(seed))
    return ArmJob(loaded, arm, SPLITS, Purse(budget, ledger), store, ledger)


def test_labels_are_bought_for_a_share_of_the_budget_and_paid(loaded: suite_file.Suite, tmp_path: Path) -> None:
    buyer = job(loaded, tmp_path, budget=2.0)
    assert len(buyer.labels(0.5)) == 10 + 10
    assert buyer.left_usd() == 1.0
    assert numbers(buyer.facts) == {"labels_owned": 10, "labels_bought": 10}


def test_the_machine_time_of_repeated_work_is_a_fact_of_the_arm_that_finished_it(
    loaded: suite_file.Suite, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    repeated = (Reading("repeated_wall", 7.0, "s", "counter"),)
    monkeypatch.setattr(StoredCheckpoints, "readings", lambda checkpoints: repeated)
    facts = []
    for seed in (1, 2, 1):  # the third process begins the arm of the first again, which was killed before its record was written
        arm = job(loaded, tmp_path, seed=seed)
        for steps in (Steps(1), Steps(2)):
            arm.make(steps, Phase.STUDENT_TRAINING)
        facts.append(numbers(arm.facts))
    assert facts == [{"repeated_s": 14.0}, {}, {"repeated_s": 14.0}]


def test_an_artifact_whose_bill_names_no_arm_has_no_repeated_work_to_report(
    loaded: suite_file.Suite, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(StoredCheckpoints, "readings", lambda checkpoints: (Reading("repeated_wall", 7.0, "s", "counter"),))
    job(loaded, tmp_path).make(Steps(1), Phase.STUDENT_TRAINING)
    (path,) = tmp_path.glob("store/*/*/bill.json")
    bill = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps({name: value for name, value in bill.items() if name != "arm"}), encoding="utf-8")
    again = job(loaded, tmp_path)
    again.make(Steps(1), Phase.STUDENT_TRAINING)
    assert numbers(again.facts) == {}


def test_smaller_purchases_are_prefixes_of_larger_ones(loaded: suite_file.Suite, tmp_path: Path) -> None:
    few, many = job(loaded, tmp_path, 1.0).labels(0.9), job(loaded, tmp_path, 5.0).labels(0.3)
    assert many[: len(few)] == few


def test_another_seed_draws_other_labels_and_the_same_seed_the_same(loaded: suite_file.Suite, tmp_path: Path) -> None:
    first = job(loaded, tmp_path, seed=1).labels(0.5)
    assert job(loaded, tmp_path / "b", seed=1).labels(0.5) == first
    assert job(loaded, tmp_path, seed=2).labels(0.5) != first


def test_more_labels_than_there_are_cannot_be_bought(loaded: suite_file.Suite, tmp_path: Path) -> None:
    with pytest.raises(NotEnough, match=r"\b10 .*\b200 .*\b210\b.*\b100$"):
        job(loaded, tmp_path, budget=20.0).labels(1.0)


def test_a_job_has_no_test_split(loaded: suite_file.Suite, tmp_path: Path) -> None:
    assert not hasattr(job(loaded, tmp_path), "test")


def test_what_is_made_is_paid_once_by_each_arm_and_made_once_for_both(loaded: suite_file.Suite, tmp_path: Path) -> None:
    first, second = job(loaded, tmp_path, seed=1), job(loaded, tmp_path, seed=2)
    for arm in (first, second):
        arm.make(Steps(10), Phase.TEACHER_TUNING)
        arm.make(Steps(10), Phase.TEACHER_TUNING)
        assert arm.left_usd() == pytest.approx(1.0 - 0.1)
        assert arm.read(Steps(10)) == 10
    paid = [row for row in rows(tmp_path / "arm-1.0-2") if row.get("paid_by") == "purse"]
    assert [(row["quantity"], row["unit"], row["usd"]) for row in paid] == [(100.0, "FLOP", 0.1)]


def test_all_three_meters_are_written_down_and_one_is_paid(loaded: suite_file.Suite, tmp_path: Path) -> None:
    job(loaded, tmp_path).make(Steps(10), Phase.STUDENT_TRAINING)
    found = {row["unit"]: row["paid_by"] for row in rows(tmp_path / "arm-1.0-1") if row["row"] == "charge"}
    assert found == {"FLOP": "purse", "s": "other meter"}


def test_evaluation_is_written_down_and_free(loaded: suite_file.Suite, tmp_path: Path) -> None:
    arm = job(loaded, tmp_path)
    arm.make(Steps(100), Phase.EVALUATION)
    assert arm.left_usd() == 1.0
    assert {row["paid_by"] for row in rows(tmp_path / "arm-1.0-1") if row["row"] == "charge"} == {"free", "other meter"}


def test_work_whose_price_is_known_is_refused_before_it_is_done(loaded: suite_file.Suite, tmp_path: Path) -> None:
    arm = job(loaded, tmp_path)
    with pytest.raises(OverBudget, match=r"teacher tuning .*\$2\.00.* \$1\.00 .*\$1\.00"):
        arm.make(Steps(200), Phase.TEACHER_TUNING)
    assert not (tmp_path / "store").exists()


def test_work_that_may_be_shortened_takes_what_the_money_buys(loaded: suite_file.Suite, tmp_path: Path) -> None:
    arm = job(loaded, tmp_path)
    made = arm.make(Steps(200), Phase.STUDENT_TRAINING, allow_partial=True)
    assert arm.read(made) == 100
    assert arm.left_usd() == 0.0


def test_a_part_of_the_money_can_be_set_aside(loaded: suite_file.Suite, tmp_path: Path) -> None:
    arm = job(loaded, tmp_path)
    made = arm.make(Steps(200), Phase.PSEUDO_LABELLING, allow_partial=True, max_usd=0.305)
    assert arm.read(made) == 30
    assert arm.left_usd() == pytest.approx(0.7)


def test_a_part_of_the_money_also_pays_for_what_the_work_needs(loaded: suite_file.Suite, tmp_path: Path) -> None:
    arm = job(loaded, tmp_path)
    made = arm.make(After(100, needed=Steps(10)), Phase.PSEUDO_LABELLING, allow_partial=True, max_usd=0.305)
    assert arm.read(made) == 20
    assert arm.left_usd() == pytest.approx(1.0 - 0.1 - 0.2)


def test_work_that_costs_exactly_what_is_left_is_done(loaded: suite_file.Suite, tmp_path: Path) -> None:
    for steps in (1, 3, 7, 29):
        arm = job(loaded, tmp_path, budget=round(0.01 * steps, 9))
        arm.make(Steps(steps), Phase.TEACHER_TUNING)
        assert arm.left_usd() == 0.0


def test_a_budget_is_counted_in_whole_billionths_of_a_dollar() -> None:
    for budget, whole in ((0.3, 0.3), (1.0999178004, 1.0999178), (1.0999178009, 1.0999178), (1e-12, 0.0), (1e12, 1e12)):
        assert Purse(budget).left_usd == whole


def test_a_label_that_costs_next_to_nothing_is_not_bought_without_end(tmp_path: Path) -> None:
    cheap = priced(tmp_path, "meter: flops", label_usd="5.0e-324")
    with pytest.raises(NotEnough, match=r"\b10 .*\b100$"):
        job(cheap, tmp_path).labels(0.5)


def test_a_first_step_that_does_not_fit_says_what_is_left(loaded: suite_file.Suite, tmp_path: Path) -> None:
    with pytest.raises(OverBudget, match=r"student training .* \$0\.01 .* \$0\.01"):
        job(loaded, tmp_path, budget=0.009).make(Steps(3), Phase.STUDENT_TRAINING, allow_partial=True)


def test_a_first_step_that_does_not_fit_ends_the_arm(loaded: suite_file.Suite, tmp_path: Path) -> None:
    with pytest.raises(OverBudget):
        job(loaded, tmp_path, budget=0.009).make(Steps(3), Phase.STUDENT_TRAINING, allow_partial=True)


@settings(max_examples=30)
@given(st.floats(0.005, 3.0), st.lists(st.integers(1, 150), min_size=1, max_size=5))
def test_no_sequence_of_work_overspends(
    loaded: suite_file.Suite, tmp_path_factory: pytest.TempPathFactory, budget: float, steps: list[int]
) -> None:
    arm = job(loaded, tmp_path_factory.mktemp("arm"), budget)
    for i, n in enumerate(steps):
        try:
            arm.make(Steps(n, name=str(i)), Phase.STUDENT_TRAINING, allow_partial=i % 2 == 0)
        except OverBudget:
            continue
    assert arm.left_usd() >= 0.0


def test_labels_bought_twice_are_paid_once(loaded: suite_file.Suite, tmp_path: Path) -> None:
    buyer = job(loaded, tmp_path, budget=2.0)
    first = buyer.labels(0.2)
    assert buyer.labels(0.2) == first
    assert buyer.left_usd() == pytest.approx(1.6)
    assert len(buyer.labels(0.5)) == 20
    assert buyer.left_usd() == 1.0


def priced(tmp_path: Path, prices: str, label_usd: str = "0.1") -> suite_file.Suite:
    path = tmp_path / "priced.yaml"
    path.write_text(TEXT.replace("label_usd: 0.1,", f"label_usd: {label_usd}, {prices},"), encoding="utf-8")
    return suite_file.read(path)


def metered(tmp_path: Path) -> suite_file.Suite:
    return priced(tmp_path, "meter: wall")


def test_work_that_the_clock_cuts_off_has_used_up_its_money(tmp_path: Path) -> None:
    arm = job(metered(tmp_path), tmp_path, budget=0.0002)
    with pytest.raises(OverBudget):
        arm.make(Steps(100, seconds_a_step=0.05), Phase.TEACHER_TUNING)
    assert arm.left_usd() == 0.0
    assert numbers(arm.facts) == {LIMITED: 1}
    (row,) = [row for row in rows(tmp_path / "arm-0.0002-1") if row.get("paid_by") == "purse"]
    assert (row["kind"], row["unit"], row["quantity"]) == ("compute cut off", "s", pytest.approx(0.2))


@pytest.mark.parametrize("cut_short", [False, True])
def test_by_the_clock_the_budget_limits_an_arm_only_where_its_work_was_cut_short(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cut_short: bool
) -> None:
    bill_for = Store.bill_for

    def cut(store: Store, recipe: Recipe, limit: Limit) -> tuple[Bill, bool]:
        bill, shared = bill_for(store, recipe, limit)
        assert not bill.cut_short
        return replace(bill, cut_short=cut_short), shared

    monkeypatch.setattr(Store, "bill_for", cut)
    arm = job(metered(tmp_path), tmp_path)
    arm.make(Steps(3), Phase.STUDENT_TRAINING, allow_partial=True)
    assert numbers(arm.facts) == ({LIMITED: 1} if cut_short else {})


def test_a_plan_by_the_clock_does_not_know_what_the_budget_limits(tmp_path: Path) -> None:
    suite = metered(tmp_path)
    arm = ArmJob(suite, arms.arms(suite)[0], SPLITS, Purse(1.0), DryStore(tmp_path, no_progress))
    arm.make(Steps(3), Phase.STUDENT_TRAINING, allow_partial=True)
    assert numbers(arm.facts) == {}


def test_a_bill_that_overruns_the_purse_at_the_very_end_empties_it(tmp_path: Path) -> None:
    arm = job(metered(tmp_path), tmp_path, budget=0.0002)
    with pytest.raises(OverBudget):
        arm.make(Steps(1, seconds_a_step=0.05, tail_s=0.3), Phase.TEACHER_TUNING)
    assert arm.left_usd() == 0.0
    assert numbers(arm.facts) == {LIMITED: 1}


@dataclass(frozen=True)
class Items(Recipe):
    """Labels so many documents."""

    count: int

    def forecast_flops(self, context: BuildContext) -> float:
        return 1.0

    def forecast_items(self, context: BuildContext) -> int:
        return self.count if self.limit is None else min(self.count, int(self.limit.amount))

    def make(self, folder: Path, context: BuildContext) -> None:
        made = 0
        while made < self.count and context.usage.can_afford(1, 1):
            context.usage.record_step(1, 1)
            made += 1
        (folder / "made").write_text(str(made))

    def read(self, folder: Path) -> int:
        return int((folder / "made").read_text())


BY_ITEMS = "meter: items, usd_per_1k_items: {own: {teacher_tuning: 2.0, pseudo_labelling: 1.0}}"


def test_items_are_paid_at_the_price_of_their_task_and_phase(tmp_path: Path) -> None:
    arm = job(priced(tmp_path, BY_ITEMS), tmp_path)
    arm.make(Items(100), Phase.TEACHER_TUNING)
    assert arm.left_usd() == pytest.approx(0.8)
    arm.make(Items(101), Phase.STUDENT_TRAINING)
    assert arm.left_usd() == pytest.approx(0.8)
    made = arm.make(Items(2000), Phase.PSEUDO_LABELLING, allow_partial=True)
    assert arm.read(made) == 800
    assert arm.left_usd() == pytest.approx(0.0)
    with pytest.raises(OverBudget, match=r"teacher tuning .*\$0\.01.* \$0\.00 .*\$1\.00"):
        arm.make(Items(5), Phase.TEACHER_TUNING)


@dataclass(frozen=True)
class Sold(Recipe):
    """Buys so many tokens of somebody."""

    prompt: int
    output: int
    estimate: float = 1.0

    on_device = False

    def forecast_flops(self, context: BuildContext) -> float:
        return 1e9

    def forecast_tokens(self, context: BuildContext) -> tuple[int, int]:
        return round(self.prompt * self.estimate), round(self.output * self.estimate)

    def make(self, folder: Path, context: BuildContext) -> None:
        context.usage.record_tokens(self.prompt, self.output)


BY_TOKENS = "usd_per_1m_prompt_tokens: 100, usd_per_1m_output_tokens: 400"


def test_tokens_are_paid_whatever_the_meter_and_somebody_elses_device_is_not(tmp_path: Path) -> None:
    arm = job(priced(tmp_path, BY_TOKENS), tmp_path)
    arm.make(Sold(1000, 500), Phase.PSEUDO_LABELLING)
    paid = {row["kind"]: (row["quantity"], row["usd"]) for row in rows(tmp_path / "arm-1.0-1") if row["row"] == "charge"}
    assert paid == {"prompt tokens": (1000, 0.1), "output tokens": (500, 0.2)}
    with pytest.raises(OverBudget, match=r"pseudo labelling costs \$0.75"):
        arm.make(Sold(1000, 1625), Phase.PSEUDO_LABELLING)
    assert arm.left_usd() == pytest.approx(0.7)


def test_tokens_that_cost_more_than_was_estimated_empty_the_purse_and_no_more(tmp_path: Path) -> None:
    arm = job(priced(tmp_path, BY_TOKENS), tmp_path)
    with pytest.raises(OverBudget):
        arm.make(Sold(1000, 5000, estimate=0.1), Phase.PSEUDO_LABELLING)
    assert arm.left_usd() == pytest.approx(0.0)


def test_a_text_holds_no_document_of_dev_or_test(tmp_path: Path) -> None:
    named = priced(tmp_path, "meter: flops")
    text = replace(named, texts={"own": Documents()})
    held_out = Splits(TRAIN, TRAIN[:3], (Example("d", "Said  ONCE"),), (Example("t", "said twice"),), "fingerprint")
    arm = ArmJob(text, arms.arms(named)[0], held_out, Purse(1.0), DryStore(tmp_path, no_progress))
    assert [e.source for e in arm.text("own")] == ["said thrice"]
    assert arm.text("pool") == TRAIN[:3]


class Documents(Text):
    """Three."""

    def documents(self, cache: Path, progress: Progress) -> tuple[Example, ...]:
        return tuple(Example(str(i), text) for i, text in enumerate(("said once", "said twice", "said thrice")))


@pytest.mark.parametrize(("usd", "usd_per_1k", "items"), [(2.17, 4.34, 500), (4.6, 4.6, 1000)])
def test_money_that_is_exactly_enough_for_items_is_enough(tmp_path: Path, usd: float, usd_per_1k: float, items: int) -> None:
    prices = f"meter: items, usd_per_1k_items: {{own: {{teacher_tuning: {usd_per_1k}}}}}"
    arm = job(priced(tmp_path, prices), tmp_path, budget=usd)
    arm.make(Items(items), Phase.TEACHER_TUNING)
    assert arm.left_usd() == 0.0


def test_the_labels_owned_are_the_first_drawn_whatever_is_bought(loaded: suite_file.Suite, tmp_path: Path) -> None:
    buyer = job(loaded, tmp_path, budget=2.0)
    assert buyer.start_labels() == buyer.labels(0.5)[:10]
    assert len(buyer.start_labels()) == 10


def test_a_student_that_the_arm_did_not_make_or_that_is_no_model_is_not_scored(loaded: suite_file.Suite, tmp_path: Path) -> None:
    own = job(loaded, tmp_path)
    made = own.make(Pretrained(Random()), Phase.STUDENT_TRAINING)

    def scored(student: Recipe) -> Evaluation:
        return Evaluation(suite=loaded, arm=arms.arms(loaded)[0], splits=SPLITS, job=own, outcome=Outcome(student=student))

    assert scored(made).models == {"student": made}
    for student in (Pretrained(Random(seed=1)), own.make(Steps(1), Phase.STUDENT_TRAINING)):
        with pytest.raises(BenchError):
            _ = scored(student).models
