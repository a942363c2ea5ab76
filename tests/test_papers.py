"""Every full suite runs from folders, as somebody without a network would run it; and docs/papers.md names tests that exist.

The models are tiny random ones of the right family, with all layers where a suite cuts some; the data are a few sentences in the layout
of the hub. What is asked for, and by which names, is what the suites say. Numbers are cut so that everything trains for two steps.
"""

import gzip
import json
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import huggingface_hub
import pytest
from pydantic import ValidationError

from bench.contracts import Part, no_progress, numbers
from bench.execution import evaluation, ledger, worker
from bench.execution.job import ArmJob, models_fingerprint
from bench.execution.purse import Purse
from bench.execution.record import Ending
from bench.execution.store import DryStore, Store
from bench.forecast.arm import forecast
from bench.models.random import Random
from bench.registry import name_of
from bench.suite import arms, suite_file
from bench.suite.arms import Arm
from bench.suite.suite_file import Suite
from bench.tasks._class_labels import ClassLabels
from bench.tasks._json_lines_folder import JsonLinesFolder
from bench.training.checkpoints import load
from bench.training.finetuned import Finetuned
from bench.training.recipes import ModelRecipe
from bench.training.settings import Tuning
from bench.training.shapes import Family, shape_of
from bench.training.shrinking import layer_counts
from tests.training.fake_endpoint import serving

ROOT = Path(__file__).parents[1]
PATHS = {path.stem: path for path in sorted((ROOT / "suites" / "papers").glob("*.yaml"))}
SUITES = {name: suite_file.read(path) for name, path in PATHS.items()}

SUBJECTS, PLACES = (
    ("red cat", "blue dog", "green bird", "small fox", "large cow", "round fish"),
    ("river", "stone", "tree", "house", "hill"),
)
SENTENCES = [f"The {subject} of {count} stood by the {place}." for count in range(2, 8) for subject in SUBJECTS for place in PLACES]


# --- what a machine without a network has ----------------------------------------------------------------------------


CUT = {loaded.large.model for loaded in SUITES.values() if loaded.spec.compact.decoder_layers}
"""Hub ids of models of which a suite keeps some layers."""
T5: dict[str, Family] = {"t5-efficient-": "t5", "t5-v1_1-": "t5_v1_1", "flan-t5-": "t5_v1_1", "t5-": "t5"}


def tiny(model: str) -> Random:
    """A random model of the family of a hub id, with as many layers where some are cut."""
    family, layers = family_of(model.partition("/")[2])
    return Random(family=family, encoder_layers=layers[0], decoder_layers=layers[1]) if model in CUT else Random(family=family)


def family_of(name: str) -> tuple[Any, tuple[int, int]]:
    """And its layers."""
    known: dict[str, tuple[Any, tuple[int, int]]] = {
        "pegasus": ("pegasus", (16, 16)),
        "bart-large": ("bart", (12, 12)),
        "SmolLM2": ("llama", (0, 30)),
    }
    if found := next((known[start] for start in known if name.startswith(start)), None):
        return found
    start = next(start for start in T5 if name.startswith(start))
    shape = shape_of(T5[start], name.removeprefix(start))
    return T5[start], (shape.el, shape.dl)


def parts(loaded: Suite) -> list[Part]:
    return [loaded.large, *loaded.models.values(), *loaded.tasks.values(), *loaded.texts.values()]


def rows(names: dict[str, str], sentences: list[str], label: str | None = None) -> str:
    """JSON lines of sentences and their targets; `label` in place of these."""
    return "".join(json.dumps({names["source"]: text, names["target"]: label or target(text)}) + "\n" for text in sentences)


def target(sentence: str) -> str:
    """Its third and second word."""
    return " ".join(sentence.split()[2:0:-1])


def hub_copy(folder: Path, config: str | None, files: dict[str, str]) -> None:
    """A data set as `hf download` leaves it: its configurations stand at the top of its README."""
    folder.mkdir(parents=True, exist_ok=True)
    named = [{"split": split, "path": f"{split}.jsonl"} for split in files]
    (folder / "README.md").write_text(f"---\nconfigs: {json.dumps([{'config_name': config or 'default', 'data_files': named}])}\n---\n")
    for split, text in files.items():
        (folder / f"{split}.jsonl").write_text(text)


