"""An LLM that thinks before it answers: its labels hold no thoughts, and one that says nothing of use is asked twenty times."""

import json
from pathlib import Path
from typing import Any

import pytest

from bench.contracts import Example, Splits, no_progress, numbers
from bench.errors import BenchError
from bench.execution.ledger import rows
from bench.execution.store import DryStore
from bench.forecast.arm import forecast
from bench.training.checkpoints import load_tokenizer
from tests.execution.fake_worker import bench, in_this_process, instead, records
from tests.strategies.llm_arms import POOL, SPLITS, TEXTS, TRAIN, arm, artifacts, at, charges, predictions, run, scores, whole
from tests.strategies.test_llm_label_local import always_says
from tests.training.fake_endpoint import FakeEndpoint, echo, says, thinks

CASE = Path("tests/cases/25-reasoning-endpoint")
MANY = Splits(TRAIN, tuple(Example(f"m{i}", f"{text} {i}") for i, text in enumerate(TEXTS * 3)), (), (), "fingerprint")
LABELS = [" ".join(example.source.split()[1:3]) for example in POOL]


def jsonl(folder: Path, name: str) -> list[dict[str, Any]]:
    return [json.loads(line) for path in sorted(folder.rglob(name)) for line in path.read_text(encoding="utf-8").splitlines()]


