import json
import re
import struct
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from bench import report
from bench.contracts import Charge, Reading
from bench.report import sections as registered
from bench.report.analysis.report_input import ReportInput, boards
from bench.report.blocks import Paragraph, Section
from bench.report.html import leaderboard as page_leaderboard
from bench.report.html import quantities
from bench.report.sections import tables
from bench.results import repricing, table
from tests.facts import missing
from tests.report import study
from tests.report.arms import FLOP_USD, Scores, write_arm, write_suite
from tests.report.reading import equal, given, headings, made, prose, row, rows, section, shown

HOSTILE = "a|b <img src=x onerror=alert(1)> `c`\n# title\n$x_1$ [red]z[/red] \x1b[31m"


def scores(ability: float, seed: int, teacher: bool) -> Scores:
    generator = np.random.default_rng(int(100 * ability) + seed)
    hard = np.random.default_rng(9).gamma(1.0, 6.0, 60)
    drawn = {"student": ability + hard + generator.standard_normal(60), "floor: lead 12 words": hard, "floor: the name's words": hard + 1}
    if teacher:
        drawn["teacher"] = ability + 2 + hard + generator.standard_normal(60)
    return {who: {m: list(by * values) for m, by in (("rouge1", 2.5), ("rouge2", 1.0), ("rougeL", 2.0))} for who, values in drawn.items()}


def write_run(folder: Path) -> None:
    write_suite(folder, compact={"encoder_layers": None, "decoder_layers": 4}, lead={"docstrings": "lead 12 words"})
    for strategy, ability in (("annotate", 2.0), ("sft", 5.0)):
        for budget_usd in (5.0, 10.0):
            for seed in (0, 1):
                write_arm(
                    folder,
                    f"{strategy}-{budget_usd:g}-{seed}",
                    scores(ability + budget_usd / 5, seed, teacher=strategy == "sft"),
                    strategy=strategy,
                    budget_usd=budget_usd,
                    seed=seed,
                    charges=[
                        Charge(kind="labels", quantity=20, unit="label", unit_price_usd=0.05, paid_by="purse", phase="student_training"),
                        Charge(
                            kind="compute",
                            quantity=2.25 / FLOP_USD,
                            unit="FLOP",
                            unit_price_usd=FLOP_USD,
                            paid_by="purse",
                            phase="student_training",
                        ),
                    ],
                    readings=[Reading("wall", 12.0, "s", "counter"), Reading("gpu_peak", None, "bytes", "counter", reason="no GPU here")],
                    facts={
                        "student_parameters": 56.9e6,
                        "student_ms": 20.0,
                        "large_ms": 50.0,
                        "labels_bought": 20,
                        "teacher_parameters": 77e6,
                    },
                )
    write_arm(folder, "distill-5-0", strategy="distill", budget_usd=5.0, status="infeasible", reason="teacher too dear")
    write_arm(folder, "distill-5-1", strategy="distill", budget_usd=5.0, seed=1, status="failed", reason="killed by SIGKILL")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("run") / "example"
    write_run(folder)
    report.write(folder)
    return folder


