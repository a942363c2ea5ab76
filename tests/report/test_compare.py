import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result
from rich.console import Console

from bench import cli
from bench.contracts import Charge, Reading
from bench.errors import BenchError
from bench.report.analysis.changes import Cell, Change, beyond_noise, independent
from bench.report.analysis.compare import Comparison, compare
from bench.report.analysis.metric import Metric
from bench.report.analysis.significance import Estimate
from bench.report.render import markdown, terminal
from bench.report.sections import comparison
from bench.results import table
from tests.facts import missing
from tests.report.arms import Scores, write_arm, write_suite

HOSTILE = "x|y <script>alert(1)</script> `c` \x1b[31m"


def drawn(ability: float, seed: int, metric: str = "rouge2", noise: float = 1.0) -> Scores:
    """Sixty documents, some harder than others; noise tells one run from another."""
    hard = np.random.default_rng(9).gamma(1.0, 6.0, 60)
    own = np.random.default_rng([int(100 * ability), seed]).standard_normal(60)
    return {"student": {metric: list(ability + hard + noise * own)}, "floor: lead": {metric: list(hard)}}


def write(folder: Path, abilities: Mapping[str, float], seeds: Sequence[int] = (0, 1), mark: str = "", **options: Any) -> Path:
    """An arm for each strategy and seed. mark: ends their ids, as another version's hash does."""
    for strategy, ability in abilities.items():
        for seed in seeds:
            write_arm(folder, f"{strategy}-{seed}{mark}", drawn(ability, seed), strategy=strategy, seed=seed, **options)
    return folder


def silently(what: str, done: float, total: float) -> None: ...


def compared(before: Path, after: Path, *metrics: str) -> Comparison:
    return compare(table.read(before), table.read(after), metrics, silently)


def edit(folder: Path, file: str = "record.json", **changes: Any) -> None:
    for path in folder.glob(f"**/{file}"):
        path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


def page(before: Path, after: Path) -> str:
    return markdown.page("Compared", comparison.sections(compared(before, after), "A", "B"))


def bench(*arguments: object) -> Result:
    return CliRunner().invoke(cli.main, [str(argument) for argument in arguments])


def estimate(mean: float, low: float, high: float, p: float = 0.04) -> Estimate:
    return Estimate(mean=mean, low=low, high=high, seeds=2, examples=60, p=p)


def test_a_folder_beside_itself_is_identical_and_nothing_is_unlike(tmp_path: Path) -> None:
    write_suite(tmp_path)
    write(tmp_path, {"annotate": 2.0, "sft": 5.0}, facts={"student_ms": 20.0})
    found = compared(tmp_path, tmp_path)
    assert [one.verdict for one in found.changes] == ["identical", "identical"]
    assert (found.unlike, found.one_sided, found.turns, found.got_worse) == ((), (), (), False)
    assert found.costs[Cell("docstrings", 10.0, "sft")]["ms"] == (20.0, 20.0)


@pytest.mark.parametrize(("ability", "verdict", "worse"), [(8.0, "better beyond noise", False), (2.0, "worse beyond noise", True)])
def test_a_change_of_three_points_is_beyond_noise(tmp_path: Path, ability: float, verdict: str, worse: bool) -> None:
    write(tmp_path / "a", {"sft": 5.0})
    write(tmp_path / "b", {"sft": ability}, mark="-other-hash")
    (found,) = compared(tmp_path / "a", tmp_path / "b").changes
    assert found.verdict == verdict
    assert found.difference.mean == pytest.approx(ability - 5.0, abs=0.5)
    assert found.after - found.before == pytest.approx(found.difference.mean)
    assert compared(tmp_path / "a", tmp_path / "b").got_worse is worse


def test_of_a_metric_of_which_less_is_better_a_rise_is_worse(tmp_path: Path) -> None:
    for folder, ability in (("a", 5.0), ("b", 8.0)):
        write(tmp_path / folder, {"sft": ability})
        for path in (tmp_path / folder).glob("*/ledger.jsonl"):
            path.write_text(path.read_text().replace('"higher"', '"lower"'))
    (found,) = compared(tmp_path / "a", tmp_path / "b").changes
    assert (found.verdict, found.worse) == ("worse beyond noise", True)


