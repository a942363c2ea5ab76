"""The page without a browser: what is put into it, how it is escaped, and how large it gets. tests/browser opens it."""

import base64
import hashlib
import json
import re
import shutil
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench import report
from bench.report.analysis import budget_curves, leaderboard, pareto, significance
from bench.report.analysis.leaderboard import Board
from bench.report.blocks import Block, Code, Column, Paragraph, Picture, Points, Section, Table, emphasis
from bench.report.html import curves, escape, page, quantities
from bench.report.html import leaderboard as page_leaderboard
from bench.results import repricing, table
from bench.results.repricing import FIXED
from bench.results.table import Results
from tests.report import study
from tests.report.arms import write_arm, write_suite
from tests.report.reading import equal

VENDORED = Path(report.__file__).parent / "html" / "vendor"
HOSTILE = "</script><script>alert(1)</script><img src=x onerror=alert(2)>&\u2028\u202e\x1b[31m\ud800\u0000"


class Elements(HTMLParser):
    """Every element of a page with its attributes."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))


def written(folder: Path) -> str:
    report.write(folder)
    return (folder / "report.html").read_text(encoding="utf-8")


def payload(page: str) -> Any:
    found = re.search(r'<script type="application/json" id="payload">(.*?)</script>', page, re.DOTALL)
    assert found
    return json.loads(found[1])


def boards(found: Results) -> list[Board]:
    return leaderboard.boards(found, leaderboard.metrics(found))


@given(st.text() | st.sampled_from([HOSTILE]))
def test_text_in_json_ends_no_element_begins_none_and_comes_out_visible(text: str) -> None:
    held = escape.script_json({text: [text]})
    assert not re.search("[<>&\u2028\u2029]", held)
    held.encode("utf-8")
    assert json.loads(held) == {escape.visible(text): [escape.visible(text)]}


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a\u202eb", "a⟨U+202E⟩b"),
        ("\x1b[31m", "⟨U+001B⟩[31m"),
        ("\ud800", "⟨U+D800⟩"),
        ("two\r\nlines\tand a tab", "two\nlines\tand a tab"),  # prose: input data
        ("می\u200cخواهم", "می\u200cخواهم"),
        ("<b>&amp;", "<b>&amp;"),
    ],
)
def test_characters_that_would_not_show_are_written_out_and_others_stay(text: str, shown: str) -> None:
    assert escape.visible(text) == shown


def test_numbers_that_are_missing_are_null_and_never_0() -> None:
    assert json.loads(escape.script_json([float("nan"), float("inf"), None, 0.0, np.float64(1.5), True])) == [
        None,
        None,
        None,
        0,
        1.5,
        True,
    ]


def filled(out: Path, *blocks: Block) -> str:
    """A page with one more section, from its heading on."""
    answer = Section(id="answer", title="Answer", blocks=())
    whole = page.page("name", "question", [answer, Section(id="toy", title="Toy", blocks=blocks)], "{}", out)
    return whole.split('<section id="toy"')[1].split("</section>")[0]


def test_text_makes_no_link_no_element_and_no_picture_that_is_not_the_reports_own(tmp_path: Path) -> None:
    (tmp_path / "own.png").write_bytes(b"png")
    (tmp_path.parent / "other.png").write_bytes(b"png")
    text = "<img src=x> [a](http://x) <http://x> ![b](http://x/y.png) **bold** &lt;i&gt;"
    table = Table((Column(text, number=True),), ((text,), ((text, emphasis(text)),)))
    pictures = Picture("own.png", text), Picture("../other.png", text), Picture("none.png", text)
    made = filled(tmp_path, Paragraph(text), Points((text,)), table, Code(text, "yaml"), *pictures)
    found = Elements(made).found
    assert {tag for tag, _ in found} == {
        "h2",
        "div",
        "p",
        "ul",
        "li",
        "table",
        "thead",
        "tbody",
        "tr",
        "th",
        "td",
        "em",
        "pre",
        "code",
        "img",
    }
    assert [a["src"] for tag, a in found if tag == "img"] == [f"data:image/png;base64,{base64.b64encode(b'png').decode()}"]
    assert made.count("&lt;img src=x&gt;") == 10


def test_tables_are_aligned_without_style_attributes_and_scroll_within_themselves(tmp_path: Path) -> None:
    made = filled(tmp_path, Table((Column("a"), Column("b", number=True)), (("1", "2"),)))
    assert "style" not in made
    assert '<th scope="col" class="number">b</th>' in made
    assert '<td>1</td><td class="number">2</td>' in made
    assert '<div class="scroll" tabindex="0" role="group"' in made


@pytest.mark.parametrize(
    "block", [Code("key: value\n" * 20_000, "yaml"), Points(("point",) * 20_000), Table((Column("a"),), (("cell",),) * 20_000)]
)
def test_a_long_section_is_cut_between_lines_and_ends_with_a_remark(block: Block) -> None:
    made = page.cut(Section(id="a", title="A", blocks=(Paragraph("first"), block, Paragraph("last"))))
    assert made.blocks[0] == Paragraph("first")
    assert 1_000 < len(str(made.blocks[1])) < 100_000
    assert made.blocks[2:] == (page.CUT,)


def test_the_policy_names_every_script_and_style_of_the_page_and_forbids_all_else(tmp_path: Path) -> None:
    study.write(tmp_path, seeds=2, examples=12)
    whole = written(tmp_path)
    made = Elements(whole)
    policy = next(a["content"] or "" for tag, a in made.found if tag == "meta" and a.get("http-equiv") == "Content-Security-Policy")
    code = re.findall(r"<(style|script)[^>]*>(.*?)</\1>", whole, re.DOTALL)
    hashes = [f"'sha256-{base64.b64encode(hashlib.sha256(held.encode()).digest()).decode()}'" for _, held in code]
    style, libraries, _, script = hashes
    assert policy.startswith("default-src 'none'; ")
    assert f"script-src {libraries} {script};" in policy
    assert f"style-src {style} " in policy
    assert not re.search("unsafe|http|\\*", policy)
    assert not [(tag, name) for tag, found in made.found for name in found if name.startswith("on") or name == "style"]
    assert [a["src"] for _, a in made.found if "src" in a and not str(a["src"]).startswith("data:image/png;base64,")] == []


def test_libraries_are_those_that_the_readme_names_and_their_licence_is_in_the_page(tmp_path: Path) -> None:
    named = re.findall(r"^\| `(.+?)` .*`([0-9a-f]{64})` \|$", (VENDORED / "README.md").read_text(), re.MULTILINE)
    assert {name for name, _ in named} == {path.name for path in VENDORED.glob("*.js")}
    for name, digest in named:
        assert hashlib.sha256((VENDORED / name).read_bytes()).hexdigest() == digest
    assert (VENDORED / "LICENSE").read_text() in written(tmp_path)


@pytest.mark.parametrize(("label", "device"), [(0.05, 3.6), (0.2, 1.0), (0.0, 40.0)])
def test_amounts_times_prices_are_the_dollars_of_every_line_at_these_prices(tmp_path: Path, label: float, device: float) -> None:
    found = study.write(tmp_path, seeds=2, examples=12)
    quotes = repricing.asked(found).changed({"": label}, device_hour_usd=device)
    known = quantities.by_line(found)
    for one in boards(repricing.reprice(found, quotes)):
        for line in one.settings:
            bought = known[one.task, one.budget_usd, line.name]
            usd = sum(
                amount * (1 if sold == FIXED else quotes.price(sold, one.task))  # type: ignore[arg-type]
                for of_purpose in bought.values()
                for sold, amount in of_purpose.items()
            )
            assert usd == pytest.approx(line.facts["usd spent"], abs=1e-6)


def test_covariances_of_points_give_the_variances_of_every_combination_of_their_scores(tmp_path: Path) -> None:
    found = study.write(tmp_path, seeds=3, examples=40)
    one_board = boards(found)
    (field,) = budget_curves.fields(found, one_board)
    points = [point for curve in field.curves for point in curve.points]
    held = curves.covariances(field, points)
    assert held
    weights = np.array([0.3, 0.7, 0.0, -0.2, -0.8, 0.0])
    square, read = np.zeros((6, 6)), []
    for name in ("seeds", "examples"):
        square[np.tril_indices(6)] = np.frombuffer(base64.b64decode(held[name]), "<f4")
        read.append(weights @ (square + np.tril(square, -1).T) @ weights)
    samples = {(board.budget_usd, line.name): line.samples["rouge2"] for board in one_board for line in board.settings}
    scores = [samples[point.budget_usd, curve.name].to_numpy() for curve in field.curves for point in curve.points]
    expected = significance.spread(significance.effects(np.tensordot(weights, np.stack(scores), 1)))
    assert read == pytest.approx([expected.seeds, expected.examples], rel=1e-4)


@pytest.mark.parametrize(("seeds", "examples"), [(3, 3), (1, 3)])
def test_without_intervals_the_page_holds_no_covariances(tmp_path: Path, seeds: int, examples: int) -> None:
    study.write(tmp_path, seeds=seeds, examples=examples)
    assert payload(written(tmp_path))["tasks"][0]["spread"] is None


def test_fronts_are_those_of_the_cost_axes(tmp_path: Path) -> None:
    for place, (quality, cost) in enumerate([(5, 9), (5, 8), (4, 8), (3, 2), (6, 9.3), (2, 2)]):
        facts = {"student_parameters": cost * 1e6, "student_ms": cost, "student_flops": 1e9}
        write_arm(tmp_path, f"a{place}", equal(float(quality)), strategy=f"s{place}", facts=facts)
    (one,) = boards(table.read(tmp_path))
    known = pareto.trade_off(one)
    assert known
    names = [line.name for line in one.settings]
    found = {front["axis"]: front for front in page_leaderboard.fronts(one, names)}
    for axis in known.places:
        assert found[axis.name]["front"] == [line.name for line in known.front(axis)]
    assert [front["axis"] for front in found.values() if not front["differ"]] == ["FLOPs"]


def test_predictions_are_the_worst_the_median_and_the_best_of_each_arm_and_each_document_is_there_once(tmp_path: Path) -> None:
    values = [float(value) for value in (7, 1, 9, 3, 5, 8, 2, 6, 4, 0, 10)]
    for seed in (0, 1):
        write_arm(tmp_path, f"a{seed}", {"student": {"rouge2": values}}, seed=seed)
    shown = payload(written(tmp_path))["predictions"]
    assert [one["arm"] for one in shown["arms"]] == ["a0", "a1"]
    cards = shown["arms"][0]["cards"]
    assert [card["which"] for card in cards] == ["worst"] * 3 + ["median"] * 3 + ["best"] * 3
    assert {which: sorted(c["scores"]["student"] for c in cards if c["which"] == which) for which in ("worst", "median", "best")} == {
        "worst": [0, 1, 2],
        "median": [4, 5, 6],
        "best": [8, 9, 10],
    }
    assert len(shown["documents"]) == 9
    assert shown["left_out"] == ""


def test_predictions_that_cannot_be_read_are_counted_and_the_page_has_the_rest(tmp_path: Path) -> None:
    for name in ("a", "b"):
        write_arm(tmp_path, name, equal(3.0), strategy=name)
    lines = (tmp_path / "a" / "predictions.jsonl").read_text().replace('"source"', '"sauce"')
    (tmp_path / "a" / "predictions.jsonl").write_text(lines)
    shown = payload(written(tmp_path))["predictions"]
    assert [one["arm"] for one in shown["arms"]] == ["b"]
    assert re.findall(r"\d+", shown["left_out"]) == ["1", "2", "1"]


def test_every_arm_without_a_score_is_there_with_its_reason(tmp_path: Path) -> None:
    write_suite(tmp_path, arms=["fine", "poor", "broken", "waiting"])
    write_arm(tmp_path, "fine", equal(3.0))
    write_arm(tmp_path, "poor", status="infeasible", reason="labels cost too much")
    write_arm(tmp_path, "broken", status="failed", reason="killed by SIGKILL")
    write_arm(tmp_path, "old", status="skipped", reason="too few labels")
    found = payload(written(tmp_path))["without_score"]
    reasons = {one["id"]: (one["status"], one["reason"]) for one in found["arms"]}
    assert reasons["poor"] == ("infeasible", "labels cost too much")
    assert reasons["broken"] == ("failed", "killed by SIGKILL")
    assert reasons["waiting"] == ("unfinished", "not started")
    assert [one["id"] for one in found["arms"] if not one["held"]] == ["old"]
    assert "fine" not in reasons
    assert found["counts"] == {"done": 1, "infeasible": 1, "failed": 1, "unfinished": 1}


def test_without_prices_the_page_says_why_and_shows_what_was_run(tmp_path: Path) -> None:
    write_arm(tmp_path, "a", equal(3.0))
    found = payload(written(tmp_path))
    assert found["prices"].keys() == {"why_none"}
    assert found["tasks"][0]["settings"][0]["points"][0]["mean"] == 3.0
    assert found["boards"][0]["lines"][0]["scores"]["rouge2"][0] == 3.0


def test_without_the_folders_of_its_arms_there_is_a_page_that_names_every_arm(tmp_path: Path) -> None:
    reference = Path(__file__).parents[2] / "results" / "reference" / "pegasus"
    for name in ("suite.json", "suite.yaml"):
        shutil.copy(reference / name, tmp_path)
    found = payload(written(tmp_path))
    assert found["tasks"] == []
    assert {one["status"] for one in found["without_score"]["arms"]} == {"unfinished"}
    assert len(found["without_score"]["arms"]) == 50


def test_the_same_arms_give_the_same_page(tmp_path: Path) -> None:
    for name in ("one", "two"):
        study.write(tmp_path / name, seeds=2, examples=12)
    assert written(tmp_path / "one") == written(tmp_path / "two")


def test_a_report_at_other_prices_opens_at_them(tmp_path: Path) -> None:
    found = study.write(tmp_path / "run", seeds=2, examples=12)
    quotes = repricing.asked(found).changed({"": 0.2}, device_hour_usd=7.2)
    report.write(tmp_path / "run", quotes, out=tmp_path / "priced")
    found = payload((tmp_path / "priced" / "report.html").read_text(encoding="utf-8"))
    assert (found["prices"]["label"], found["prices"]["device_hour"]) == ({"docstrings": 0.2}, 7.2)
    point = found["tasks"][0]["settings"][0]["points"][0]
    assert point["asked_usd"] == pytest.approx(10.0)
    assert [one["name"] for one in found["predictions"]["arms"]]


def test_a_page_of_500_arms_with_long_texts_is_under_6_megabytes_and_says_what_it_left_out(tmp_path: Path) -> None:
    hostile = HOSTILE.replace("\ud800", "") * 40
    write_suite(tmp_path, prices=study.PRICES)
    says = {"student": hostile, "teacher": hostile}
    for place in range(500):
        setting = f"label_share=0.{place // 2:03} with a name as long as those of grids are {hostile[:32]}"
        values = {"student": {"rouge2": [float((7 * place + i) % 60) for i in range(6)]}, "teacher": {"rouge2": [61.0] * 6}}
        charges = study.compute(2.0, "student_training")
        folder = write_arm(tmp_path, f"a{place}", values, setting=setting, seed=place % 2, charges=charges)
        texts = {"source": f"{place} {hostile * 3}", "reference": hostile, "predictions": says}
        lines = [texts | {"id": f"e{i}", "scores": {who: {"rouge2": v["rouge2"][i]} for who, v in values.items()}} for i in range(6)]
        (folder / "predictions.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    whole = written(tmp_path)
    assert len(whole.encode()) < 6_000_000
    found = payload(whole)
    assert len(found["boards"][0]["lines"]) > 250
    assert len(found["tasks"][0]["settings"]) == 250
    assert 0 < len(found["predictions"]["arms"]) < 500
    assert "no room" in found["predictions"]["left_out"]
