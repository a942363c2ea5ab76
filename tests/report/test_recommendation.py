"""What to do, in a paragraph; and what a model costs that is used."""

import math
import re
from pathlib import Path

import pytest

from bench import report
from bench.errors import BenchError
from bench.execution.ledger import LIMITED
from bench.report.analysis import leaderboard, serving_cost
from bench.report.analysis.budget_curves import Field
from bench.report.blocks import strong
from bench.report.render.markdown import inline
from bench.report.sections import recommendation
from bench.report.text import dollars
from bench.results import repricing, table
from bench.results.table import Results
from tests.facts import missing
from tests.report import study
from tests.report.arms import write_arm, write_suite
from tests.report.reading import equal, section, words
from tests.report.test_card import cards, write_one_noisy

pytestmark = pytest.mark.usefixtures("empty_plots")


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> Results:
    return study.write(tmp_path_factory.mktemp("study"))


@pytest.fixture(scope="module")
def field(found: Results) -> Field:
    return report.fields(found)[0]


def _advice(field: Field, budget: float, label_usd: float = study.LABEL_USD) -> str:
    return words(recommendation.recommend(field, budget, field.asked.at("label", label_usd), "a suite.yaml"))


def test_it_says_what_to_buy_what_to_expect_and_what_it_costs(field: Field) -> None:
    advice = _advice(field, 160)
    assert missing(advice, "Take annotate: buy 2,880 labels", "144.00 USD", "16.00 USD", "160.00 USD") == []
    assert "Expected rouge2: 44.24 [" in advice
    assert "(as it was run)" in advice
    assert "Next is distill, 14.24 [" in advice


def test_between_budgets_that_were_run_it_says_that_it_interpolates(field: Field) -> None:
    assert "budgets of 40 and 160 USD" in _advice(field, 80)


def test_it_says_at_which_price_the_answer_flips(field: Field) -> None:
    assert "label above 0.0944 USD [" in _advice(field, 40)
    assert "is distill." in _advice(field, 40)
    assert "label below 0.0944 USD [" in _advice(field, 40, label_usd=0.15)
    assert "is annotate." in _advice(field, 40, label_usd=0.15)


def test_it_never_promises_what_was_not_run(field: Field) -> None:
    advice = _advice(field, 1000)
    assert "Only one setting" in advice
    assert missing(advice, "run annotate with", "about 1000 USD") == []
    assert "Take" not in advice


def test_of_what_was_run_with_less_money_the_best_can_be_done_again_and_it_says_so(field: Field) -> None:
    advice = _advice(field, 1000)
    assert missing(advice, "annotate with 160 USD", "160.00 USD") == []
    assert "reached 44.24 [" in advice
    assert "leaves 840.00 USD" in advice
    assert "The run of" not in _advice(field, 160)
    assert "The run of" not in _advice(field, 1)


def test_where_nothing_was_run_with_so_much_money_it_does_not_say_that_the_money_is_too_little(tmp_path: Path) -> None:
    found = study.write(tmp_path)
    table = found.table[found.table["strategy"] == "annotate"]
    (field,) = report.fields(Results(table=table, examples=found.examples, records=found.records, suite=found.suite))
    advice = _advice(field, 1000)
    assert "with less money" in advice
    assert missing(advice, "annotate with 160 USD", "160.00 USD") == []


def test_where_the_budget_covers_nothing_it_says_what_would_be_covered(field: Field) -> None:
    advice = _advice(field, 1)
    assert "cost more" in advice
    assert missing(advice, "annotate from 10 to 160 USD", "distill from 2 USD") == []


def test_between_the_budgets_of_two_settings_neither_too_little_nor_too_much_money_is_the_reason(tmp_path: Path) -> None:
    write_suite(tmp_path, prices=study.PRICES, label_usd={"docstrings": study.LABEL_USD})
    for strategy, budget in (("annotate", 5.0), ("sft", 80.0)):
        charges = study.compute(budget, "student_training")
        write_arm(tmp_path, strategy, equal(3.0), strategy=strategy, budget_usd=budget, charges=charges, facts={LIMITED: 1})
    (field,) = report.fields(table.read(tmp_path))
    advice = _advice(field, 20)
    assert missing(advice, "near this budget", "annotate from 5 to 5 USD", "sft from 80 to 80 USD") == []
    assert not re.search("less money|cost more", advice)


