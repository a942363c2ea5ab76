"""Every strategy takes each family of models from the purse to a compact model that loads."""

import re
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from pydantic import ValidationError

from bench import registry
from bench.contracts import Example, Outcome, Recipe, Splits, no_progress, numbers
from bench.errors import BenchError, NotEnough, OverBudget
from bench.execution.job import ArmJob
from bench.execution.purse import Purse
from bench.execution.store import DryStore, Store
from bench.forecast.arm import forecast
from bench.strategies import _steps
from bench.suite import arms, suite_file
from bench.suite.arms import Arm
from bench.suite.suite_file import Suite
from bench.system import sequences
from bench.system.sequences import collect
from bench.training.checkpoints import load
from bench.training.finetuned import Finetuned
from bench.training.recipes import ModelRecipe, Pretrained, Shrunk
from bench.training.shrinking import layer_counts
from bench.training.soft_labels import Distilled

WORDS = ["red", "blue", "green", "small", "large", "round", "square", "cat", "dog", "bird", "house", "tree", "river", "stone", "cloud"]
DOCUMENTS = [f"the {a} {b} stood by the {c}" for a in WORDS[:7] for b in WORDS[7:10] for c in WORDS[10:]]
EXAMPLES = tuple(Example(str(i), text, " ".join(text.split()[1:3])) for i, text in enumerate(DOCUMENTS))
POOL = tuple(Example(e.id, e.source) for e in EXAMPLES[60:])
SPLITS = Splits(EXAMPLES[:60], POOL, (), (), "fingerprint")

SETTINGS = {
    "annotate": ("annotate", "label_share: 0.5, student: {epochs: 1}"),
    "sft": ("sft", "label_share: 0.5, teacher: {epochs: 1}, student: {epochs: 1}"),
    "sft with adapters": (
        "sft",
        "label_share: 0.5, teacher: {epochs: 1, lora: {rank: 2}, optimizer: adamw_8bit}, "
        "student: {epochs: 1, lora: {rank: 2}, checkpointing: true}",
    ),
    "continue_pretraining": ("continue_pretraining", "label_share: 0.5, tokens: 32, student: {epochs: 1}"),
    "pl": ("distill", "label_share: 0.5, teacher: {epochs: 1}, student: {epochs: 1}"),
    "kd": ("distill", "method: kd, start_from: teacher, teacher: {epochs: 1}, student: {epochs: 1}"),
    "kd, hidden states": (
        "distill",
        "method: kd, kd: {teacher_outputs: every_step, hidden_weight: 3.0}, start_from: teacher, "
        "teacher: {epochs: 1}, student: {epochs: 1}",
    ),
    "kd+pl": ("distill", "method: kd+pl, label_share: 0.5, teacher: {epochs: 1}, student: {epochs: 1}"),
    "kd+pl, Kang": (
        "distill",
        "method: kd+pl, label_share: 0.5, gold: false, kd: {logit_weight: 1.0, label_weight: 0.0, teacher_outputs: every_step}, "
        "teacher: {epochs: 1}, student: {epochs: 1}",
    ),
}
TAUGHT_ON_THE_POOL = ("pl", "kd+pl", "kd+pl, Kang")

SUITE = """
suite: tiny
question: Which?
large: {{use: random, with: {{family: {family}}}}}
models:
  smaller: {{use: random, with: {{family: {family}, width: 16, decoder_layers: 3, seed: 1}}}}
  foreign: {{use: random, with: {{family: {family}, vocabulary: 400}}}}
compact: {{{compact}}}
tasks: {{own: {{use: files, with: {{train: none.csv, source: a, target: b, max_source_tokens: 32, max_target_tokens: 8}}}}}}
strategies: {{tried: {{use: {use}, with: {{{settings}}}}}}}
start_labels: {owned}
budgets_usd: [4]
seeds: [1]
prices: {{label_usd: 0.1, device_flops_per_second: {speed}{prices}}}
"""


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture
def store(cache: Path, tmp_path: Path) -> Store:
    return Store(tmp_path / "store", cache, "cpu", {}, no_progress)


def arm(folder: Path, tried: str, **changes: object) -> tuple[Suite, Arm]:
    use, settings = SETTINGS[tried]
    usual = {"family": "t5_v1_1", "speed": "5e+6", "compact": "decoder_layers: 2", "owned": 16, "prices": "", "settings": settings}
    path = folder / "tiny.yaml"
    path.write_text(SUITE.format(use=use, **{**usual, **changes}))
    loaded = suite_file.read(path)
    return loaded, arms.arms(loaded)[0]


