"""Prices by name set the numbers of the price book, and leave no trace in what identifies an arm."""

import re
from pathlib import Path

import pytest

from bench import published
from bench.errors import SuiteError
from bench.forecast import gpus
from bench.suite import arms, named_prices, suite_file
from bench.suite.named_prices import KINDS
from bench.suite.prices import PriceBook

SUITE = """
suite: named
question: Which?
large: {use: random}
tasks: {own: {use: files, with: {train: data.csv, source: a, target: b}}}
strategies: {annotate: {use: annotate}}
start_labels: 10
budgets_usd: [1]
seeds: [1]
prices: PRICES
"""


def read(tmp_path: Path, prices: str) -> suite_file.Suite:
    path = tmp_path / "named.yaml"
    path.write_text(SUITE.replace("PRICES", prices), encoding="utf-8")
    return suite_file.read(path)


def test_a_suite_with_names_has_the_arms_of_the_suite_with_the_numbers(tmp_path: Path) -> None:
    by_name = read(tmp_path, "{label: kang2023-wlp, device: A100-80GB, llm: gpt-4o-mini}")
    by_number = read(
        tmp_path,
        "{label_usd: 0.26, device_hour_usd: 1.79, device_flops_per_second: 9.36e13, "
        "usd_per_1m_prompt_tokens: 0.15, usd_per_1m_output_tokens: 0.6}",
    )
    assert [arm.id for arm in arms.arms(by_name)] == [arm.id for arm in arms.arms(by_number)]
    assert [(kind, price.as_of) for kind, price in by_name.spec.prices.named()] == [
        ("label", "2023-07"),
        ("device", "2026-11"),
        ("llm", "2026-11"),
    ]
    stored = by_name.spec.prices.model_dump(mode="json", exclude_none=True)
    assert not {*KINDS} & stored.keys()
    assert PriceBook.model_validate(stored) == by_number.spec.prices


def test_the_speed_of_a_device_may_be_given_beside_its_name(tmp_path: Path) -> None:
    book = read(tmp_path, "{label_usd: 0.1, device: h200, device_flops_per_second: 2e14}").spec.prices
    assert (book.device_hour_usd, book.device_flops_per_second) == (6.35, 2e14)


@pytest.mark.parametrize(
    ("prices", "place", "fact"),
    [
        ("{label_usd: 0.1, device: a100-80}", "prices.device", "a100-80gb"),
        ("{label_usd: 0.1, llm: gpt-4o-min}", "prices.llm", "gpt-4o-mini"),
        ("{label: kang2023-wlb}", "prices.label", "kang2023-wlp"),
        ("{label: kang2023-wlp, label_usd: 0.1}", "prices", "label_usd"),
        ("{label_usd: 0.1, llm: gpt-4o-mini, usd_per_1m_output_tokens: 1}", "prices", "usd_per_1m_output_tokens"),
        ("{label_usd: 0.1, device: t4}", "prices", "device_flops_per_second"),
        ("{device: h200}", "prices.label_usd", "missing"),
    ],
)
def test_a_wrong_name_or_a_contradiction_is_one_fault(tmp_path: Path, prices: str, place: str, fact: str) -> None:
    with pytest.raises(SuiteError) as refused:
        read(tmp_path, prices)
    (fault,) = refused.value.faults
    assert fault.split(": ")[1] == place
    assert fact in fault


def test_every_gpu_of_bench_fit_has_its_price_here() -> None:
    priced = {name: price.settings["device_hour_usd"] for name, price in named_prices.named_prices("device").items()}
    assert priced == {card.name.lower(): card.usd_per_hour for card in gpus.cards()}


@pytest.mark.parametrize("kind", KINDS)
def test_every_price_has_a_name_of_its_own_a_source_and_a_date(kind: named_prices.Kind) -> None:
    found = named_prices.named_prices(kind)
    rows = {"label": "kang2023_compute", "device": "cards", "llm": "llm_prices"}[kind]
    assert len(found) == len(published.rows(rows))
    for name, price in found.items():
        assert re.fullmatch(r"[a-z0-9][a-z0-9.-]*", name)
        assert re.fullmatch(r"20\d\d(-\d\d)?", price.as_of)
        assert price.source
        assert all(usd > 0 for usd in price.settings.values())
        assert PriceBook(**{"label_usd": 1.0, "device_flops_per_second": 1e14, **price.settings})