@pytest.mark.parametrize(
    ("name", "thoughts"),
    [
        ("suite.yaml", "<think>\nThe user wants a few words.\n</think>\n\n"),
        ("suite_lines.yaml", "The user wants a few words.\n\nSo.\n</think>\n\n"),
    ],
)
def test_a_suite_that_says_nothing_of_thoughts_gets_the_answers_behind_them(
    name: str, thoughts: str, fake: FakeEndpoint, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    instead(monkeypatch, in_this_process)
    fake.otherwise = thinks(thoughts)
    text = (CASE / name).read_text(encoding="utf-8").replace("http://127.0.0.1:8765/v1", fake.url)
    (tmp_path / name).write_text(text.replace("data.csv", str((CASE / "data.csv").absolute())), encoding="utf-8")
    arguments = [tmp_path / name, "--results", tmp_path / "results", "--cache", cache, "--device", "cpu"]
    planned = bench("plan", *arguments, "--no-calibrate")
    assert (planned.exit_code, fake.requests) == (0, [])
    assert bench("run", *arguments).exit_code == 0
    labels = jsonl(tmp_path / "results", "pseudo_labels.jsonl")
    assert len(labels) > 20
    assert [row["target"] for row in labels] == [" ".join(f"Summarise: {row['source']}".split()[1:3]) for row in labels]
    assert jsonl(tmp_path / "results", "invalid.jsonl") == []
    teacher = [row["predictions"]["teacher"] for row in jsonl(tmp_path / "results", "predictions.jsonl")]
    assert {len(said.split()) for said in teacher} == {2}
    (record,) = records(next(path.parent for path in (tmp_path / "results").rglob("suite.json"))).values()
    assert record.status == "done"


@pytest.mark.parametrize("stop_at_newline", [True, False])
def test_thoughts_are_paid_for_and_are_no_label(stop_at_newline: bool, fake: FakeEndpoint, cache: Path, tmp_path: Path) -> None:
    fake.otherwise = thinks()
    settings = at(fake) | {"prompt": {"stop_at_newline": stop_at_newline}, "sampling": {"max_output_tokens": 8, "max_thought_tokens": 50}}
    loaded, planned = arm(tmp_path, settings)
    foreseen = forecast(loaded, planned, SPLITS, DryStore(cache, no_progress))
    outcome = run(tmp_path, cache, settings)
    assert [row["target"] for row in artifacts(tmp_path, "pseudo_labels.jsonl")] == LABELS
    assert {request["max_tokens"] for request in fake.requests} == {58}
    output = charges(tmp_path)["output tokens"]["quantity"]
    assert output == numbers(outcome.facts)["output_tokens"]
    assert len(POOL) * 8 < output <= foreseen.facts["output_tokens"] == len(POOL) * 58
    assert "thought_tokens" not in numbers(outcome.facts)


def test_a_limit_of_thoughts_raises_the_ceiling_of_a_plan_and_none_leaves_it(cache: Path, tmp_path: Path) -> None:
    def foreseen(**sampling: int) -> float:
        settings = {"endpoint": {"base_url": "http://127.0.0.1:9/v1", "model": "tiny"}, "sampling": {"max_output_tokens": 8, **sampling}}
        loaded, planned = arm(tmp_path, settings)
        return forecast(loaded, planned, SPLITS, DryStore(cache, no_progress)).facts["output_tokens"]

    assert foreseen() == foreseen(max_thought_tokens=0) == 8 * len(POOL)
    assert foreseen(max_thought_tokens=5) == 13 * len(POOL)


def test_thought_tokens_are_a_fact_where_the_endpoint_counts_them(fake: FakeEndpoint, cache: Path, tmp_path: Path) -> None:
    def counted(request: dict[str, Any]) -> tuple[int, dict[str, str], str]:
        status, headers, body = echo(request)
        changed = json.loads(body)
        changed["usage"]["completion_tokens_details"] = {"reasoning_tokens": 3}
        return status, headers, json.dumps(changed)

    fake.otherwise = counted
    assert numbers(run(tmp_path, cache, at(fake)).facts)["thought_tokens"] == 3 * len(POOL)


def test_thoughts_without_an_end_are_invalid_counted_and_scored_as_nothing(fake: FakeEndpoint, cache: Path, tmp_path: Path) -> None:
    cut = [says("<think>\nThe user", "length"), says("<think>\nThe user"), says("<think>\n</think>\n", "length")]
    fake.script = [*cut, *[thinks()] * (len(POOL) - 3), *cut]
    fake.otherwise = thinks()
    ending, folder = whole(tmp_path, cache, at(fake) | {"score_teacher": True, "sampling": {"max_output_tokens": 60}})
    assert (ending.status, ending.facts["invalid_answers"]) == ("done", 3)
    assert [row["verdict"] for row in jsonl(tmp_path / "results", "invalid.jsonl")][:3] == ["thoughts_only"] * 3
    said = [row["predictions"]["teacher"] for row in predictions(folder)]
    assert said[:3] == ["", "", ""]
    assert all(said[3:])
    assert not any("think" in text for text in said)
    assert scores(folder)["teacher"]


def test_an_llm_that_only_thinks_is_asked_twenty_times_and_the_arm_says_what_to_set(
    fake: FakeEndpoint, cache: Path, tmp_path: Path
) -> None:
    fake.otherwise = says("Okay.\nThe user wants", "length")
    with pytest.raises(BenchError, match=r"20 of the first 20 .* sampling\.max_thought_tokens"):
        run(tmp_path, cache, at(fake), splits=MANY)
    assert len(fake.requests) == 20
    assert charges(tmp_path)["output tokens"]["quantity"] == 5 * 20


@pytest.mark.parametrize(("good", "asked"), [(0, 20), (10, 40), (9, 20), (20, 60), (60, len(MANY.unlabelled))])
def test_the_same_text_for_more_than_half_ends_the_arm_at_the_next_twenty(
    good: int, asked: int, fake: FakeEndpoint, cache: Path, tmp_path: Path
) -> None:
    fake.script, fake.otherwise = [says(f"label {i}") for i in range(good)], says("I cannot help with that")
    if asked < len(MANY.unlabelled):
        with pytest.raises(BenchError, match="'I cannot help with that'"):
            run(tmp_path, cache, at(fake), splits=MANY)
    else:
        run(tmp_path, cache, at(fake), splits=MANY)
    assert len(fake.requests) == asked
    assert charges(tmp_path)["prompt tokens"]["quantity"] == 100 * asked


def test_the_same_class_for_all_is_bought_to_the_end(fake: FakeEndpoint, cache: Path, tmp_path: Path) -> None:
    fake.otherwise = says("yes")
    outcome = run(tmp_path, cache, at(fake) | {"prompt": {"answers": [["yes", "no"]]}}, splits=MANY)
    assert numbers(outcome.facts)["pseudo_labels"] == len(MANY.unlabelled) == len(fake.requests)


def test_small_chunks_are_looked_at_together(fake: FakeEndpoint, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bench.strategies._steps.CHUNK", 8)
    fake.otherwise = says("Sorry.")
    with pytest.raises(BenchError, match="24 of the first 24 answers"):
        run(tmp_path, cache, at(fake), splits=MANY)
    assert len(fake.requests) == 24


def test_an_arm_that_stopped_is_failed_with_its_money_spent(fake: FakeEndpoint, cache: Path, tmp_path: Path) -> None:
    fake.otherwise = says("Sorry.")
    ending, folder = whole(tmp_path, cache, at(fake), pool=MANY.unlabelled)
    assert ending.status == "failed"
    assert "'Sorry.'" in ending.reason
    assert ending.spent_usd == pytest.approx(20 * (100 * 100 + 5 * 400) / 1e6)
    assert sum(row["usd"] for row in rows(folder) if row["row"] == "charge" and row["paid_by"] == "purse") == pytest.approx(
        ending.spent_usd
    )


def test_a_local_llm_that_says_the_same_of_all_is_stopped(cache: Path, tmp_path: Path) -> None:
    own = always_says(cache, tmp_path / "own", "a")
    with pytest.raises(BenchError, match=r"20 of the first 20 .*'aaaaaaaa'"):
        run(tmp_path, cache, {"teacher": "own"}, splits=MANY, FOLDER=str(own))
    (compute,) = charges(tmp_path).values()
    assert compute["quantity"] > 0


OPENS = "{% for m in messages %}{{ m.content }}\n{% endfor %}{% if add_generation_prompt %}<think>\n{% endif %}"
MAY_OPEN = "{% for m in messages %}{{ m.content.split('</think>')[-1] }}\n{% endfor %}"


@pytest.mark.parametrize(
    ("template", "sampling", "tokens", "verdict"),
    [
        (None, {}, 1, "empty"),
        (MAY_OPEN, {}, 8, "empty"),
        (OPENS, {}, 8, "empty"),
        (MAY_OPEN, {"max_thought_tokens": 0}, 1, "empty"),
        (MAY_OPEN, {"max_thought_tokens": 7}, 15, "empty"),
        (None, {"max_thought_tokens": 7}, 15, "empty"),
    ],
)
def test_a_local_llm_that_may_think_does_not_stop_at_a_newline(
    template: str | None, sampling: dict[str, int], tokens: int, verdict: str, cache: Path, tmp_path: Path
) -> None:
    own = always_says(cache, tmp_path / "own", "\n", template)
    outcome = run(tmp_path, cache, {"teacher": "own", "sampling": {"max_output_tokens": 8, **sampling}}, FOLDER=str(own))
    assert numbers(outcome.facts)["output_tokens"] == tokens * len(POOL)
    assert {row["verdict"] for row in artifacts(tmp_path, "invalid.jsonl")} == {verdict}


@pytest.mark.parametrize(("template", "verdict"), [(OPENS, "thoughts_only"), (MAY_OPEN, "cut_off")])
def test_behind_a_template_that_opens_the_tag_a_local_llm_has_only_thought(
    template: str, verdict: str, cache: Path, tmp_path: Path
) -> None:
    own = always_says(cache, tmp_path / "own", "a", template)
    assert load_tokenizer(own).chat_template == template
    run(tmp_path, cache, {"teacher": "own"}, FOLDER=str(own))
    assert {row["verdict"] for row in artifacts(tmp_path, "invalid.jsonl")} == {verdict}