def run(loaded: Suite, planned: Arm, store: Store, splits: Splits = SPLITS) -> tuple[Outcome, Purse]:
    purse = Purse(planned.budget_usd)
    return planned.cell.strategy.run(ArmJob(loaded, planned, splits, purse, store)), purse


@pytest.mark.parametrize("tried", [*TAUGHT_ON_THE_POOL, "continue_pretraining"])
@pytest.mark.parametrize("speed", ["5e+6", "2e+6"], ids=["all of it", "some of it"])
def test_a_pool_on_the_disk_gives_the_same_student_for_the_same_money(
    tried: str, speed: str, store: Store, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_steps, "CHUNK", 16)
    planned = arm(tmp_path, tried, speed=speed)
    expected = [(outcome.student.key, purse.spent_usd) for outcome, purse in (run(*planned, made) for made in (store, dry(cache)))]
    monkeypatch.setattr(sequences, "IN_MEMORY", 0)
    on_disk = replace(SPLITS, unlabelled=collect(POOL))
    made_again = Store(tmp_path / "again", cache, "cpu", {}, no_progress)
    found = [run(*planned, made, on_disk) for made in (made_again, dry(cache))]
    assert [(outcome.student.key, purse.spent_usd) for outcome, purse in found] == expected
    if tried in TAUGHT_ON_THE_POOL:
        assert not any(isinstance(outcome.student.examples, tuple) for outcome, _ in found)  # type: ignore[attr-defined]


def dry(cache: Path) -> DryStore:
    return DryStore(cache, no_progress)


def test_every_strategy_has_its_tests() -> None:
    here = {path.stem.removeprefix("test_") for path in Path(__file__).parent.glob("test_*.py")}
    assert set(registry.names("strategies")) <= {use for use, _ in SETTINGS.values()} | here


EVERYWHERE = [(tried, family) for tried in SETTINGS for family in ("t5_v1_1", "llama")]
EVERY_FAMILY = [("kd, hidden states", family) for family in ("t5", "mt5", "bart", "pegasus")]


@pytest.mark.parametrize(("tried", "family"), EVERYWHERE + EVERY_FAMILY)
def test_a_strategy_makes_a_compact_model_within_its_budget(tried: str, family: str, store: Store, tmp_path: Path) -> None:
    layers = (0, 2) if family == "llama" else (3, 2)
    compact = "decoder_layers: [0, 3]" if family == "llama" else "encoder_layers: 3, decoder_layers: 2"
    outcome, purse = run(*arm(tmp_path, tried, family=family, compact=compact), store)
    student, tokenizer = load(store.artifact(outcome.student))
    assert layer_counts(student.config) == layers
    assert tokenizer("a red cat").input_ids
    assert (outcome.teacher is None) == (tried in ("annotate", "continue_pretraining"))
    if isinstance(outcome.teacher, ModelRecipe):
        assert layer_counts(load(store.artifact(outcome.teacher))[0].config)[1] == 4
    assert 0 < purse.spent_usd <= purse.budget_usd
    assert (numbers(outcome.facts).get("pseudo_labels", 0) > 0) == (tried in TAUGHT_ON_THE_POOL)


@pytest.mark.parametrize("tried", ["annotate", "sft", "continue_pretraining", "pl", "kd"])
def test_an_optimiser_that_is_not_installed_is_refused_before_a_label_is_bought(
    tried: str, store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "bitsandbytes", None)
    settings = SETTINGS[tried][1].replace("student: {epochs: 1}", "student: {epochs: 1, optimizer: adamw_8bit}")
    loaded, planned = arm(tmp_path, tried, settings=settings)
    purse = Purse(planned.budget_usd)
    with pytest.raises(BenchError, match="pip install bitsandbytes"):
        planned.cell.strategy.run(ArmJob(loaded, planned, SPLITS, purse, store))
    assert not purse.charges


class Told(DryStore):
    """A forecast that knows what a run found out, so that nothing but prices is foreseen."""

    def __init__(self, store: Store) -> None:
        super().__init__(store.cache, no_progress)
        self._store = store

    def value(self, recipe: Recipe) -> object:
        return self._store.value(recipe)


