"""Labels that an LLM wrote elsewhere: bought from a file at a price, audited against the labels owned."""

import json
from pathlib import Path
from typing import Any

import pytest

from bench.contracts import FLOPS, OWN_PRICE, Example, Limit, Splits, content_hash, no_progress, numbers
from bench.errors import BenchError, NotEnough, OverBudget
from bench.execution.job import ArmJob
from bench.execution.purse import Purse
from bench.execution.store import DryStore, Store
from bench.results import arm_columns
from bench.results.repricing import Quotes, _price_and_payer
from bench.strategies.llm_label import _buying
from bench.suite.prices import Pays, PriceBook
from bench.training.llm_prompt import Prompt
from bench.training.llm_written import AGREEMENT, AUDITED, CONFUSED, PAIRS_AT_MOST, USABLE_USD, Written, audit, in_order
from tests.strategies.llm_arms import POOL, SPLITS, TEXTS, TRAIN, arm, artifacts, charges, run

PRICE = {"usd_per_label": 0.01, "prompt_tokens_per_label": 100, "output_tokens_per_label": 5}
EACH_USD = 0.01 + 100 * 100 / 1e6 + 5 * 400 / 1e6


def right(text: str) -> str:
    return " ".join(text.split()[1:3])


def texts(folder: Path, target: str | None = "says") -> dict[str, str]:
    """What to put into the suite of `llm_arms`: a text with one label of an LLM for each document, one in four of them wrong."""
    path = folder / "gpt.jsonl"
    rows = [{"text": text, "says": right(text) if i % 4 else "a cat"} for i, text in enumerate(TEXTS)]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    settings = {"path": str(path)} | ({"target": target} if target else {})
    return {"\nmodels:": "\ntexts: " + json.dumps({"gpt": {"use": "files", "with": settings}}) + "\nmodels:"}


def written(**settings: Any) -> dict[str, Any]:
    return {"written": {"text": "gpt", **PRICE, **settings}, "sampling": {}}


def test_labels_of_a_file_are_paid_by_label_and_by_token(cache: Path, tmp_path: Path) -> None:
    outcome = run(tmp_path, cache, written(), **texts(tmp_path))
    assert charges(tmp_path) == {
        "prompt tokens": {"quantity": 100 * len(TEXTS), "usd": pytest.approx(100 * len(TEXTS) * 100 / 1e6), "unit": "token"},
        "output tokens": {"quantity": 5 * len(TEXTS), "usd": pytest.approx(5 * len(TEXTS) * 400 / 1e6), "unit": "token"},
        "LLM labels": {"quantity": len(TEXTS), "usd": pytest.approx(0.01 * len(TEXTS)), "unit": OWN_PRICE},
    }
    facts = numbers(outcome.facts)
    assert (facts["pseudo_labels"], facts[AUDITED], facts["invalid_answers"]) == (len(TEXTS) - 8, 8, 0)
    assert len(outcome.student.examples) == len(TEXTS)  # type: ignore[attr-defined]
    assert "thought_tokens" not in facts


def test_the_audit_counts_the_labels_owned_with_which_the_llm_agrees(cache: Path, tmp_path: Path) -> None:
    outcome = run(tmp_path, cache, written(), **texts(tmp_path))
    loaded, planned = arm(tmp_path, written(), **texts(tmp_path))
    owned = ArmJob(loaded, planned, SPLITS, Purse(4.0), DryStore(cache, no_progress)).labels(0.0)
    agree = sum(TEXTS.index(example.source) % 4 > 0 for example in owned)
    facts = numbers(outcome.facts)
    assert facts[AGREEMENT] == pytest.approx(100 * agree / 8)
    assert facts[USABLE_USD] == pytest.approx(EACH_USD * 8 / agree)


def test_a_plan_forecasts_what_a_run_pays(cache: Path, tmp_path: Path) -> None:
    outcome = run(tmp_path, cache, written(), **texts(tmp_path))
    loaded, planned = arm(tmp_path, written(), **texts(tmp_path))
    purse = Purse(planned.budget_usd)
    dry = planned.cell.strategy.run(ArmJob(loaded, planned, SPLITS, purse, DryStore(cache, no_progress)))
    assert numbers(dry.facts) == pytest.approx(numbers(outcome.facts))


