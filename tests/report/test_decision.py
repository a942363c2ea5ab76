"""What to buy, and at which price the answer flips."""

import math
from dataclasses import replace
from pathlib import Path

import pytest

from bench.report.analysis import break_even, budget_curves, decision, leaderboard
from bench.report.analysis.break_even import BreakEven
from bench.report.analysis.budget_curves import Field
from tests.report import study


@pytest.fixture(scope="module")
def field(tmp_path_factory: pytest.TempPathFactory) -> Field:
    found = study.write(tmp_path_factory.mktemp("study"))
    (only,) = budget_curves.fields(found, leaderboard.boards(found, leaderboard.metrics(found)))
    return only


def _break_even(field: Field, budget: float, moved: str = "label") -> BreakEven | None:
    return next((one for one in break_even.break_evens(field, [budget], field.asked) if one.moved == moved), None)


@pytest.mark.parametrize(("budget", "best"), [(10.0, "distill"), (160.0, "annotate")])
def test_a_verdict_names_the_setting_that_is_truly_better(field: Field, budget: float, best: str) -> None:
    verdict = decision.verdict(field, budget, field.asked)
    assert verdict.best
    assert verdict.best.name == best
    assert verdict.has_winner


def test_where_two_are_worth_the_same_neither_is_named_alone(field: Field) -> None:
    tie = 400 * study.LABEL_USD / 0.9  # 400 labels give annotate the 30 points of distill
    verdict = decision.verdict(field, tie, field.asked)
    assert len(verdict.candidates) == 2
    assert [mixture.name for mixture in verdict.tied] != []
    assert not verdict.has_winner


def test_a_setting_that_was_not_run_with_such_a_budget_is_not_compared(field: Field) -> None:
    verdict = decision.verdict(field, 5.0, field.asked)
    assert [mixture.name for mixture in verdict.candidates] == ["distill"]
    assert verdict.not_covered == ("annotate",)
    assert not verdict.has_winner


def test_the_map_flips_where_labels_get_cheap(field: Field) -> None:
    drawn = decision.decision_map(field, field.asked)
    assert drawn
    assert drawn.winners == ("annotate", "distill")
    assert len({cell.best.name for row in drawn.verdicts for cell in row if cell.best and cell.has_winner}) > 1
    column = drawn.budgets_usd.index(40.0)
    known = {usd: row[column] for usd, row in zip(drawn.label_usd, drawn.verdicts, strict=True)}
    assert known[study.LABEL_USD / 2].best.name == "annotate"
    assert known[study.LABEL_USD * 2].best.name == "distill"


def test_the_map_holds_every_budget_that_was_run_and_the_price_that_was_asked(field: Field) -> None:
    drawn = decision.decision_map(field, field.asked)
    assert drawn
    assert set(study.BUDGETS) <= set(drawn.budgets_usd)
    assert study.LABEL_USD in drawn.label_usd


def test_free_labels_have_no_map(field: Field) -> None:
    assert decision.decision_map(field, field.asked.at("label", 0.0)) is None


def test_budgets_of_0_have_no_map_and_are_left_out_beside_others(field: Field) -> None:
    assert decision.decision_map(replace(field, budgets_usd=(0.0,)), field.asked) is None
    drawn = decision.decision_map(replace(field, budgets_usd=(0.0, 40.0)), field.asked)
    assert drawn
    assert min(drawn.budgets_usd) > 0


def test_the_break_even_price_of_a_label_is_the_true_one_and_its_interval_holds_it(field: Field) -> None:
    found = _break_even(field, 40.0)
    # At a price p a budget of 40 stands for the b at which annotate spends the same share: n labels, 0.1 b of compute, n = 0.9 b / 0.05.
    # Worth the 30 points of distill are 400 labels, b = 22.2; they cost 400 p + 2.22 = 40 where p = 0.0944.
    assert found
    assert found.usd == pytest.approx((40 - 0.1 * 400 * 0.05 / 0.9) / 400, rel=0.02)
    assert found.low < found.usd < found.high
    assert (found.below, found.above) == ("annotate", "distill")


def test_prices_are_never_extrapolated(field: Field) -> None:
    found = _break_even(field, 40.0)
    assert found
    for usd in (found.least, found.most):
        assert len(field.at(40.0, field.offers(field.asked.at("label", usd)))) == 2
    for usd in (found.least / 1.05, found.most * 1.05):
        assert len(field.at(40.0, field.offers(field.asked.at("label", usd)))) == 1


def test_where_one_is_significantly_better_at_every_price_there_is_no_break_even(tmp_path: Path) -> None:
    found = study.write(tmp_path, noise=0.5)
    (field,) = budget_curves.fields(found, leaderboard.boards(found, leaderboard.metrics(found)))
    known = _break_even(field, 10.0, "device_hour")
    assert known
    assert known.usd is None
    assert (known.below, known.above) == ("distill", "annotate")
    assert math.isnan(known.low)


def test_an_interval_that_reaches_the_end_of_what_was_run_is_open(tmp_path: Path) -> None:
    found = study.write(tmp_path, noise=300.0)
    (field,) = budget_curves.fields(found, leaderboard.boards(found, leaderboard.metrics(found)))
    known = _break_even(field, 40.0)
    assert known
    assert (known.low, known.high) == (-math.inf, math.inf)


@pytest.mark.parametrize(("budget", "cheaper", "dearer"), [(25.0, "annotate", "distill"), (60.0, "distill", "annotate")])
def test_of_several_crossings_the_nearest_counts_with_its_own_direction(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, budget: float, cheaper: str, dearer: str
) -> None:
    monkeypatch.setattr(
        study, "annotated", {180: 20.0, 720: 40.0, 2880: 20.0}.__getitem__
    )  # above the 30 points of distill at 40 USD alone
    found = study.write(tmp_path)
    (field,) = budget_curves.fields(found, leaderboard.boards(found, leaderboard.metrics(found)))
    known = _break_even(field, budget)
    assert known
    assert known.usd
    assert (known.below, known.above) == (cheaper, dearer)
    for name, usd in ((known.below, known.usd / 1.05), (known.above, known.usd * 1.05)):
        assert field.at(budget, field.offers(field.asked.at("label", usd)))[0].name == name
    assert field.at(budget, field.offers(field.asked))[0].name == "annotate"
