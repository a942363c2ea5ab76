"""`bench init` looks at a file of one's own, and writes a suite over it that runs."""

import functools
import gzip
import json
import random
import re
from collections.abc import Sequence
from pathlib import Path

import pandas as pd
import pytest
from click.testing import CliRunner, Result
from hypothesis import example, given
from hypothesis import strategies as st

from bench.cli import main
from bench.contracts import Splits, no_progress, normal_form
from bench.data.tables import TableSettings
from bench.execution.store import DryStore
from bench.forecast.arm import forecast
from bench.init.large_model import large
from bench.init.yaml_text import scalar
from bench.models.random import Random
from bench.suite import arms, parse_yaml, schema, suite_file
from bench.system.one_line import shown
from tests.execution.fake_worker import bench, in_this_process, instead, records

MADE = random.Random(0)
WORDS = "the old café on Main Street sold warm bread and cold milk while rain fell slowly over a quiet town".split()  # noqa: SIM905 - a sentence reads better
TEXTS = [" ".join(MADE.choices(WORDS, k=MADE.randint(8, 40))) + f", no. {i}." for i in range(240)]
ROWS = [{"id": f"r{i}", "article": text, "summary": " ".join(MADE.choices(WORDS, k=7))} for i, text in enumerate(TEXTS)]
CLASSES = [{"text": text, "label": ("good", "bad", "so: so #1")[i % 4 % 3]} for i, text in enumerate(TEXTS)]


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("cache")
    Random().folder(folder)
    return folder


SCHEMA = functools.cache(schema.schema)


