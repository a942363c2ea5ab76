"""The scripts under benchmarks/, where tiny models and a CPU are enough to run them."""

import json
import sys
from pathlib import Path

import pytest

from bench.contracts import no_progress
from bench.execution import prepare, runner
from bench.forecast.memory import SequenceLengths
from benchmarks import __main__ as all_of_them
from benchmarks import curves, gpu, growth, instruments, pages, pool, quick, report
from benchmarks.curves import Growth
from benchmarks.pairs import compared, in_turn

LENGTHS = SequenceLengths(16, 8)


def test_the_gpu_script_predicts_measures_and_publishes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gpu, "WARM", 1)
    monkeypatch.setattr(gpu, "STEPS", 2)
    predictions = gpu.predict(gpu.TINY[1:2], LENGTHS, 2)
    assert [(one.work, one.batch) for one in predictions] == [("training", 2), ("generation", 2)]
    assert all(one.bytes > 2**20 for one in predictions)
    found = json.loads(json.dumps(gpu.measure(predictions, LENGTHS, "cpu")))
    measured = [row["measured"] for row in found["rows"]]
    assert all(one["ratio"] > 0 and one["seconds"] > 0 and one["flops_per_second"] > 0 for one in measured)
    assert [one["bytes"] for one in measured] == [None, None]
    first, second = measured[0]["same"].split()[2::2]
    assert float(first) == pytest.approx(float(second), rel=0.02)
    found["peak_flops_per_second"] = 1e12
    for row in found["rows"]:
        row["measured"]["bytes"] = 2 * row["bytes"]
    names = ("performance.md", "memory.md")
    for name in names:
        (tmp_path / name).write_text("before\n<!-- gpu -->\nold\n<!-- end of gpu -->\nafter\n", encoding="utf-8")
    gpu.publish(found, *(tmp_path / name for name in names))
    performance, memory = ((tmp_path / name).read_text(encoding="utf-8") for name in names)
    assert all(text.startswith("before\n") and text.endswith("\nafter\n") and "\nold\n" not in text for text in (performance, memory))
    assert memory.count("-50.0%") == 2
    assert performance.count("| torch engine |") == performance.count("| Seq2SeqTrainer |") == 1


def test_work_that_fails_is_kept_with_its_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: object) -> None:
        raise RuntimeError("out of memory")

    monkeypatch.setattr(gpu, "training", fails)
    prediction = gpu.Prediction(shape=gpu.TINY[0], work="training", batch=1, bytes=1)
    (row,) = gpu.measure([prediction], LENGTHS, "cpu")["rows"]
    assert row["reason"] == "RuntimeError: out of memory"
    assert "measured" not in row


def test_the_benchmark_of_a_pool_makes_its_file_and_reads_the_memory_of_all_processes(tmp_path: Path) -> None:
    pool.write_file(tmp_path / "pool.csv", 5)
    lines = (tmp_path / "pool.csv").read_text(encoding="utf-8").splitlines()
    assert len(lines) == 1 + pool.LABELLED + 5
    assert [line.endswith(",") for line in lines[-6:]] == [False, *[True] * 5]
    code = (
        "import subprocess, sys, time; taken = bytearray(80_000_000); subprocess.run([sys.executable, '-c', 'import time; time.sleep(1)'])"
    )
    parent, child = pool.peaks([sys.executable, "-c", code], tmp_path)
    assert parent > 8e7 > child > 1e5


def test_a_ratio_compares_the_times_of_one_round() -> None:
    ratio = compared({"a": [1.0, 2.0, 4.0], "b": [2.0, 2.0, 16.0]}, "work", "a", "b", mark=1.5)
    assert (ratio.ratio, ratio.lowest, ratio.highest, ratio.rounds, ratio.reached) == (2.0, 1.0, 4.0, 3, True)
    calls: list[str] = []
    seconds = in_turn({"a": lambda: calls.append("a"), "b": lambda: calls.append("b")}, rounds=2)
    assert calls == ["a", "b"] * 3
    assert [len(times) for times in seconds.values()] == [2, 2]


def test_a_page_without_the_place_is_refused(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("<!-- ratios -->", encoding="utf-8")
    with pytest.raises(ValueError, match="ratios"):
        pages.between(page, "ratios", [])


def test_a_timing_is_the_median_of_its_rounds() -> None:
    timing = quick.timing("work", [3.0, 1.0, 2.0], mark=2.5)
    assert (timing.median, timing.lowest, timing.highest, timing.rounds, timing.reached) == (2.0, 1.0, 3.0, 3, True)
    assert not quick.timing("work", [3.0, 3.0, 2.0], mark=2.5).reached


def test_every_arm_of_a_made_up_finished_suite_counts_as_ended(tmp_path: Path) -> None:
    arms = quick.finish(quick.SMOKE, tmp_path / "results", tmp_path / "cache")
    prepared = prepare.load(
        quick.SMOKE, results=tmp_path / "results", cache=tmp_path / "cache", device="cpu", only=None, progress=no_progress
    )
    kept = runner.kept(prepared, retry=True)
    assert len(kept) == arms == 8
    assert {record and record.status for record in kept.values()} == {"done"}


def test_instruments_take_a_part_of_a_step() -> None:
    shares = instruments.shares(tiny=True, rounds=1)
    assert set(shares) == {"flops", "energy"}
    assert all(len(found) == 1 and 0 < found[0] < 1 for found in shares.values())


def test_growth_is_the_slope_on_log_axes(tmp_path: Path) -> None:
    sizes = (10, 100, 1000)
    seconds = [3 * size**1.5 for size in sizes]
    least = [share * second for share, second in zip((0.5, 0.4, 0.2), seconds, strict=True)]
    rows = [Growth(axis="arms", unit="arms", work=work, sizes=sizes, seconds=seconds, limit="limit", least=least) for work in ("a", "b")]
    assert [row.slope for row in rows] == pytest.approx([1.5, 1.5])
    assert rows[0].cells[-1] == "50% to 20%"
    assert len(rows[0].cells) == len(Growth.HEAD)
    (shown,) = curves.draw(rows, tmp_path)
    assert "(growth-arms.png)" in shown
    assert (tmp_path / "growth-arms.png").read_bytes().startswith(b"\x89PNG")


def test_growth_is_measured_along_every_axis(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(growth, "ROUNDS", 1)
    monkeypatch.setattr(report, "measured", report.timed)  # in this process
    rows = growth.measure(growth.TINY)
    assert {row.axis for row in rows} == {"examples", "length", "size", "arms"}
    for row in rows:
        assert len(row.sizes) == len(row.seconds) == len(row.least) == 2
        assert row.sizes[0] < row.sizes[1]
        assert min(*row.seconds, *row.least) > 0
        if row.limit.startswith(("matrix", "reading memory")):  # the others are timed
            assert row.least[0] < row.least[1]


def test_each_kind_of_rows_has_a_place_in_the_page() -> None:
    text = all_of_them.PAGE.read_text(encoding="utf-8")
    assert all(f"<!-- {kind.PLACE} -->" in text and f"<!-- end of {kind.PLACE} -->" in text for kind in all_of_them.KINDS.values())
    row = compared({"a": [1.0], "b": [2.0]}, "work", "a", "b")
    found = {"date": "2026-12-01", "cpu": "a CPU", "torch": "2", "transformers": "5", "ratios": [vars(row)]}
    assert "| work | a | b | 2.00 | 2.00 to 2.00 |  |  |" in all_of_them.lines("start", found)
