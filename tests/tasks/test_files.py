import gzip
import json
import re

import pandas as pd
import pytest
from pydantic import ValidationError

from bench.contracts import Example, fingerprint, no_progress
from bench.errors import DataError
from bench.tasks.files import Files
from tests.facts import unmatched

ROWS = [{"text": f"Document {i} says: wait.\nThen it ends.", "label": f"label {i}" if i < 200 else ""} for i in range(300)]


@pytest.fixture(autouse=True)
def _in_a_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def write(name, rows=ROWS):
    frame = pd.DataFrame(rows)
    if ".jsonl" in name:
        frame.to_json(name, orient="records", lines=True)
    elif ".csv" in name:
        frame.to_csv(name, index=False)
    elif ".tsv" in name:
        frame.to_csv(name, index=False, sep="\t")
    else:
        frame.to_parquet(name)
    return name


def read(tmp_path, train="train.csv", **settings):
    return Files(**{"train": train, "source": "text", "target": "label", **settings}).splits(tmp_path, no_progress)


@pytest.mark.parametrize("name", ["a.jsonl", "a.csv", "a.tsv", "a.parquet", "a.jsonl.gz", "a.csv.gz"])
def test_every_format_gives_the_same_splits(name, tmp_path):
    splits = read(tmp_path, write(name))
    reference = read(tmp_path, write("reference.csv"))
    assert splits == reference
    assert (len(splits.unlabelled), len(splits.train) + len(splits.dev) + len(splits.test)) == (100, 200)
    assert {(e.source, e.target) for e in (*splits.train, *splits.dev, *splits.test)} == {(r["text"], r["label"]) for r in ROWS[:200]}
    assert splits.fingerprint == fingerprint(splits.train, splits.unlabelled, splits.dev, splits.test)
    assert splits.notes == ()


def test_na_and_null_are_words_and_quotes_and_commas_survive(tmp_path):
    (tmp_path / "train.csv").write_bytes(b'\xef\xbb\xbftext,label\r\nx,NA\r\n"a ""b"", c\r\nd",null\r\nnan,None\r\n')
    (tmp_path / "more.csv").write_text("text,label\ny,1.50\n")
    splits = read(tmp_path, dev="more.csv", test=write("test.csv", [{"text": "z", "label": "007"}]))
    assert [(e.source, e.target) for e in splits.train] == [("x", "NA"), ('a "b", c\r\nd', "null"), ("nan", "None")]
    assert [e.target for e in (*splits.dev, *splits.test)] == ["1.50", "007"]


def test_numbers_in_json_and_parquet_become_text(tmp_path):
    for name in ("train.jsonl", "train.parquet"):
        splits = read(tmp_path, write(name, [{"text": f"t {i}", "label": i} for i in range(40)]))
        assert {e.target for e in (*splits.train, *splits.dev, *splits.test)} == {str(i) for i in range(40)}


def test_a_row_stays_in_its_split_when_others_are_added(tmp_path):
    before = read(tmp_path, write("few.csv", ROWS[:100]))
    after = read(tmp_path, write("many.csv", ROWS))
    assert set(before.test) <= set(after.test)
    assert set(before.dev) <= set(after.dev)
    assert set(before.train) <= set(after.train)


def test_blank_and_repeated_sources_are_left_out_and_counted(tmp_path):
    extra = [
        {"text": "  ", "label": "x"},
        {"text": ROWS[0]["text"].upper(), "label": "another"},
        {"text": ROWS[1]["text"], "label": "label 1"},
    ]
    splits = read(tmp_path, write("train.csv", ROWS + extra))
    assert unmatched(splits.notes, ("blank source", 1), ("repeated", 2), ("repeated", "target", 1)) == []
    assert splits.fingerprint == read(tmp_path, write("clean.csv")).fingerprint


def test_no_source_of_test_stands_in_dev_or_train_or_the_pool(tmp_path):
    write("train.csv", ROWS)
    write("dev.csv", ROWS[10:40])
    write("test.csv", [*ROWS[:20], {"text": ROWS[250]["text"], "label": "now labelled"}])
    splits = read(tmp_path, dev="dev.csv", test="test.csv")
    assert [len(part) for part in (splits.test, splits.dev, splits.train, splits.unlabelled)] == [21, 20, 160, 99]
    sources = [e.source for part in (splits.test, splits.dev, splits.train, splits.unlabelled) for e in part]
    assert len(set(sources)) == len(sources)


def test_of_the_same_source_the_labelled_row_is_kept(tmp_path):
    splits = read(tmp_path, write("train.csv", [{"text": ROWS[0]["text"], "label": ""}, *ROWS]))
    assert splits.fingerprint == read(tmp_path, write("clean.csv")).fingerprint


