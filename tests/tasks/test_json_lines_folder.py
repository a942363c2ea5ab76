"""The tasks of Kang, Xu, Ritter 2023 on made-up files; what their own files give is in test_kang2023.py."""

import json
import re

import pytest
from pydantic import ValidationError

from bench import published
from bench.contracts import content_hash, fingerprint, no_progress
from bench.errors import DataError
from bench.registry import find
from bench.tasks.fever import Fever
from bench.tasks.multipit_gen import MultipitGen
from bench.tasks.natural_questions import NaturalQuestions
from bench.tasks.wlp import Wlp
from tests.facts import unmatched

CLAIMS = [{"source": f"Claim number {i} is about this.", "target": "SUPPORTS" if i % 3 else "REFUTES"} for i in range(400)]
TESTED = [{"source": f"Test claim {i}.", "target": "REFUTES"} for i in range(50)]
PUBLISHED = {
    "wlp": "WLP",
    "stanceosaurus": "Stanceosaurus",
    "fever": "FEVER",
    "multipit_id": "MultiPIT_id",
    "natural_questions": "NQ",
    "multipit_gen": "MultiPIT_gen",
}


def write(folder, **files):
    for name, rows in files.items():
        (folder / f"{name}.json").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return str(folder)


@pytest.fixture
def folder(tmp_path):
    return write(tmp_path, fever_train_all=CLAIMS, fever_dev_all=TESTED)


def sources(*parts):
    return [example.source for part in parts for example in part]


def test_the_files_are_found_by_the_authors_names_and_half_of_train_hides_its_labels(folder, tmp_path):
    splits = Fever(folder=folder).splits(tmp_path, no_progress)
    assert [(e.source, e.target) for e in splits.test] == [(row["source"], row["target"]) for row in TESTED]
    assert sorted(sources(splits.train, splits.dev, splits.unlabelled)) == sorted(row["source"] for row in CLAIMS)
    assert 160 < len(splits.unlabelled) < 240
    assert 20 < len(splits.dev) < 60
    assert all(e.target is None for e in splits.unlabelled)
    assert splits.fingerprint == fingerprint(splits.train, splits.unlabelled, splits.dev, splits.test)
    assert splits.notes == ()


def test_one_file_serves_for_everything_where_test_is_null(folder, tmp_path):
    task = Fever(folder=folder, test=None)
    splits = task.splits(tmp_path, no_progress)
    everything = sources(splits.train, splits.dev, splits.test, splits.unlabelled)
    assert sorted(everything) == sorted(row["source"] for row in CLAIMS)
    place = {source: int(content_hash(source)[:8], 16) / 2**32 for source in everything}
    assert max(place[s] for s in sources(splits.test)) < 0.1 <= min(place[s] for s in sources(splits.dev))
    assert max(place[s] for s in sources(splits.unlabelled)) < 0.7 <= min(place[s] for s in sources(splits.train))


def test_a_pool_of_its_own_needs_no_targets_and_gives_none(folder, tmp_path):
    pool = [{"source": f"Unlabelled {i}."} for i in range(30)]
    write(tmp_path, plain=pool, dummy=[row | {"target": "unlabeled"} for row in pool], leaking=[*pool, TESTED[0], CLAIMS[0]])
    plain, dummy, leaking = (
        Fever(folder=folder, pool=f"{name}.json").splits(tmp_path, no_progress) for name in ("plain", "dummy", "leaking")
    )
    assert plain == dummy
    assert sources(plain.unlabelled) == [row["source"] for row in pool] == sources(leaking.unlabelled)
    assert len(plain.train) + len(plain.dev) == 400
    assert unmatched(leaking.notes, ("repeated source", 2)) == []


def test_repeated_sources_are_left_out_of_every_file_and_counted(folder, tmp_path):
    leak = {"source": TESTED[0]["source"].upper(), "target": "SUPPORTS"}
    write(tmp_path, fever_train_all=[*CLAIMS, leak], fever_dev_all=[*TESTED, TESTED[1]])
    splits = Fever(folder=folder).splits(tmp_path, no_progress)
    assert len(splits.test) == 50
    assert leak["source"] not in sources(splits.train, splits.dev, splits.unlabelled)
    assert unmatched(splits.notes, ("repeated", 2), ("repeated", "target", 1)) == []


def test_a_blank_target_is_none(folder, tmp_path):
    blank = {"source": "Nothing is known of this.", "target": " "}
    write(tmp_path, fever_train_all=[*CLAIMS, blank], fever_dev_all=[*TESTED, {"source": "Nor of that.", "target": ""}])
    splits = Fever(folder=folder).splits(tmp_path, no_progress)
    assert blank["source"] in sources(splits.unlabelled)
    assert unmatched(splits.notes, ("no target", "test", 1)) == []