def test_another_draw_of_the_same_is_within_noise(tmp_path: Path) -> None:
    write(tmp_path / "a", {"sft": 5.0})
    write(tmp_path / "b", {"sft": 5.01})
    found = compared(tmp_path / "a", tmp_path / "b")
    assert [one.verdict for one in found.changes] == ["within noise"]
    assert not found.got_worse


def test_what_is_beyond_noise_alone_is_not_so_among_many() -> None:
    cell, metric = Cell("docstrings", 10.0, "sft"), Metric("rouge2", "points", "higher")
    barely = Change(cell=cell, metric=metric, before=0.0, after=1.0, difference=estimate(1.0, 0.1, 1.9))
    nothing = Change(cell=cell, metric=metric, before=0.0, after=0.0, difference=estimate(0.0, -0.9, 0.9, 1.0))
    unknown = Change(cell=cell, metric=metric, before=0.0, after=9.0, difference=estimate(9.0, math.nan, math.nan, math.nan))
    assert [one.beyond for one in beyond_noise([unknown, barely])] == [False, True]
    assert [one.beyond for one in beyond_noise([barely, *[nothing] * 9])] == [False] * 10


def test_independent_intervals_add_as_squares() -> None:
    found = independent(estimate(10.0, 8.0, 11.0), estimate(13.0, 12.0, 15.0))
    assert (found.mean, found.low, found.high) == pytest.approx((3.0, 3.0 - math.sqrt(2), 3.0 + math.sqrt(8)))
    assert found.p == pytest.approx(math.erfc(1.959964 * 3 / math.sqrt(2) / math.sqrt(2)))
    assert not independent(estimate(1.0, math.nan, math.nan, math.nan), estimate(2.0, 1.0, 3.0)).tested


@pytest.mark.parametrize(("after", "p"), [(4.0, 0.05), (-4.0, 0.05), (0.0, 1.0)])
def test_a_p_value_of_independent_sides_is_that_of_its_interval(after: float, p: float) -> None:
    sides = estimate(0.0, -math.sqrt(8), math.sqrt(8)), estimate(after, after - math.sqrt(8), after + math.sqrt(8))
    assert independent(*sides).p == pytest.approx(p, abs=1e-6)
    exact = estimate(1.0, 1.0, 1.0), estimate(after, after, after)
    assert independent(*exact).p == 0.0


def test_other_data_are_never_paired_and_come_first(tmp_path: Path) -> None:
    write(tmp_path / "a", {"sft": 5.0})
    write(tmp_path / "b", {"sft": 5.5})
    paired = compared(tmp_path / "a", tmp_path / "b").changes[0]
    edit(tmp_path / "b", data_fingerprint="0" * 64)
    found = compared(tmp_path / "a", tmp_path / "b")
    assert found.changes[0].unpaired == "other data"
    assert found.changes[0].difference.high - found.changes[0].difference.low > 3 * (paired.difference.high - paired.difference.low)
    assert (found.unlike[0].kind, found.unlike[0].what, found.unlike[0].after) == ("data", "data of docstrings", "000000000000")
    assert "not paired" in page(tmp_path / "a", tmp_path / "b")


def test_without_a_seed_in_common_nothing_is_paired(tmp_path: Path) -> None:
    write(tmp_path / "a", {"sft": 5.0}, seeds=(0, 1))
    write(tmp_path / "b", {"sft": 5.0}, seeds=(2, 3))
    found = compared(tmp_path / "a", tmp_path / "b")
    assert missing(found.changes[0].unpaired, "no seed", "test example", "in common") == []
    assert [(one.new, one.whole, one.seeds) for one in found.one_sided] == [(True, False, (2, 3)), (False, False, (0, 1))]


