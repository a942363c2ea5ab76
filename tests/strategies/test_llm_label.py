"""An LLM labels the pool: paid by tokens, asked once, stopped by the purse; or run here, and paid as all compute is."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from bench import plan, registry, suite, worker
from bench.contracts import Example, Outcome, Part, Splits
from bench.errors import BenchError, CheckpointError, NotEnough, OverBudget
from bench.job import ArmJob, forecast
from bench.ledger import Ledger, Purse, rows
from bench.plan import Arm
from bench.store import DryStore, Store
from bench.suite import Suite
from bench.training.models import load, load_tokenizer, save
from bench.training.prompting import Prompt
from bench.zoo.random import Random
from tests.test_store import quiet
from tests.training.fake_endpoint import FakeEndpoint, completion, fails, says, serving

KEY = "sk-0123456789-secret"
WORDS = ["red", "blue", "green", "small", "cat", "dog", "bird", "tree", "river", "stone"]
TEXTS = [f"the {a} {b} stood by the {c}" for a in WORDS[:4] for b in WORDS[4:7] for c in WORDS[7:]]
TRAIN = tuple(Example(f"t{i}", text, " ".join(text.split()[1:3])) for i, text in enumerate(TEXTS[:16]))
POOL = tuple(Example(f"p{i}", text) for i, text in enumerate(TEXTS[16:]))
SPLITS = Splits(TRAIN, POOL, (), (), "fingerprint")

SUITE = """
suite: tiny
question: Which?
large: {use: random, with: {family: t5_v1_1}}
models:
  llm: {use: random, with: {family: llama}}
  own: {use: folder, with: {path: FOLDER}}
