"""An LLM behind an endpoint labels the pool: paid by tokens, asked once, stopped by the purse; and scored where that is wanted."""

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import psutil
import pytest

from bench import registry
from bench.contracts import Example, Part, Splits, no_progress, numbers
from bench.errors import BenchError, CheckpointError, NotEnough, OverBudget
from bench.execution import prepare, runner
from bench.execution.job import ArmJob
from bench.execution.ledger import rows
from bench.execution.purse import Purse
from bench.execution.store import DryStore
from bench.forecast.arm import forecast
from bench.models.random import Random
from bench.training.checkpoints import load_tokenizer
from bench.training.llm_prompt import Prompt
from tests.execution.fake_worker import Ended, bench, in_this_process, instead
from tests.forecast.both import Here, Silent
from tests.strategies.llm_arms import POOL, SPLITS, TRAIN, arm, artifacts, at, charges, predictions, run, scores, whole, with_data
from tests.training.fake_endpoint import FakeEndpoint, completion, cut, echo, fails, says

KEY = "sk-0123456789-secret"


def test_an_endpoint_is_paid_for_the_tokens_it_counted_and_for_no_compute(fake: FakeEndpoint, cache: Path, tmp_path: Path) -> None:
    outcome = run(tmp_path, cache, at(fake))
    asked = len(POOL)
    assert outcome.teacher is None
    assert numbers(outcome.facts) == {
        "pseudo_labels": asked,
        "invalid_answers": 0,
        "prompt_tokens": 100 * asked,
        "output_tokens": 5 * asked,
    }
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
    first = ArmJob(loaded, planned, SPLITS, Purse(4.0), DryStore(cache, no_progress)).labels(0.0)[:2]
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
    with pytest.raises(BenchError, match=r"HTTP 500; .*answers .*kept.* again"):
        run(tmp_path, cache, at(fake))
    run(tmp_path, cache, at(fake))
    assert fake.documents()[6:] == [example.source for example in POOL[5:]]
    assert charges(tmp_path)["prompt tokens"]["quantity"] == 100 * len(POOL)


def test_an_arm_whose_endpoint_dies_fails_in_one_line_and_retry_pays_no_answer_twice(
    fake: FakeEndpoint, cache: Path, tmp_path: Path
) -> None:
    fake.script = [fake.otherwise] * 5 + [cut("two words")]
    path = with_data(tmp_path, at(fake))
    prepared = prepare.load(path, results=tmp_path / "results", cache=cache, device="cpu", only=None, progress=no_progress)
    for retry, status, requests in ((False, "failed", 6), (False, "failed", 6), (True, "done", len(POOL) + 1)):
        (record,) = runner.run(prepared, Here(), Silent(), retry=retry)
        assert (record.status, len(fake.requests)) == (status, requests)
        assert "\n" not in record.reason
    assert [text for text, asked in Counter(fake.documents()).items() if asked > 1] == [fake.documents()[5]]
    (tokens,) = [row for row in rows(prepared.results / record.arm) if row["row"] == "charge" and row["kind"] == "prompt tokens"]
    assert tokens["quantity"] == 100 * len(POOL)


def test_invalid_answers_are_paid_and_counted_and_not_trained_on(fake: FakeEndpoint, cache: Path, tmp_path: Path) -> None:
    fake.script = [says(""), says("a long ti", "length"), says("maybe"), says("Yes.")]
    fake.otherwise = says("no")
    outcome = run(tmp_path, cache, at(fake) | {"prompt": {"answers": [["yes", "no"]]}})
    assert numbers(outcome.facts)["invalid_answers"] == 3
    assert numbers(outcome.facts)["pseudo_labels"] == len(POOL) - 3
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
    assert 0 < numbers(outcome.facts)["pseudo_labels"] < len(POOL)
    assert len(fake.requests) == numbers(outcome.facts)["pseudo_labels"]
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


def test_a_student_that_cannot_be_made_is_refused_before_anything_is_asked(fake: FakeEndpoint, cache: Path, tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="decoder layers of compact"):
        run(tmp_path, cache, at(fake) | {"compact": {"decoder_layers": 99}})
    assert not fake.requests


