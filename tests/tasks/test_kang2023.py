"""Figures of Kang, Xu, Ritter 2023 against their own files, which are no part of this project: no licence is stated."""

import json
from pathlib import Path

import pytest

from bench import published
from bench.contracts import no_progress
from bench.metrics.classification import Classification
from bench.metrics.entity_types import LABELS, EntityTypes
from bench.metrics.squad import Squad
from bench.tasks.fever import Fever
from bench.tasks.natural_questions import NaturalQuestions
from bench.tasks.wlp import Wlp
from tests.facts import unmatched

DATA = Path(__file__).parents[2].parent / "shared" / "data" / "kang2023"
pytestmark = pytest.mark.skipif(not DATA.is_dir(), reason=f"the authors' files are not in {DATA}")


def rows(file):
    return [json.loads(line) for line in (DATA / file).read_text().splitlines()]


def targets(file):
    return [row["target"] for row in rows(file)]


def points(metric, predictions, references):
    return {score.name: score.value for score in metric.score(predictions, references)}


@pytest.mark.parametrize(
    ("file", "count"),
    [
        ("wlp/wlp_train_all.json", 14_271),
        ("wlp/wlp_test_all.json", 3_562),
        ("fever/fever_dev_all.json", 10_444),
        ("nq/nq_dev_all.json", 2_837),
    ],
)
def test_the_files_have_the_rows_that_are_known(file, count):
    assert len(rows(file)) == count


@pytest.mark.parametrize(("constant", "published_as"), [("SUPPORTS", 49.71), ("REFUTES", 50.29)])
def test_the_low_cells_of_fever_are_constants(constant, published_as):
    references = targets("fever/fever_dev_all.json")
    found = points(Classification(classes=Fever.classes), [constant] * len(references), references)
    assert found["accuracy"] == found["micro_f1"] == pytest.approx(published_as, abs=0.005)
    assert found["macro_f1"] < 34


@pytest.mark.parametrize("file", ["wlp/wlp_train_all.json", "wlp/wlp_test_all.json"])
def test_every_target_of_wlp_is_parsed_and_matches_itself(file):
    gold = targets(file)
    perfect = {"entity_type_f1": 100, "entity_type_macro_f1": 100, "span_f1": 100, "unparsed_rate": 0}
    assert points(EntityTypes(), gold, gold) == pytest.approx(perfect)
    assert {word[1:-1] for target in gold for word in target.split()} & set(LABELS) == set(LABELS) - {"Misc", "Unit"}


def test_the_lowest_cell_of_wlp_is_what_empty_outputs_score():
    references = targets("wlp/wlp_test_all.json")
    found = points(EntityTypes(), [""] * len(references), references)
    (cell,) = (
        float(row["score"])
        for row in published.rows("kang2023_pareto")
        if (row["task"], row["labels"], row["unlabelled"]) == ("WLP", "100", "0")
    )
    assert found["entity_type_f1"] == pytest.approx(9.25, abs=0.005)
    assert found["entity_type_f1"] == pytest.approx(cell, abs=0.2)  # the grid is digitised, to 0.2 points
    assert found["span_f1"] == 0


def test_wlp_is_split_and_says_what_it_leaves_out(tmp_path):
    splits = Wlp(folder=str(DATA / "wlp")).splits(tmp_path, no_progress)
    assert [len(part) for part in (splits.train, splits.unlabelled, splits.dev, splits.test)] == [3_865, 4_921, 1_021, 3_433]
    assert unmatched(splits.notes, ("repeated source", "4,572"), ("no target", "test", 21), ("repeated", "target", "2,232")) == []
    assert not {e.source for e in splits.test} & {e.source for e in (*splits.train, *splits.dev, *splits.unlabelled)}


def test_a_dictionary_of_a_thousand_sentences_scores_as_its_docstring_says(tmp_path):
    task = Wlp(folder=str(DATA / "wlp"))
    splits = task.splits(tmp_path, no_progress)
    dictionary = task.trivial_rules(splits.train[:1000])["dictionary"]
    found = points(EntityTypes(), [dictionary(e.source) for e in splits.test], [e.target for e in splits.test])
    assert found["entity_type_f1"] == pytest.approx(39.1, abs=0.05)
    assert found["span_f1"] == pytest.approx(52.5, abs=0.05)


def test_one_file_of_fever_and_of_questions_is_enough(tmp_path):
    fever = Fever(folder=str(DATA / "fever"), train="fever_dev_all.json", test=None).splits(tmp_path, no_progress)
    assert unmatched(fever.notes[:1], ("repeated source", 200)) == []
    task = NaturalQuestions(folder=str(DATA / "nq"), train="nq_dev_all.json", test=None)
    splits = task.splits(tmp_path, no_progress)
    assert splits.notes == ()
    answer = task.trivial_rules(splits.train)["commonest answer"]
    found = points(Squad(), [answer(e.source) for e in splits.test], [e.target for e in splits.test])
    assert 0 < found["squad_em"] <= found["squad_f1"] < 3
