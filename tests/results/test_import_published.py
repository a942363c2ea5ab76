"""Published figures as results: what the authors printed comes out of the same table and report as a run, and says what it is."""

import re
from collections import Counter
from pathlib import Path

import pandas as pd
import pytest
import yaml
from click.testing import CliRunner

from bench import report
from bench.cli import main
from bench.errors import BenchError
from bench.execution import ledger
from bench.published import rows
from bench.report.analysis import leaderboard
from bench.results import published, table
from bench.results.table import Results
from tests.facts import missing
from tests.report.arms import write_arm, write_suite
from tests.report.reading import cells, section

pytestmark = pytest.mark.usefixtures("empty_plots")

SUITES = Path(__file__).parents[2] / "suites" / "papers"

LOST = [("MultiPIT_gen, 10,000 labels owned", 100), ("NQ, 10,000 labels owned", 50), ("WLP, 5,000 labels owned", 100)]
"""The cells that distillation loses: the smallest budget at the largest number of labels, on three of six tasks."""

CONSTANT = {
    ("FEVER, 1,000 labels owned", 50): 49.7,
    ("FEVER, 1,000 labels owned", 75): 49.7,
    ("FEVER, 1,000 labels owned", 100): 49.7,
    ("MultiPIT_id, 1,000 labels owned", 100): 53.1,
    ("MultiPIT_id, 1,000 labels owned", 150): 53.1,
    ("Stanceosaurus, 1,000 labels owned", 150): 45.5,
    ("Stanceosaurus, 1,000 labels owned", 200): 45.5,
}
"""Cells of annotation that are printed as the share of a class."""


