"""The dollars at which each strategy reaches a score."""

import math
from pathlib import Path

import pytest

from bench import report
from bench.execution.ledger import LIMITED
from bench.report.analysis import targets
from bench.report.analysis.budget_curves import Field
from bench.report.analysis.steps import steps
from bench.report.analysis.targets import Need
from bench.results import table
from tests.report import study
from tests.report.arms import write_arm, write_suite
from tests.report.reading import made, rows


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("study")
    study.write(folder)
    return folder


@pytest.fixture(scope="module")
def field(folder: Path) -> Field:
    return report.fields(table.read(folder))[0]


def _needs(field: Field, target: float, label_usd: float = study.LABEL_USD) -> dict[str, Need]:
    quotes = field.asked.at("label", label_usd)
    return {need.strategy: need for need in targets.needs(field, targets.paths(field, quotes), target)}


def test_a_score_between_two_budgets_costs_what_lies_between_them(field: Field) -> None:
    # annotate: 27.6 points at 10 USD, 37.5 at 40, 47.5 at 160, so 30 points need 10 * 4 ** ((30 - 27.63) / 10) USD
    ten, forty = (study.annotated(round(0.9 * budget / study.LABEL_USD)) for budget in (10.0, 40.0))
    need = _needs(field, 30.0)["annotate"]
    assert need.usd == pytest.approx(10 * 4 ** ((30 - ten) / (forty - ten)), rel=1e-6)
    assert 10 < need.low < need.usd < need.high < 40
    assert need.bought is not None
    assert need.bought.amount("label") == pytest.approx(0.9 * need.usd / study.LABEL_USD, rel=0.2)
    assert (need.least, need.most) == (10, 160)


def test_the_interval_holds_the_budgets_at_which_the_target_lies_in_the_interval_of_the_score(field: Field) -> None:
    need = _needs(field, 35.0)["annotate"]
    (offer,) = [offer for offer in field.offers(field.asked) if offer.name == "annotate"]
    for usd, end in ((need.low, "high"), (need.high, "low")):
        mixture = offer.at(usd)
        assert mixture is not None
        assert getattr(field.reached(mixture), end) == pytest.approx(35, abs=0.02)


def test_the_cheapest_comes_first_and_what_is_not_reached_comes_last(field: Field) -> None:
    needs = _needs(field, study.DISTILLED - 0.5)
    assert list(needs) == ["distill", "annotate"]
    distilled = needs["distill"]
    assert distilled.usd == pytest.approx(2.0)  # its compute costs as much, whatever the budget
    assert distilled.usd == distilled.least
    above = _needs(field, study.DISTILLED + 5)
    assert list(above) == ["annotate", "distill"]
    assert above["distill"].usd is None
    assert above["distill"].bought is None
    assert above["distill"].best.mean == pytest.approx(study.DISTILLED)
    assert above["distill"].high == math.inf


def test_at_twice_the_price_of_a_label_a_score_costs_more(field: Field) -> None:
    dear, cheap = (_needs(field, 35.0, usd)["annotate"].usd for usd in (2 * study.LABEL_USD, study.LABEL_USD))
    assert dear is not None
    assert cheap is not None
    assert dear == pytest.approx(1.9 * cheap)  # nine tenths of the budget go to labels


def test_where_lower_is_better_a_target_is_reached_from_above(tmp_path: Path) -> None:
    write_suite(tmp_path, prices=study.PRICES, primary_metric="wer", label_usd={"docstrings": study.LABEL_USD})
    for budget, score in ((10.0, 40.0), (40.0, 20.0)):
        for seed in range(2):
            write_arm(
                tmp_path,
                f"{budget:g}-{seed}",
                {"student": {"wer": [score, score, score + 2 * seed, score - 2 * seed]}},
                budget_usd=budget,
                seed=seed,
                charges=study.compute(budget, "student_training"),
                facts={LIMITED: 1},
            )
    for path in tmp_path.glob("*/*.jsonl"):
        path.write_text(path.read_text().replace('"higher"', '"lower"'))
    field = report.fields(table.read(tmp_path))[0]
    assert _needs(field, 30.0)["annotate"].usd == pytest.approx(20.0)
    assert _needs(field, 10.0)["annotate"].usd is None


def test_the_report_has_dollars_for_the_scores_of_the_best_settings(folder: Path) -> None:
    found = rows(made(folder)["targets"])
    at_forty = next(row for row in found if row["as high as"] == "annotate at 40 USD")
    assert at_forty["annotate (USD)"].startswith("40.0 [")
    assert at_forty["distill (USD)"] == "not with any budget"


def test_a_step_gains_what_the_scores_differ_by(field: Field) -> None:
    found = steps(field, field.asked)
    assert [(step.strategy, step.before_usd, step.after_usd) for step in found] == [("annotate", 10, 40), ("annotate", 40, 160)]
    for step in found:
        assert step.gain.mean == pytest.approx(10)  # two doublings
        assert step.gain.low < 10 < step.gain.high
    assert found[0].further_usd == pytest.approx(30)


def test_the_report_shows_steps_and_none_where_the_same_is_spent(folder: Path) -> None:
    found = rows(made(folder)["more-money"])
    assert {row["strategy (setting)"] for row in found} == {"annotate"}
    assert [row["for each further 10 USD"] for row in found] == ["3.33", "0.83"]