def test_scores_without_examples_have_no_verdict(tmp_path: Path) -> None:
    for folder, ability in (("a", 5.0), ("b", 1.0)):
        write(tmp_path / folder, {"sft": ability})
        for path in (tmp_path / folder).glob("*/predictions.jsonl"):
            path.unlink()
    found = compared(tmp_path / "a", tmp_path / "b")
    assert [one.verdict for one in found.changes] == ["no interval"]
    assert not found.got_worse
    assert "No interval:" in page(tmp_path / "a", tmp_path / "b")


def test_settings_that_are_new_or_gone_are_named_and_a_renamed_one_is_known_again(tmp_path: Path) -> None:
    write(tmp_path / "a", {"sft": 5.0, "annotate": 2.0})
    write_arm(tmp_path / "a", "d", drawn(3.0, 0), strategy="distill")
    write(tmp_path / "b", {"sft": 5.0})
    write_arm(tmp_path / "b", "d", drawn(3.0, 0), strategy="distill", setting="label_share=0.5")
    found = compared(tmp_path / "a", tmp_path / "b")
    assert [(one.cell.setting, one.new, one.seeds, dict(one.ended), one.alike) for one in found.one_sided] == [
        ("distill (label_share=0.5)", True, (0,), {"done": 1}, "distill"),
        ("annotate", False, (0, 1), {"done": 2}, ""),
        ("distill", False, (0,), {"done": 1}, "distill (label_share=0.5)"),
    ]
    assert "as distill in A" in page(tmp_path / "a", tmp_path / "b")


def test_an_arm_that_was_done_and_now_fails_got_worse(tmp_path: Path) -> None:
    write(tmp_path / "a", {"sft": 5.0})
    write(tmp_path / "b", {"sft": 5.0}, seeds=(0,))
    write_arm(tmp_path / "b", "sft-1", strategy="sft", seed=1, status="failed", reason="killed by SIGKILL")
    found = compared(tmp_path / "a", tmp_path / "b")
    assert [(t.seed, t.before, t.after, t.reason) for t in found.turns] == [(1, "done", "failed", "killed by SIGKILL")]
    assert found.got_worse
    assert not compared(tmp_path / "b", tmp_path / "a").got_worse


def test_one_seed_alone_tells_no_change_from_noise(tmp_path: Path) -> None:
    write(tmp_path / "a", {"sft": 8.0}, seeds=(0,))
    write(tmp_path / "b", {"sft": 2.0}, seeds=(0,))
    found = compared(tmp_path / "a", tmp_path / "b")
    assert ([one.verdict for one in found.changes], found.got_worse) == (["untested: one seed"], False)
    assert any("one seed" in note for note in found.notes)


def test_arms_that_have_not_ended_are_counted_in_the_notes(tmp_path: Path) -> None:
    write(tmp_path, {"sft": 5.0}, seeds=(0,))
    write_suite(tmp_path, arms=["sft-0", "sft-1"])
    note = compared(tmp_path, tmp_path).notes[0]
    assert note.startswith("A: 1 arm ")
    assert "not done yet" in note


def test_a_rule_that_scores_otherwise_on_the_same_data_tells_of_the_counting(tmp_path: Path) -> None:
    write(tmp_path / "a", {"sft": 5.0})
    write_arm(tmp_path / "b", "sft-0", {**drawn(5.0, 0), "floor: lead": {"rouge2": [1.0] * 60}}, strategy="sft")
    (found,) = compared(tmp_path / "a", tmp_path / "b").unlike
    assert found.kind == "scoring"
    assert missing(found.what, "rouge2", "baseline 'lead'", "docstrings") == []