@pytest.fixture(autouse=True)
def _in_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The schema of suites is made once for all tests; it is a third of what a small file takes."""
    monkeypatch.setattr(schema, "schema", SCHEMA)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("BENCH_MODELS", "")


def init(cache: Path, *arguments: str, model: str = "random", typed: str | None = None) -> Result:
    return CliRunner().invoke(main, ["init", "--model", model, "--cache", str(cache), *arguments], input=typed)


def written(cache: Path, *arguments: str, model: str = "random") -> suite_file.Suite:
    """The suite that was written over the file, which is called mine.*"""
    result = init(cache, *arguments, model=model)
    assert result.exit_code == 0, result.output
    return suite_file.read(Path("mine.yaml"))


def refused(cache: Path, *arguments: str, model: str = "random") -> str:
    result = init(cache, *arguments, model=model)
    assert result.exit_code == 2, result.output
    assert len(result.stderr.strip().splitlines()) == 1
    assert not list(Path().glob("*.part"))
    return result.stderr.strip()


def numbers(text: str) -> list[int]:
    """The whole numbers in a text, in order."""
    return [int(digits.replace(",", "")) for digits in re.findall(r"\d[\d,]*", text)]


def comments() -> list[str]:
    """The sentences at the top of the suite."""
    head = Path("mine.yaml").read_text().partition("\nsuite: ")[0]
    return [" ".join(one.split()) for one in re.split(r"(?<=\.)\s", head.replace("\n# ", " ").removeprefix("# "))]


def lines(rows: Sequence[dict[str, object]]) -> str:
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)


def save(name: str, rows: Sequence[dict[str, object]] = ROWS) -> str:
    """Write rows as the name says; returns the name."""
    frame = pd.DataFrame(rows)
    if name == "mine.parquet":
        frame.to_parquet(name)
        return name
    texts = {
        "csv": lambda: frame.to_csv(index=False),
        "tsv": lambda: frame.to_csv(index=False, sep="\t"),
        "jsonl": lambda: lines(rows),
        "json": lambda: lines(rows),
    }
    text = texts[name.split(".")[1]]()
    Path(name).write_bytes(gzip.compress(text.encode()) if name.endswith(".gz") else text.encode())
    return name


def splits(found: suite_file.Suite, cache: Path) -> Splits:
    (task,) = found.tasks.values()
    return task.splits(cache, no_progress)


READ_AS_THEY_ARE = ["mine.csv", "mine.tsv", "mine.jsonl", "mine.json", "mine.parquet", "mine.csv.gz", "mine.jsonl.gz"]


@pytest.mark.parametrize("name", READ_AS_THEY_ARE)
def test_a_suite_over_a_file_of_any_kind_reads_its_rows(name: str, cache: Path) -> None:
    found = written(cache, save(name))
    task = found.tasks["mine"].model_dump()
    assert (task["train"], task["source"], task["target"]) == (name, "article", "summary")
    rows = splits(found, cache)
    everything = {e.source for e in (*rows.train, *rows.unlabelled, *rows.dev, *rows.test)}
    assert everything == set(TEXTS)
    assert len(rows.unlabelled) > 0


OTHERWISE = {
    "semicolons": ("mine.csv", pd.DataFrame(ROWS).to_csv(index=False, sep=";").encode(), {"delimiter": ";"}),
    "cp1252": ("mine.csv", pd.DataFrame(ROWS).to_csv(index=False).encode("cp1252"), {"encoding": "cp1252"}),
    "utf-16": ("mine.tsv", pd.DataFrame(ROWS).to_csv(index=False, sep="\t").encode("utf-16"), {}),
    "utf-16 without a mark": ("mine.csv", pd.DataFrame(ROWS).to_csv(index=False).encode("utf-16-le"), {"encoding": "utf_16_le"}),
    "tabs in a text file": ("mine.txt", pd.DataFrame(ROWS).to_csv(index=False, sep="\t").encode(), {"format": "tsv"}),
    "bars in a text file": ("mine.txt", pd.DataFrame(ROWS).to_csv(index=False, sep="|").encode(), {"format": "csv", "delimiter": "|"}),
    "a comment first": ("mine.csv", b"# exported by a program\n" + pd.DataFrame(ROWS).to_csv(index=False).encode(), {"skip_lines": 1}),
    "an array": ("mine.json", json.dumps(ROWS, indent=1).encode(), {}),
    "an array called lines": ("mine.jsonl", json.dumps(ROWS).encode(), {"format": "json"}),
    "an array called csv": ("mine.csv", json.dumps(ROWS).encode(), {"format": "json"}),
    "lines called csv": ("mine.csv", "\n".join(map(json.dumps, ROWS)).encode(), {"format": "jsonl"}),
    "a list in an object": ("mine.json", json.dumps({"version": 1, "data": ROWS}).encode(), {}),
    "columns": ("mine.json", pd.DataFrame(ROWS).to_json().encode(), {}),
    "old line ends": ("mine.csv", pd.DataFrame(ROWS).to_csv(index=False, lineterminator="\r").encode(), {}),
}


@pytest.mark.parametrize(("name", "content", "settings"), OTHERWISE.values(), ids=OTHERWISE)
def test_what_the_task_files_has_to_be_told_is_written_into_the_suite(
    name: str, content: bytes, settings: dict[str, object], cache: Path
) -> None:
    Path(name).write_bytes(content)
    found = written(cache, name)
    task = found.tasks["mine"].model_dump()
    told = {key: task[key] for key, field in TableSettings.model_fields.items() if task[key] != field.default}
    assert told == settings
    rows = splits(found, cache)
    assert {e.source for e in (*rows.train, *rows.unlabelled, *rows.dev, *rows.test)} == set(TEXTS)
    assert sorted(path.name for path in Path().iterdir()) == sorted([name, "mine.yaml", schema.FILE])
    assert Path(name).read_bytes() == content


def test_tabs_in_a_csv_file_are_told_to_the_task_and_need_no_copy(cache: Path) -> None:
    Path("mine.csv").write_text(pd.DataFrame(ROWS).to_csv(index=False, sep="\t"))
    assert written(cache, "mine.csv").tasks["mine"].model_dump()["format"] == "tsv"
    assert sorted(path.name for path in Path().iterdir()) == ["mine.csv", "mine.yaml", schema.FILE]


def test_a_file_that_is_mostly_utf_8_is_not_taken_for_another_encoding(cache: Path) -> None:
    Path("mine.csv").write_bytes(pd.DataFrame(ROWS).to_csv(index=False).encode().replace(b"no. 7.", b"no. \xff7."))
    result = init(cache, "mine.csv")
    assert next(line for line in result.stdout.splitlines() if "U+FFFD" in line).startswith("1 ")


@pytest.mark.parametrize(
    ("columns", "chosen"),
    [
        (["id", "text", "title"], ("text", "title")),
        (["label", "sentence"], ("sentence", "label")),
        (["news_article", "Highlights", "url"], ("news_article", "Highlights")),
        (["a", "b"], ("b", "a")),
    ],
)
def test_columns_are_chosen_by_their_names_and_else_by_length(columns: list[str], chosen: tuple[str, str], cache: Path) -> None:
    long, short = chosen
    rows = [
        {name: text if name == long else f"{text.split()[0]} {i % 70}" if name == short else f"{i}" for name in columns}
        for i, text in enumerate(TEXTS)
    ]
    task = written(cache, save("mine.csv", rows)).tasks["mine"].model_dump()
    assert (task["source"], task["target"]) == chosen


def test_columns_may_be_named(cache: Path) -> None:
    save("mine.csv")
    task = written(cache, "mine.csv", "--source-column", "summary", "--target-column", "article").tasks["mine"].model_dump()
    assert (task["source"], task["target"]) == ("summary", "article")


def test_the_figures_are_those_of_the_rows(cache: Path) -> None:
    """Known quantities: 240 texts of which 40 have no label, 5 rows repeated of which 2 have another label, 3 blank documents."""
    rows = [row | {"summary": "" if i >= 200 else row["summary"]} for i, row in enumerate(ROWS)]
    rows += [row | {"article": f"  {row['article'].upper()} "} for row in rows[:3]]
    rows += [row | {"summary": "another"} for row in rows[3:5]]
    rows += [{"id": "x", "article": " ", "summary": "of nothing"}] * 3
    rows[10]["summary"] = " ".join(rows[10]["article"].split()[2:5]).title()
    found = written(cache, save("mine.jsonl", rows))
    sentences = comments()
    assert numbers(next(one for one in sentences if "rows: " in one)) == [248, 200, 40]
    assert [numbers(one) for one in sentences if one.startswith("Left out")] == [[5, 2], [3]]
    inside = sum(f" {row['summary'].lower()} " in f" {row['article'].lower()} " for row in rows[:200])
    assert [inside, 200] in [numbers(one)[:2] for one in sentences]
    words = sorted(len(text.split()) for text in TEXTS)
    shares = [words[119], 90, words[215], 95, words[227], 99, words[237], words[239]]
    assert numbers(next(one for one in sentences if one.startswith("Documents: ")))[:8] == shares
    assert len(splits(found, cache).unlabelled) == 40


def test_limits_say_what_they_cut_off(cache: Path) -> None:
    """A tenth of the documents are far longer than the others."""
    rows = [row | {"article": row["article"] + " bread" * (2000 if i % 10 == 0 else 0)} for i, row in enumerate(ROWS)]
    found = written(cache, save("mine.csv", rows))
    assert found.tasks["mine"].max_source_tokens == 512
    (limit,) = [line for line in Path("mine.yaml").read_text().splitlines() if "max_source_tokens: " in line]
    assert numbers(limit) == [512, 90, 90, 1024]
    assert [512, 24, 10, 1024, 24, 10] in [numbers(one) for one in comments()]


def test_without_a_tokenizer_tokens_are_estimates_and_said_to_be(cache: Path) -> None:
    found = written(cache, save("mine.csv"), model="google/pegasus-large")
    assert found.spec.large.model_dump() == {"use": "hub", "settings": {"model": "google/pegasus-large"}}
    assert (found.spec.compact.encoder_layers, found.spec.compact.decoder_layers) == (16, 4)
    text = " ".join(comments())
    assert "estimated at 1.5 tokens" in text
    longest = max(len(article.split()) for article in TEXTS)
    assert f"all {-(-longest * 3 // 2) + 1} tokens" in text


@pytest.mark.parametrize("model", ["google/pegasus-anything", "facebook/bart-large-mnli", "google/t5-efficient-enormous"])
def test_a_hub_id_without_a_published_config_is_not_taken_for_another_model(model: str, cache: Path) -> None:
    assert large(model, cache).config is None


def test_a_model_may_be_a_folder_or_a_commit_of_the_hub(cache: Path) -> None:
    folder = Random(decoder_layers=2).folder(cache)
    found = written(cache, save("mine.csv"), model=str(folder))
    assert found.spec.large.model_dump() == {"use": "folder", "settings": {"path": str(folder)}}
    commit = "0123456789" * 4
    found = written(cache, "mine.csv", "--force", model=f"some/model@{commit}")
    assert found.spec.large.settings == {"model": "some/model", "revision": commit}


def test_labels_that_are_classes_are_scored_as_such_against_the_commonest(cache: Path) -> None:
    rows = [row | {"label": row["label"].upper() if i == 0 else row["label"]} for i, row in enumerate(CLASSES)]
    found = written(cache, save("mine.csv", rows))
    assert found.metrics["classification"].model_dump()["classes"] == ("good", "bad", "so: so #1")
    assert found.spec.rank_by == "accuracy"
    (ranked,) = [line for line in Path("mine.yaml").read_text().splitlines() if line.startswith("rank_by: accuracy")]
    assert "50.0" in ranked
    assert ranked.endswith("'good'")
    assert [3, 50] in [numbers(one) for one in comments()]


def test_what_is_bought_is_there_to_buy_and_the_comments_say_how_much(cache: Path) -> None:
    """By the forecast that `bench plan` shows: no arm stops, and each buys what its comment says."""
    found = written(cache, save("mine.csv"), "--label-usd", "0.5")
    rows, text = splits(found, cache), Path("mine.yaml").read_text()
    store = DryStore(cache, no_progress)
    forecasts = {arm: forecast(found, arm, rows, store) for arm in arms.arms(found)}
    assert [forecast.stops for forecast in forecasts.values()] == [""] * len(forecasts)
    for label, before in (("annotate", ""), ("sft", ""), ("distill", "none bought, or ")):
        bought = sorted({int(f.facts["labels_bought"]) for arm, f in forecasts.items() if arm.cell.label == label} - {0})
        assert f"# {before}buys {bought[0]} and {bought[1]} labels" in text
        spent = max(
            sum(c.usd for c in f.charges if c.kind == "compute" and c.paid_by == "purse")
            for arm, f in forecasts.items()
            if arm.cell.label == label
        )
        (stated,) = re.findall(rf"{label}:\n.*\n.*\n.*compute costs about (\S+) USD", text)
        assert float(stated) == pytest.approx(spent, rel=0.15)
    owned = found.spec.start_labels
    assert owned + max(f.facts["labels_bought"] for f in forecasts.values()) <= len(rows.train)
    joined = " ".join(text.replace("# ", "").split())
    assert numbers(joined.partition("of 240 labels, ")[2])[:4] == [len(rows.test), len(rows.dev), 25, len(rows.train)]


@pytest.mark.parametrize("budgets", [("3",), ("2.5", "40"), ("5000", "1")])
def test_budgets_that_are_given_are_kept_and_never_buy_more_than_there_is(budgets: tuple[str, ...], cache: Path) -> None:
    found = written(cache, save("mine.csv"), *(word for usd in budgets for word in ("--budget-usd", usd)))
    assert found.spec.budgets_usd == tuple(sorted(map(float, budgets)))
    to_buy = len(splits(found, cache).train) - found.spec.start_labels
    for cell in found.cells:
        assert max(found.spec.budgets_usd) * cell.strategy.label_share / found.spec.prices.label_usd < to_buy + 1e-6
    assert max(cell.strategy.label_share for cell in found.cells) > 0


def test_labels_that_cost_nothing_are_all_owned(cache: Path) -> None:
    found = written(cache, save("mine.csv"), "--label-usd", "0")
    assert found.spec.start_labels == len(splits(found, cache).train)
    assert {cell.strategy.label_share for cell in found.cells} == {0.0}


def test_a_budget_too_small_for_computing_is_told(cache: Path) -> None:
    save("mine.csv")
    result = init(cache, "mine.csv", "--budget-usd", "1e-9")
    assert result.exit_code == 0
    assert re.search(r"annotate needs .* USD .*1e-09 USD", result.stdout)


def test_of_more_rows_than_a_machine_can_do_in_time_some_are_used(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bench.init.choose.CPU_HOURS", 1e-9)
    monkeypatch.setattr("bench.init.choose.TRAIN_CAPS", (None, 50, 20))
    found = written(cache, save("mine.csv"))
    rows = splits(found, cache)
    assert (len(rows.train), found.tasks["mine"].model_dump()["train_examples"]) == (20, 20)


NASTY = [
    "a: b",
    "x # y",
    "{{ braces }}",
    "'single' and \"double\"",
    "two\nlines: [1, 2]\r",
    "- item",
    "&anchor *alias !tag",
    "true",
    "2024-01-01",
    "Grüße, 世界 \U0001f600",
    "next\x85line \u2028 \u2029 \ufeff \x1b[31m \x07 \x00",
    "%s {0} {name}",
    " spaces ",
    "no",
]


@pytest.mark.parametrize("name", NASTY)
def test_names_and_classes_that_look_like_yaml_survive_it(name: str, cache: Path) -> None:
    rows = [{f"{name} 1": row["text"], name: name if row["label"] == "good" else f"{name}\n{row['label']}"} for row in CLASSES]
    Path("mine.jsonl").write_text(lines(rows), encoding="utf-8")
    found = written(cache, "mine.jsonl", "--source-column", f"{name} 1", "--target-column", name)
    task = found.tasks["mine"].model_dump()
    assert (task["source"], task["target"]) == (f"{name} 1", name)
    expected = {normal_form(text).strip() for text in (name, f"{name}\nbad", f"{name}\nso: so #1")}
    assert set(found.metrics["classification"].model_dump()["classes"]) == expected
    found.metrics["classification"].check([example.target for example in splits(found, cache).test])


@given(st.text(st.characters(exclude_categories=["Cs"])) | st.from_regex(r"[-+]?[0-9.]+([eE][-+]?[0-9]+)?", fullmatch=True))
@example("5e-4")
@example("0123456789")
@example("null")
def test_any_text_is_a_scalar_that_is_read_back_and_a_comment_that_is_one(text: str) -> None:
    line = f"a: {scalar(text)} # {shown(text)}: b\nc: d"
    assert parse_yaml.parse(line).value == {"a": text, "c": "d"}


@pytest.mark.parametrize("name", ["it's $(mine): {{x}} #1.csv", "世界.csv", "-.csv", "x" * 80 + ".csv"])
def test_a_file_of_any_name_gets_a_suite(name: str, cache: Path) -> None:
    Path(name).write_text(pd.DataFrame(ROWS).to_csv(index=False))
    result = init(cache, "--", name) if name.startswith("-") else init(cache, name)
    assert result.exit_code == 0, result.output
    (path,) = Path().glob("*.yaml")
    (task,) = suite_file.read(path).tasks.values()
    assert task.model_dump()["train"] == name


def csv(*rows: str) -> bytes:
    return "\n".join(["text,label", *rows]).encode()


BAD = {
    "empty": ("mine.csv", b" \n", "mine.csv: the file is empty"),
    "no rows": ("mine.csv", csv(), "mine.csv: the file"),
    "one column": ("mine.csv", b"text\na\nb\n", "mine.csv: has only one column"),
    "nested": ("mine.jsonl", b'{"a": "x", "b": ["y"]}\n', "mine.jsonl: has only one column"),
    "no labels": ("mine.csv", csv("a,", "b, "), "mine.csv: no row has"),
    "no label column": ("mine.csv", b"text,id\nsome words,1\nmore words,2\n", "mine.csv: no column looks"),
    "few labels": ("mine.csv", csv(*(f"doc {i},{i}" for i in range(29))), "mine.csv: only 29 different documents"),
    "one label": ("mine.csv", csv(*(f"doc {i},Yes" for i in range(50))), "mine.csv: every label"),
    "ragged": ("mine.csv", csv("a,b", "c,d,e"), "mine.csv, line 3: 3 fields"),
    "unclosed quote": ("mine.csv", csv('a,"b', "c,d,e"), "mine.csv, line 2: a quotation mark"),
    "not JSON": ("mine.jsonl", b'{"a": "b", "c": "d"}\n{"a"\n', "mine.jsonl, line 2: not JSON"),
    "not Parquet": ("mine.parquet", b"text,label", "mine.parquet: not readable as Parquet"),
    "not gzip": ("mine.csv.gz", b"text,label", "mine.csv.gz: cannot be read"),
    "another kind": ("mine.xlsx", b"PK", "mine.xlsx: the suffix '.xlsx'"),
    "missing": ("other.csv", b"", "mine.csv: no such file"),
}


@pytest.mark.parametrize(("name", "content", "message"), BAD.values(), ids=BAD)
def test_a_file_that_cannot_be_used_is_one_line(name: str, content: bytes, message: str, cache: Path) -> None:
    Path(name).write_bytes(content)
    assert refused(cache, "mine.csv" if name == "other.csv" else name).startswith(message)
    assert not Path("mine.yaml").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--source-column", "txt"], "mine.csv: no column 'txt'; "),
        (["--source-column", "article", "--target-column", "article"], "--source-column and --target-column"),
        (["--label-usd", "-1"], "--label-usd: "),
        (["--label-usd", "nan"], "--label-usd: "),
        (["--budget-usd", "0"], "--budget-usd: "),
        (["--budget-usd", "inf"], "--budget-usd: "),
        (["--out", "mine.csv", "--force"], "mine.csv: this is the data"),
        (["--model", "flan_t5_smal"], "--model 'flan_t5_smal': "),
        (["--model", "shape"], "--model shape: "),
        (["--model", "google/pegasus-large@main"], "--model google/pegasus-large@'main': "),
    ],
)
def test_options_that_cannot_be_are_one_line(arguments: list[str], message: str, cache: Path) -> None:
    save("mine.csv")
    result = CliRunner().invoke(main, ["init", "mine.csv", "--cache", str(cache), *arguments])
    assert result.exit_code == 2
    assert result.stderr.startswith(message)


def test_a_suite_that_is_there_is_kept_unless_it_may_be_overwritten(cache: Path) -> None:
    save("mine.csv")
    Path("mine.yaml").write_text("precious")
    assert refused(cache, "mine.csv").startswith("mine.yaml: exists")
    assert Path("mine.yaml").read_text() == "precious"
    assert init(cache, "mine.csv", "--force").exit_code == 0
    assert init(cache, "mine.csv", "--out", "other.yaml").exit_code == 0
    assert suite_file.read(Path("other.yaml")).spec.suite == "mine"


def test_where_nobody_can_answer_nothing_is_asked_and_the_defaults_are_said(cache: Path) -> None:
    result = init(cache, save("mine.csv"))
    assert re.search(r"label costs 0\.1 USD.*--label-usd", result.stdout)
    assert re.search(r"budgets: \S+ and \S+ USD.*--budget-usd", result.stdout)
    assert "?" not in result.stdout


def test_in_a_terminal_what_the_file_does_not_say_is_asked(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Which of two columns that are called like labels; what a label costs, asked again after an answer that is none; budgets."""
    monkeypatch.setattr("bench.cli.init._has_terminal", lambda: True)
    save("mine.csv", [row | {"title": row["id"]} for row in ROWS])
    result = init(cache, "mine.csv", typed="3\ncheap\n0.25\n10 20\n")
    assert result.exit_code == 0, result.output
    found = suite_file.read(Path("mine.yaml"))
    assert (found.spec.prices.label_usd, found.spec.budgets_usd) == (0.25, (10.0, 20.0))
    assert found.tasks["mine"].model_dump()["target"] == "title"
    again = init(cache, "mine.csv", "--force", "--yes")
    assert "?" not in again.stdout