@pytest.fixture(scope="module")
def text(run: Path) -> str:
    return (run / "report.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def found(run: Path) -> dict[str, Section]:
    return made(run)


def test_the_answer_names_the_best_setting_and_compares_it(found: dict[str, Section]) -> None:
    _, ten = prose(found["answer"]).split("At 10 USD")
    assert missing(ten, "sft is best", "Take sft", "annotate") == []
    details = prose(found["certainty"])
    assert missing(details, "docstrings, 10 USD: 2 seeds", "60 test examples") == []
    for kind, baseline in (("lead", "lead 12 words"), ("best", "the name's words")):
        verdict = details.splitlines()[1].split(f'{kind} baseline "{baseline}": ')[1].split(" Against ")[0]
        assert verdict.startswith("sft is significantly better")
        assert re.search(r" rouge2 \([\d. ,\[\]]+\) and rougeL \(", verdict)
    assert "distill (1 failed, 1 infeasible)" in details
    assert re.search(r"docstrings: [^()]+ in rouge2 \([12]\.", details)


def test_the_leaderboard_shows_scores_money_size_and_speed_best_first(found: dict[str, Section]) -> None:
    board = found["leaderboard"]
    assert headings(board) == ["docstrings, 5 USD added", "docstrings, 10 USD added"]
    best = row(board, "sft")
    assert (best["spent (USD)"], best["parameters (M) ↓"], best["speed-up ↑"]) == ("3.25", "56.9", "2.50")
    assert (best["labels bought"], best["seeds"], best["arms"]) == ("20", "2", "2 done")
    mean, low, high = (float(part.strip("[],")) for part in best["rouge2 (points) ↑"].split())
    assert low < mean < high
    names = [one["strategy (setting)"] for one in rows(board)]
    assert names[:3] == ["sft", "annotate", "distill"]
    assert names[3].startswith("teacher of sft (flan-t5-small")
    assert [name.split(": ") for name in names[4:]] == [["baseline", "the name's words"], ["baseline", "lead 12 words (lead baseline)"]]
    assert float(best["its teacher"]) == pytest.approx(mean + float(best["behind its teacher"].split()[0]), abs=0.02)
    assert row(board, "distill")["arms"] == "1 failed, 1 infeasible"


def test_every_arm_has_a_line_with_its_score_or_the_reason(run: Path, found: dict[str, Section]) -> None:
    arms = {one["arm"]: [*one.values()][1:] for one in rows(found["arms"])}
    assert arms.keys() == {path.name for path in run.iterdir() if path.is_dir()}
    assert arms["distill-5-0"][:2] == ["infeasible", "teacher too dear"]
    assert arms["distill-5-1"][:2] == ["failed", "killed by SIGKILL"]
    assert arms["annotate-5-0"][2:] == ["3.25", "5.00"]


def test_the_report_ends_with_money_data_machine_and_suite(text: str, found: dict[str, Section]) -> None:
    assert [*found][-5:] == ["money", "models", "data", "machines", "suite"]
    assert "evaluation: not charged" in prose(found["money"])
    assert "flan-t5-small" in prose(found["money"])
    assert "412 near-duplicates" in prose(found["data"])
    assert {"packages: torch 2.13.0", "no GPU (no driver)"} <= set(prose(found["machines"]).splitlines())
    assert "Compact model: encoder_layers: all, decoder_layers: 4" in prose(found["models"])
    assert text.endswith("```yaml\nsuite: example\nquestion: Labels or a teacher?\n```\n")


def test_dollars_stand_by_kind_and_what_was_never_measured_has_a_reason_and_no_column(found: dict[str, Section]) -> None:
    assert [*row(found["dollars"], "sft").values()] == ["sft", "5.00", "1.00", "2.25", "3.25"]
    assert row(found["measured"], "sft") == {"strategy (setting)": "sft", "budget (USD)": "5.00", "wall (s) ↓": "12.00"}
    assert "gpu_peak: no GPU here" in prose(found["measured"])


def test_dollars_that_are_not_known_are_missing_in_the_report_and_on_the_page(tmp_path: Path) -> None:
    write_suite(tmp_path, prices=study.PRICES)
    known = study.compute(2.0, "student_training")
    write_arm(tmp_path, "a", equal(3.0), charges=known)
    write_arm(tmp_path, "b", equal(3.0), strategy="sft", charges=[charge for charge in known if charge.unit != "kWh"])
    about = given(tmp_path)
    priced = repricing.reprice(about.found, repricing.asked(about.found).changed({}, meter="energy", kwh_usd=0.5))
    metrics, drawn = boards(priced)
    dollars = tables.spending(replace(about, found=priced, metrics=metrics, boards=drawn))
    assert dollars
    shown = {name: [*row(dollars, name).values()][2:] for name in ("annotate", "sft")}
    assert shown == {"annotate": ["0.10", "0.10"], "sft": ["–", "–"]}
    lines = page_leaderboard.boards(drawn, metrics, quantities.by_line(priced), {"docstrings": ["annotate", "sft"]})[0]["lines"]
    assert {line["name"]: line["bought"] for line in lines if line["kind"] == "setting"} == {
        "annotate": {"student_training": {"kwh": pytest.approx(0.2)}},
        "sft": None,
    }


def test_continued_pretraining_and_an_endpoints_tokens_are_dollars_like_any_other(tmp_path: Path) -> None:
    charges = [
        Charge(kind="compute", quantity=2e3, unit="s", unit_price_usd=0.001, paid_by="purse", phase="continued_pretraining"),
        Charge(kind="prompt tokens", quantity=4000, unit="token", unit_price_usd=2e-4, paid_by="purse", phase="pseudo_labelling"),
        Charge(kind="output tokens", quantity=1000, unit="token", unit_price_usd=7e-4, paid_by="purse", phase="pseudo_labelling"),
    ]
    write_arm(tmp_path, "a", equal(3.0), charges=charges)
    (dollars,) = rows(made(tmp_path)["dollars"])
    assert dollars == {
        "strategy (setting)": "annotate",
        "budget (USD)": "10.00",
        "continued pretraining (USD)": "2.00",
        "pseudo labelling (USD)": "1.50",
        "spent (USD)": "3.50",
    }


def test_facts_that_no_other_table_shows_have_one_of_their_own(tmp_path: Path) -> None:
    for seed, loss in ((0, 3.2), (1, 3.4)):
        facts = {"labels_bought": 7, "prompt_tokens": 41234, "pretraining_loss": loss, "student_flops": 2.5e9, "seed": 9.0}
        write_arm(tmp_path, f"a{seed}", equal(3.0), seed=seed, facts=facts)
    write_arm(tmp_path, "b", equal(3.0), strategy="sft", facts={"labels_bought": 7})
    facts = made(tmp_path)["facts"]
    heads = ["strategy (setting)", "budget (USD)", "prompt_tokens", "pretraining_loss", "student_flops (GFLOP)", "seed"]
    assert [*rows(facts)[0]] == heads
    assert [*row(facts, "annotate").values()] == ["annotate", "10.00", "41,234", "3.3", "2.5", "9"]
    assert [*row(facts, "sft").values()] == ["sft", "10.00", "–", "–", "–", "–"]


def test_rouge_2_and_rouge_l_are_both_in_the_leaderboard_whatever_ranks(tmp_path: Path) -> None:
    write_suite(tmp_path, primary_metric="exact_match")
    values = {name: [1.0] * 12 for name in ("exact_match", "rouge1", "rouge2", "rougeL")}
    write_arm(tmp_path, "a", {"student": values}, facts={"student_parameters": 5e6, "student_ms": 20.0, "large_ms": 50.0})
    found = made(tmp_path)
    heads = [*rows(found["leaderboard"])[0]]
    assert heads[1:5] == ["rank", "exact_match (points) ↑", "rouge2 (points) ↑", "rougeL (points) ↑"]
    assert heads[-4:-1] == ["parameters (M) ↓", "ms per example ↓", "speed-up ↑"]
    assert "rouge1 (points) ↑" in rows(found["metrics"])[0]


def test_prices_by_the_item_and_by_the_token_are_listed(tmp_path: Path) -> None:
    items = {"wlp": {"teacher_tuning": 12.5, "pseudo_labelling": 0.84, "student_training": 0.0}}
    tokens = {"usd_per_1m_prompt_tokens": 0.15, "usd_per_1m_output_tokens": 0.0}
    write_suite(tmp_path, meter="items", prices={"meter": "items", "usd_per_1k_items": items, **tokens})
    text = prose(made(tmp_path)["money"])
    (wlp,) = [line for line in text.splitlines() if line.startswith("Price, wlp: ")]
    assert re.findall(r"([\d.]+) USD", wlp) == ["12.5", "0.84", "0"]
    assert "1 million prompt tokens: 0.15 USD" in text
    assert "output tokens" not in text
    assert "usd_per" not in text


def test_prices_by_the_item_are_left_out_where_they_do_not_count(tmp_path: Path) -> None:
    write_suite(tmp_path, prices={"meter": "flops", "usd_per_1k_items": {"wlp": {"teacher_tuning": 12.5}}})
    text = prose(made(tmp_path)["money"])
    assert "meter flops" in text
    assert "12.5" not in text


def test_a_price_by_name_is_listed_with_source_and_date_unless_it_has_changed(tmp_path: Path) -> None:
    named = {"device_hour_usd": (1.79, "a100-80gb: Cloud, 2026-11"), "usd_per_1m_prompt_tokens": (0.15, "llm-1: Maker, 2026-10")}
    sources = {field: {"value": value, "source": source} for field, (value, source) in named.items()}
    prices = {"meter": "flops", "device_hour_usd": 1.79, "usd_per_1m_prompt_tokens": 0.3}
    label = {"label_usd": {"value": 0.26, "source": "paper: Authors, 2023"}}
    write_suite(tmp_path, prices=prices, price_sources=sources | label, label_usd={"wlp": 0.26, "own": 0.1})
    lines = prose(made(tmp_path)["money"]).splitlines()
    ends = {line: re.findall(r"\((.*)\)", line) for line in lines if line.startswith("Price, ")}
    assert [*ends.values()] == [["paper: Authors, 2023"], [], ["a100-80gb: Cloud, 2026-11"], []]


def test_models_texts_and_the_layers_that_were_kept_are_named(tmp_path: Path) -> None:
    kept = "decoder: layers 0 4 7 of 8 (evenly spaced)"
    shape = {"encoder_layers": None, "decoder_layers": [0, 4, 7], "model": None}
    write_suite(tmp_path, layers=[kept], models={"small": "small-nl16, 134 M"}, texts={"code": "torch docstrings"}, compact=shape)
    assert prose(made(tmp_path)["models"]).splitlines() == [
        "Large model: flan-t5-small",
        "Compact model: encoder_layers: all, decoder_layers: [0, 4, 7]",
        f"Layers kept, {kept}",
        "Model small: small-nl16, 134 M",
        "Text code: torch docstrings",
    ]


def test_break_even_rows_name_both_strategies_and_computed_costs_have_three_digits(tmp_path: Path) -> None:
    study.write(tmp_path)
    found = made(tmp_path)
    pairs = {(one["better below"], one["better above"]) for one in rows(found["break-even"])}
    assert all({"annotate", "distill"} <= set(re.findall(r"\w+", " ".join(pair))) for pair in pairs)
    (most,) = [cell for head, cell in row(found["serving-cost"], "distill").items() if "100,000,000" in head]
    assert most == "2,000"


def toy(given: ReportInput) -> Section:
    name = "<script>|`a`\u202e"
    return Section(id="toy", title="A toy", blocks=(Paragraph(f"{name} has {len(given.boards)} boards"),))


def test_a_section_that_is_one_function_stands_in_all_three_outputs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registered, "SECTIONS", [*registered.SECTIONS, toy])
    write_arm(tmp_path, "a", equal(3.0))
    text = report.write(tmp_path).read_text(encoding="utf-8")
    assert "&lt;script&gt;\\|\\`a\\` has 1 boards" in section(text, "A toy")
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert '<section id="toy"' in page
    assert "<p>&lt;script&gt;|`a`⟨U+202E⟩ has 1 boards</p>" in page
    console = Console(width=80)
    with console.capture() as capture:
        console.print(report.terminal(table.read(tmp_path), 80, [toy]))
    assert "<script>|`a` has 1 boards" in capture.get()


