"""Real trackers. Run by `make test-trackers`, which installs them in an environment of their own; elsewhere these tests are skipped."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.report.arms import write_arm, write_suite


@pytest.fixture
def results(tmp_path: Path) -> Path:
    """Three arms: two done, one infeasible."""
    folder = tmp_path / "results"
    write_suite(folder)
    for seed in (1, 2):
        settings = {"student": {"epochs": 3, "prefix": ""}, **{f"option{place}": place for place in range(120)}}
        write_arm(
            folder, f"done-{seed}", {"student": {"rouge2": [1.0, 2.0 + seed]}}, seed=seed, facts={"student_ms": 2.5}, settings=settings
        )
    write_arm(folder, "infeasible-1", strategy="distill", status="infeasible", reason="a 'teacher' costs 20 USD")
    return folder