def test_audited_labels_are_bought_first_and_money_ends_the_purchase(cache: Path, tmp_path: Path) -> None:
    price = {"usd_per_label": 0.2, "prompt_tokens_per_label": 0, "output_tokens_per_label": 0}
    facts = numbers(run(tmp_path, cache, written(**price), **texts(tmp_path)).facts)
    assert charges(tmp_path)["LLM labels"]["quantity"] == 10  # half of 4 USD
    assert (facts[AUDITED], facts["pseudo_labels"]) == (8, 2)
    with pytest.raises(OverBudget):
        run(tmp_path, cache, written(**(price | {"usd_per_label": 3.0})), name="dear", **texts(tmp_path))


def test_labels_that_are_no_class_are_paid_and_not_trained_on(cache: Path, tmp_path: Path) -> None:
    known = sorted({right(text) for text in TEXTS})
    outcome = run(tmp_path, cache, {**written(), "prompt": {"answers": [known]}}, **texts(tmp_path))
    wrong = len(range(0, len(TEXTS), 4))
    assert numbers(outcome.facts)["invalid_answers"] == wrong
    assert charges(tmp_path)["LLM labels"]["quantity"] == len(TEXTS)
    assert len(artifacts(tmp_path, "invalid.jsonl")) == wrong


def test_a_text_without_labels_ends_the_arm(cache: Path, tmp_path: Path) -> None:
    with pytest.raises(NotEnough, match="`target`"):
        run(tmp_path, cache, written(), **texts(tmp_path, target=None))


def test_documents_of_dev_and_test_are_left_out_and_those_that_quote_them_stay(cache: Path, tmp_path: Path) -> None:
    dev = (Example("d0", f" {TEXTS[20].upper()}", None), Example("d1", "by the", None))
    splits = Splits(TRAIN, POOL, dev, (Example("x0", TEXTS[30], right(TEXTS[30])),), "fingerprint")
    facts = numbers(run(tmp_path, cache, written(), splits=splits, **texts(tmp_path)).facts)
    assert (facts["held_out_documents"], facts["pseudo_labels"]) == (2, len(TEXTS) - 8 - 2)
    everything = Splits(TRAIN, POOL, (), tuple(Example(f"x{i}", text, "a") for i, text in enumerate(TEXTS)), "fingerprint")
    with pytest.raises(NotEnough, match=f"{len(TEXTS)}.*dev or test"):
        run(tmp_path, cache, written(), name="none", splits=everything, **texts(tmp_path))


def test_a_label_of_several_lines_is_whole_in_a_plan_and_in_a_run(cache: Path) -> None:
    two_lines = (Example("a", "a document", "one line\nanother line"),)
    recipe = _buying(Written(text="gpt", usd_per_label=0.0), Prompt())(two_lines)
    store = Store(cache, cache, "cpu", {}, no_progress)
    store.bill_for(recipe, Limit(meter=FLOPS))
    assert [one.target for one in store.value(recipe).examples] == [two_lines[0].target]
    assert [one.target for one in recipe.placeholder(store.context).examples] == [two_lines[0].target]


def test_the_price_of_a_usable_label_is_the_same_if_nobody_pays(cache: Path, tmp_path: Path) -> None:
    paid = numbers(run(tmp_path, cache, written(), **texts(tmp_path)).facts)
    free = {**texts(tmp_path), "prices: {": "pays: {pseudo_labelling: free}\nprices: {"}
    facts = numbers(run(tmp_path, cache, written(), name="free", **free).facts)
    assert charges(tmp_path, "free") == {}
    assert facts[USABLE_USD] == pytest.approx(paid[USABLE_USD])


@pytest.mark.parametrize(
    ("price", "fault"),
    [
        ({"usd_per_label": None}, None),
        ({"usd_per_label": 0}, None),
        ({"usd_per_label": None, "prompt_tokens_per_label": 0}, None),
        ({"usd_per_label": None, "prompt_tokens_per_label": 0, "output_tokens_per_label": 0}, "usd_per_label"),
    ],
)
def test_labels_need_a_price(price: dict[str, Any], fault: str | None, tmp_path: Path) -> None:
    if fault is None:
        arm(tmp_path, written(**price), **texts(tmp_path))
    else:
        with pytest.raises(BenchError, match=fault):
            arm(tmp_path, written(**price), **texts(tmp_path))