def test_the_plots_are_pictures_1200_pixels_wide_that_the_report_shows(run: Path, text: str) -> None:
    for name in ("quality-docstrings.png", "dollars-docstrings.png"):
        data = (run / name).read_bytes()
        assert data[:8] == b"\x89PNG\r\n\x1a\n"
        assert struct.unpack(">I", data[16:20]) == (1200,)
        assert f"({name})" in text


def test_the_same_arms_give_the_same_report_table_and_pictures(run: Path, tmp_path: Path) -> None:
    write_run(tmp_path / "again")
    report.write(tmp_path / "again")
    for name in ("report.md", "table.csv", "quality-docstrings.png", "dollars-docstrings.png"):
        assert (tmp_path / "again" / name).read_bytes() == (run / name).read_bytes()


def test_a_folder_without_arms_gives_a_report_that_says_so(tmp_path: Path) -> None:
    report.write(tmp_path)
    assert prose(made(tmp_path)["answer"]).startswith("No arm")
    assert shown(tmp_path, 80).startswith("arms: none")


def test_arms_none_of_which_has_a_score_are_reported_too(tmp_path: Path) -> None:
    write_arm(tmp_path, "a", status="skipped", reason="too few labels")
    report.write(tmp_path)
    assert "(1 skipped)" in prose(made(tmp_path)["answer"])
    assert row(made(tmp_path)["arms"], "a")["reason"] == "too few labels"
    assert not list(tmp_path.glob("*.png"))