def test_rows_of_the_test_file_without_a_target_are_left_out(tmp_path):
    write("train.csv")
    splits = read(tmp_path, test=write("test.csv", [{"text": "a", "label": "b"}, {"text": "c", "label": None}]))
    assert len(splits.test) == 1
    assert unmatched(splits.notes, ("no target", "test", 1)) == []


def test_ids_come_from_their_column(tmp_path):
    splits = read(tmp_path, write("train.csv", [{"nr": f"n{i}", **row} for i, row in enumerate(ROWS)]), id="nr")
    assert {e.id for e in splits.unlabelled} == {f"n{i}" for i in range(200, 300)}


def test_fifteen_thousand_rows_of_which_500_are_labelled(tmp_path):
    rows = [{"text": f'No. {i}, "quoted",\nin two lines', "label": f"label {i}" if i < 500 else ""} for i in range(15_000)]
    splits = read(tmp_path, write("train.csv", rows))
    assert len(splits.unlabelled) == 14_500
    assert len(splits.train) + len(splits.dev) + len(splits.test) == 500
    assert 25 < len(splits.test) < 80


def test_a_large_pool_stays_on_the_disk_and_is_the_same(tmp_path, monkeypatch):
    write("train.csv", ROWS)
    settings = {"pool_fraction": 0.2, "pool_examples": 90}
    expected = read(tmp_path, **settings)
    monkeypatch.setattr("bench.system.sequences.IN_MEMORY", 1000)
    found = read(tmp_path, **settings)
    assert isinstance(expected.unlabelled, tuple)
    assert not isinstance(found.unlabelled, tuple)
    assert (tuple(found.unlabelled), found.fingerprint, found.notes) == (expected.unlabelled, expected.fingerprint, expected.notes)
    assert (found.train, found.dev, found.test) == (expected.train, expected.dev, expected.test)


BAD = {
    "missing": (None, {}, r"train.csv: .*no such file .* start .*"),
    "empty": (b"", {}, "train.csv: the file is empty"),
    "blank": (b"\n \n", {}, "train.csv: the file is empty"),
    "header only": (b"text,label\n", {}, "train.csv: .*no rows.*"),
    "not UTF-8": (b"text,label\na,b\ncaf\xe9,b\n", {}, r"train.csv: line 3 .* UTF-8 \(byte 0xe9\); .*`encoding`.*"),
    "too few fields": (b"text,label\na,b\nc\n", {}, "train.csv, line 3: 1 fields, .* 2; .*footer"),
    "too many fields": (b"text,label\na,b\nc,d,e\n", {}, "train.csv, line 3: 3 fields, .* 2; .*"),
    "unclosed quote": (
        b'text,label\na,"b\nc,d\n',
        {},
        "train.csv, line 2: .* never closes; .*`quotes: none` .*",
    ),
    "text after a quote": (b'text,label\n"a"b,c\n', {}, "train.csv, line 2: ',' expected after '\"'; .* `quotes: none` .*"),
    "no such column": (
        b"txt,label,nr\na,b,c\n",
        {},
        "train.csv: .*'text'; .*'txt'[?] .*txt, label, nr",
    ),
    "no near column": (b"id,label\na,b\n", {"id": "zzz", "source": "id"}, "train.csv: .*'zzz'; .*id, label"),
    "column twice": (b"text,text,label\na,b,c\n", {}, "train.csv: 2 columns .*'text'.*"),
    "no label": (b"text,label\na,\nc, \n", {}, "train.csv: no row .*source .*target.*"),
    "too few labels": (b"text,label\na,b\n", {}, "train.csv: .* 1 labelled .* (test|dev|train);.*"),
    "id twice": (b"text,label,nr\na,b,1\nc,d,1\n", {"id": "nr"}, "train.csv, line 3: .*'1' .* train.csv, line 2\\b.*"),
    "id blank": (b"text,label,nr\na,b,1\nc,d,\n", {"id": "nr"}, "train.csv, line 3: .*id.* blank.*"),
    "not JSON": (b'{"text": "a", "label": "b"}\n{"text": \n', {"format": "jsonl"}, "train.csv, line 2: .*JSON: .* column .*"),
    "no JSON object": (b'["a"]\n', {"format": "jsonl"}, r"train.csv, line 1: .*object .*list; .* `format: json`"),
    "JSON without column": (b'{"text": "a"}\n', {"format": "jsonl"}, "train.csv: .*'label'; .*text"),
    "nested JSON": (
        b'{"text": ["a"], "label": "b"}\n',
        {"format": "jsonl"},
        r"train.csv, line 1: .*'text' .*list, .*`text\[0\]`.*",
    ),
    "not Parquet": (b"text,label\na,b\n", {"format": "parquet"}, "train.csv: not readable as Parquet: .*"),
}