def put_data(part: Any, data: Path, here: Path) -> None:
    """What a task or a text reads, where it reads it."""
    if isinstance(part, JsonLinesFolder):
        put_json_lines(part, here / part.folder)
    elif name_of(part) == "files":
        path = here / part.train
        path.parent.mkdir(parents=True, exist_ok=True)
        with gzip.open(path, "wt", encoding="utf-8") as file:
            file.write(rows(part.model_dump(), SENTENCES))
    elif hasattr(part, "column"):
        hub_copy(data / part.path, part.name, {part.split: rows({"source": part.column, "target": "none"}, SENTENCES[:60])})
    else:
        spread = {part.train_split: SENTENCES[:160], part.dev_split: SENTENCES[160:164], part.test_split: SENTENCES[164:168]}
        hub_copy(data / part.path, part.name, {split: rows(part.model_dump(), found) for split, found in spread.items()})


def put_json_lines(part: JsonLinesFolder, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    names = {"source": "source", "target": "target"}
    label = part.classes[-1] if isinstance(part, ClassLabels) else None
    (folder / part.train).write_text(rows(names, SENTENCES[:120], label))
    if part.test:
        (folder / part.test).write_text(rows(names, SENTENCES[120:124], label))
    if part.pool:
        (folder / part.pool).write_text(rows(names, SENTENCES[130:150]))


@pytest.fixture(scope="session")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the models, the data sets of the hub and the current directory's data of all full suites."""
    home = tmp_path_factory.mktemp("machine")
    for loaded in SUITES.values():
        for part in parts(loaded):
            if not hasattr(part, "model"):
                put_data(part, home / "data-sets", home)
            elif not (link := home / "models" / part.model).exists():
                link.parent.mkdir(parents=True, exist_ok=True)
                link.symlink_to(tiny(part.model).folder(home / "made"))
    return home


@pytest.fixture(autouse=True)
def without_network(machine: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name in ("snapshot_download", "hf_hub_download", "HfApi"):
        monkeypatch.setattr(huggingface_hub, name, lambda *a, **k: pytest.fail("the hub was asked"))
    monkeypatch.setenv("BENCH_MODELS", str(machine / "models"))
    monkeypatch.setenv("BENCH_DATA", str(machine / "data-sets"))
    monkeypatch.chdir(machine)


@pytest.fixture(autouse=True)
def timed_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Inference is timed on one document, once."""
    monkeypatch.setattr(evaluation, "TIMED_DOCUMENTS", 1)
    monkeypatch.setattr(evaluation, "TIMED_ROUNDS", 1)


# --- a suite in small ------------------------------------------------------------------------------------------------

ASKED = "llm_label"
"""Needs an endpoint, and has a test of its own."""
TWO_STEPS = {"epochs": 1, "min_steps": 2, "batch_size": 64}
TWO_STEPS_OF_TEXT = {"epochs": 2, "batch_size": 8}
"""Of which there is less than a batch."""


def in_small(part: Part) -> Part:
    """The same settings, but every training is two steps."""
    changed: dict[str, Any] = {}
    for field in type(part).model_fields:
        value = getattr(part, field)
        if isinstance(value, Tuning):
            changed[field] = value.model_copy(update=TWO_STEPS_OF_TEXT if field == "pretraining" else TWO_STEPS)
    return part.model_copy(update=changed)


def small(loaded: Suite) -> Suite:
    """The same suite with less of everything: labels, dollars, seeds, steps, tokens."""
    set_up = max((prices.teacher_set_up for prices in loaded.spec.prices.usd_per_1k_items.values()), default=0.0)
    spec = loaded.spec.model_copy(update={"start_labels": 8, "budgets_usd": (set_up + 1.0,), "seeds": (1,)})
    tasks = {name: in_small_tokens(task) for name, task in loaded.tasks.items()}
    cells = tuple(replace(cell, strategy=in_small(cell.strategy)) for cell in loaded.cells)
    return replace(loaded, spec=spec, tasks=tasks, cells=cells, profilers={})


def in_small_tokens(task: Any) -> Any:
    return task.model_copy(update={"max_source_tokens": 32, "max_target_tokens": 6})


def first_of_each(name: str) -> dict[str, Arm]:
    """Strategy label -> its first arm, in the order in which the small suite runs them."""
    found: dict[str, Arm] = {}
    for arm in arms.arms(small(SUITES[name])):
        found.setdefault(arm.cell.label, arm)
    return {label: arm for label, arm in found.items() if label != ASKED}


def training(name: str, arm: Arm) -> tuple[object, ...]:
    """What decides how an arm trains, apart from the rows it reads: strategy, settings, families of models, meter."""
    loaded = SUITES[name]
    families = [tiny(part.model) for part in (loaded.large, *loaded.models.values()) if hasattr(part, "model")]
    settings = arm.cell.strategy.model_dump_json(exclude={"label_share"})
    return type(arm.cell.strategy), settings, str(families), str(loaded.spec.compact), loaded.spec.precision, loaded.spec.prices.meter


def not_first() -> list[tuple[str, str]]:
    """Suite and label of every strategy that is not a suite's first arm, and does not train as one before it."""
    first = {name: next(iter(first_of_each(name).values())) for name in SUITES}
    seen, found = {training(name, arm) for name, arm in first.items()}, []
    for name in SUITES:
        for label, arm in first_of_each(name).items():
            if (trains := training(name, arm)) not in seen:
                seen.add(trains)
                found.append((name, label))
    return found


def steps_made(store: Store, recipe: ModelRecipe) -> int:
    made: int = json.loads((store.artifact(recipe) / "training.json").read_text())["steps_made"]
    return made


def two_steps(loaded: Suite, arm: Arm, machine: Path) -> None:
    """Trains as the arm does, unless that is in the store, and checks what came of it."""
    store = Store(
        machine / "results" / "store", machine / "cache", "cpu", {}, no_progress, models_fingerprint(loaded, arm, machine / "cache")
    )
    purse = Purse(arm.budget_usd)
    outcome = arm.cell.strategy.run(ArmJob(loaded, arm, arm.task.splits(machine / "cache", no_progress), purse, store))
    assert isinstance(outcome.student, ModelRecipe)
    assert steps_made(store, outcome.student) == 2
    assert numbers(outcome.facts).get("pretraining_steps_made", 2) == 2
    assert purse.spent_usd <= arm.budget_usd
    if isinstance(outcome.teacher, Finetuned):
        assert steps_made(store, outcome.teacher) == 2
    student, _ = load(store.artifact(outcome.student))
    assert layer_counts(student.config) == layer_counts(outcome.student.config(machine / "cache"))


# --- every suite, every strategy in it -------------------------------------------------------------------------------


def test_no_full_suite_and_no_family_is_left_out() -> None:
    families = {tiny(part.model).family for loaded in SUITES.values() for part in parts(loaded) if hasattr(part, "model")}
    assert families == {"pegasus", "bart", "t5", "t5_v1_1", "llama"}
    assert len(SUITES) == len(list((ROOT / "suites" / "papers").iterdir()))


@pytest.mark.parametrize("name", SUITES)
def test_a_model_is_pinned_to_a_commit_or_its_header_says_how_to_bring_it(name: str) -> None:
    header = PATHS[name].read_text().partition("\nsuite:")[0]
    for part in parts(SUITES[name]):
        if hasattr(part, "model"):
            assert part.revision or ("--models models" in header and "bench models convert" in header)
    assert "hour" in header


@pytest.mark.parametrize(("name", "label"), not_first())
def test_a_full_suite_runs_two_steps_of_each_strategy_from_folders(name: str, label: str, machine: Path) -> None:
    """But for first arms, which the next test runs, and for what trains as a strategy of another suite does."""
    two_steps(small(SUITES[name]), first_of_each(name)[label], machine)


@pytest.mark.parametrize("name", SUITES)
def test_the_first_arm_of_a_full_suite_is_done_with_its_scores(name: str, machine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also what comes after its two steps: outputs on the test documents, metrics, and the speed of large and compact model."""
    loaded = small(SUITES[name])
    ending, folder = first_arm(name, loaded, machine, monkeypatch)
    scored = {row["name"] for row in ledger.rows(folder) if row["row"] == "score" and row["subject"] == "student"}
    assert loaded.spec.rank_by in scored
    assert ending.facts["student_parameters"] > 0
    two_steps(loaded, arms.arms(loaded)[0], machine)


def test_every_strategy_of_every_full_suite_trains_here_or_as_another_one_does() -> None:
    here = [*not_first(), *((name, next(iter(first_of_each(name)))) for name in SUITES)]
    trained = {training(name, first_of_each(name)[label]) for name, label in here}
    assert len(here) > 30
    assert {training(name, arm) for name in SUITES for arm in first_of_each(name).values()} == trained


@pytest.mark.parametrize("name", SUITES)
def test_every_arm_of_a_full_suite_can_be_planned_from_folders(name: str, machine: Path) -> None:
    loaded = small(SUITES[name])
    dry = DryStore(machine / "cache", no_progress)
    planned = {arm.id: forecast(loaded, arm, arm.task.splits(machine / "cache", no_progress), dry) for arm in arms.arms(loaded)}
    assert {arm: found.stops for arm, found in planned.items() if found.stops} == {}


def first_arm(name: str, loaded: Suite, machine: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Ending, Path]:
    """How it ended, and its folder."""
    monkeypatch.setattr(worker.suite_file, "read", lambda path: loaded)
    first = arms.arms(loaded)[0]
    ending = worker.run(PATHS[name], first.id, first.seed, machine / "results", machine / "cache", "cpu")
    assert (ending.status, ending.reason) == ("done", "")
    return ending, machine / "results" / first.id


def test_references_are_scored_whole_however_short_labels_are_cut(machine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On CNN/DailyMail the published scripts cut references at 142 tokens by default, which raises ROUGE."""
    loaded = small(SUITES["shleifer2020-bart-cnn"])
    cut = {name: task.model_copy(update={"max_target_tokens": 2}) for name, task in loaded.tasks.items()}
    _, folder = first_arm("shleifer2020-bart-cnn", replace(loaded, tasks=cut), machine, monkeypatch)
    references = {json.loads(line)["reference"] for line in (folder / "predictions.jsonl").read_text().splitlines()}
    assert references == {target(text) for text in SENTENCES[164:168]}


def test_the_endpoint_suite_is_answered_by_an_endpoint(machine: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    loaded = small(SUITES["llm-endpoint"])
    monkeypatch.setenv("LLM_API_KEY", "any-word-will-do")
    cells = [cell for cell in loaded.cells if cell.label == ASKED]
    with serving() as fake:
        elsewhere = {"endpoint": cells[0].strategy.endpoint.model_copy(update={"base_url": fake.url})}
        asking = replace(loaded, cells=tuple(replace(cell, strategy=cell.strategy.model_copy(update=elsewhere)) for cell in cells))
        monkeypatch.setattr(worker.suite_file, "read", lambda path: asking)
        endings = [worker.run(PATHS["llm-endpoint"], one.id, one.seed, tmp_path, tmp_path / "cache", "cpu") for one in arms.arms(asking)]
    assert [(ending.status, ending.reason) for ending in endings] == [("done", "")] * len(cells)
    assert endings[0].facts["pseudo_labels"] > 0
    assert {request["model"] for request in fake.requests} == {"Qwen/Qwen2.5-7B-Instruct"}
    assert len(fake.requests[0]["messages"]) == 1 + 2 * 2 + 1


@pytest.mark.parametrize("name", SUITES)
def test_no_full_suite_asks_for_fp16(name: str) -> None:
    assert SUITES[name].spec.precision in ("bf16", "fp32")
    with pytest.raises(ValidationError, match="'bf16' or 'fp32'"):
        suite_file.SuiteText.model_validate({**SUITES[name].spec.model_dump(), "precision": "fp16"})


def test_no_t5_of_a_full_suite_has_a_deeper_decoder_than_encoder() -> None:
    """transformers 5.23 makes the cache of a T5 as deep as its encoder, so that a deeper decoder cannot generate."""
    named = {part.model.partition("/")[2] for loaded in SUITES.values() for part in parts(loaded) if hasattr(part, "model")}
    layers = {name: family_of(name)[1] for name in named if "t5" in name}
    assert len(layers) > 10
    assert [name for name, (encoder, decoder) in layers.items() if decoder > encoder] == []


# --- the page --------------------------------------------------------------------------------------------------------


def test_every_test_that_the_page_names_exists() -> None:
    page = (ROOT / "docs" / "papers.md").read_text(encoding="utf-8")
    named = set(re.findall(r"(tests/[\w/]+\.py)::(test_\w+)", page))
    assert len(named) > 40
    lacking = [
        f"{path}::{name}" for path, name in sorted(named) if not re.search(rf"^def {name}\(", (ROOT / path).read_text(), re.MULTILINE)
    ]
    assert not lacking
