"""References and outputs of all subjects are compared in one form: that of the student's tokenizer."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from tokenizers import normalizers

from bench.contracts import Example, Metric, Outcome, Score, Splits, no_progress
from bench.execution.evaluation import Evaluation
from bench.metrics.classification import Classification
from bench.metrics.entity_types import EntityTypes
from bench.metrics.exact_match import ExactMatch
from bench.metrics.rouge import Rouge
from bench.metrics.squad import Squad
from bench.models.folder import Folder
from bench.models.random import Random
from bench.tasks.files import Files
from bench.training.recipes import Pretrained
from tests.tokenizers import unigram

CASE = Path(__file__).parents[1] / "cases" / "03-decomposed-unicode" / "nfd.csv"
NFC, NFD = "caf\u00e9 r\u00e9sum\u00e9", "cafe\u0301 re\u0301sume\u0301"


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="module")
def nfkc(cache: Path) -> Path:
    return unigram(cache, cache / "nfkc", normalizers.NFKC())


def scored(
    cache: Path, student: Any, metric: Metric, references: list[str], predictions: dict[str, list[str]]
) -> dict[str, dict[str, float]]:
    """Subject -> score -> value."""
    splits = Splits((), (), (), tuple(Example(str(i), "document", text) for i, text in enumerate(references)), "fingerprint")
    suite: Any = SimpleNamespace(metrics={"metric": metric})
    job: Any = SimpleNamespace(context=SimpleNamespace(cache=cache), has_made=lambda recipe: True)
    arm: Any = None
    evaluation = Evaluation(suite=suite, arm=arm, splits=splits, job=job, outcome=Outcome(student=Pretrained(student)))
    return {
        subject: {score.name: score.value for score in scores if score.value is not None}
        for subject, scores in evaluation.scores(predictions, {}).items()
    }


@pytest.mark.parametrize(
    ("metric", "name"),
    [
        (Classification(classes=(NFD, "tea")), "accuracy"),
        (Classification(classes=(NFC, "tea"), ignore_case=False), "accuracy"),
        (ExactMatch(ignore_case=False, ignore_whitespace=False), "exact_match"),
        (Squad(), "squad_em"),
        (Squad(), "squad_f1"),
        (Rouge(), "rouge1"),
    ],
)
@pytest.mark.parametrize("reference", [NFC, NFD])
def test_an_output_in_another_normal_form_is_right(metric: Metric, name: str, reference: str, cache: Path) -> None:
    outputs = {"student": [NFC, NFD, f"\ufeff{NFC}\u200b"], "floor: lead": [NFD] * 3}
    found = scored(cache, Random(), metric, [reference] * 3, outputs)
    assert {subject: scores[name] for subject, scores in found.items()} == {"student": 100, "floor: lead": 100}


def test_labels_of_entities_are_compared_in_the_form_of_the_texts(cache: Path) -> None:
    found = scored(
        cache,
        Random(),
        EntityTypes(labels=("Re\u0301sume\u0301", "X")),
        ["one [Re\u0301sume\u0301] b [X]"],
        {"s": ["one [R\u00e9sum\u00e9] b [X]"]},
    )
    assert found["s"]["span_f1"] == 100


@pytest.mark.parametrize(("metric", "name"), [(Classification(classes=("x\u00b2", "y")), "accuracy"), (ExactMatch(), "exact_match")])
def test_compatible_characters_are_the_same_only_where_the_students_tokenizer_makes_them_so(
    metric: Metric, name: str, cache: Path, nfkc: Path
) -> None:
    outputs = {"student": ["x2", "y"], "floor: lead": ["x\u00b2", "y"]}
    for student, right in ((Folder(path=str(nfkc)), [100, 100]), (Random(), [50, 100])):
        found = scored(cache, student, metric, ["x\u00b2", "y"], outputs)
        assert [scores[name] for scores in found.values()] == right


@pytest.mark.parametrize(
    "other", ["Cafe resume", "caf\u00e9\u200c r\u00e9sum\u00e9", "caf\u00e9  r\u00e9sum\u00e9", "ca\ufb00\u00e9 r\u00e9sum\u00e9"]
)
def test_nothing_else_is_forgiven(other: str, cache: Path) -> None:
    metric = ExactMatch(ignore_case=False, ignore_whitespace=False)
    assert scored(cache, Random(), metric, [NFC], {"student": [other]})["student"]["exact_match"] == 0


def test_case_03_a_model_that_writes_the_composed_form_is_right(cache: Path) -> None:
    task = Files(train=str(CASE), source="text", target="label")
    labels = [str(example.target) for example in task.splits(cache, no_progress).test]
    metric = Classification(classes=("pin\u0303ata", "cafe\u0301", "re\u0301sume\u0301"))
    composed = {"pi": "pi\u00f1ata", "ca": "caf\u00e9", "r\u00e9": "r\u00e9sum\u00e9"}
    outputs = [composed[example.source.split()[-1]] for example in task.splits(cache, no_progress).test]
    found = scored(cache, Random(), metric, labels, {"student": outputs})
    assert len(set(outputs)) == 3
    assert (found["student"]["accuracy"], found["student"]["invalid_rate"]) == (100, 0)


def evaluated_on_dev(cache: Path, dev: list[str], metric: Metric) -> dict[str, list[Score]]:
    """The scores of two baselines on dev: the first word of a document, and the whole of it."""
    rules = {"word": lambda source: source.split()[0], "copy": lambda source: source}
    splits = Splits((), (), tuple(Example(str(i), "one two", text) for i, text in enumerate(dev)), (Example("t", "x", "x"),), "fingerprint")
    suite: Any = SimpleNamespace(metrics={"metric": metric}, spec=SimpleNamespace(rank_by="exact_match"))
    job: Any = SimpleNamespace(context=SimpleNamespace(cache=cache), has_made=lambda recipe: True, start_labels=tuple)
    arm: Any = SimpleNamespace(task=SimpleNamespace(trivial_rules=lambda train: rules))
    evaluation = Evaluation(suite=suite, arm=arm, splits=splits, job=job, outcome=Outcome(student=Pretrained(Random())))
    return {subject: found for subject, found in evaluation.scores({}, {}).items() if subject.startswith("baseline on dev: ")}


def test_baselines_are_scored_on_dev_in_the_metric_that_ranks_without_values_by_example(cache: Path) -> None:
    found = evaluated_on_dev(cache, ["one", "one two", "one two", "three"], ExactMatch())
    assert {subject: [(score.name, score.value) for score in scores] for subject, scores in found.items()} == {
        "baseline on dev: word": [("exact_match", 25.0)],
        "baseline on dev: copy": [("exact_match", 50.0)],
    }
    assert all(score.per_example is None for scores in found.values() for score in scores)


@pytest.mark.parametrize(("dev", "metric"), [([], ExactMatch()), (["one"], Rouge())])
def test_without_dev_or_the_metric_that_ranks_there_are_no_such_scores(cache: Path, dev: list[str], metric: Metric) -> None:
    assert evaluated_on_dev(cache, dev, metric) == {}