def test_caps_take_the_lowest_hashes(folder, tmp_path):
    whole = Fever(folder=folder).splits(tmp_path, no_progress)
    some = Fever(folder=folder, train_examples=5, pool_examples=4, dev_examples=3, test_examples=2).splits(tmp_path, no_progress)
    for part, size in {"train": 5, "unlabelled": 4, "dev": 3, "test": 2}.items():
        assert list(getattr(some, part)) == sorted(getattr(whole, part), key=lambda e: content_hash(e.source))[:size]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"train": "other.json"}, r"other\.json: .*no such"),
        ({"train": "fever_dev_all.json"}, "no row .* for dev"),
        ({"dev": "blank.json"}, "no row .* for dev"),
        ({"dev": "strange.json"}, "'MAYBE' .* REFUTES, SUPPORTS"),
    ],
)
def test_files_that_cannot_be_used_get_one_line(folder, tmp_path, settings, message):
    write(tmp_path, blank=[{"source": "x", "target": ""}], strange=[{"source": "x", "target": "MAYBE"}])
    with pytest.raises(DataError, match=message) as caught:
        Fever(folder=folder, **settings).splits(tmp_path, no_progress)
    assert "\n" not in str(caught.value)


def test_fractions_that_leave_nothing_to_train_on_are_refused():
    with pytest.raises(ValidationError, match="nothing to train"):
        Fever(folder="x", test=None, pool_fraction=0.8)
    assert Fever(folder="x", pool_fraction=0.8)
    assert Fever(folder="x", test=None, pool="pool.json", pool_fraction=0.8)


@pytest.mark.parametrize("name", PUBLISHED)
def test_a_label_costs_what_is_published(name):
    prices = {row["usd_per_label"] for row in published.rows("kang2023_cells") if row["task"] == PUBLISHED[name]}
    assert {find("tasks", name)(folder="x").label_usd} == {float(price) for price in prices}


@pytest.mark.parametrize("name", ["fever", "multipit_id", "stanceosaurus"])
def test_the_floor_of_a_classification_is_the_majority_class(name, folder, tmp_path):
    task = find("tasks", name)(folder="x")
    train = Fever(folder=folder).splits(tmp_path, no_progress).train
    assert next(iter(task.trivial_rules(()).values()))("anything") == task.classes[0]
    assert list(Fever(folder="x").trivial_rules(train)) == ["majority class"]
    assert Fever(folder="x").trivial_rules(train)["majority class"]("anything") == "SUPPORTS"


def test_the_floor_of_questions_is_the_commonest_answer(tmp_path):
    rows = [{"source": f"question {i}?", "target": "2018" if i % 4 == 0 else f"answer {i}"} for i in range(200)]
    task = NaturalQuestions(folder=write(tmp_path, nq_train_all=rows), test=None)
    splits = task.splits(tmp_path, no_progress)
    assert task.trivial_rules(splits.train)["commonest answer"]("who?") == "2018"


def test_paraphrases_are_tested_against_their_sources_and_the_floor_is_a_copy(tmp_path):
    rows = [{"source": f"tweet {i} of many", "target": f"of many this is {i}"} for i in range(200)]
    task = MultipitGen(folder=write(tmp_path, multipit_train_all=rows), test=None)
    splits = task.splits(tmp_path, no_progress)
    assert all(e.target == e.source for e in splits.test)
    assert all(e.target != e.source for e in (*splits.train, *splits.dev))
    assert splits.fingerprint == fingerprint(splits.train, splits.unlabelled, splits.dev, splits.test)
    assert task.trivial_rules(splits.train)["copy"]("as it is") == "as it is"


def test_the_dictionary_names_the_longest_entities_it_knows_by_their_commonest_type(tmp_path):
    rows = [
        {"source": "Add sodium chloride.", "target": "Add [Action] sodium chloride [Reagent]"},
        {"source": "Add chloride in a tube.", "target": "Add [Action] chloride [Size] tube [Location]"},
        {"source": "Add more in the tube.", "target": "Add [Method] more [Modifier] tube [Location]"},
    ]
    folder = write(tmp_path, wlp_train_all=[{"source": f"{r['source']} {i}", "target": r["target"]} for i in range(20) for r in rows])
    task = Wlp(folder=folder, test=None)
    rules = task.trivial_rules(task.splits(tmp_path, no_progress).train)
    sentence = "Then ADD 5 ml of sodium chloride, and chloride, to a tube (adding more)."
    tagged = rules["dictionary"](sentence)
    assert re.findall(r"(\S[^\[]*) \[(\w+)\]", tagged) == [
        ("ADD", "Action"),
        ("sodium chloride", "Reagent"),
        ("chloride", "Size"),
        ("tube", "Location"),
        ("more", "Modifier"),
    ]
    assert rules["commonest type"]("Stir it.") in ("Stir [Action] it [Action]", "Stir [Location] it [Location]")
