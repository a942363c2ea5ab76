"""Cost axes: what is on the Pareto front of quality against parameters, FLOPs and speed."""

import re
import struct
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bench import report
from bench.report.blocks import Section
from tests.facts import missing
from tests.report.arms import write_arm, write_suite
from tests.report.reading import equal, made, prose, row, rows, section

PUBLISHED = {
    "small": (73.57, 61, 3.7, 23),
    "mini-nl8": (73.44, 50, 3.2, 24),
    "base": (79.16, 223, 11, 9),
    "small-nl16": (78.71, 134, 7.2, 13),
    "small-nl20": (79.30, 164, 8.6, 11),
    "small-nl24": (79.92, 193, 10, 9),
    "small-el32": (79.81, 143, 10, 10),
    "large": (82.87, 738, 34, 4),
    "base-nl36": (82.89, 621, 29, 3),
}
"""Tay et al. 2021, the Pareto table: mean score, parameters (millions), TFLOPs, steps per second."""


def shape(folder: Path, name: str, scores: Sequence[float] | float, costs: Mapping[str, float], seeds: Sequence[int] = (0, 1)) -> None:
    """Arms whose students have these scores and costs, the latter as facts."""
    each = [scores] * 12 if isinstance(scores, float) else list(scores)
    found = {"student": {"rouge2": each}, "floor: lead": {"rouge2": [0.5] * len(each)}}
    for seed in seeds:
        write_arm(folder, f"{name}-{seed}", found, strategy=name, seed=seed, facts=costs)


def costs(parameters: float, flops: float, ms: float) -> dict[str, float]:
    return {"student_parameters": 1e6 * parameters, "student_flops": 1e9 * flops, "student_ms": ms}


def axes(folder: Path) -> Section:
    return made(folder)["cost-axes"]


def verdicts(found: Section, name: str) -> list[Any]:
    """By parameters, by FLOPs, by speed: on the front, or (significantly?, by which setting, how good, how dear)."""
    return [dominated(cell) for cell in next([*one.values()][-3:] for one in rows(found) if one["strategy (setting)"] == name)]


def dominated(cell: str) -> Any:
    found = re.fullmatch(r"(significantly )?inefficient: (\S+) is (.+) and (.+)", cell)
    return (bool(found[1]), *found.groups()[1:]) if found else cell


def test_the_published_shapes_of_t5_are_inefficient_where_the_paper_says_so(tmp_path: Path) -> None:
    for name, (mean, parameters, tflops, steps) in PUBLISHED.items():
        shape(tmp_path, name, float(mean), costs(parameters, 1000 * tflops, 1000 / steps))
    text = axes(tmp_path)
    assert verdicts(text, "base") == [
        (True, "small-nl24", "better", "cheaper"),
        (True, "small-nl24", "better", "cheaper"),
        (True, "small-nl24", "better", "no costlier"),
    ]
    assert verdicts(text, "large")[:2] == [(True, "base-nl36", "better", "cheaper")] * 2
    assert verdicts(text, "large")[2] == "on the front"
    assert verdicts(text, "small-nl16") == ["on the front"] * 3


def test_a_setting_stands_with_its_figures_and_its_rank_on_every_axis(tmp_path: Path) -> None:
    shape(tmp_path, "wide", 3.0, costs(60.5, 4.8, 20.0))
    shape(tmp_path, "deep", 5.0, costs(50.0, 7.25, 40.0))
    shape(tmp_path, "tiny", 2.0, costs(15.6, 1.1, 19.9))
    text = axes(tmp_path)
    heads = ["strategy (setting)", "rouge2 (points) ↑ (rank)", "parameters (millions) ↓ (rank)", "GFLOP per example ↓ (rank)"]
    heads += ["examples per second ↑ (rank)", "by parameters", "by FLOPs", "by speed"]
    assert [*rows(text)[0]] == heads
    assert [*row(text, "wide").values()][1:5] == ["3.00 [3.00, 3.00] (2)", "60.5 (3)", "4.8 (2)", "50.0 (1)"]
    assert [*row(text, "deep").values()][1:] == ["5.00 [5.00, 5.00] (1)", "50.0 (2)", "7.25 (3)", "25.0 (3)", *["on the front"] * 3]
    assert verdicts(text, "wide")[0] == (True, "deep", "better", "cheaper")


def test_speeds_that_differ_by_what_timings_differ_by_count_as_equal(tmp_path: Path) -> None:
    shape(tmp_path, "good", 5.0, costs(50.0, 5.0, 10.0))
    shape(tmp_path, "alike", 3.0, costs(40.0, 4.0, 9.8))
    shape(tmp_path, "fast", 2.0, costs(30.0, 3.0, 9.0))
    text = axes(tmp_path)
    assert verdicts(text, "alike") == ["on the front", "on the front", (True, "good", "better", "no costlier")]
    assert verdicts(text, "fast")[2] == "on the front"


def test_inefficient_is_significant_only_where_the_other_one_is_significantly_better(tmp_path: Path) -> None:
    generator = np.random.default_rng(4)
    hard = 10 * generator.standard_normal(60)
    for seed in (0, 1, 2):
        for name, ahead, dear in (("best", 3.0, 1.0), ("near", 2.9, 2.0), ("far", 0.0, 3.0)):
            scores = hard + ahead + 2 * generator.standard_normal(60)
            shape(tmp_path, name, list(scores), costs(dear, dear, dear), seeds=(seed,))
    text = axes(tmp_path)
    assert verdicts(text, "near") == [(False, "best", "better", "cheaper")] * 3
    assert verdicts(text, "far") == [(True, "best", "better", "cheaper")] * 3


