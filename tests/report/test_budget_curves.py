"""Quality over dollars, at the prices asked and at others."""

import math
from pathlib import Path

import numpy as np
import pytest

from bench.report.analysis import budget_curves, leaderboard
from bench.report.analysis.budget_curves import Field
from bench.results import repricing
from bench.results.table import Results
from tests.report import study


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> Results:
    return study.write(tmp_path_factory.mktemp("study"))


@pytest.fixture(scope="module")
def field(found: Results) -> Field:
    (only,) = budget_curves.fields(found, leaderboard.boards(found, leaderboard.metrics(found)))
    return only


def _at(field: Field, budget: float, quotes: repricing.Quotes | None = None) -> dict[str, budget_curves.Mixture]:
    return {mixture.name: mixture for mixture in field.at(budget, field.offers(quotes or field.asked))}


@pytest.mark.parametrize("budget", study.BUDGETS)
def test_at_the_prices_asked_a_budget_that_was_run_gives_what_it_gave(field: Field, budget: float) -> None:
    told = _at(field, budget)
    assert told["annotate"].mean == pytest.approx(study.annotated(0.9 * budget / study.LABEL_USD))
    assert told["annotate"].measured
    assert told["annotate"].dollars == pytest.approx(budget)
    assert told["distill"].mean == pytest.approx(study.DISTILLED)
    assert told["distill"].dollars == pytest.approx(2.0)


def test_between_two_budgets_scores_are_linear_in_the_logarithm(field: Field) -> None:
    assert _at(field, 20)["annotate"].mean == pytest.approx(study.annotated(0.9 * 20 / study.LABEL_USD))
    assert not _at(field, 20)["annotate"].measured


@pytest.mark.parametrize("label_usd", [0.01, 0.05, 0.1])
@pytest.mark.parametrize("budget", [12, 20, 33, 100])
def test_between_two_budgets_the_budget_is_spent_as_around_it_and_never_more(field: Field, budget: float, label_usd: float) -> None:
    quotes = field.asked.at("label", label_usd)
    for mixture in field.at(budget, field.offers(quotes)):
        sold = sum(mixture.amount(what) * quotes.price(what, field.task) for what in repricing.PRICES)
        assert mixture.dollars == pytest.approx(sold)
        assert mixture.dollars <= budget * (1 + 1e-9)
    if label_usd == study.LABEL_USD:
        assert _at(field, budget)["annotate"].amount("label") == pytest.approx(0.9 * budget / label_usd, rel=1e-3)


def test_effects_are_interpolated_as_the_means_are(field: Field) -> None:
    weights, effects = field.weighted([_at(field, budget)["annotate"] for budget in (10, 20, 40)])
    for part in effects.parts:
        ten, twenty, forty = weights @ part
        np.testing.assert_allclose(twenty, (ten + forty) / 2, atol=1e-12)


@pytest.mark.parametrize("budget", [9.9, 161])
def test_outside_of_the_budgets_that_were_run_there_is_no_estimate(field: Field, budget: float) -> None:
    assert "annotate" not in _at(field, budget)


def test_what_money_did_not_set_costs_what_it_costs_and_holds_for_every_greater_budget(field: Field) -> None:
    assert "distill" not in _at(field, 1.9)
    assert _at(field, 2.0)["distill"].dollars == pytest.approx(2.0)
    assert _at(field, 1e6)["distill"].mean == pytest.approx(study.DISTILLED)


def test_at_twice_the_prices_the_same_work_stands_for_twice_the_budget(field: Field) -> None:
    dear = field.asked.changed({"": 0.1}, device_hour_usd=7.2)
    assert _at(field, 80, dear)["annotate"].mean == pytest.approx(_at(field, 40)["annotate"].mean)
    assert _at(field, 80, dear)["annotate"].dollars == pytest.approx(80)
    assert "distill" not in _at(field, 3.9, dear)


def test_where_labels_alone_are_dearer_a_point_stands_for_the_budget_it_spends_the_same_share_of(field: Field) -> None:
    dear = field.asked.changed({"": 0.1})  # of 40 dollars, 36 bought labels: now 72 and 4
    assert _at(field, 76, dear)["annotate"].measured
    assert _at(field, 76, dear)["annotate"].amount("label") == pytest.approx(720)


def test_a_setting_that_lacks_a_seed_is_left_out(tmp_path: Path) -> None:
    found = study.write(tmp_path)
    table = found.table[~found.table["arm"].isin(["distill-10-0", "distill-40-0", "distill-160-0"])]
    short = Results(table=table, examples=found.examples, records=found.records, suite=found.suite)
    (field,) = budget_curves.fields(short, leaderboard.boards(short, leaderboard.metrics(short)))
    assert [curve.name for curve in field.curves] == ["annotate"]
    assert field.left_out == ("distill",)


def test_a_score_of_the_whole_test_set_has_a_mean_and_no_interval(tmp_path: Path) -> None:
    found = study.write(tmp_path)
    bare = Results(table=found.table, examples={}, records=found.records, suite=found.suite)
    (field,) = budget_curves.fields(bare, leaderboard.boards(bare, leaderboard.metrics(bare)))
    best, other = field.at(160, field.offers(field.asked))
    assert best.mean > other.mean
    assert math.isnan(field.ranking([best, other]).difference(best.name, other.name).low)


def test_by_another_meter_points_cost_what_that_meter_counted(found: Results) -> None:
    drawn = leaderboard.boards(found, leaderboard.metrics(found))
    wall = repricing.asked(found).changed({}, meter="wall")  # half a second for each 1e9 FLOP, at the price of a second for as many
    (by_wall,) = budget_curves.fields(found, drawn, wall)
    offers = by_wall.offers(wall)
    distill = next(offer for offer in offers if offer.name == "distill")
    assert [place.cost for place in distill.places] == pytest.approx([1.0] * 3)
    annotate = {mixture.name: mixture for mixture in by_wall.at(38, offers)}["annotate"]
    assert annotate.measured  # of 40 dollars 36 were labels and 4 compute, which are 2 now
    assert annotate.dollars == pytest.approx(38)


def test_a_setting_whose_work_the_meter_did_not_count_is_left_out(tmp_path: Path) -> None:
    found = study.write(tmp_path)
    uncounted = (found.table["strategy"] == "distill") & (found.table["unit"] == "kWh")
    without = Results(table=found.table[~uncounted], examples=found.examples, records=found.records, suite=found.suite)
    energy = repricing.asked(without).changed({}, meter="energy", kwh_usd=0.5)
    (field,) = budget_curves.fields(without, leaderboard.boards(without, leaderboard.metrics(without)), energy)
    assert [curve.name for curve in field.curves] == ["annotate"]
    assert field.left_out == ("distill",)