@pytest.fixture(scope="module")
def kang(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = published.published("kang2023", tmp_path_factory.mktemp("results"))
    report.write(folder)
    return folder


@pytest.fixture(scope="module")
def found(kang: Path) -> Results:
    return table.read(kang)


@pytest.fixture(scope="module")
def arms(found: Results) -> pd.DataFrame:
    return table.arms(found.table)


@pytest.fixture(scope="module")
def text(kang: Path) -> str:
    return (kang / "report.md").read_text(encoding="utf-8")


@pytest.fixture
def shleifer(tmp_path: Path) -> Path:
    return published.published("shleifer2020", tmp_path)


def task(row: dict[str, str]) -> str:
    return f"{row['task']}, {int(row['start_labels']):,} labels owned"


def test_every_score_dollar_and_label_is_as_printed(arms: pd.DataFrame) -> None:
    printed = rows("kang2023_cells")
    assert len(arms) == len(printed) == 96
    by_cell = arms.set_index(["task", "strategy", "budget_usd"])
    for row in printed:
        arm = by_cell.loc[(task(row), row["strategy"], float(row["added_usd"]))]
        assert arm["status"] == "infeasible" if float(row["score"]) == 0 else arm["student score"] == float(row["score"])
        assert (arm["labels_owned"], arm["start_labels_usd"]) == (float(row["start_labels"]), float(row["start_usd"]))


def test_distillation_has_the_better_score_in_45_of_48_cells(arms: pd.DataFrame) -> None:
    wide = arms.pivot(index=["task", "budget_usd"], columns="strategy", values="student score")
    behind = ~(wide["distill"] > wide["annotate"])
    assert (len(wide), int(behind.sum())) == (48, 3)
    assert sorted(wide.index[behind]) == LOST


def test_the_report_counts_the_cells_and_names_those_that_annotation_wins(text: str) -> None:
    (sentence,) = (line for line in section(text, "Published figures").splitlines() if " of 48 cells" in line)
    won, *lost = re.split("[:;] ", sentence)
    assert won.startswith("distill ")
    assert missing(won, "45 of 48 cells", "no intervals") == []
    assert lost[0] == "annotate in 3"
    assert [tuple(cell.split(", ")[:3:2]) for cell in lost[1:] if "USD" in cell] == [
        ("MultiPIT_gen", "at 100 USD"),
        ("NQ", "at 50 USD (distill"),
        ("WLP", "at 100 USD."),
    ]
    assert lost[3] == "1 infeasible)"


def test_a_budget_that_the_teacher_uses_up_is_infeasible_and_not_a_score_of_0(arms: pd.DataFrame) -> None:
    (arm,) = arms[arms["status"] != "done"].to_dict("records")
    assert (arm["task"], arm["strategy"], arm["budget_usd"]) == ("NQ, 10,000 labels owned", "distill", 50)
    assert arm["status"] == "infeasible"
    assert missing(arm["reason"], "teacher", "10,000 labels", "$64.70", "$50.00", "published as 0.0") == []
    assert pd.isna(arm["student score"])
    assert arm["usd spent"] == 0


def test_no_cell_costs_more_than_its_budget_and_less_than_one_item_is_left(found: Results, arms: pd.DataFrame) -> None:
    left = (arms["budget_usd"] - arms["usd spent"])[arms["status"] == "done"]
    charges = found.table[(found.table["row"] == "charge") & (found.table["paid_by"] == "purse")]
    last = charges[charges["phase"].isin(["labels", "pseudo_labelling"])].set_index("arm")["unit_price_usd"]
    assert (left >= 0).all()
    assert (left < last.reindex(left.index)).all()


def test_dollars_are_what_was_bought_times_its_price(found: Results) -> None:
    charges = found.table[found.table["row"] == "charge"]
    pd.testing.assert_series_equal(charges["usd"], (charges["value"] * charges["unit_price_usd"]).round(9), check_names=False)
    counts = charges[charges["unit"].isin(["label", "item"])]["value"]
    assert (counts == counts.round()).all()


def test_compute_counted_in_seconds_costs_the_same_as_by_the_item(found: Results) -> None:
    charges = found.table[(found.table["row"] == "charge") & (found.table["strategy"] == "distill")]
    usd = {paid_by: of_kind.groupby("arm")["usd"].sum() for paid_by, of_kind in charges.groupby("paid_by")}
    assert set(usd) == {"purse", "other meter"}
    pd.testing.assert_series_equal(usd["purse"], usd["other meter"], atol=1e-6)


@pytest.mark.parametrize(
    ("name", "label"),
    [
        ("wlp", "WLP"),
        ("stanceosaurus", "Stanceosaurus"),
        ("fever", "FEVER"),
        ("multipit-id", "MultiPIT_id"),
        ("multipit-gen", "MultiPIT_gen"),
        ("nq", "NQ"),
    ],
)
def test_prices_are_those_of_the_suite_that_runs_the_task(found: Results, name: str, label: str) -> None:
    suite = yaml.safe_load((SUITES / f"kang2023-{name}.yaml").read_text(encoding="utf-8"))
    (of_suite,) = suite["prices"]["usd_per_1k_items"].values()
    owned = [known for known in found.suite["label_usd"] if known.startswith(f"{label}, ")]
    assert len(owned) == 2
    for known in owned:
        assert found.suite["prices"]["usd_per_1k_items"][known] == of_suite
        assert found.suite["label_usd"][known] == suite["prices"]["label_usd"]
    assert found.suite["pays"]["student_training"] == suite["pays"]["student_training"] == "free"


def test_scores_that_are_printed_as_the_share_of_a_class_are_flagged_and_no_others(arms: pd.DataFrame) -> None:
    flagged = arms[arms[published.EQUALS_CLASS_SHARE].notna()]
    assert set(flagged["strategy"]) == {"annotate"}
    assert dict(zip(zip(flagged["task"], flagged["budget_usd"], strict=True), flagged["student score"], strict=True)) == CONSTANT
    assert (flagged[published.EQUALS_CLASS_SHARE].round(1) == flagged["student score"]).all()


def test_the_report_names_the_class_whose_share_a_score_is(text: str) -> None:
    figures = section(text, "Published figures")
    assert missing(figures, "7 cells") == []
    for task, budgets, score, answer, share in (
        ("FEVER", "50, 75 and 100 USD", "49.7", "SUPPORTS", "49.71"),
        ("MultiPIT_id", "100 and 150 USD", "53.1", "YES", "53.08"),
        ("Stanceosaurus", "150 and 200 USD", "45.5", "Discussing", "45.47"),
    ):
        (line,) = (line for line in figures.splitlines() if line.startswith(f"- {task}, 1,000 labels"))
        assert missing(line, "annotate", budgets, score, f"always {answer}", share) == []


def test_one_class_alone_is_a_baseline_where_labels_are_classes(text: str) -> None:
    leaders = section(text, "Leaderboard")
    assert cells(leaders, "*baseline: always REFUTES (lead baseline)*")[2] == "50.29"
    assert cells(leaders, "*baseline: always Irrelevant*")[2] == "35.24"


def test_nothing_published_has_an_interval(found: Results) -> None:
    boards = leaderboard.boards(found, leaderboard.metrics(found))
    assert len(boards) == 48
    assert not any(estimate.has_interval for one in boards for line in one.settings for estimate in line.scores.values())


def test_the_report_says_that_nothing_was_run_and_shows_no_machine(text: str) -> None:
    assert section(text, "Machine and versions").strip().startswith("Nothing was run here")
    assert "arxiv 2305.01645" in section(text, "Published figures").lower()
    assert "Derived, not printed" in section(text, "Published figures")
    money = section(text, "How money is counted")
    assert "free" in money
    assert "done once" not in money


def test_an_import_reads_back_as_a_run_does(kang: Path, found: Results) -> None:
    assert Counter(record.status for record in found.records.values()) == {"done": 95, "infeasible": 1}
    assert [*found.records] == sorted(found.suite["arms"])
    assert all(record.machine == {} and record.data_fingerprint == record.started == "" for record in found.records.values())
    assert all(record.spent_usd == table.arms(found.table).loc[arm, "usd spent"] for arm, record in found.records.items())
    pd.testing.assert_frame_equal(pd.read_parquet(kang / "table.parquet"), found.table)


def test_importing_again_changes_nothing(shleifer: Path) -> None:
    before = {path: path.read_bytes() for path in shleifer.rglob("*") if path.is_file()}
    published.published("shleifer2020", shleifer.parent)
    assert {path: path.read_bytes() for path in shleifer.rglob("*") if path.is_file()} == before


def test_a_card_is_an_arm_with_its_size_time_and_scores(shleifer: Path) -> None:
    arms = table.arms(table.read(shleifer).table).set_index("setting")
    assert len(arms) == len(rows("shleifer2020_cards")) == 10
    for card in rows("shleifer2020_cards"):
        arm = arms.loc[card["model"]]
        assert (arm["task"], arm["strategy"]) == (card["dataset"], "student" if card["model"].startswith("distil") else "teacher")
        assert (arm["student rouge2"], arm["student rougeL"]) == (float(card["rouge2"]), float(card["rougeL"]))
        assert (arm["student_parameters"], arm["student_ms"]) == (1e6 * float(card["params_m"]), float(card["inference_ms"]))
    assert arms.loc["distilbart-cnn-12-6", "teacher rouge2"] == arms.loc["bart-large-cnn", "student rouge2"] == 21.06
    assert arms.loc["distilbart-xsum-12-3", "speed_up"] == pytest.approx(2.16, abs=0.005)


def test_the_cards_have_a_pareto_front_of_size_and_of_speed(shleifer: Path) -> None:
    text = report.write(shleifer).read_text(encoding="utf-8")
    verdicts = section(text, "Cost axes")
    front, slower = "on the front", "inefficient: student (distilbart-xsum-12-6) is better and no costlier"
    better = "inefficient: student (distilbart-{}-12-6) is better and cheaper"
    expected = {
        "student (distilbart-xsum-12-6)": [front, front],
        "student (distilbart-xsum-9-6)": [front, slower],
        "student (distilbart-xsum-12-3)": [front, front],
        "student (distilbart-xsum-6-6)": [front, slower],
        "student (distilbart-xsum-12-1)": [front, front],
        "teacher (bart-large-xsum)": [better.format("xsum")] * 2,
        "student (distilbart-cnn-12-6)": [front, front],
        "student (distilbart-cnn-12-3)": [front, front],
        "student (distilbart-cnn-6-6)": [front, front],
        "teacher (bart-large-cnn)": [better.format("cnn")] * 2,
    }
    assert {name: cells(verdicts, name)[-2:] for name in expected} == expected
    assert "as published" in verdicts


def test_cards_without_dollars_say_so_and_hold_no_charge(shleifer: Path) -> None:
    text = report.write(shleifer).read_text(encoding="utf-8")
    assert "No dollars were published" in section(text, "How money is counted")
    (sentence,) = (line for line in section(text, "Published figures").splitlines() if " of 2 cells" in line)
    assert missing(sentence, "student", "2 of 2 cells") == []
    assert "in batches of" not in section(text, "Leaderboard")
    assert "## Where the dollars went" not in text
    assert table.arms(table.read(shleifer).table)["usd spent"].isna().all()
    assert not any(row["row"] == "charge" for arm in table.read(shleifer).records for row in ledger.rows(shleifer / arm))


def test_results_of_a_run_have_no_section_of_published_figures(tmp_path: Path) -> None:
    write_suite(tmp_path)
    write_arm(tmp_path, "a", {"student": {"rouge2": [1.0]}})
    text = report.write(tmp_path).read_text(encoding="utf-8")
    assert "## Published figures" not in text
    assert "done once" in section(text, "How money is counted")


def test_cells_are_counted_from_the_table_whoever_published_them(tmp_path: Path) -> None:
    write_suite(tmp_path, published={"source": "<b>somebody</b>", "told": []})
    for budget_usd, labels, taught in (
        (10.0, [3.0], [2.0]),
        (20.0, [3.0], [3.0]),
        (40.0, [3.0], [5.0]),
        (80.0, [1.0, 2.0] * 2, [5.0, 6.0] * 2),
    ):
        for strategy, points in (("annotate", labels), ("distill", taught)):
            write_arm(tmp_path, f"{strategy}-{budget_usd:g}", {"student": {"rouge2": points}}, strategy=strategy, budget_usd=budget_usd)
    write_arm(tmp_path, "alone", {"student": {"rouge2": [1.0]}}, budget_usd=5.0)
    figures = section(report.write(tmp_path).read_text(encoding="utf-8"), "Published figures")
    assert "&lt;b&gt;somebody&lt;/b&gt;" in figures
    (sentence,) = (line for line in figures.splitlines() if " of 3 cells" in line)
    assert sentence.startswith("annotate ")
    assert [clause.split(": ") for clause in sentence.rstrip(".").split("; ")[1:]] == [
        ["distill in 1", "docstrings, at 40 USD"],
        ["equal means in 1", "docstrings, at 20 USD"],
    ]


def bench(*arguments: str) -> tuple[int, str]:
    found = CliRunner().invoke(main, ["import", "published", *arguments])
    return found.exit_code, " ".join(found.output.split())


def test_the_command_writes_results_and_report(tmp_path: Path) -> None:
    status, said = bench("shleifer2020", "--results", str(tmp_path))
    assert status == 0
    assert "10 arms: 10 done" in said
    assert (tmp_path / "published-shleifer2020" / "report.md").exists()


def test_the_command_without_a_name_lists_what_is_carried() -> None:
    status, said = bench()
    assert status == 0
    assert all(f"{name}: " in said for name in published.names())
    assert "kang2023: Kang, Xu, Ritter 2023" in said


@pytest.mark.parametrize(("name", "hint"), [("kang2032", "did you mean 'kang2023'?"), ("zzz", "there are: kang2023, shleifer2020")])
def test_a_name_that_is_not_carried_is_one_line(tmp_path: Path, name: str, hint: str) -> None:
    status, line = bench(name, "--results", str(tmp_path))
    assert status == 2
    assert f"'{name}'" in line
    assert line.endswith(hint)
    assert not any(tmp_path.iterdir())
    with pytest.raises(BenchError, match=f"'{name}'"):
        published.find(name)