@pytest.mark.parametrize(("content", "settings", "message"), BAD.values(), ids=BAD)
def test_a_bad_file_gets_one_clear_line(content, settings, message, tmp_path):
    if content is not None:
        (tmp_path / "train.csv").write_bytes(content)
    with pytest.raises(DataError, match=f"^{message}$"):
        read(tmp_path, **settings)


def test_a_folder_an_unknown_suffix_and_a_false_gz_are_refused(tmp_path):
    (tmp_path / "folder.csv").mkdir()
    (tmp_path / "train.xlsx").write_bytes(b"PK")
    (tmp_path / "train.csv.gz").write_bytes(b"text,label\n")
    (tmp_path / "cut.csv.gz").write_bytes(gzip.compress(b"text,label\na,b\n")[:-9])
    for name, message in {
        "folder.csv": "folder.csv: .*folder, .*file",
        "train.xlsx": "train.xlsx: .*'.xlsx' .*\\.jsonl, .*`format` .*",
        "train.csv.gz": "train.csv.gz: cannot be read: .*gzip.*",
        "cut.csv.gz": "cut.csv.gz: cannot be read: .*",
    }.items():
        with pytest.raises(DataError, match=f"^{message}$"):
            read(tmp_path, name)


def test_a_parquet_column_of_lists_is_refused(tmp_path):
    write("train.parquet", [{"text": ["a"], "label": "b"}])
    with pytest.raises(DataError, match=r"^train.parquet, row 1: .*'text' holds list, .*`text\[0\]`"):
        read(tmp_path, "train.parquet")


def test_rows_of_json_without_the_target_are_the_pool(tmp_path):
    lines = [{"text": row["text"], **({"label": row["label"]} if row["label"] else {})} for row in ROWS]
    (tmp_path / "train.jsonl").write_text("\n".join(json.dumps(line) for line in lines))
    assert read(tmp_path, "train.jsonl") == read(tmp_path, write("train.csv"))


def test_fractions_that_leave_nothing_to_train_on_are_refused():
    with pytest.raises(ValidationError, match="nothing to train"):
        Files(train="a", source="b", target="c", test_fraction=0.6, dev_fraction=0.4)


def test_the_rules_are_the_lead_and_the_first_sentence():
    rules = Files(train="a", source="b", target="c", lead_words=3).trivial_rules(())
    assert {name: rule("One two. Three four") for name, rule in rules.items()} == {
        "first 3 words": "One two. Three",
        "first sentence": "One two.",
    }


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("bom.csv", b"\xef\xbb\xbf", "the file is empty"),
        ("half.jsonl", b'{"a": "x \\ud800", "b": "y"}\n', "half a character"),
        ("long.jsonl", b'{"a": "x", "b": ' + b"1" * 5000 + b"}\n", "JSON .*cannot be read"),
        ("deep.jsonl", b"[" * 100_000, "JSON .*cannot be read"),
        ("nul\0.csv", None, "cannot be read"),
    ],
)
def test_what_other_programs_write_gets_one_line_too(tmp_path, name, content, expected):
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(DataError, match=expected) as caught:
        Files(train=str(path), source="a", target="b").splits(tmp_path, no_progress)
    assert "\n" not in str(caught.value)


def test_a_nan_of_pandas_is_a_missing_label_and_not_a_word(tmp_path):
    path = tmp_path / "nan.jsonl"
    path.write_text("".join(f'{{"a": "document {i}", "b": {"NaN" if i % 2 else json.dumps(f"label {i}")}}}\n' for i in range(40)))
    splits = Files(train=str(path), source="a", target="b").splits(tmp_path, no_progress)
    assert len(splits.unlabelled) == 20
    assert all(example.target != "NaN" for example in splits.train + splits.dev + splits.test)


def test_source_and_target_are_two_columns():
    with pytest.raises(ValueError, match="the same column"):
        Files(train="x.csv", source="a", target="a")