@pytest.mark.parametrize("output", [5, 0])
def test_counted_tokens_need_a_price_in_the_suite(output: int, tmp_path: Path) -> None:
    unpriced = {**texts(tmp_path), ", usd_per_1m_output_tokens: 400": ""}
    if output:
        with pytest.raises(BenchError, match=r"prices\.usd_per_1m_output_tokens.*output_tokens_per_label"):
            arm(tmp_path, written(), **unpriced)
    arm(tmp_path, written(output_tokens_per_label=0), **unpriced)


@pytest.mark.parametrize(
    ("name", "setting"),
    [
        ("prompt", {"few_shot": 2}),
        ("prompt", {"instruction": "Say: {source}"}),
        ("prompt", {"system": "Be brief."}),
        ("sampling", {"max_output_tokens": 8}),
    ],
)
def test_settings_for_an_llm_that_is_asked_are_refused(name: str, setting: dict[str, Any], tmp_path: Path) -> None:
    with pytest.raises(BenchError, match=f"{name}.{next(iter(setting))}"):
        arm(tmp_path, {**written(), name: setting}, **texts(tmp_path))


@pytest.mark.parametrize(
    "other", [{"teacher": "llm"}, {"endpoint": {"base_url": "http://127.0.0.1:9/v1", "model": "tiny"}}, {"score_teacher": True}]
)
def test_labels_come_from_one_source(other: dict[str, Any], tmp_path: Path) -> None:
    with pytest.raises(BenchError, match=r"endpoint"):
        arm(tmp_path, {**written(), **other}, **texts(tmp_path))


def test_other_prices_leave_the_price_of_such_a_label() -> None:
    quotes = Quotes(book=PriceBook(label_usd=7.0), label_usd={})
    assert _price_and_payer(quotes, Pays(), "own", "pseudo_labelling", "LLM labels", OWN_PRICE, 0.01, "purse") == (0.01, "purse")


OWNED = {content_hash(f"document {i}"): ("good", "bad", "so so")[i % 3] for i in range(60)}


def labelled(says: dict[str, str]) -> list[Example]:
    """An LLM's labels for 60 documents that are owned and 40 that are not; `says` maps a label to what the LLM says."""
    return [Example(f"{i}", f"Document  {i}", says.get(label := ("good", "bad", "so so")[i % 3], label)) for i in range(100)]


def test_confused_classes_are_counted() -> None:
    facts = numbers(audit(labelled({"bad": "Good "}), OWNED, 10.0))
    assert facts == {
        AUDITED: 60,
        AGREEMENT: pytest.approx(200 / 3),
        USABLE_USD: pytest.approx(10 / (100 * 2 / 3)),
        f"{CONFUSED}'good' where 'bad' is owned": 20,
    }


def test_the_most_frequent_pairs_are_kept() -> None:
    bought = [Example(f"{i}", f"document {i}", f"wrong {i % 15}") for i in range(60)]
    facts = numbers(audit(bought, OWNED, 10.0))
    assert (facts[AGREEMENT], sum(name.startswith(CONFUSED) for name in facts)) == (0, PAIRS_AT_MOST)
    assert USABLE_USD not in facts


def test_free_texts_have_no_pairs() -> None:
    owned = {content_hash(f"document {i}"): f"a text of its own, number {i}" for i in range(30)}
    bought = [Example(f"{i}", f"document {i}", f"a text of its own, number {i // 2 * 2}") for i in range(30)]
    facts = numbers(audit(bought, owned, 0.0))
    assert facts == {AUDITED: 30, AGREEMENT: 50, USABLE_USD: 0}


def test_documents_that_are_owned_come_first() -> None:
    written = [Example("a", "x", "l"), Example("c", "document 2", "l"), Example("d", "y", "l")]
    assert [example.id for example in in_order(written, OWNED)] == ["c", "a", "d"]


def test_blank_labels_are_not_bought(cache: Path, tmp_path: Path) -> None:
    given = texts(tmp_path)
    path = tmp_path / "gpt.jsonl"
    path.write_text(path.read_text() + json.dumps({"text": "one more", "says": " "}) + "\n")
    run(tmp_path, cache, written(), **given)
    assert charges(tmp_path)["LLM labels"]["quantity"] == len(TEXTS)


def test_the_report_finds_the_facts_by_their_names() -> None:
    assert (arm_columns.LLM_AUDITED, arm_columns.LLM_AGREEMENT, arm_columns.LLM_USABLE_USD) == (AUDITED, AGREEMENT, USABLE_USD)
    assert arm_columns.LLM_CONFUSED == CONFUSED