def test_with_one_seed_nothing_is_significantly_inefficient(tmp_path: Path) -> None:
    shape(tmp_path, "good", 5.0, costs(1.0, 1.0, 1.0), seeds=(0,))
    shape(tmp_path, "bad", 1.0, costs(2.0, 2.0, 2.0), seeds=(0,))
    assert verdicts(axes(tmp_path), "bad") == [(False, "good", "better", "cheaper")] * 3


def test_of_equal_means_the_cheaper_one_is_on_the_front(tmp_path: Path) -> None:
    shape(tmp_path, "dear", 4.0, costs(2.0, 2.0, 2.0))
    shape(tmp_path, "cheap", 4.0, costs(1.0, 2.0, 1.0))
    text = axes(tmp_path)
    assert verdicts(text, "dear") == [
        (False, "cheap", "as good", "cheaper"),
        "on the front",
        (False, "cheap", "as good", "cheaper"),
    ]
    assert verdicts(text, "cheap") == ["on the front"] * 3


def test_of_a_score_of_which_less_is_better_the_lower_mean_dominates(tmp_path: Path) -> None:
    shape(tmp_path, "wrong", 9.0, costs(2.0, 2.0, 2.0))
    shape(tmp_path, "right", 4.0, costs(1.0, 1.0, 1.0))
    for path in tmp_path.glob("*/ledger.jsonl"):
        path.write_text(path.read_text().replace('"higher"', '"lower"'))
    text = axes(tmp_path)
    assert verdicts(text, "wrong") == [(True, "right", "better", "cheaper")] * 3
    assert verdicts(text, "right") == ["on the front"] * 3


def test_where_all_students_have_one_shape_there_are_no_cost_axes(tmp_path: Path) -> None:
    shape(tmp_path, "annotate", 3.0, costs(60.0, 5.0, 10.0))
    shape(tmp_path, "sft", 5.0, costs(60.0, 5.0, 10.1))
    report.write(tmp_path)
    found = made(tmp_path)
    assert "cost-axes" not in found
    assert "Pareto" not in prose(found["certainty"])
    assert not list(tmp_path.glob("pareto*"))
    assert "student_flops (GFLOP)" in rows(found["facts"])[0]


def test_an_axis_that_was_not_measured_is_missing_and_a_cost_that_was_not_measured_a_dash(tmp_path: Path) -> None:
    shape(tmp_path, "deep", 5.0, {"student_parameters": 5e7, "student_ms": 10.0})
    shape(tmp_path, "wide", 3.0, {"student_parameters": 6e7})
    text = axes(tmp_path)
    assert [*rows(text)[0]][-2:] == ["by parameters", "by speed"]
    assert [dominated(cell) for cell in [*row(text, "wide").values()][2:]] == ["60.0 (2)", "–", (True, "deep", "better", "cheaper"), "–"]
    report.write(tmp_path)
    assert (tmp_path / "pareto-docstrings.png").exists()


def test_a_setting_that_lacks_a_seed_makes_no_other_inefficient(tmp_path: Path) -> None:
    shape(tmp_path, "deep", 5.0, costs(50.0, 5.0, 10.0))
    shape(tmp_path, "tiny", 2.0, costs(10.0, 1.0, 2.0))
    shape(tmp_path, "lucky", 9.0, costs(1.0, 0.1, 1.0), seeds=(0,))
    text = axes(tmp_path)
    assert verdicts(text, "tiny") == ["on the front"] * 3
    assert verdicts(text, "lucky") == ["not compared: incomplete"] * 3


def test_the_answer_says_which_settings_are_efficient_and_inefficient_on_every_axis(tmp_path: Path) -> None:
    shape(tmp_path, "deep", 5.0, costs(50.0, 5.0, 30.0))
    shape(tmp_path, "wide", 3.0, costs(60.0, 6.0, 10.0))
    shape(tmp_path, "bad", 1.0, costs(70.0, 7.0, 40.0))
    found = prose(made(tmp_path)["certainty"])
    assert missing(found, "(parameters, FLOPs and speed", "and speed): deep.") == []
    assert "every one: bad." in found


def test_teachers_stand_beside_the_students_with_what_the_large_model_costs(tmp_path: Path) -> None:
    write_suite(tmp_path)
    large = {"teacher_parameters": 77e6, "large_ms": 40.0, "large_flops": 9e9}
    write_arm(tmp_path, "a", {**equal(4.0), "teacher": {"rouge2": [6.0] * 12}}, facts={**costs(50, 5, 10), **large})
    write_arm(tmp_path, "b", equal(2.0), strategy="sft", facts={**costs(20, 2, 5), **large})
    text = axes(tmp_path)
    assert [*row(text, "teacher of annotate").values()][1:5] == ["6.00 [6.00, 6.00]", "77.0", "9", "25.0"]


@pytest.mark.parametrize("settings", [2, 25])
def test_the_fronts_are_a_picture_1200_pixels_wide_also_with_more_settings_than_have_a_colour(tmp_path: Path, settings: int) -> None:
    for place in range(settings):
        shape(tmp_path, f"s{place}", float(place), costs(1.0 + place, 2.0**place, 1.0 + place))
    text = report.write(tmp_path).read_text(encoding="utf-8")
    assert "(pareto-docstrings.png)" in section(text, "Plots")
    assert struct.unpack(">I", (tmp_path / "pareto-docstrings.png").read_bytes()[16:20]) == (1200,)