def test_labels_can_be_hidden_to_make_a_pool_and_each_part_can_be_capped(tmp_path):
    rows = "".join(f"document {i},label {i}\n" for i in range(400))
    (tmp_path / "own.csv").write_text(f"text,label\n{rows}")
    whole = Files(train=str(tmp_path / "own.csv"), source="text", target="label", pool_fraction=0.5).splits(tmp_path, no_progress)
    assert 150 < len(whole.unlabelled) < 250
    assert all(e.target is None for e in whole.unlabelled)
    assert len(whole.train) + len(whole.unlabelled) + len(whole.dev) + len(whole.test) == 400
    caps = {"train_examples": 7, "pool_examples": 5, "dev_examples": 3, "test_examples": 2}
    some = Files(train=str(tmp_path / "own.csv"), source="text", target="label", pool_fraction=0.5, **caps).splits(tmp_path, no_progress)
    assert (len(some.train), len(some.unlabelled), len(some.dev), len(some.test)) == (7, 5, 3, 2)
    assert set(some.train) < set(whole.train)


def test_where_labels_are_classes_the_commonest_is_a_floor():
    files = Files(train="x.csv", source="text", target="label")
    labelled = [Example(str(i), "a text", "good" if i % 3 else "bad") for i in range(30)]
    rules = files.trivial_rules(labelled)
    assert next(iter(rules)) == "commonest label"
    assert rules["commonest label"]("any text") == "good"
    assert "commonest label" not in files.trivial_rules([Example(str(i), "a text", f"label {i}") for i in range(30)])
    assert "commonest label" not in files.trivial_rules(())


def test_near_duplicates_of_test_documents_are_counted_and_stay(tmp_path):
    sentence = "one two three four five six seven eight nine ten"
    write("train.csv", [*ROWS, {"text": f"{sentence} eleven", "label": "x"}, {"text": f"{sentence} twelve", "label": ""}])
    write("dev.csv", [{"text": "something else", "label": "x"}])
    write("test.csv", [{"text": f"{sentence} thirteen", "label": "x"}, {"text": "of its own", "label": "y"}])
    splits = read(tmp_path, dev="dev.csv", test="test.csv")
    assert len(splits.test) == 2
    assert unmatched(splits.notes, ("1 of 2 test documents", "near duplicate")) == []
    assert read(tmp_path, dev="dev.csv", test="test.csv") == splits  # from what is kept


def test_near_duplicates_are_not_looked_for_in_too_much_text(tmp_path, monkeypatch):
    monkeypatch.setattr("bench.tasks._near_duplicates.CHARACTERS_AT_MOST", 1000)
    (note,) = read(tmp_path, write("train.csv")).notes
    assert note.startswith("Near duplicates ")
    assert re.search(r" not .*: [\d,]+ characters", note)


def test_splits_of_one_json_file(tmp_path):
    value = {"train": ROWS, "validation": [{"text": "d", "label": "e"}], "test": [{"text": "f", "label": "g"}] * 2, "more": [{"text": "h"}]}
    (tmp_path / "all.json").write_text(json.dumps(value))
    splits = read(tmp_path, "all.json", train_field="train", dev_field="validation", test_field="test")
    assert [len(part) for part in (splits.train, splits.unlabelled, splits.dev, splits.test)] == [200, 100, 1, 1]
    own = read(tmp_path, "all.json", train_field="train", test=write("test.csv", [{"text": "x", "label": "y"}]), dev_field="validation")
    assert [e.source for e in own.test] == ["x"]


def test_the_faults_of_all_files_and_columns_are_named_at_once(tmp_path):
    (tmp_path / "train.csv").write_text("text,label\na,b\nc\n")
    (tmp_path / "test.csv").write_text("txt,lable\na,b\n")
    with pytest.raises(DataError) as caught:
        read(tmp_path, test="test.csv", dev="dev.csv")
    lines = str(caught.value).splitlines()
    assert len(lines) == 4
    assert sum(line.startswith("test.csv: no column") for line in lines) == 2
    assert {line.partition(".csv")[0] for line in lines} == {"train", "dev", "test"}


def test_notes_say_what_a_reader_of_the_labels_should_know(tmp_path):
    rows = [{"text": f"document {i}", "label": ("None", "yes", "no")[i % 3]} for i in range(60)]
    (note,) = read(tmp_path, write("train.csv", rows)).notes
    assert note.startswith("train.csv, line 2: ")
    assert "20 of 60 labels" in note


def test_documents_of_two_columns_are_joined_and_a_list_is_no_grid(tmp_path):
    (tmp_path / "train.csv").write_text("".join(["a,b,label\n", *(f"do,{i},{i}\n" for i in range(40))]))
    splits = Files.model_validate_json('{"train": "train.csv", "source": ["a", "b"], "target": "label"}').splits(tmp_path, no_progress)
    assert {e.source for e in splits.train} <= {f"do\n{i}" for i in range(40)}
