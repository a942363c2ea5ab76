"""report.html in a real browser."""

import itertools
import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bench import report
from bench.contracts import Charge
from bench.execution.ledger import LIMITED
from bench.report.analysis import cascade, decision, leaderboard, serving_cost, targets
from bench.report.analysis.serving_cost import Use
from bench.report.text import dollars
from bench.results import repricing, table
from tests.facts import missing
from tests.report import study
from tests.report.arms import write_arm, write_suite
from tests.report.reading import equal

axe_playwright = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe-playwright-python is not installed")

TAGS = '</script><script>window.run=1</script><img src=x onerror="window.run=2">'
TURNED = "abc\u202edef\u2066ghi\x1b[31m\x00"
REFERENCE = Path(__file__).parents[2] / "results" / "reference" / "pegasus"
PRICES = [(0.05, 3.6), (0.2, 1.25), (0.0125, 40.0)]


@pytest.fixture(scope="module")
def studied(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("studied")
    study.write(folder, examples=40)
    write_arm(folder, "kd-10-0", strategy="kd", budget_usd=10.0, status="failed", reason="killed by SIGKILL")
    report.write(folder)
    return folder / "report.html"


@pytest.fixture(scope="module")
def reference(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The committed results of the suite pegasus, which hold the probability of each answer."""
    folder = tmp_path_factory.mktemp("reference")
    report.write(REFERENCE, out=folder)
    return folder / "report.html"


@pytest.fixture(scope="module")
def crowded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Seven settings near each other, some of them cut short by their budget."""
    folder, generator = tmp_path_factory.mktemp("crowded"), np.random.default_rng(5)
    write_suite(folder, prices=study.PRICES, primary_metric="rouge2")
    hard = generator.normal(0, 4, 30)
    for place, budget, seed in itertools.product(range(7), (10.0, 40.0), range(3)):
        scores = 20 + 0.8 * place + budget / 40 + hard + generator.normal(0, 2, 30)
        arm: dict[str, Any] = {
            "strategy": f"s{place}",
            "budget_usd": budget,
            "seed": seed,
            "facts": {LIMITED: place % 2, "student_ms": 9.0 + place},
        }
        charges = study.compute(budget * (0.4 + 0.05 * place), "student_training")
        write_arm(folder, f"s{place}-{budget:g}-{seed}", {"student": {"rouge2": list(scores)}}, charges=charges, **arm)
    report.write(folder)
    return folder / "report.html"


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Whatever somebody else may have written: names, reasons, machine, suite, and what models answered."""
    folder = tmp_path_factory.mktemp("hostile")
    said = f"{TAGS} {TURNED}"
    write_suite(
        folder, suite=said, question=said, large=said, sunk=said, notes={said: [said]}, prices=study.PRICES, primary_metric="rouge2"
    )
    for place, seed in itertools.product(range(2), range(2)):
        scores = {"student": {"rouge2": [1.0 + place, 2.0, 3.0, 5.0]}, f"floor: {said}": {"rouge2": [0.5] * 4}}
        facts = {"student_parameters": 5e6 * (1 + place), "student_ms": 5.0 + place, "labels_bought": 9.0}
        where: dict[str, Any] = {"task": said, "machine": {said: said}, "facts": facts, "seed": seed}
        charges = [
            Charge(kind="labels", quantity=9, unit="label", unit_price_usd=0.05, paid_by="purse", phase="labels"),
            *study.compute(2.0, "student_training"),
        ]
        arm = write_arm(folder, f"a{place}{seed}", scores, strategy=f"{said} {place}", charges=charges, **where)
        line = {"id": said, "source": said, "reference": said, "predictions": dict.fromkeys(scores, said)}
        lines = [line | {"id": f"{said}{i}", "scores": {who: {"rouge2": v["rouge2"][i]} for who, v in scores.items()}} for i in range(4)]
        (arm / "predictions.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    write_arm(folder, "failed", strategy=said, task=said, status="failed", reason=said)
    (folder / "suite.yaml").write_text(f"```\n{said}\n## {said}\n", encoding="utf-8")
    report.write(folder)
    return folder / "report.html"


def test_hostile_text_shows_as_text_and_runs_nothing(hostile: Path, opened: Any) -> None:
    with opened(hostile) as shown:
        shown.page.evaluate("document.querySelectorAll('details').forEach((one) => (one.open = true))")
        text = shown.page.inner_text("body")
        assert shown.page.evaluate("window.run") is None
        assert shown.page.locator("script").count() == 3
        assert shown.page.locator("img:not([src^='data:image/png'])").count() == 0
        assert shown.page.locator("svg[onload], [onerror]").count() == 0
        for place in ("h1", "#leaderboard-table", "#now-table", "#verdict", "#cards", "#without-score-table", "#conditions", "#suite"):
            assert '<img src=x onerror="window.run=2">' in shown.page.inner_text(place).replace("\n", " "), place
        for place in ("#leaderboard-table", "#cards", "#without-score-table"):
            assert "abc⟨U+202E⟩def⟨U+2066⟩ghi⟨U+001B⟩[31m⟨U+0000⟩" in shown.page.inner_text(place)
        assert not set(text) & set("\u202e\u2066\x1b\x00")
        assert shown.said == []


@pytest.mark.parametrize("name", ["studied", "hostile"])
def test_a_page_asks_for_nothing_and_says_nothing_in_the_console(name: str, opened: Any, request: pytest.FixtureRequest) -> None:
    path = request.getfixturevalue(name)
    with opened(path) as shown:
        for field in shown.page.locator("#controls input[type=range]").all():
            field.press("ArrowRight")
        shown.page.hover("#quality-chart svg[role=img]")
        shown.page.select_option("#arm", index=1)
        shown.drawn()
        assert shown.requests == [path.as_uri()]
        assert shown.said == []


def test_the_policy_stops_a_request_that_a_script_would_make(studied: Path, kept_open: Any) -> None:
    shown = kept_open(studied)
    stopped = """() => new Promise((done) => {
        document.addEventListener("securitypolicyviolation", (event) => done(event.effectiveDirective));
        fetch("https://example.org/").catch(() => {});
    })"""
    assert shown.page.evaluate(stopped) == "connect-src"


def test_dollars_that_the_meter_did_not_count_are_missing_at_any_price(tmp_path: Path, opened: Any) -> None:
    write_suite(tmp_path, prices=study.PRICES)
    known = study.compute(2.0, "student_training")
    for strategy, charges in (("annotate", known), ("sft", [charge for charge in known if charge.unit != "kWh"])):
        write_arm(tmp_path, strategy, equal(3.0), strategy=strategy, charges=charges)
    quotes = repricing.asked(table.read(tmp_path)).changed({}, meter="energy", kwh_usd=0.5)
    report.write(tmp_path, quotes, out=tmp_path / "priced")
    with opened(tmp_path / "priced" / "report.html") as shown:
        found = dict(zip(shown.column("leaderboard-table", "strategy"), shown.column("leaderboard-table", "spent"), strict=True))
        assert {name: found[name] for name in ("annotate", "sft")} == {"annotate": "0.10", "sft": "–"}
        shown.number("price-kwh", 1.0)
        found = dict(zip(shown.column("leaderboard-table", "strategy"), shown.column("leaderboard-table", "spent"), strict=True))
        assert {name: found[name] for name in ("annotate", "sft")} == {"annotate": "0.20", "sft": "–"}
        assert shown.said == []


@pytest.mark.parametrize(("label", "device"), PRICES)
def test_sliders_move_the_dollars_of_every_line_to_what_the_leaderboard_says_at_these_prices(
    studied: Path, kept_open: Any, label: float, device: float
) -> None:
    found = table.read(studied.parent)
    quotes = repricing.asked(found).changed({"": label}, device_hour_usd=device)
    priced = repricing.reprice(found, quotes)
    lines = [(one.budget_usd, line) for one in leaderboard.boards(priced, leaderboard.metrics(priced)) for line in one.settings]
    shown = kept_open(studied)
    shown.numbers({"price-label": label, "price-device_hour": device})
    names, budgets = shown.column("leaderboard-table", "strategy"), shown.column("leaderboard-table", "budget")
    there = dict(zip(zip(names, budgets, strict=True), shown.column("leaderboard-table", "spent"), strict=True))
    assert there == {(line.name, f"{budget:g}"): dollars(line.facts["usd spent"]) for budget, line in lines}


@pytest.mark.parametrize(
    ("name", "budget", "label", "device"),
    [
        *(("studied", budget, *prices) for budget, prices in itertools.product((25.0, 40.0, 100.0), PRICES)),
        ("crowded", 20.0, 0.05, 3.6),
        ("crowded", 12.0, 0.05, 1.9),
        ("crowded", 40.0, 0.05, 3.6),
    ],
)
def test_the_best_at_a_budget_is_what_python_says_with_the_same_interval_and_p_value(
    kept_open: Any, name: str, budget: float, label: float, device: float, request: pytest.FixtureRequest
) -> None:
    path = request.getfixturevalue(name)
    found = table.read(path.parent)
    quotes = repricing.asked(found).changed({"": label}, device_hour_usd=device)
    (field,) = report.fields(found)
    known = decision.verdict(field, budget, quotes)
    shown = kept_open(path)
    page = shown.page.evaluate(
        """([label, budget, device]) => {
            const data = JSON.parse(document.getElementById("payload").textContent), task = data.tasks[0];
            const found = pricing.ranked(task, budget, {...data.prices, label, device_hour: device});
            return found.map((one) => [one.name, pricing.estimate(one, task), one.dollars, one.amount("label"), one.behind ?? null]);
        }""",
        [label, budget, device],
    )
    of_labels = {"price-label": label} if name == "studied" else {}
    shown.numbers({**of_labels, "price-device_hour": device, "budget": budget})
    said = shown.page.inner_text("#verdict")
    assert [row[0] for row in page] == [mixture.name for mixture in known.candidates]
    for (_, score, usd, labels, _), mixture in zip(page, known.candidates, strict=True):
        reached = field.reached(mixture)
        assert score[:3] == pytest.approx([reached.mean, reached.low, reached.high], rel=1e-5)
        assert (usd, labels) == (pytest.approx(mixture.dollars), pytest.approx(mixture.amount("label")))
    for (*_, behind), gap, other in zip(page[1:], known.ahead, known.candidates[1:], strict=True):
        assert behind["estimate"][:3] == pytest.approx([gap.mean, gap.low, gap.high], rel=1e-4)
        assert behind["p"] == pytest.approx(gap.p, rel=1e-4, abs=1e-9)
        assert behind["tied"] == (other in known.tied)
    assert (known.best.name if known.best else "No setting") in said


@pytest.mark.parametrize("target", [27.0, 29.5, 36.0, 60.0])
def test_a_score_costs_what_python_says(opened: Any, studied: Path, target: float) -> None:
    (field,) = report.fields(table.read(studied.parent))
    known = {need.setting: need for need in targets.needs(field, targets.paths(field, field.asked), target)}
    with opened(studied) as shown:
        shown.number("target-score", target)
        found = shown.page.evaluate(
            """(target) => {
                const data = JSON.parse(document.getElementById("payload").textContent), task = data.tasks[0];
                const label = data.prices.label[task.name];
                const end = (value) => (value === Infinity ? "open" : value);
                const all = targets.needs(task, target, {...data.prices, label});
                return all.map((one) => [one.name, one.usd, end(one.low), end(one.high), one.least, end(one.most)]);
            }""",
            target,
        )
        said = shown.page.inner_text("#target-table tbody tr:first-child th")
    assert [row[0] for row in found] == list(known)
    assert said == next(iter(known))
    for (_, usd, *ends), need in zip(found, known.values(), strict=True):
        assert usd == (None if need.usd is None else pytest.approx(need.usd, rel=1e-4))
        expected = [0.0 if need.low == -math.inf else need.low, need.high, need.least, need.most]
        assert ends == ["open" if end == math.inf else pytest.approx(end, rel=1e-3) for end in expected]


def test_a_slider_and_its_number_move_together_and_can_go_back(studied: Path, opened: Any) -> None:
    with opened(studied) as shown:
        slider = shown.page.get_by_label("One label, slider")
        slider.press("End")
        assert shown.page.input_value("#price-label") == "2.5"
        assert slider.get_attribute("aria-valuetext") == "2.5 USD"
        slider.press("Home")
        assert shown.page.input_value("#price-label") == "0"
        shown.page.fill("#price-label", "-1")
        assert shown.page.get_attribute("#price-label", "aria-invalid") == "true"
        shown.page.click("#reset")
        assert shown.page.input_value("#price-label") == "0.05"


def test_use_ranks_by_what_making_and_answering_cost_together(studied: Path, opened: Any) -> None:
    found = table.read(studied.parent)
    quotes = repricing.asked(found)
    of_40 = next(one for one in leaderboard.boards(found, leaderboard.metrics(found)) if one.budget_usd == 40)
    use = Use(250_000, 24)
    known = sorted(serving_cost.served(of_40, quotes), key=lambda one: one.total(use.answers))
    with opened(studied) as shown:
        for name, value in {"budget": 40, "requests": use.requests_a_month, "months": use.months}.items():
            shown.number(name, value)
        assert shown.column("answering-table", "setting") == [one.line.name for one in known]
        assert shown.column("answering-table", "in all") == [dollars(one.total(use.answers), computed=True) for one in known]
        assert shown.column("answering-table", "overtakes the large") == ["at once", "–"]


def test_a_table_sorts_by_every_column_by_click_and_by_keyboard_and_says_so(studied: Path, opened: Any) -> None:
    with opened(studied) as shown:
        heads = shown.page.locator("#leaderboard-table thead th").all()
        for place, head in enumerate(heads):
            head.get_by_role("button").click()
            assert [one.get_attribute("aria-sort") for one in heads].index("ascending") == place
        spent = shown.page.get_by_role("columnheader", name="spent (USD)").first
        spent.get_by_role("button").focus()
        shown.page.keyboard.press("Enter")
        up = [float(usd) for usd in shown.column("leaderboard-table", "spent")]
        shown.page.keyboard.press("Space")
        down = [float(usd) for usd in shown.column("leaderboard-table", "spent")]
        assert up == sorted(up)
        assert down == sorted(up, reverse=True)
        assert spent.get_attribute("aria-sort") == "descending"


def test_the_leaderboard_can_be_narrowed_to_one_budget(studied: Path, opened: Any) -> None:
    with opened(studied) as shown:
        shown.page.select_option("#budget-shown", label="40 USD")
        rows = shown.page.locator("#leaderboard-table tbody tr:visible")
        assert sorted(row.split("\t")[1] for row in rows.all_inner_texts()) == ["40", "40"]


def test_predictions_of_every_arm_can_be_read_beside_source_and_reference(studied: Path, kept_open: Any) -> None:
    shown = kept_open(studied)
    assert shown.page.locator("#arm option").count() == 18
    heads = shown.page.locator("#cards h3").all_inner_texts()
    assert heads == ["worst"] * 3 + ["median"] * 3 + ["best"] * 3
    before = shown.page.inner_text("#cards")
    assert "def f(): ..." in before
    assert "Return it." in before
    shown.page.select_option("#arm", index=5)
    assert shown.page.inner_text("#cards") != before


def test_an_arm_without_a_score_is_listed_with_its_reason(studied: Path, kept_open: Any) -> None:
    shown = kept_open(studied)
    assert shown.column("without-score-table", "why") == ["killed by SIGKILL"]
    assert "18 done, 1 failed" in shown.page.inner_text("#without-score-text")


@pytest.mark.parametrize("name", ["studied", "hostile"])
def test_on_a_phone_nothing_makes_the_page_scroll_sideways(name: str, opened: Any, request: pytest.FixtureRequest) -> None:
    with opened(request.getfixturevalue(name), width=360) as shown:
        assert shown.page.evaluate("document.documentElement.scrollWidth") <= 360
        assert shown.page.evaluate("document.querySelector('#leaderboard-table .scroll').clientWidth") <= 360


def faults(page: Any) -> list[str]:
    found = axe_playwright.Axe().run(page)
    return [f"{one['id']}: {one['nodes'][0]['target']} {one['nodes'][0]['failureSummary']}" for one in found.response["violations"]]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_no_fault_in_light_or_in_the_dark(studied: Path, opened: Any, scheme: str) -> None:
    with opened(studied, color_scheme=scheme, reduced_motion="reduce") as shown:
        assert faults(shown.page) == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_no_fault_in_the_cascade_of_each_budget(reference: Path, opened: Any, scheme: str) -> None:
    found = table.read(REFERENCE)
    known = [one for board in leaderboard.boards(found, leaderboard.metrics(found)) if (one := list(cascade.cascades(found, board, None)))]
    with opened(reference, color_scheme=scheme, reduced_motion="reduce") as shown:
        folded = shown.page.locator("details", has=shown.page.locator(":scope > summary", has_text="Cascades"))
        folded.evaluate("(one) => (one.open = true)")  # axe leaves out what is folded
        tables = folded.locator("table").all()
        assert [one.locator("tbody tr").count() for one in tables] == [len(one[0].points) for one in known] == [11, 11]
        assert all(one.is_visible() for one in tables)
        assert faults(shown.page) == []


def test_on_paper_there_are_all_sections_and_no_controls_and_the_prices_in_words(studied: Path, opened: Any) -> None:
    with opened(studied, color_scheme="dark") as shown:
        shown.page.emulate_media(media="print")
        for gone in ("nav", "#controls", "#reset", "#arm-choice"):
            assert not shown.page.is_visible(gone)
        assert missing(shown.page.inner_text("#prices-text"), "one label 0.05 USD", "device hour 3.6 USD") == []
        sections = shown.page.locator("main > section")
        assert all(one.is_visible() for one in sections.all())
        assert shown.page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"


def test_a_chart_has_a_name_and_the_same_in_a_table(studied: Path, opened: Any) -> None:
    with opened(studied) as shown:
        for chart in ("quality-chart", "allocation-chart"):
            drawn = shown.page.locator(f"#{chart} svg[role=img]")
            assert drawn.get_attribute("aria-label")
            shown.page.click(f"#{chart} summary")
            assert shown.page.locator(f"#{chart} tbody tr").count() == 6
            shown.number("price-label", 0.1 if chart == "quality-chart" else 0.3)
            assert shown.page.locator(f"#{chart} details[open]").count() == 1  # it stays open while prices move


@pytest.mark.parametrize("what", ["nothing", "no prices", "no scores", "one seed", "many"])
def test_whatever_is_missing_the_page_works_and_says_so(tmp_path: Path, opened: Any, what: str) -> None:
    if what == "no prices":
        write_arm(tmp_path, "a", equal(3.0))
    elif what == "no scores":
        write_arm(tmp_path, "a", status="skipped", reason="too few labels")
    elif what == "one seed":
        study.write(tmp_path, seeds=1, examples=8)
    elif what == "many":
        write_suite(tmp_path, prices=study.PRICES)
        for place in range(30):
            charges = study.compute(1.0 + place / 10, "student_training")
            write_arm(tmp_path, f"a{place}", equal(float(place)), strategy=f"s{place}", charges=charges)
    report.write(tmp_path)
    with opened(tmp_path / "report.html", width=360) as shown:
        assert shown.said == []
        assert shown.page.evaluate("document.documentElement.scrollWidth") <= 360
        text = shown.page.inner_text("main")
    expected = {
        "nothing": "no arm",
        "no prices": "No prices",
        "no scores": "too few labels",
        "one seed": "not tested",
        "many": "best 20 of 30",
    }
    assert expected[what] in text
