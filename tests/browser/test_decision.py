"""What the page says to buy, in headless Chromium: the decision map, and what could be done again."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from bench import report
from bench.report.analysis import decision
from bench.report.plots import decision_map
from bench.report.sections import recommendation
from bench.results import repricing, table
from tests.report import study


@pytest.fixture(scope="module")
def studied(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("studied")
    study.write(folder, seeds=3, examples=60)
    report.write(folder)
    return folder / "report.html"


def _cells(shown: Any) -> list[list[str]]:
    return [row.split("\t") for row in shown.page.locator("#map-table tbody tr").all_inner_texts()]


@pytest.mark.parametrize("device", [3.6, 14.4, 0.9])
def test_the_decision_map_follows_the_price_of_the_device_and_says_what_python_says(studied: Path, opened: Any, device: float) -> None:
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
    with opened(studied) as shown:
        shown.number("price-device_hour", device)
        assert [row[1:] for row in _cells(shown)] == expected
        key = shown.page.locator("#map-table .legend li").all_inner_texts()
        assert ["".join(text.split()) for text in key] == [f"{letters[name]}{name}" for name in winners]
        assert shown.said == []


def test_the_field_of_the_chosen_budget_and_label_is_framed_and_unsure_fields_have_a_question_mark(studied: Path, opened: Any) -> None:
    with opened(studied) as shown:
        shown.number("budget", 40)
        shown.number("price-label", 0.1)
        framed = shown.page.locator("#map-table td.here")
        assert framed.count() == 1
        assert framed.evaluate("(cell) => cell.parentElement.firstElementChild.innerText") == "0.1"
        assert all(text.endswith("?") for text in shown.page.locator("#map-table td.unsure").all_inner_texts())
        assert not any("?" in text for text in shown.page.locator("#map-table td.sure").all_inner_texts())


def test_what_was_run_with_less_money_is_not_forgotten_where_nothing_is_told_of_more(studied: Path, opened: Any) -> None:
    found = table.read(studied.parent)
    (field,) = report.fields(found)
    said = recommendation.paragraph(field, 1000, repricing.asked(found))
    with opened(studied) as shown:
        shown.number("budget", 1000)
        there = shown.page.inner_text("#verdict")
    assert "What annotate did with 160 USD costs 160.00 USD at these prices" in there
    assert there.split("and reached ")[1].split(":")[0] == said.split("and reached ")[1].split(":")[0]


def test_prices_at_which_strategies_tie_are_said_to_stay(studied: Path, opened: Any) -> None:
    with opened(studied) as shown:
        text = shown.page.inner_text("#which-to-buy")
        assert "sliders do not move these" in text
        assert "where two strategies are worth the same" in text
        assert shown.page.locator("#which-to-buy img").count() == 0