compact: {encoder_layers: 3, decoder_layers: 2}
tasks: {own: {use: files, with: {train: TRAIN, source: a, target: b, max_source_tokens: 32, max_target_tokens: 8}}}
strategies: {llm_label: {use: llm_label, with: WITH}}
start_labels: 8
budgets_usd: [4]
seeds: [1]
prices: {label_usd: 0.1, device_flops_per_second: 5e+6, usd_per_1m_prompt_tokens: PROMPT, usd_per_1m_output_tokens: 400}
profilers: {wall: {use: wall}}
"""


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeEndpoint]:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with serving() as server:
        yield server


@pytest.fixture(scope="session")
def zoo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("zoo")


@pytest.fixture
def cache(zoo: Path, tmp_path: Path) -> Path:
    """A cache of this test alone, but for the models, which are the same for all."""
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache" / "zoo").symlink_to(zoo)
    return tmp_path / "cache"


def at(fake: FakeEndpoint, **settings: Any) -> dict[str, Any]:
    return {"endpoint": {"base_url": fake.url, "model": "tiny", "concurrency": 1, "attempts": 1, **settings}}


def suite_file(folder: Path, settings: dict[str, Any], **replaced: str) -> Path:
    given = {"student": {"epochs": 1}, "sampling": {"max_output_tokens": 8}, **settings}
    text = SUITE.replace("WITH", json.dumps(given))
    for name, value in {"PROMPT": "100", "TRAIN": "none.csv", "FOLDER": "none", **replaced}.items():
        text = text.replace(name, value)
    path = folder / "tiny.yaml"
    path.write_text(text)
    return path


def arm(folder: Path, settings: dict[str, Any], **replaced: str) -> tuple[Suite, Arm]:
    loaded = suite.read(suite_file(folder, settings, **replaced))
    return loaded, plan.arms(loaded)[0]


def run(folder: Path, cache: Path, settings: dict[str, Any], name: str = "arm", splits: Splits = SPLITS, **replaced: str) -> Outcome:
    loaded, planned = arm(folder, settings, **replaced)
    ledger = Ledger(folder / name)
    store = Store(folder / f"store-of-{name}", cache, "cpu", {}, quiet)
    outcome = planned.cell.strategy.run(ArmJob(loaded, planned, splits, Purse(planned.budget_usd, ledger), store, ledger))
    load(store.artifact(outcome.student))
    return outcome


def charges(folder: Path, name: str = "arm", phase: str = "pseudo_labelling") -> dict[str, dict[str, Any]]:
    """Kind and unit -> what the purse paid, added up."""
    paid: dict[str, dict[str, Any]] = {}
    for row in rows(folder / name):
        if row["row"] == "charge" and row["phase"] == phase and row["paid_by"] == "purse":
            sums = paid.setdefault(row["kind"], {"quantity": 0, "usd": 0.0, "unit": row["unit"]})
            sums["quantity"] += row["quantity"]
            sums["usd"] += row["usd"]
    return paid


def artifacts(folder: Path, file: str, name: str = "arm") -> list[Any]:
    found = sorted((folder / f"store-of-{name}").rglob(file))
    return [json.loads(line) for path in found for line in path.read_text().splitlines()]


def test_an_endpoint_is_paid_for_the_tokens_it_counted_and_for_no_compute(fake: FakeEndpoint, cache: Path, tmp_path: Path) -> None:
    outcome = run(tmp_path, cache, at(fake))
    asked = len(POOL)
    assert outcome.teacher is None
    assert outcome.facts == {"pseudo_labels": asked, "invalid_answers": 0, "prompt_tokens": 100 * asked, "output_tokens": 5 * asked}
    assert charges(tmp_path) == {
        "prompt tokens": {"quantity": 100 * asked, "usd": pytest.approx(100 * asked * 100 / 1e6), "unit": "token"},
        "output tokens": {"quantity": 5 * asked, "usd": pytest.approx(5 * asked * 400 / 1e6), "unit": "token"},
    }
    assert [(row["id"], row["target"]) for row in artifacts(tmp_path, "pseudo_labels.jsonl")] == [
        (example.id, " ".join(example.source.split()[1:3])) for example in POOL
    ]


def test_the_compact_model_is_trained_on_labels_owned_as_well_unless_the_suite_says_no(
    fake: FakeEndpoint, cache: Path, tmp_path: Path
) -> None:
    with_gold, without = run(tmp_path, cache, at(fake)), run(tmp_path, cache, at(fake) | {"gold": False})
    assert [len(outcome.student.examples) for outcome in (with_gold, without)] == [len(POOL) + 8, len(POOL)]  # type: ignore[attr-defined]


def test_the_prompt_shows_the_first_labels_owned_and_the_document_as_far_as_a_student_reads_it(
    fake: FakeEndpoint, cache: Path, tmp_path: Path
) -> None:
    long = Example("long", "stone " * 100)
    prompt = {"few_shot": 2, "system": "Be brief.", "instruction": "Say it: {source}"}
    run(tmp_path, cache, {**at(fake), "prompt": prompt}, splits=Splits(TRAIN, (long,), (), (), "fingerprint"))
    loaded, planned = arm(tmp_path, at(fake))
    first = ArmJob(loaded, planned, SPLITS, Purse(4.0), DryStore(cache, quiet)).labels(0.0)[:2]
    (request,) = fake.requests
    *told, last = request["messages"]
    assert told == [
        {"role": "system", "content": "Be brief."},
        *(
            message
            for shot in first
            for message in (
                {"role": "user", "content": f"Say it: {shot.source}"},
                {"role": "assistant", "content": shot.target},
            )
        ),
    ]
    read = last["content"].removeprefix("Say it: ")
    assert long.source.startswith(read)
    assert len(load_tokenizer(Random(family="t5_v1_1").folder(cache))(read, add_special_tokens=False).input_ids) == 32


def test_another_arm_pays_for_the_same_answers_but_asks_for_none(fake: FakeEndpoint, cache: Path, tmp_path: Path) -> None:
    run(tmp_path, cache, at(fake))
    before = len(fake.requests)
    run(tmp_path, cache, at(fake) | {"pseudo_share": 0.6, "gold": False}, name="other")
    assert len(fake.requests) == before == len(POOL)
    assert charges(tmp_path, "other") == charges(tmp_path)


def test_a_run_that_broke_off_asks_for_the_rest_alone_and_pays_for_all(fake: FakeEndpoint, cache: Path, tmp_path: Path) -> None:
    fake.script = [fake.otherwise] * 5 + [fails(500)]
    with pytest.raises(BenchError, match="answers so far are kept, run again"):
        run(tmp_path, cache, at(fake))
    run(tmp_path, cache, at(fake))
    assert fake.documents()[6:] == [example.source for example in POOL[5:]]
    assert charges(tmp_path)["prompt tokens"]["quantity"] == 100 * len(POOL)


def test_invalid_answers_are_paid_and_counted_and_not_trained_on(fake: FakeEndpoint, cache: Path, tmp_path: Path) -> None:
    fake.script = [says(""), says("a long ti", "length"), says("maybe"), says("Yes.")]
    fake.otherwise = says("no")
    outcome = run(tmp_path, cache, at(fake) | {"prompt": {"answers": [["yes", "no"]]}})
    assert outcome.facts["invalid_answers"] == 3
    assert outcome.facts["pseudo_labels"] == len(POOL) - 3
    assert charges(tmp_path)["prompt tokens"]["quantity"] == 100 * len(POOL)
    refused = [(row["id"], row["answer"], row["verdict"]) for row in artifacts(tmp_path, "invalid.jsonl")]
    assert refused == [("p0", "", "empty"), ("p1", "a long ti", "cut_off"), ("p2", "maybe", "no_class")]
    assert [row["target"] for row in artifacts(tmp_path, "pseudo_labels.jsonl")] == ["yes"] + ["no"] * (len(POOL) - 4)
    (counts,) = artifacts(tmp_path, "labelling.json")
    assert {name: counts[name] for name in ("documents", "empty", "cut_off", "no_class", "invalid", "retries")} == {
        "documents": len(POOL),
        "empty": 1,
        "cut_off": 1,
        "no_class": 1,
        "invalid": 3,
        "retries": 0,
    }


def test_labels_are_bought_as_long_as_the_dearest_next_one_fits(fake: FakeEndpoint, cache: Path, tmp_path: Path) -> None:
    fake.otherwise = lambda request: completion("a label", prompt_tokens=30, output_tokens=4)
    outcome = run(tmp_path, cache, at(fake), PROMPT="6000")
    spent = sum(charge["usd"] for charge in charges(tmp_path).values())
    assert 0 < outcome.facts["pseudo_labels"] < len(POOL)
    assert len(fake.requests) == outcome.facts["pseudo_labels"]
    assert 2.0 - 0.4 < spent <= 2.0  # half of the budget; reckoned are some 50 tokens a document, at most $0.3


def test_an_overrun_is_cut_off_at_what_is_left(fake: FakeEndpoint, cache: Path, tmp_path: Path) -> None:
    fake.otherwise = lambda request: completion("a label", prompt_tokens=10_000)
    with pytest.raises(OverBudget):
        run(tmp_path, cache, at(fake))
    assert sum(row["usd"] for row in rows(tmp_path / "arm") if row.get("paid_by") == "purse") == pytest.approx(4.0)


def test_a_first_label_that_does_not_fit_ends_the_arm_before_anything_is_asked(fake: FakeEndpoint, cache: Path, tmp_path: Path) -> None:
    with pytest.raises(OverBudget, match="pseudo labelling costs"):
        run(tmp_path, cache, at(fake), PROMPT="1e+6")
    assert not fake.requests


def test_a_plan_asks_nothing_and_reckons_with_more_than_is_paid(fake: FakeEndpoint, cache: Path, tmp_path: Path) -> None:
    fake.otherwise = lambda request: completion("a label", prompt_tokens=len(request["messages"][0]["content"]) // 2)
    loaded, planned = arm(tmp_path, at(fake))
    foreseen = forecast(loaded, planned, SPLITS, DryStore(cache, quiet))
    assert not fake.requests
    assert not foreseen.stops
    assert foreseen.facts["pseudo_labels"] == len(POOL)
    run(tmp_path, cache, at(fake))
    reckoned = {charge.kind: charge.usd for charge in foreseen.charges if charge.phase == "pseudo_labelling"}
    assert {kind: paid["usd"] < reckoned[kind] for kind, paid in charges(tmp_path).items()} == dict.fromkeys(reckoned, True)


def test_a_script_that_the_large_model_cannot_read_is_not_reckoned_as_cheap(cache: Path, tmp_path: Path) -> None:
    chinese = Splits(TRAIN, (Example("zh", "红猫站在河边" * 50),), (), (), "fingerprint")
    settings = {"endpoint": {"base_url": "http://127.0.0.1:9/v1", "model": "tiny"}, "prompt": {"system": "猫" * 600}}
    loaded, planned = arm(tmp_path, settings)
    foreseen = forecast(loaded, planned, chinese, DryStore(cache, quiet))
    assert foreseen.facts["prompt_tokens"] >= 600


def test_the_key_is_in_no_file_that_a_whole_run_leaves(
    fake: FakeEndpoint, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("OWN_KEY", KEY)
    fake.script = [says(f"not {KEY}")]
    data = tmp_path / "data.csv"
    labelled = "".join(f"{text} {i} times,{' '.join(text.split()[1:3])}\n" for text in TEXTS for i in range(4))
    data.write_text("a,b\n" + labelled + "".join(f"{example.source},\n" for example in POOL))
    path = suite_file(tmp_path, at(fake, key_variable="OWN_KEY"), TRAIN=str(data))
    (planned,) = plan.arms(suite.read(path))
    ending = worker.run(path, planned.id, tmp_path / "results", cache, "cpu")
    assert (ending.status, ending.reason) == ("done", "")
    assert set(fake.authorizations) == {f"Bearer {KEY}"}
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert any(path.name == "responses.jsonl" and b"not ***" in path.read_bytes() for path in files)
    assert not [path for path in files if KEY.encode() in path.read_bytes()]
    assert KEY not in "".join(capfd.readouterr())


def test_a_local_llm_is_paid_by_the_meter_of_all_compute(cache: Path, tmp_path: Path) -> None:
    outcome = run(tmp_path, cache, {"teacher": "llm", "prompt": {"few_shot": 1, "instruction": "{source} = {target}"}})
    assert outcome.facts["pseudo_labels"] + outcome.facts["invalid_answers"] == len(POOL)
    assert 0 < outcome.facts["output_tokens"] <= 8 * len(POOL)
    (compute,) = charges(tmp_path).values()
    assert (compute["unit"], compute["quantity"] > 0) == ("FLOP", True)


def always_says(cache: Path, folder: Path, word: str, template: str | None = None, positions: int = 512) -> Path:
    """A decoder-only model that says one token, whatever it reads."""
    model, tokenizer = load(Random(family="llama").folder(cache))
    (token,) = tokenizer(word).input_ids
    with torch.no_grad():
        for name, weight in model.named_parameters():
            weight.fill_(0.0 if "proj" in name else 1.0)
        model.config.tie_word_embeddings = False
        model.set_output_embeddings(torch.nn.Linear(model.config.hidden_size, len(tokenizer), bias=False))
        model.lm_head.weight.zero_()
        model.lm_head.weight[token] = 1.0
    model.config.max_position_embeddings = positions
    tokenizer.chat_template = template
    save(model, tokenizer, folder)
    return folder


@pytest.mark.parametrize(
    ("word", "stop", "tokens", "verdict"), [("\n", True, 1, "empty"), ("\n", False, 8, "empty"), ("a", True, 8, "cut_off")]
)
def test_a_local_llm_stops_at_the_end_of_the_line(word: str, stop: bool, tokens: int, verdict: str, cache: Path, tmp_path: Path) -> None:
    own = always_says(cache, tmp_path / "own", word)
    outcome = run(tmp_path, cache, {"teacher": "own", "prompt": {"stop_at_newline": stop}}, FOLDER=str(own))
    assert outcome.facts["output_tokens"] == tokens * len(POOL)
    assert {row["verdict"] for row in artifacts(tmp_path, "invalid.jsonl")} == {verdict}


TURNS = "{% for m in messages %}[{{ m.role }}] {{ m.content }}\n{% endfor %}{% if add_generation_prompt %}[assistant]{% endif %}"


@pytest.mark.parametrize(
    ("template", "read"),
    [
        (TURNS, "[system] Be brief.\n[user] SHOT =\n[assistant] LABEL\n[user] DOCUMENT =\n[assistant]"),
        (None, "Be brief.\n\nSHOT = LABEL\n\nDOCUMENT ="),
    ],
)
def test_a_local_llm_reads_its_own_chat_template_or_one_plain_text(template: str | None, read: str, cache: Path, tmp_path: Path) -> None:
    own = always_says(cache, tmp_path / "own", "a", template)
    prompt = {"few_shot": 1, "system": "Be brief.", "instruction": "{source} = {target}"}
    outcome = run(tmp_path, cache, {"teacher": "own", "prompt": prompt}, FOLDER=str(own))
    loaded, planned = arm(tmp_path, {"teacher": "own"}, FOLDER=str(own))
    (shot,) = ArmJob(loaded, planned, SPLITS, Purse(4.0), DryStore(cache, quiet)).labels(0.0)[:1]
    texts = [read.replace("SHOT", shot.source).replace("LABEL", shot.target or "").replace("DOCUMENT", e.source) for e in POOL]
    assert outcome.facts["prompt_tokens"] == sum(len(load_tokenizer(own)(text).input_ids) for text in texts)


def test_a_prompt_that_does_not_fit_a_local_llm_is_refused(cache: Path, tmp_path: Path) -> None:
    own = always_says(cache, tmp_path / "own", "a", positions=16)
    with pytest.raises(CheckpointError, match="has 16 positions"):
        run(tmp_path, cache, {"teacher": "own"}, FOLDER=str(own))


def test_a_chat_template_that_refuses_is_told(cache: Path, tmp_path: Path) -> None:
    own = always_says(cache, tmp_path / "own", "a", "{{ raise_exception('no system here') }}")
    with pytest.raises(CheckpointError, match="its chat template refuses the prompt: no system here"):
        run(tmp_path, cache, {"teacher": "own"}, FOLDER=str(own))


def test_a_prompt_cannot_show_more_labels_than_are_owned(fake: FakeEndpoint, cache: Path, tmp_path: Path) -> None:
    with pytest.raises(NotEnough, match="the prompt shows 9 examples, 8 labels are owned"):
        run(tmp_path, cache, {**at(fake), "prompt": {"few_shot": 9}})


def test_labelling_without_a_pool_is_skipped_with_the_reason(fake: FakeEndpoint, cache: Path, tmp_path: Path) -> None:
    with pytest.raises(NotEnough, match="no unlabelled pool"):
        run(tmp_path, cache, at(fake), splits=Splits(TRAIN, (), (), (), "fingerprint"))


def llm_label(**settings: Any) -> Part:
    return registry.find("strategies", "llm_label")(**settings)


def test_there_is_one_teacher_and_a_local_one_is_decoded_greedily() -> None:
    from bench.training.endpoint import Endpoint
    from bench.training.prompting import Sampling

    with pytest.raises(ValueError, match="expected either endpoint or teacher"):
        llm_label()
    with pytest.raises(ValueError, match="expected either endpoint or teacher"):
        llm_label(teacher="llm", endpoint=Endpoint(base_url="http://localhost/v1", model="tiny"))
    with pytest.raises(ValueError, match=r"decoded at sampling\.temperature 0"):
        llm_label(teacher="llm", sampling=Sampling(temperature=0.7))
    assert llm_label(teacher="llm", prompt=Prompt(few_shot=2))