def test_a_failed_arm_that_left_a_score_behind_shows_its_reason(tmp_path: Path) -> None:
    write_arm(tmp_path, "a", equal(3.0))
    write_arm(tmp_path, "b", equal(9.0), strategy="sft", status="failed", reason="disk full")
    assert [*row(made(tmp_path)["arms"], "b").values()][1:3] == ["failed", "disk full"]


def test_arms_that_the_suite_no_longer_holds_are_listed_and_nothing_else(tmp_path: Path) -> None:
    write_suite(tmp_path, arms=["new"])
    write_arm(tmp_path, "new", equal(3.0))
    folder = write_arm(tmp_path, "old", {"student": {"old_metric": [1.0]}}, readings=[Reading("old_reading", 1.0, "s", "counter")])
    record = json.loads((folder / "record.json").read_text())
    (folder / "record.json").write_text(json.dumps({**record, "data_fingerprint": "other", "machine": {"cpu": "old cpu"}}))
    text = report.write(tmp_path).read_text(encoding="utf-8")
    assert row(made(tmp_path)["arms"], "old")["status"] == "done"
    assert section(text, "Every arm").strip().endswith("\n\n- old")
    assert not [word for word in ("old_metric", "old_reading", "old cpu", "different data") if word in text]
    assert "arms: 1 done\n" in "".join(line.rstrip() + "\n" for line in shown(tmp_path, 100).splitlines())