def test_the_next_setting_is_the_one_that_ties_as_on_the_answer_card(tmp_path: Path) -> None:
    write_suite(tmp_path, prices=study.PRICES)
    write_one_noisy(tmp_path, ahead=3.5, spread=3.0)
    (field,) = report.fields(table.read(tmp_path))
    ((*_, last),) = cards(tmp_path)
    assert last.split("; ")[0] in _advice(field, 10)
    assert "layers=noisy" in last.split("; ")[0]


def test_a_tie_is_a_guess_and_it_says_which_further_arms_would_settle_it(tmp_path: Path) -> None:
    (field,) = report.fields(study.write(tmp_path, noise=40.0, seeds=2))
    advice = _advice(field, 40)
    assert missing(advice, "no winner", "guess is annotate", "Next is distill") == []
    assert re.search("cheaper|until-decided|test examples", advice)


def test_one_task_can_be_asked_for_and_another_is_refused(found: Results) -> None:
    assert [field.task for field in report.fields(found, "docstrings")] == ["docstrings"]
    with pytest.raises(BenchError, match=r"'x'.*docstrings"):
        report.fields(found, "x")


def test_names_are_shown_and_do_nothing(tmp_path: Path) -> None:
    found = study.write(tmp_path)
    table = found.table.assign(strategy=found.table["strategy"].replace("annotate", "<script>*a*"))
    (field,) = report.fields(Results(table=table, examples=found.examples, records=found.records, suite=found.suite))
    advice = recommendation.recommend(field, 160, field.asked, "a suite.yaml")
    assert strong("<script>*a*") in advice
    assert "**&lt;script&gt;\\*a\\***" in inline(advice)


@pytest.mark.parametrize(
    ("first", "second", "answers"),
    [
        ((10.0, 0.02), (30.0, 0.01), 2000.0),  # dearer to make by 20 dollars, cheaper by a cent each time
        ((10.0, 0.02), (30.0, 0.02), math.inf),
        ((10.0, 0.02), (30.0, 0.03), math.inf),
        ((10.0, 0.02), (5.0, 0.01), 0.0),
        ((10.0, 0.02), (5.0, 0.03), math.inf),  # from the start, but not for ever
    ],
)
def test_a_model_that_answers_for_less_pays_for_itself_from_some_number_of_answers_on(
    first: tuple[float, float], second: tuple[float, float], answers: float
) -> None:
    assert serving_cost.break_even(*first, *second) == pytest.approx(answers)


def test_use_is_counted_at_the_price_of_the_device(found: Results) -> None:
    boards = leaderboard.boards(found, leaderboard.metrics(found))
    known = serving_cost.served(boards[1], repricing.asked(found))
    by_name = {one.line.name: one for one in known}
    answer = 0.020 * 3.6 / 3600  # 20 ms at 3.6 dollars an hour
    assert by_name["annotate"].answer == pytest.approx(answer)
    assert by_name["annotate"].total(1e6) == pytest.approx(40 + 1e6 * answer)
    assert by_name["distill"].pays_from == 0  # its teacher cost the same 2 dollars, and takes three times as long
    assert by_name["annotate"].pays_from is None
    assert min(known, key=lambda one: one.total(1e6)) is by_name["distill"]


def test_the_report_counts_with_the_use_that_was_advice(tmp_path: Path) -> None:
    quotes = repricing.asked(study.write(tmp_path / "study"))
    text = report.write(tmp_path / "study", quotes, serving_cost.Use(1000, 12), tmp_path / "out").read_text(encoding="utf-8")
    use = section(text, "Total cost including serving")
    assert missing(use, "in all after 12,000", "12,000 answers (USD)", "1,000 requests a month", "12 months") == []
    assert dollars(40 + 12000 * 0.02 * 3.6 / 3600, computed=True) in use