def test_a_plan_asks_nothing_and_reckons_with_more_than_is_paid(fake: FakeEndpoint, cache: Path, tmp_path: Path) -> None:
    fake.otherwise = lambda request: completion("a label", prompt_tokens=len(request["messages"][0]["content"]) // 2)
    loaded, planned = arm(tmp_path, at(fake))
    foreseen = forecast(loaded, planned, SPLITS, DryStore(cache, no_progress))
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
    foreseen = forecast(loaded, planned, chinese, DryStore(cache, no_progress))
    assert foreseen.facts["prompt_tokens"] >= 600


def test_the_key_is_in_no_file_no_command_and_no_output_of_a_whole_run(
    fake: FakeEndpoint, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """The endpoint sends it back as it is, escaped, and in an error; one arm is done and one fails."""
    commands: list[str] = []

    def run(given: Mapping[str, Sequence[str]], logs: Mapping[str, Path], ended: Ended) -> None:
        commands.extend(part for command in given.values() for part in command)
        in_this_process(given, logs, ended)

    def suite(**settings: object) -> Path:
        path = with_data(tmp_path, at(fake, key_variable="OWN_KEY") | settings)
        path.write_text(path.read_text().replace("max_target_tokens: 8", "max_target_tokens: 16"))
        return path

    monkeypatch.setenv("OWN_KEY", KEY)
    instead(monkeypatch, run)
    fake.script = [says(f"not {KEY}"), lambda request: (200, {}, completion(f"nor {KEY}")[2].replace("-", "\\u002d"))]
    places = "--results", tmp_path / "results", "--cache", cache
    done = bench("run", suite(), *places)
    fake.otherwise = fails(401, f"{KEY} is not known here")
    failed = bench("run", suite(gold=False, prompt={"system": "Again"}), *places)
    assert (done.exit_code, failed.exit_code) == (0, 1), done.output + failed.output
    assert set(fake.authorizations) == {f"Bearer {KEY}"}
    files = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    for name, words in (("responses.jsonl", (b"not ***", b"nor ***")), ("record.json", (b"*** is not known",)), ("report.html", (b"***",))):
        assert all(any(path.name == name and word in content for path, content in files.items()) for word in words)
    assert not [path for path, content in files.items() if KEY.encode() in content]
    assert len(commands) > 2
    assert not [part for part in (*commands, *psutil.Process().cmdline()) if KEY in part]
    assert KEY not in "".join((done.output, failed.output, *capfd.readouterr()))


def test_an_endpoint_is_scored_only_where_that_is_wanted(fake: FakeEndpoint, cache: Path, tmp_path: Path) -> None:
    _, folder = whole(tmp_path, cache, at(fake))
    assert len(fake.requests) == len(POOL)
    assert "teacher" not in scores(folder)


def test_an_endpoints_answers_to_test_documents_are_scored_counted_and_charged_to_no_purse(
    fake: FakeEndpoint, cache: Path, tmp_path: Path
) -> None:
    fake.otherwise = lambda request: completion(" ".join(request["messages"][-1]["content"].split()[1:3]) + "!", output_tokens=9)
    without, _ = whole(tmp_path, cache, at(fake))
    ending, folder = whole(tmp_path, cache, at(fake) | {"score_teacher": True})
    told = predictions(folder)
    assert [row["predictions"]["teacher"] for row in told] == [f"{row['reference']}!" for row in told]
    assert scores(folder)["teacher"]["rougeL"] == pytest.approx(100)
    assert fake.documents()[len(POOL) :] == [row["source"] for row in told]
    assert ending.spent_usd == without.spent_usd
    free = [row for row in rows(folder) if row["row"] == "charge" and row["unit"] == "token" and row["paid_by"] == "free"]
    assert {(row["phase"], row["kind"], row["quantity"]) for row in free} == {
        ("evaluation", "prompt tokens", 100 * len(told)),
        ("evaluation", "output tokens", 9 * len(told)),
    }
    assert "teacher_parameters" not in ending.facts


def test_what_would_be_no_label_is_scored_as_what_it_says(fake: FakeEndpoint, cache: Path, tmp_path: Path) -> None:
    fake.script = [echo] * len(POOL) + [says(" \n"), says("a long ti", "length"), says("maybe\nnot"), says("Yes.")]
    fake.otherwise = says("no")
    _, folder = whole(tmp_path, cache, at(fake) | {"score_teacher": True, "prompt": {"answers": [["yes", "no"]]}})
    said = [row["predictions"]["teacher"] for row in predictions(folder)]
    assert said[:5] == ["", "a long ti", "maybe", "yes", "no"]


def test_a_prompt_cannot_show_more_labels_than_are_owned(fake: FakeEndpoint, cache: Path, tmp_path: Path) -> None:
    with pytest.raises(NotEnough, match=r"9 examples, .*8 labels"):
        run(tmp_path, cache, {**at(fake), "prompt": {"few_shot": 9}})


def test_labelling_without_a_pool_is_skipped_with_the_reason(fake: FakeEndpoint, cache: Path, tmp_path: Path) -> None:
    with pytest.raises(NotEnough, match="no unlabelled pool"):
        run(tmp_path, cache, at(fake), splits=Splits(TRAIN, (), (), (), "fingerprint"))


def llm_label(**settings: Any) -> Part:
    return registry.find("strategies", "llm_label")(**settings)


def test_there_is_one_teacher_and_a_local_one_is_decoded_greedily() -> None:
    from bench.training.llm_endpoint import Endpoint
    from bench.training.llm_prompt import Sampling

    with pytest.raises(ValueError, match="endpoint, teacher and written"):
        llm_label()
    with pytest.raises(ValueError, match="endpoint, teacher and written"):
        llm_label(teacher="llm", endpoint=Endpoint(base_url="http://localhost/v1", model="tiny"))
    with pytest.raises(ValueError, match=r"decoded at sampling\.temperature 0"):
        llm_label(teacher="llm", sampling=Sampling(temperature=0.7))
    assert llm_label(teacher="llm", prompt=Prompt(few_shot=2))