def test_the_plots_of_many_settings_and_budgets_show_the_best_and_say_so(tmp_path: Path) -> None:
    for place in range(25):
        write_arm(tmp_path, f"a{place}", equal(float(place)), setting=f"label_share={place / 100}", budget_usd=30.0)
    for budget_usd in range(10, 23):
        write_arm(tmp_path, f"b{budget_usd}", status="infeasible", budget_usd=budget_usd)
    plots = section(report.write(tmp_path).read_text(encoding="utf-8"), "Plots")
    assert "best 20 of 26 settings" in plots
    assert "greatest 12 of 14 budgets" in plots
    width, height = struct.unpack(">II", (tmp_path / "dollars-docstrings.png").read_bytes()[16:24])
    assert width == 1200
    assert height < 2**16


def test_hostile_text_from_suite_data_and_arms_is_shown_and_nothing_more(tmp_path: Path) -> None:
    labelled = {HOSTILE: HOSTILE}
    write_suite(tmp_path, suite=HOSTILE, question=HOSTILE, large=HOSTILE, sunk=HOSTILE, notes={HOSTILE: [HOSTILE]}, prices={HOSTILE: 1.0})
    about = json.loads((tmp_path / "suite.json").read_text())
    write_suite(tmp_path, **about, layers=[HOSTILE], models=labelled, texts=labelled)
    found = dict(scores(3.0, 0, teacher=True)) | {f"floor: {HOSTILE}": scores(3.0, 0, teacher=False)["floor: lead 12 words"]}
    about_arm = {"machine": {HOSTILE: HOSTILE}, "missing": {HOSTILE: HOSTILE}}
    write_arm(tmp_path, "a", found, strategy=HOSTILE, setting=HOSTILE, task=HOSTILE, facts={"student_parameters": 5.0}, **about_arm)
    facts = {"student_parameters": 9.0, HOSTILE: 1.5}
    write_arm(tmp_path, "c", scores(1.0, 0, teacher=False), strategy=f"{HOSTILE}2", task=HOSTILE, facts=facts)
    write_arm(tmp_path, "b", strategy="_b", task=HOSTILE, status="failed", reason=HOSTILE)
    (tmp_path / "suite.yaml").write_text(f"```\n{HOSTILE}", encoding="utf-8")
    text = report.write(tmp_path).read_text(encoding="utf-8")
    rendered = text.split("## The suite")[0]
    assert "inefficient: " in section(text, "Cost axes")
    assert "<img" not in rendered
    assert "\n# title" not in rendered
    assert "\x1b" not in text
    for block in rendered.split("\n\n"):
        if block.startswith("| "):
            assert len({line.replace(r"\|", "").count("|") for line in block.splitlines()}) == 1
    assert "\x1b" not in shown(tmp_path, 200)
    assert "[red]z[/red]" in shown(tmp_path, 2000)


def test_a_task_cannot_name_a_picture_outside_the_folder(tmp_path: Path) -> None:
    write_arm(tmp_path / "deep" / "run", "a", scores(2.0, 0, teacher=False), task="../../up")
    report.write(tmp_path / "deep" / "run")
    assert [path.parent for path in tmp_path.rglob("*.png")] == [tmp_path / "deep" / "run"] * 2


@pytest.mark.parametrize("width", [80, 110, 180])
def test_the_terminal_shows_the_leaderboard_within_its_width(run: Path, width: int) -> None:
    text = shown(run, width)
    assert max(len(line) for line in text.splitlines()) <= width
    lines = [line.strip() for line in text[text.index("USD added") :].splitlines()]
    starts = ["sft", "annotate", "distill", "teacher of sft", "baseline: the", "baseline: lead"]
    found = [start for line in lines for start in starts if line.startswith(start)]
    assert found[:6] == starts
    assert "arms: 8 done, 1 failed, 1 infeasible" in text


def test_the_terminal_shows_what_there_is_in_the_middle_of_a_run(tmp_path: Path) -> None:
    write_suite(tmp_path, arms=["a", "b", "c"])
    write_arm(tmp_path, "a", scores(2.0, 0, teacher=False))
    (write_arm(tmp_path, "b", scores(5.0, 0, teacher=False), strategy="sft") / "record.json").unlink()
    text = shown(tmp_path, 100)
    assert "annotate" in text
    assert "sft" not in text
    assert "arms: 1 done, 2 unfinished" in text