def test_costs_are_means_over_the_seeds_that_both_sides_have_done(tmp_path: Path) -> None:
    def arm(folder: str, seed: int, dollars: float, kwh: float | None) -> None:
        charge = Charge(kind="labels", quantity=dollars, unit="label", unit_price_usd=1.0, paid_by="purse", phase="student_training")
        reading = Reading("energy", kwh, "kWh", "modelled", reason="" if kwh else "no meter")
        write_arm(tmp_path / folder, f"s{seed}", drawn(5.0, seed), strategy="sft", seed=seed, charges=[charge], readings=[reading])

    arm("a", 0, 4.0, 1.0)
    arm("a", 1, 8.0, 1.0)
    arm("b", 1, 2.0, None)
    (costs,) = compared(tmp_path / "a", tmp_path / "b").costs.values()
    assert costs == {"spent USD": (8.0, 2.0)}
    assert "| docstrings | sft | 10 | 0.25 |" in page(tmp_path / "a", tmp_path / "b")


@pytest.mark.parametrize(
    ("other", "expected"),
    [
        ({"task": "names"}, "'docstrings', B 'names'"),
        ({"budget_usd": 20.0}, "10 USD, B of 20 USD"),
        ({"setting": "x=1"}, "'sft', B 'sft (x=1)'"),
    ],
)
def test_where_nothing_matches_the_nearest_reason_is_one_line(tmp_path: Path, other: dict[str, Any], expected: str) -> None:
    write(tmp_path / "a", {"sft": 5.0})
    write(tmp_path / "b", {"sft": 5.0}, **other)
    with pytest.raises(BenchError, match="nothing to compare") as error:
        compared(tmp_path / "a", tmp_path / "b")
    assert expected in str(error.value)
    assert len(str(error.value).splitlines()) == 1


def test_a_line_without_a_score_in_a_metric_is_not_compared_in_it(tmp_path: Path) -> None:
    write(tmp_path / "a", {"sft": 5.0})
    write_arm(tmp_path / "b", "sft-0", strategy="sft", status="infeasible", reason="too dear")
    found = compared(tmp_path / "a", tmp_path / "b")
    assert (found.changes, found.got_worse) == ((), True)


@pytest.mark.parametrize("width", [60, 200])
def test_hostile_names_are_text_in_the_terminal_and_in_markdown(tmp_path: Path, width: int) -> None:
    for folder in ("a", "b"):
        write_arm(tmp_path / folder, "s", drawn(5.0, 0), strategy=HOSTILE, machine={"cpu": f"{folder} {HOSTILE}"})
    found = compared(tmp_path / "a", tmp_path / "b")
    console = Console(width=width)
    with console.capture() as capture:
        console.print(terminal.page(comparison.sections(found, HOSTILE, "B"), width))
    assert "\x1b" not in capture.get()
    text = page(tmp_path / "a", tmp_path / "b")
    assert "<script>" not in text
    assert r"x\|y &lt;script&gt;" in text


def test_the_command_fails_on_a_change_to_the_worse_only_where_it_is_asked_to(tmp_path: Path) -> None:
    write(tmp_path / "a", {"sft": 5.0})
    write(tmp_path / "b", {"sft": 2.0})
    pair = (tmp_path / "a", tmp_path / "b")
    assert bench("compare", *pair).exit_code == 0
    assert bench("compare", *pair, "--fail-on-change").exit_code == 1
    assert bench("compare", *reversed(pair), "--fail-on-change").exit_code == 0
    result = bench("compare", *pair, "--markdown", tmp_path / "c.md")
    assert "1 worse beyond noise" in result.stdout
    assert "worse beyond noise |" in (tmp_path / "c.md").read_text()


def test_wrong_input_is_one_line_and_status_2(tmp_path: Path) -> None:
    write(tmp_path / "a", {"sft": 5.0})
    (tmp_path / "empty").mkdir()
    for arguments, expected in (
        ((tmp_path / "none", tmp_path / "a"), "none: "),
        ((tmp_path / "a", tmp_path / "empty"), "no arm"),
        ((tmp_path / "a", tmp_path), "no arm"),
        ((tmp_path / "a", tmp_path / "a", "--metric", "rouge9"), "'rouge9' on both sides"),
    ):
        result = bench("compare", *arguments)
        assert result.exit_code == 2
        assert expected in result.stderr
        assert len(result.stderr.strip().splitlines()) == 1