def flops(charges: tuple[object, ...] | list[object]) -> dict[str, float]:
    """FLOPs of each phase of a strategy; arms are not scored here."""
    found: dict[str, float] = {}
    for charge in charges:
        if charge.unit == "FLOP" and charge.phase != "evaluation":
            found[charge.phase] = found.get(charge.phase, 0) + charge.quantity
    return found


@pytest.mark.parametrize("tried", SETTINGS)
def test_the_plan_is_what_the_run_takes_where_no_output_is_guessed(tried: str, store: Store, tmp_path: Path) -> None:
    loaded, planned = arm(tmp_path, tried)
    _, purse = run(loaded, planned, store)
    blind = forecast(loaded, planned, SPLITS, DryStore(store.cache, no_progress))
    told = forecast(loaded, planned, SPLITS, Told(store))
    taken = flops(purse.charges)
    generated = {"pseudo_labelling"} if tried in TAUGHT_ON_THE_POOL else set()
    assert not blind.stops
    assert {p: f for p, f in flops(told.charges).items() if p not in generated} == {p: f for p, f in taken.items() if p not in generated}
    for phase, amount in taken.items():
        assert flops(told.charges)[phase] >= amount
        assert flops(blind.charges)[phase] >= amount


def taught_on(student: Recipe) -> tuple[Example, ...]:
    """Examples of which a student's soft labels were kept, in their order."""
    assert isinstance(student, Distilled)
    assert isinstance(student.taught_by, tuple)
    return tuple(example for part in student.taught_by for example in part.examples)


def test_what_the_student_learns_from_is_what_the_method_says(store: Store, tmp_path: Path) -> None:
    students = {}
    for tried in SETTINGS:
        folder = tmp_path / tried.replace(" ", "")
        folder.mkdir()
        students[tried] = run(*arm(folder, tried), store)[0].student
    pool, labels = {e.id for e in POOL}, {e.id for e in SPLITS.train}
    read = {tried: {e.id for e in student.examples} for tried, student in students.items() if isinstance(student, Finetuned)}
    assert read.keys() == students.keys()
    for tried, ids in read.items():
        assert bool(ids & pool) == (tried in TAUGHT_ON_THE_POOL)
        assert bool(ids & labels) == (tried != "kd+pl, Kang")
    assert {tried for tried, student in students.items() if isinstance(student, Distilled)} == {t for t in SETTINGS if t.startswith("kd")}
    for tried in ("kd", "kd+pl"):
        assert taught_on(students[tried]) == students[tried].examples
    for tried in ("kd, hidden states", "kd+pl, Kang"):
        assert isinstance(students[tried].taught_by, Finetuned)
    assert isinstance(students["kd"].base.base, Finetuned)
    assert isinstance(students["kd+pl"].base.base, Pretrained)


def test_where_distributions_are_kept_money_is_set_aside_for_them(cache: Path, tmp_path: Path) -> None:
    """They cost about what the outputs cost, so fewer outputs are made, and the student is still trained."""
    found = {}
    for folder, tried in ((tmp_path / "cached", "kd+pl"), (tmp_path / "every_step", "kd+pl, Kang")):
        folder.mkdir()
        outcome, purse = run(*arm(folder, tried, speed="2e+5"), Store(folder / "store", cache, "cpu", {}, no_progress))
        found[tried] = numbers(outcome.facts)["pseudo_labels"]
        assert flops(purse.charges)["student_training"] > 0
    assert 0 < found["kd+pl"] < found["kd+pl, Kang"] == len(POOL)


@pytest.mark.parametrize("family", ["t5_v1_1", "llama"])
def test_where_money_is_short_the_student_learns_from_as_much_of_the_pool_as_that_buys(family: str, store: Store, tmp_path: Path) -> None:
    """Keeping the teacher's distributions over all labels and all outputs at once would leave nothing to train the student with."""
    loaded, planned = arm(tmp_path, "kd+pl", family=family, speed="1.5e+5", compact="decoder_layers: [0, 3]")
    outcome, purse = run(loaded, planned, store)
    assert 0 < numbers(outcome.facts)["pseudo_labels"] < len(POOL)
    assert taught_on(outcome.student) == outcome.student.examples
    assert flops(purse.charges)["student_training"] > 0
    assert not forecast(loaded, planned, SPLITS, DryStore(store.cache, no_progress)).stops


