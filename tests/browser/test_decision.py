"""What the page says to buy, in headless Chromium: the decision map, and what could be done again."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from bench import report
from bench.report.analysis import decision
from bench.report.plots import decision_map
from bench.report.sections import recommendation
from bench.results import repricing, table
from tests.facts import missing
from tests.report import study
from tests.report.reading import words


@pytest.fixture(scope="module")
def studied(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("studied")
    study.write(folder, seeds=3, examples=60)
    report.write(folder)
    return folder / "report.html"


def _cells(shown: Any) -> list[list[str]]:
    return [row.split("\t") for row in shown.page.locator("#map-table tbody tr").all_inner_texts()]


@pytest.mark.parametrize("device", [3.6, 14.4, 0.9])
def test_the_decision_map_follows_the_price_of_the_device_and_says_what_python_says(studied: Path, kept_open: Any, device: float) -> None:
    found = table.read(studied.parent)
    (field,) = report.fields(found)
    asked = repricing.asked(found)
    grid = decision.decision_map(field, asked)
    assert grid is not None
    quotes = asked.changed({}, device_hour_usd=device)
    verdicts = [[decision.verdict(field, usd, quotes.at("label", label)) for usd in grid.budgets_usd] for label in grid.label_usd]
    winners = sorted({one.best.name for row in verdicts for one in row if one.best and len(one.candidates) > 1})
    letters = dict(zip(winners, "ABC", strict=False))
    expected = [[decision_map.cell(one, letters) for one in row] for row in reversed(verdicts)]
    shown = kept_open(studied)
    shown.number("price-device_hour", device)
    assert [row[1:] for row in _cells(shown)] == expected
    key = shown.page.locator("#map-table .legend li").all_inner_texts()
    assert ["".join(text.split()) for text in key] == [f"{letters[name]}{name}" for name in winners]
    assert shown.said == []


def test_the_field_of_the_chosen_budget_and_label_is_framed_and_fields_without_a_clear_winner_have_a_question_mark(
    studied: Path, opened: Any
) -> None:
    with opened(studied) as shown:
        shown.number("budget", 40)
        shown.number("price-label", 0.1)
        framed = shown.page.locator("#map-table td.here")
        assert framed.count() == 1
        assert framed.evaluate("(cell) => cell.parentElement.firstElementChild.innerText") == "0.1"
        assert all(text.endswith("?") for text in shown.page.locator("#map-table td.leads").all_inner_texts())
        assert not any("?" in text for text in shown.page.locator("#map-table td.wins").all_inner_texts())


def test_what_was_run_with_less_money_can_be_repeated_where_nothing_was_run_with_more(studied: Path, opened: Any) -> None:
    found = table.read(studied.parent)
    (field,) = report.fields(found)
    advice = words(recommendation.recommend(field, 1000, repricing.asked(found), "SUITE"))
    with opened(studied) as shown:
        shown.number("budget", 1000)
        there = shown.page.inner_text("#verdict")
    assert missing(there, "annotate with 160 USD", "costs 160.00 USD") == []
    assert re.findall(r"[\d.]+", there.split("annotate with")[1])[:6] == re.findall(r"[\d.]+", advice.split("annotate with")[1])[:6]


def test_break_even_prices_stay_as_they_are_and_name_both_strategies(studied: Path, opened: Any) -> None:
    with opened(studied) as shown:
        before = shown.page.inner_text("#break-even")
        shown.number("price-label", 0.1)
        assert shown.page.inner_text("#break-even") == before
        rows = shown.page.locator("#break-even tbody tr").all_inner_texts()
        assert rows
        assert all("annotate" in row and "distill" in row for row in rows)
        assert shown.page.locator("#break-even img").count() == 0
