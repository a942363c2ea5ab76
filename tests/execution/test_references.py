"""References in a script that a metric drops: refused before anything is spent, and never scored 0."""

import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from bench.cli import main
from bench.contracts import Example, Metric, Splits, no_progress
from bench.execution import ledger, worker
from bench.execution.checks.references import references_can_be_scored
from bench.execution.ledger import Ledger
from bench.metrics.chrf import Chrf
from bench.metrics.rouge import Rouge
from bench.metrics.squad import Squad
from bench.results import examples
from bench.suite import suite_file
from tests.prepared import prepared
from tests.suite.test_suite import GOOD, read

CASE = Path(__file__).parents[1] / "cases" / "01-non-latin"


@pytest.fixture
def in_case(monkeypatch: pytest.MonkeyPatch) -> None:
    """The suites read their files from the current directory."""
    monkeypatch.chdir(CASE)


@pytest.mark.usefixtures("in_case")
@pytest.mark.parametrize(("name", "tokenizer"), [("ru", "unicode"), ("zh", "characters")])
@pytest.mark.parametrize("command", ["plan", "run"])
def test_the_case_is_refused_before_anything_is_spent_with_the_line_to_change(
    tmp_path: Path, name: str, tokenizer: str, command: str
) -> None:
    told = CliRunner().invoke(main, [command, f"{name}.yaml", "--results", str(tmp_path / "results"), "--cache", str(tmp_path / "cache")])
    assert told.exit_code == 2, told.output
    (line,) = [line for line in told.stderr.splitlines() if "rouge" in line]
    assert f"{{use: rouge, with: {{tokenizer: {tokenizer}}}}}" in line
    assert "task 't'" in line
    assert not [*tmp_path.rglob("ledger.jsonl")]


@pytest.mark.usefixtures("in_case")
@pytest.mark.parametrize(("name", "tokenizer"), [("ru", "unicode"), ("zh", "characters")])
def test_with_that_line_the_first_sentence_scores_one_hundred(tmp_path: Path, name: str, tokenizer: str) -> None:
    task = suite_file.read(Path(f"{name}.yaml")).tasks["t"]
    splits = task.splits(tmp_path, no_progress)
    metric = Rouge.model_validate({"tokenizer": tokenizer})
    references = [example.target or "" for example in splits.test]
    assert metric.check(references) == []
    rule = task.trivial_rules(splits.train)["first sentence"]
    assert {score.value for score in metric.score([rule(example.source) for example in splits.test], references)} == {100}


@pytest.mark.parametrize(
    ("metrics", "labels", "refusals", "warnings"),
    [
        ("rouge: {use: rouge}", ["a cat", "a dog"], 0, 0),
        ("rouge: {use: rouge}", ["Été", "œuvre"], 0, 1),
        ("rouge: {use: rouge}", ["a cat", "!!"], 0, 1),
        ("rouge: {use: rouge}", ["кот", "a"], 1, 0),
        ("rouge: {use: rouge, with: {tokenizer: unicode}}", ["кот", "a"], 0, 0),
        ("rouge: {use: rouge}, squad: {use: squad}, chrf: {use: chrf}", ["今天天气", "很好"], 1, 1),
    ],
)
def test_every_fault_and_warning_names_the_task(tmp_path: Path, metrics: str, labels: list[str], refusals: int, warnings: int) -> None:
    rank = "chrf" if "chrf" in metrics else "rougeL"
    suite = read(tmp_path, f"{GOOD}metrics: {{{metrics}}}\nrank_by: {rank}\n")
    test = tuple(Example(str(place), "a document", label) for place, label in enumerate(labels))
    found = [*references_can_be_scored(prepared(suite, {"own": Splits(test, (), (), test, "data")}, cache=tmp_path))]
    assert [len([one for one in found if one.refuses == refuses]) for refuses in (True, False)] == [refusals, warnings]
    assert all(one.text.startswith("task 'own': metric '") for one in found)


@pytest.mark.parametrize("metric", [Rouge(), Rouge(tokenizer="characters"), Squad(), Chrf()], ids=repr)
def test_an_example_without_a_score_is_null_for_the_worker_and_missing_for_who_reads_it(tmp_path: Path, metric: Metric) -> None:
    empty = "\u200b" if isinstance(metric, Chrf) else "!!"
    documents = [Example(str(place), "a document", label) for place, label in enumerate(["a cat sat", empty, "two dogs ran"])]
    outputs = ["a cat sat", empty, "a bird"]
    found = metric.score(outputs, [document.target or "" for document in documents])
    worker._write_predictions(tmp_path / "predictions.jsonl", documents, {"student": outputs}, {"student": found}, {})
    rows = [json.loads(line) for line in (tmp_path / "predictions.jsonl").read_text(encoding="utf-8").splitlines()]
    assert set(rows[1]["scores"]["student"].values()) == {None}
    kept = examples.read(tmp_path / "predictions.jsonl")
    book = Ledger(tmp_path)
    for score in found:
        values = kept.scores["student", score.name]
        assert np.isnan(values).tolist() == [False, True, False]
        assert np.nanmean(values) == pytest.approx(score.value)
        book.score("student", score)
    written = {row["name"]: row for row in ledger.rows(tmp_path)}
    assert {name: row["value"] for name, row in written.items()} == {score.name: score.value for score in found}
    assert all(row["reason"] for row in written.values())


def test_where_no_reference_can_be_scored_the_ledger_has_no_value_and_a_reason(tmp_path: Path) -> None:
    book = Ledger(tmp_path)
    for score in Rouge().score(["a", "b"], ["!", "👍"]):
        book.score("student", score)
    rows = ledger.rows(tmp_path)
    assert [row["value"] for row in rows] == [None] * 4
    assert all(row["reason"] for row in rows)