def test_distributions_are_kept_chunk_by_chunk_those_over_the_labels_first(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bench.strategies._steps.CHUNK", 8)
    outcome, purse = run(*arm(tmp_path, "kd+pl", speed="2e+5"), store)
    assert taught_on(outcome.student) == outcome.student.examples
    *pool, labels = outcome.student.taught_by
    assert {e.id for e in labels.examples} <= {e.id for e in SPLITS.train}
    assert {e.id for part in pool[:2] for e in part.examples} == {e.id for e in POOL[:16]}
    read = [e.id for part in pool for e in part.examples]
    assert len(set(read)) == len(read) == numbers(outcome.facts)["pseudo_labels"] < len(POOL)
    assert max(len(part.examples) for part in pool) == len(pool[0].examples) == 8
    made = [c.quantity for c in purse.charges if c.phase == "pseudo_labelling" and c.unit == "FLOP"]
    assert made[0] == labels.forecast_flops(store.context)


def test_a_chunk_whose_distributions_do_not_fit_is_left_out(store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bench.strategies._steps.OUTPUTS_SHARE", 1.0)
    loaded, planned = arm(tmp_path, "kd+pl", speed="1.5e+5")
    with pytest.raises(OverBudget, match="pseudo labelling costs"):
        run(loaded, planned, store)
    monkeypatch.setattr("bench.strategies._steps.CHUNK", 5)
    outcome, purse = run(loaded, planned, store)
    assert taught_on(outcome.student) == outcome.student.examples
    charges = [c for c in purse.charges if c.phase == "pseudo_labelling" and c.unit == "FLOP"]
    assert len(charges) == 2 * len(outcome.student.taught_by)  # of the last chunk outputs alone, of the labels soft labels alone


BY_ITEM = ", meter: items, usd_per_1k_items: {own: {pseudo_labelling: 50}}"


def test_by_the_item_distributions_cost_nothing_and_the_money_goes_into_outputs(store: Store, tmp_path: Path) -> None:
    loaded, planned = arm(tmp_path, "kd+pl", prices=BY_ITEM)
    outcome, purse = run(loaded, planned, store)
    items = [c.quantity for c in purse.charges if c.phase == "pseudo_labelling" and c.paid_by == "purse"]
    assert 17 < sum(items) <= 20  # of 4 dollars, 2 bought labels, 1 is for the student, which costs nothing here
    assert len(items) > 2
    read = {e.id for part in outcome.student.taught_by[:-1] for e in part.examples}
    assert len(read) == numbers(outcome.facts)["pseudo_labels"] == sum(items)
    assert forecast(loaded, planned, SPLITS, DryStore(store.cache, no_progress)).facts == {
        **numbers(outcome.facts),
        "labels_owned": 16,
        "labels_bought": 20,
        "limited_by_budget": 1,
    }


@pytest.mark.parametrize("tried", ["annotate", "pl", "kd+pl"])
def test_a_compact_model_of_its_own_is_trained_instead_of_a_cut(tried: str, store: Store, tmp_path: Path) -> None:
    outcome, _ = run(*arm(tmp_path, tried, compact="model: smaller"), store)
    student, _ = load(store.artifact(outcome.student))
    assert (student.config.d_model, *layer_counts(student.config)) == (16, 4, 3)
    assert isinstance(outcome.student, Finetuned)
    assert isinstance(outcome.student.base, Pretrained)


def test_a_compact_model_of_its_own_can_be_shrunk_as_well(store: Store, tmp_path: Path) -> None:
    outcome, _ = run(*arm(tmp_path, "annotate", compact="model: smaller, decoder_layers: [0, 2, 2]"), store)
    student, _ = load(store.artifact(outcome.student))
    assert (student.config.d_model, *layer_counts(student.config)) == (16, 4, 3)
    assert isinstance(outcome.student, Finetuned)
    assert isinstance(outcome.student.untrained, Shrunk)


OF_THE_TEACHER = "method: kd, start_from: teacher"
HIDDEN = "method: kd, kd: {teacher_outputs: every_step, hidden_weight: 3.0}"


@pytest.mark.parametrize("paid", ["", ", meter: wall"])
@pytest.mark.parametrize(
    ("tried", "settings", "compact", "message"),
    [
        ("sft", "label_share: 0.5", "model: smaller", "model of its own"),
        ("sft", "label_share: 0.5", "decoder_layers: 9", "9 .* 4"),
        ("kd", OF_THE_TEACHER, "model: smaller", "model of its own"),
        ("kd", OF_THE_TEACHER, "decoder_layers: 9", "9 .* 4"),
        ("pl", "method: pl", "decoder_layers: 9", "9 .* 4"),
        ("kd+pl", "method: kd+pl", "model: foreign", "different vocabularies"),
        ("kd", HIDDEN, "model: smaller", "hidden .*32 .*teacher.* 16 .*student"),
    ],
)
def test_what_cannot_work_is_refused_before_the_teacher_is_paid(
    tried: str, settings: str, compact: str, message: str, paid: str, store: Store, tmp_path: Path
) -> None:
    loaded, planned = arm(tmp_path, tried, settings=settings, compact=compact, prices=paid)
    purse = Purse(planned.budget_usd)
    with pytest.raises(BenchError, match=message):
        planned.cell.strategy.run(ArmJob(loaded, planned, SPLITS, purse, store))
    assert "teacher_tuning" not in {charge.phase for charge in purse.charges}
    assert re.search(message, forecast(loaded, planned, SPLITS, DryStore(store.cache, no_progress)).stops)


def test_pretraining_is_not_paid_where_there_is_no_label_to_train_on(store: Store, tmp_path: Path) -> None:
    loaded, planned = arm(tmp_path, "continue_pretraining", settings="label_share: 0.0, tokens: 32", owned=0)
    purse = Purse(planned.budget_usd)
    with pytest.raises(NotEnough, match="not a single label"):
        planned.cell.strategy.run(ArmJob(loaded, planned, SPLITS, purse, store))
    assert "continued_pretraining" not in {charge.phase for charge in purse.charges}


def test_a_teacher_that_the_money_does_not_cover_is_not_tuned_in_part(store: Store, tmp_path: Path) -> None:
    loaded, planned = arm(tmp_path, "sft", speed="1e+4")
    with pytest.raises(OverBudget, match="teacher tuning costs"):
        run(loaded, planned, store)
    assert "teacher tuning costs" in forecast(loaded, planned, SPLITS, DryStore(store.cache, no_progress)).stops


def test_a_student_is_trained_as_long_as_the_money_lasts(store: Store, tmp_path: Path) -> None:
    _, purse = run(*arm(tmp_path, "annotate", speed="5e+4"), store)
    assert 0 <= purse.left_usd < 1.0


@pytest.mark.parametrize("tried", [*TAUGHT_ON_THE_POOL, "continue_pretraining"])
def test_learning_on_the_pool_without_one_is_skipped_with_the_reason(tried: str, store: Store, tmp_path: Path) -> None:
    with pytest.raises(NotEnough, match="no unlabelled pool"):
        run(*arm(tmp_path, tried), store, Splits(EXAMPLES[:60], (), (), (), "fingerprint"))


def test_distilling_on_the_labels_needs_no_pool(store: Store, tmp_path: Path) -> None:
    outcome, _ = run(*arm(tmp_path, "kd"), store, Splits(EXAMPLES[:60], (), (), (), "fingerprint"))
    assert numbers(outcome.facts)["pseudo_labels"] == 0


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"kd": {"temperature": 1.0}}, "kd .*method 'kd' or 'kd\\+pl'"),
        ({"method": "kd", "gold": False}, "gold .*'kd'|'kd' .*labels"),
        ({"method": "kd", "kd": {"hidden_weight": 3.0}}, "hidden_weight above 0 needs teacher_outputs 'every_step'"),
        ({"start_from": "large"}, "'pretrained' or 'teacher'"),
    ],
)
def test_settings_that_contradict_each_other_are_refused(settings: dict[str, object], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        registry.find("strategies", "distill")(**settings)


@pytest.mark.parametrize("strategy", ["sft", "pl"])
def test_a_teacher_that_knows_the_task_already_is_taken_as_it_comes(strategy: str, cache: Path, tmp_path: Path) -> None:
    loaded, planned = arm(tmp_path, strategy)
    cell = replace(planned.cell, strategy=planned.cell.strategy.model_copy(update={"teacher": None}))
    planned = replace(planned, cell=cell)
    purse = Purse(planned.budget_usd)
    job = ArmJob(loaded, planned, SPLITS, purse, Store(tmp_path / "store", cache, "cpu", {}, no_progress))
    outcome = planned.cell.strategy.run(job)
    assert isinstance(outcome.teacher, Pretrained)
    assert outcome.teacher.checkpoint == loaded.large
    assert not [charge for charge in purse.charges if charge.phase == "teacher_tuning" and charge.usd]
