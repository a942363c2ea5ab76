"""Every strategy takes each family of models from the purse to a compact model that loads."""

from pathlib import Path

import pytest

from bench import plan, registry, suite
from bench.contracts import Example, Splits
from bench.errors import NotEnough, OverBudget
from bench.job import ArmJob, forecast
from bench.ledger import Purse
from bench.plan import Arm
from bench.store import DryStore, Store
from bench.suite import Suite
from bench.training.models import load
from bench.training.recipes import ModelRecipe
from bench.training.shrinking import layer_counts
from tests.test_store import quiet

WORDS = ["red", "blue", "green", "small", "large", "round", "square", "cat", "dog", "bird", "house", "tree", "river", "stone", "cloud"]
DOCUMENTS = [f"the {a} {b} stood by the {c}" for a in WORDS[:7] for b in WORDS[7:10] for c in WORDS[10:]]
EXAMPLES = tuple(Example(str(i), text, " ".join(text.split()[1:3])) for i, text in enumerate(DOCUMENTS))
SPLITS = Splits(EXAMPLES[:60], tuple(Example(e.id, e.source) for e in EXAMPLES[60:]), (), (), "fingerprint")

SETTINGS = {
    "annotate": "{label_share: 0.5, student: {epochs: 1}}",
    "distill": "{label_share: 0.5, teacher: {epochs: 1}, student: {epochs: 1}}",
    "logits": "{method: logits, start_from: teacher, teacher: {epochs: 1}, student: {epochs: 1, kd_weight: 0.5}}",
    "sft": "{label_share: 0.5, teacher: {epochs: 1}, student: {epochs: 1}}",
}

SUITE = """
suite: tiny
question: Which?
large: {{use: random, with: {{family: {family}}}}}
compact: {{encoder_layers: 3, decoder_layers: 2}}
tasks: {{own: {{use: files, with: {{train: none.csv, source: a, target: b, max_source_tokens: 32, max_target_tokens: 8}}}}}}
strategies: {{{strategy}: {{use: {use}, with: {settings}}}}}
start_labels: 16
budgets_usd: [4]
seeds: [1]
prices: {{label_usd: 0.1, device_flops_per_second: {speed}}}
"""


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


def arm(folder: Path, strategy: str, family: str = "t5_v1_1", speed: str = "5e+6") -> tuple[Suite, Arm]:
    use = "distill" if strategy == "logits" else strategy
    path = folder / "tiny.yaml"
    path.write_text(SUITE.format(family=family, strategy=strategy, use=use, settings=SETTINGS[strategy], speed=speed))
    loaded = suite.read(path)
    return loaded, plan.arms(loaded)[0]


def test_every_strategy_is_covered_here() -> None:
    assert set(registry.names("strategies")) < set(SETTINGS)


@pytest.mark.parametrize("strategy", SETTINGS)
@pytest.mark.parametrize("family", ["t5", "t5_v1_1", "bart", "pegasus"])
def test_a_strategy_makes_a_compact_model_within_its_budget(strategy: str, family: str, cache: Path, tmp_path: Path) -> None:
    loaded, planned = arm(tmp_path, strategy, family)
    purse = Purse(planned.budget_usd)
    store = Store(tmp_path / "store", cache, "cpu", {}, quiet)
    outcome = planned.cell.strategy.run(ArmJob(loaded, planned, SPLITS, purse, store))
    student, tokenizer = load(store.artifact(outcome.student))
    assert layer_counts(student.config) == (3, 2)
    assert tokenizer("a red cat").input_ids
    assert (outcome.teacher is None) == (strategy == "annotate")
    if isinstance(outcome.teacher, ModelRecipe):
        assert layer_counts(load(store.artifact(outcome.teacher))[0].config) == (4, 4)
    assert 0 < purse.spent_usd <= planned.budget_usd


@pytest.mark.parametrize("strategy", SETTINGS)
def test_the_plan_is_what_the_run_pays_where_no_output_is_guessed(strategy: str, cache: Path, tmp_path: Path) -> None:
    loaded, planned = arm(tmp_path, strategy)
    foreseen = forecast(loaded, planned, SPLITS, DryStore(cache, "flops", quiet))
    purse = Purse(planned.budget_usd)
    planned.cell.strategy.run(ArmJob(loaded, planned, SPLITS, purse, Store(tmp_path / "store", cache, "cpu", {}, quiet)))

    def paid(charges: object, exact: bool) -> dict[str, float]:
        guessed = {"pseudo_labelling", "student_training"} if strategy in ("distill", "logits") else set()
        assert isinstance(charges, tuple | list)
        own = [c for c in charges if c.paid_by == "purse" and (c.phase not in guessed) == exact]
        return {phase: sum(c.usd for c in own if c.phase == phase) for phase in {c.phase for c in own}}

    assert paid(foreseen.charges, exact=True) == pytest.approx(paid(purse.charges, exact=True), abs=1e-9)
    assert sum(paid(foreseen.charges, exact=False).values()) >= sum(paid(purse.charges, exact=False).values())
    assert not foreseen.stops


def test_a_teacher_that_the_money_does_not_cover_is_not_tuned_in_part(cache: Path, tmp_path: Path) -> None:
    loaded, planned = arm(tmp_path, "sft", speed="1e+4")
    with pytest.raises(OverBudget, match="teacher tuning costs"):
        planned.cell.strategy.run(ArmJob(loaded, planned, SPLITS, Purse(4.0), Store(tmp_path / "store", cache, "cpu", {}, quiet)))
    assert "teacher tuning costs" in forecast(loaded, planned, SPLITS, DryStore(cache, "flops", quiet)).stops


def test_a_student_is_trained_as_long_as_the_money_lasts(cache: Path, tmp_path: Path) -> None:
    loaded, planned = arm(tmp_path, "annotate", speed="5e+4")
    purse = Purse(planned.budget_usd)
    planned.cell.strategy.run(ArmJob(loaded, planned, SPLITS, purse, Store(tmp_path / "store", cache, "cpu", {}, quiet)))
    assert 0 <= purse.left_usd < 1.0


def test_distilling_without_a_pool_is_skipped_with_the_reason(cache: Path, tmp_path: Path) -> None:
    loaded, planned = arm(tmp_path, "distill")
    bare = Splits(EXAMPLES[:60], (), (), (), "fingerprint")
    with pytest.raises(NotEnough, match="no unlabelled pool"):
        planned.cell.strategy.run(ArmJob(loaded, planned, bare, Purse(4.0), Store(tmp_path / "store", cache, "cpu", {}, quiet)))


def test_logits_need_a_weight_and_a_weight_needs_logits() -> None:
    distill = registry.find("strategies", "distill")
    with pytest.raises(ValueError, match="kd_weight is above 0 with method 'logits'"):
        distill(method="logits")
