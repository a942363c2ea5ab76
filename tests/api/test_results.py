"""`bench.read` and what it gives, against the analysis that reports show."""

from __future__ import annotations

import html.parser
import json
from pathlib import Path

import pandas as pd
import pytest
from pydantic import ValidationError

import bench
from bench.api.results import Results
from bench.api.shown import plain
from bench.errors import BenchError
from bench.report.analysis import leaderboard
from bench.results import table
from tests.report import study
from tests.report.arms import write_arm, write_suite

REFERENCE = Path(__file__).parents[2] / "results" / "reference" / "pegasus"


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> Results:
    folder = tmp_path_factory.mktemp("study")
    study.write(folder)
    return bench.read(folder)


def test_the_table_is_that_of_the_folder_and_may_be_changed(found: Results) -> None:
    whole = table.read(found.folder).table
    pd.testing.assert_frame_equal(found.table, whole)
    mine = found.table
    mine["value"] = 0.0
    pd.testing.assert_frame_equal(found.table, whole)
    assert len(found.arms) == sum(whole["row"] == "record")


def test_the_answer_names_the_best_of_each_board(found: Results) -> None:
    boards = leaderboard.boards(found.found, leaderboard.metrics(found.found))
    rows = found.answer.table
    assert [*zip(rows["task"], rows["budget_usd"], strict=True)] == [(board.task, board.budget_usd) for board in boards]
    assert rows["best"].tolist() == [board.compared[0].name for board in boards]
    assert rows["score_mean"].tolist() == [board.compared[0].scores[board.primary.name].mean for board in boards]
    assert rows["winner"].tolist() == ["distill", "annotate", "annotate"]
    assert rows["labels_bought"].tolist() == [0.0, 720.0, 2880.0]


def test_labels_that_were_not_counted_are_missing(tmp_path: Path) -> None:
    write_suite(tmp_path, prices=study.PRICES)
    write_arm(tmp_path, "a", {"student": {"rouge2": [1.0, 2.0]}})
    (board,) = bench.read(tmp_path).answer.document()["boards"]
    assert (board["best"], board["labels_bought"]) == ("annotate", None)


def test_other_prices_change_dollars_and_no_score(found: Results) -> None:
    twice = found.price(label_usd=2 * study.LABEL_USD, gpu_hour_usd=2 * study.DEVICE_HOUR_USD)
    pd.testing.assert_series_equal(twice.arms["usd spent"], 2 * found.arms["usd spent"])
    assert twice.leaderboard().table["mean"].tolist() == found.leaderboard().table["mean"].tolist()
    assert twice.price(study.LABEL_USD).price({"docstrings": 0.5}).quotes.label_usd == {"docstrings": 0.5}  # type: ignore[union-attr]
    pd.testing.assert_frame_equal(twice.answer.table, found.answer.table)
    assert found.quotes is None


def test_a_recommendation_has_the_dollars_and_labels_of_the_setting(found: Results) -> None:
    row = found.price(0.2).recommend(100).document()["tasks"][0]["settings"][0]
    assert row["setting"] == "annotate"
    assert row["labels"] * 0.2 == pytest.approx(97.3, abs=0.01)
    assert 97.3 < row["cost_usd"] <= 100
    (needs,) = found.price(0.1).recommend(target=35).document()["tasks"]
    assert [one["strategy"] for one in needs["strategies"]] == ["annotate", "distill"]
    assert needs["strategies"][1]["budget_usd"] is None


@pytest.mark.parametrize("budget", [0, -1, float("nan")])
def test_a_budget_is_a_number_above_0(found: Results, budget: float) -> None:
    with pytest.raises(ValidationError):
        found.recommend(budget)
    with pytest.raises(ValueError, match="target"):
        found.recommend()


def test_a_price_that_cannot_be_applied_is_refused_at_once(found: Results) -> None:
    with pytest.raises(BenchError, match="items"):
        found.price(meter="items")
    with pytest.raises(BenchError, match="nope"):
        found.price({"nope": 1.0})


def test_a_folder_without_ended_arms_is_refused(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "none"):
        with pytest.raises(BenchError):
            bench.read(path)


class Tags(html.parser.HTMLParser):
    """Collects the tags of a page, and its text."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.texts: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self.tags.append(tag)

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


def test_objects_show_themselves_as_html_with_every_row(found: Results) -> None:
    for shown in (found, found.answer, found.leaderboard(), found.recommend(40), found.recommend(target=30)):
        page = Tags(shown._repr_html_())
        assert {"p"} <= set(page.tags) <= {"p", "strong", "em", "table", "thead", "tbody", "tr", "th", "td", "br"}
        assert "annotate" in " ".join(page.texts)
        assert "annotate" in repr(shown)
    board = Tags(found.leaderboard()._repr_html_())
    assert board.tags.count("tr") >= 1 + len(found.leaderboard().table)


def test_no_text_of_results_is_markup(tmp_path: Path) -> None:
    write_suite(tmp_path, prices=study.PRICES)
    hostile = "<script>alert(1)</script>"
    for seed in (1, 2):
        write_arm(tmp_path, f"a{seed}", {"student": {"rouge2": [1.0, 2.0, 3.0, 4.0]}}, strategy=hostile, seed=seed)
    shown = bench.read(tmp_path)._repr_html_()
    assert "script" not in Tags(shown).tags
    assert hostile in "".join(Tags(shown).texts)


def test_documents_are_json_without_nan() -> None:
    reference = bench.read(REFERENCE)
    for shown in (reference, reference.answer, reference.leaderboard(), reference.recommend(20), reference.recommend(target=1)):
        json.dumps(plain(shown.document()), allow_nan=False)
    document = plain(reference.document())
    assert sum(document["arms"].values()) == len(reference.arms)
    assert len(document["leaderboard"]) == len(reference.leaderboard().table)


def test_a_report_at_other_prices_goes_into_a_folder_of_its_own(found: Results, tmp_path: Path) -> None:
    assert found.price(0.1).report(tmp_path / "out", requests_per_month=1000) == tmp_path / "out" / "report.md"
    assert (tmp_path / "out" / "report.html").exists()
    assert not (found.folder / "priced").exists()