def test_the_suite_runs(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """From the file to a score, as a user types it: one arm, on a model that knows nothing."""
    assert init(cache, save("mine.csv", CLASSES), "--budget-usd", "2").exit_code == 0
    instead(monkeypatch, in_this_process)
    done = bench("run", "mine.yaml", "--cache", cache, "--only", "mine.annotate.2usd.seed1")
    assert done.exit_code == 0, done.output
    (record,) = records(Path("results/mine")).values()
    assert record.status == "done"


def read_by(found: suite_file.Suite, cache: Path) -> set[tuple[str, str | None]]:
    rows = splits(found, cache)
    return {(e.source, e.target) for e in (*rows.train, *rows.dev, *rows.test)}


def test_a_file_without_a_header_loses_no_row_and_it_is_said(cache: Path) -> None:
    Path("mine.csv").write_text("".join(f"{row['label']!r},{row['text'].replace(',', '')}\n" for row in CLASSES))
    result = init(cache, "mine.csv")
    assert result.exit_code == 0, result.output
    found = suite_file.read(Path("mine.yaml"))
    assert found.tasks["mine"].model_dump()["names"] == ("column_1", "column_2")
    assert "240 rows: 240 " in result.stdout


@pytest.mark.parametrize(("typed", "names", "rows"), [("n\n", ("column_1", "column_2"), 241), ("y\n", None, 240)])
def test_in_a_terminal_it_is_asked_whether_the_first_row_is_a_header(
    typed: str, names: tuple[str, ...] | None, rows: int, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A column that is called as one of its classes."""
    monkeypatch.setattr("bench.cli.init._has_terminal", lambda: True)
    classes = [{"good": row["label"][:4], "words": row["text"]} for row in CLASSES]
    result = init(cache, save("mine.csv", classes), typed=typed + "\n" * 9)
    assert result.exit_code == 0, result.output
    assert f"{rows} rows: {rows} " in result.stdout
    assert suite_file.read(Path("mine.yaml")).tasks["mine"].model_dump()["names"] == names


def test_marks_that_are_only_characters_are_told_to_the_task(cache: Path) -> None:
    rows = ["text\tlabel", *(f"{chr(34) if i in (7, 9) else ''}no. {i} {text}\tl{i % 4}" for i, text in enumerate(TEXTS))]
    rows[11] = rows[11].replace("\t", '"\t')
    Path("mine.tsv").write_text("\n".join(rows[:9] + rows[11:]))
    found = written(cache, "mine.tsv")
    assert found.tasks["mine"].model_dump()["quotes"] == "none"
    assert len(read_by(found, cache)) + len(splits(found, cache).unlabelled) == 238


def test_quoted_files_that_are_damaged_are_not_read_as_if_nothing_was_quoted(cache: Path) -> None:
    whole = pd.DataFrame(CLASSES).assign(text=lambda f: f.text.str.replace(",", "")).to_csv(index=False, quoting=1)
    Path("mine.csv").write_text(whole[:-2])
    assert refused(cache, "mine.csv").startswith("mine.csv, line 241: ")


def test_instructions_and_their_inputs_are_joined(cache: Path) -> None:
    rows = [{"instruction": row["text"], "input": row["label"] if i % 3 else "", "output": f"o {i % 90}"} for i, row in enumerate(CLASSES)]
    found = written(cache, save("mine.jsonl", rows))
    assert found.tasks["mine"].model_dump()["source"] == ("instruction", "input")
    (joined,) = {source for source, _ in read_by(found, cache) if source.startswith(TEXTS[1])} or {f"{TEXTS[1]}\n{rows[1]['input']}"}
    assert joined == f"{TEXTS[1]}\n{rows[1]['input']}"


def test_chats_of_one_question_are_read_by_their_turns(cache: Path) -> None:
    def chat(row: dict[str, str]) -> list[dict[str, str]]:
        turns = [("system", "Be brief."), ("user", row["text"]), ("assistant", row["label"])]
        return [{"role": role, "content": content} for role, content in turns]

    Path("mine.jsonl").write_text(lines([{"messages": chat(row)} for row in CLASSES]))
    task = written(cache, "mine.jsonl").tasks["mine"].model_dump()
    assert (task["source"], task["target"]) == ("messages[1].content", "messages[2].content")
    Path("mine.jsonl").write_text(lines([{"messages": chat(row)[: 2 + i % 2]} for i, row in enumerate(CLASSES)]))
    assert "'messages'" in refused(cache, "mine.jsonl", "--force")
    found = written(cache, "mine.jsonl", "--force", "--source-column", "messages[1].content", "--target-column", "messages[2].content")
    assert found.tasks["mine"].model_dump()["target"] == "messages[2].content"


def test_lists_are_asked_for_by_name(cache: Path) -> None:
    Path("mine.json").write_text(json.dumps({"old": ROWS[:50], "new": ROWS, "about": {"by": "me"}}))
    reason = refused(cache, "mine.json")
    assert "'old' (50 rows), 'new' (240 rows)" in reason
    assert "--field" in reason
    assert written(cache, "mine.json", "--field", "new").tasks["mine"].model_dump()["train_field"] == "new"


def test_splits_are_taken_by_name(cache: Path) -> None:
    Path("mine.json").write_text(json.dumps({"train": ROWS[:200], "validation": ROWS[200:220], "test": ROWS[220:]}))
    found = written(cache, "mine.json")
    rows = splits(found, cache)
    assert (len(rows.train) + len(rows.unlabelled), len(rows.dev), len(rows.test)) == (200, 20, 20)
    assert "test_fraction" not in Path("mine.yaml").read_text()


def test_columns_of_lists_can_be_named_by_an_element(cache: Path) -> None:
    rows = [{"article": [row["article"], "more"], "refs": [row["summary"]]} for row in ROWS]
    save("mine.parquet", rows)
    assert "--source-column" in refused(cache, "mine.parquet")
    task = written(cache, "mine.parquet", "--source-column", "article[*]", "--target-column", "refs[0]").tasks["mine"].model_dump()
    assert (task["source"], task["target"]) == ("article[*]", "refs[0]")


def test_home_is_where_the_tilde_points(tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    (tmp_path / "home").mkdir()
    save("mine.csv")
    Path("mine.csv").rename(tmp_path / "home" / "mine.csv")
    result = init(cache, "~/mine.csv", "--out=~/mine.yaml")
    assert result.exit_code == 0, result.output
    assert suite_file.read(tmp_path / "home" / "mine.yaml").tasks["mine"].model_dump()["train"] == str(tmp_path / "home" / "mine.csv")
    assert CliRunner().invoke(main, ["check", "~/mine.yaml"]).exit_code == 0


def _label_studio(rows: Sequence[dict[str, str]]) -> list[dict[str, object]]:
    result = [{"value": {"choices": [row["label"]]}, "from_name": "verdict", "to_name": "text", "type": "choices"} for row in rows]
    return [
        {"id": i, "data": {"text": row["text"]}, "annotations": [{"completed_by": 1, "result": [result[i]]}] if i % 8 else []}
        for i, row in enumerate(rows)
    ]


def _argilla(rows: Sequence[dict[str, str]]) -> list[dict[str, object]]:
    answers = [[row["label"]] if i % 8 else None for i, row in enumerate(rows)]
    return [
        {"text": row["text"], "verdict.responses": given, "verdict.responses.users": ["u"], "verdict.responses.status": ["submitted"]}
        for row, given in zip(rows, answers, strict=True)
    ]


def _prodigy(rows: Sequence[dict[str, str]]) -> list[dict[str, object]]:
    answers = ["accept" if i % 8 else "ignore" for i in range(len(rows))]
    return [{**row, "_input_hash": i, "_task_hash": i, "answer": answers[i]} for i, row in enumerate(rows)]


@pytest.mark.parametrize(
    ("tool", "content", "target"),
    [
        ("label_studio", json.dumps(_label_studio(CLASSES)), "verdict"),
        ("argilla", lines(_argilla(CLASSES)), "verdict.responses"),
        ("prodigy", lines(_prodigy(CLASSES)), "label"),
    ],
    ids=["label_studio", "argilla", "prodigy"],
)
def test_the_export_of_a_labelling_tool_is_recognised(tool: str, content: str, target: str, cache: Path) -> None:
    Path("mine.json").write_text(content)
    found = written(cache, "mine.json")
    task = found.tasks["mine"].model_dump()
    assert (task["exported_by"], task["source"], task["target"]) == (tool, "text", target)
    rows = splits(found, cache)
    assert len(rows.unlabelled) >= 30  # a document in eight has no label
    assert {e.target for e in (*rows.train, *rows.dev, *rows.test)} == {row["label"] for row in CLASSES}
    assert [240, 210, 30] in [numbers(note.partition(": ")[2]) for note in rows.notes]
