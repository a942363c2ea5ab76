"""The plan of a suite that pays by the item gives the dollars and the infeasible cells that Kang, Xu and Ritter 2023 published.

Everything is a hundredth in number and a hundredfold in price, so that planning is quick; dollars are the same.

Their compute was recovered from a digitised figure, without a constant (`bench/published/README.md`). Its residuals have one: about
2.70 dollars, or 1.4 GPU-hours, for every distillation, on all six tasks alike. Without it the cheapest cells are off by up to 12
percent; with it all 90 cells are within 3.
"""

from pathlib import Path

import pytest

from bench.contracts import Example, Splits, no_progress
from bench.execution.store import DryStore
from bench.forecast.arm import Forecast, forecast
from bench.published import rows
from bench.suite import arms, suite_file

SCALE = 100

SUITE = """
suite: published
question: What did it cost them?
large: {{use: random}}
compact: {{decoder_layers: 1}}
tasks: {{own: {{use: files, with: {{train: none.csv, source: a, target: b, max_source_tokens: 8, max_target_tokens: 2}}}}}}
strategies:
  annotate: {{use: annotate, with: {{label_share: 1.0}}}}
  distill: {{use: distill, with: {{label_share: 0.0, pseudo_share: 1.0, gold: false}}}}
start_labels: {labels}
budgets_usd: [{budget}]
seeds: [1]
pays: {{student_training: free}}
prices:
  label_usd: {label}
  meter: items
  usd_per_1k_items: {{own: {{teacher_set_up: 2.7, teacher_tuning: {tuning}, pseudo_labelling: {distilling}}}}}
"""

PRICES = {row["task"]: row for row in rows("kang2023_compute")}


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where all cells find the model, which is made once."""
    return tmp_path_factory.mktemp("published")


def cell(folder: Path, task: str, strategy: str, labels: int, budget: float, pool: int) -> Forecast:
    """What planning one cell of their tables says."""
    price = {name: SCALE * float(value) for name, value in PRICES[task].items() if name != "task"}
    text = SUITE.format(
        labels=labels // SCALE,
        budget=budget,
        label=price["usd_per_label"],
        tuning=price["usd_per_1k_labels_teacher_finetune"],
        distilling=price["usd_per_1k_unlabelled_distill"],
    )
    path = folder / "published.yaml"
    path.write_text(text, encoding="utf-8")
    loaded = suite_file.read(path)
    train = tuple(Example(str(i), f"document {i}", "a label") for i in range(200))
    unlabelled = tuple(Example(f"u{i}", f"document {i}") for i in range(pool // SCALE))
    arm = next(a for a in arms.arms(loaded) if a.cell.label == strategy)
    return forecast(loaded, arm, Splits(train, unlabelled, (), (), "fingerprint"), DryStore(folder, no_progress))


def spent(found: Forecast) -> float:
    return sum(charge.usd for charge in found.charges if charge.paid_by == "purse")


CELLS = [row for row in rows("kang2023_cells") if row["strategy"] == "distill"]


@pytest.mark.parametrize("row", CELLS, ids=lambda row: f"{row['task']}-{row['start_labels']}-{row['added_usd']}")
def test_a_cell_is_infeasible_where_the_authors_budget_was_gone_before_any_distillation(row: dict[str, str], folder: Path) -> None:
    found = cell(folder, row["task"], "distill", int(row["start_labels"]), float(row["added_usd"]), 300_000)
    assert bool(found.stops) == (float(row["score"]) == 0.0)
    assert spent(found) <= float(row["added_usd"])


def test_one_cell_of_all_is_infeasible() -> None:
    assert [(r["task"], r["start_labels"], r["added_usd"]) for r in CELLS if float(r["score"]) == 0.0] == [("NQ", "10000", "50")]


GRID = rows("kang2023_pareto")


@pytest.mark.parametrize("row", GRID, ids=lambda row: f"{row['task']}-{row['labels']}-{row['unlabelled']}")
def test_the_total_dollars_are_the_published_ones_within_three_percent(row: dict[str, str], folder: Path) -> None:
    labels, pool = int(row["labels"]), int(row["unlabelled"])
    owned = labels * float(PRICES[row["task"]]["usd_per_label"])
    found = cell(folder, row["task"], "distill", labels, 100_000.0, pool) if pool else None
    assert not (found and found.stops)
    total = owned + (spent(found) if found else 0.0)
    assert total == pytest.approx(float(row["total_usd"]), rel=0.03)
