"""What holds for every task made from source code, over the packages that are really installed."""

import json
import os
import re
import subprocess
import sys
from itertools import combinations

import pytest

from bench.contracts import fingerprint, no_progress
from bench.data.source_code import PACKAGES
from bench.errors import DataError
from bench.tasks._near_duplicates import alike, word_pairs
from bench.tasks.docstrings import Docstrings
from bench.tasks.names import Names

RANGES = {"Names": range(30_000, 40_000), "Docstrings": range(7_000, 15_001)}
SMALL = ("networkx", "jinja2")
LARGER = (*SMALL, "fsspec", "rich")


def small(task, packages):
    return type(task.__name__, (task,), {"packages": packages})(test_examples=20, dev_examples=10)


def words(text):
    return " ".join(re.findall("[a-z0-9]+", text.lower()))


def kept(cache):
    """Files of pairs, and of what was read of each package."""
    return [*cache.glob("source_code/*.jsonl"), *cache.glob("source_code/*/*.jsonl")]


def where(splits):
    return {e.id: group for group in ("train", "unlabelled", "dev", "test") for e in getattr(splits, group)}


def test_there_are_as_many_pairs_as_the_issue_asks_for(made):
    task, splits = made
    assert int(splits.notes[0].split()[0].replace(",", "")) in RANGES[type(task).__name__]
    assert (len(splits.test), len(splits.dev)) == (400, 200)
    assert min(len(splits.train), len(splits.unlabelled)) > 2_500


def test_no_id_and_no_source_stands_twice(made):
    _, s = made
    everything = [*s.train, *s.unlabelled, *s.dev, *s.test]
    assert len({e.id for e in everything}) == len(everything)
    assert len({words(e.source) for e in everything}) == len(everything)


def test_no_near_duplicate_of_a_test_document_stands_in_another_split(made):
    _, s = made
    others = [word_pairs(e.source) for e in (*s.train, *s.unlabelled, *s.dev)]
    for example in s.test[::16]:
        pairs = word_pairs(example.source)
        assert not any(alike(pairs, other) for other in others)


def test_the_answer_does_not_stand_in_the_document(made):
    _, s = made
    assert not [e for e in (*s.train, *s.dev, *s.test) if f" {words(e.target)} " in f" {words(e.source)} "]


def test_the_pool_has_no_targets_and_all_else_has(made):
    _, s = made
    assert all(e.target is None for e in s.unlabelled)
    assert all(e.target and e.source for e in (*s.train, *s.dev, *s.test))


def test_the_fingerprint_is_that_of_the_splits(made):
    _, s = made
    assert s.fingerprint == fingerprint(s.train, s.unlabelled, s.dev, s.test)


def test_asking_again_reads_nothing_anew_and_gives_the_same(made, source_cache):
    task, s = made
    before = {f: f.stat().st_mtime_ns for f in kept(source_cache)}
    assert task.splits(source_cache, no_progress) == s
    assert {f: f.stat().st_mtime_ns for f in kept(source_cache)} == before


def test_a_smaller_test_set_is_the_beginning_of_the_larger_and_caps_the_pool(made, source_cache):
    task, s = made
    fewer = type(task)(test_examples=100, dev_examples=50, pool_examples=1_000).splits(source_cache, no_progress)
    assert (fewer.test, fewer.dev, fewer.unlabelled) == (s.test[:100], s.dev[:50], s.unlabelled[:1_000])
    assert fewer.train == s.train


def test_sentences_of_docstrings_are_no_near_duplicates_either(source_cache):
    s = Docstrings().splits(source_cache, no_progress)
    assert not any(alike(a, b) for a, b in combinations([word_pairs(e.target) for e in s.test], 2))


@pytest.mark.parametrize("task", [Names, Docstrings])
def test_another_package_moves_no_pair(task, source_cache):
    few = where(small(task, SMALL).splits(source_cache, no_progress))
    many = where(small(task, LARGER).splits(source_cache, no_progress))
    shared = few.keys() & many.keys()
    assert len(shared) > 100
    assert len(many) > len(few)
    assert {i: few[i] for i in shared} == {i: many[i] for i in shared}


def test_processes_with_other_hash_seeds_make_the_same_pairs(tmp_path):
    code = (
        "import sys, pathlib; from bench.contracts import no_progress; from bench.tasks.names import Names\n"
        "class Small(Names): packages = ('networkx', 'jinja2')\n"
        "print(Small(test_examples=20, dev_examples=10).splits(pathlib.Path(sys.argv[1]), no_progress).fingerprint)"
    )
    made = [
        subprocess.run(
            [sys.executable, "-c", code, str(tmp_path / seed)],
            env=os.environ | {"PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    ]
    assert made[0] == made[1] != ""


def test_a_package_that_is_not_installed_is_named_in_the_notes(source_cache):
    notes = small(Names, (*SMALL, "no_such_package")).splits(source_cache, no_progress).notes
    assert "Not installed here: no_such_package." in notes


def test_too_few_pairs_are_refused_in_one_line(source_cache):
    with pytest.raises(DataError, match=r"^names: 5000 test .* 10 dev [^\n]* \d+ and \d+$"):
        type("Names", (Names,), {"packages": SMALL})(test_examples=5_000, dev_examples=10).splits(source_cache, no_progress)


def test_what_is_kept_is_whole_lines_of_json(made, source_cache):
    files = kept(source_cache)
    assert len(files) > len(PACKAGES) // 2
    assert not list((source_cache / "source_code").glob("*.part"))
    for file in files:
        assert json.loads(file.read_text("utf-8").splitlines()[-1])
