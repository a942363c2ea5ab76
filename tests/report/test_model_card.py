"""Which arm is exported, and what its card holds."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner
from huggingface_hub import ModelCard, parse_eval_result_entries

from bench.cli import main
from bench.errors import BenchError
from bench.execution.exported import Exported
from bench.report import model_card
from bench.report.analysis.chosen import choose
from bench.results import table
from bench.tasks.files import Files
from tests.execution import exportable
from tests.report.arms import write_arm, write_suite


def board(root: Path, scores: dict[str, dict[int, float]], budget_usd: float = 10.0, task: str = "docs") -> None:
    """Write arms: strategy -> seed -> mean score."""
    for strategy, of_seed in scores.items():
        for seed, mean in of_seed.items():
            values = {"student": {"rouge2": [mean - 1, mean, mean, mean + 1]}}
            write_arm(
                root, f"{task}-{strategy}-{budget_usd:g}-{seed}", values, strategy=strategy, seed=seed, budget_usd=budget_usd, task=task
            )


@pytest.mark.parametrize(
    ("scores", "arm"),
    [({1: 30.0, 2: 50.0, 3: 40.0}, "docs-sft-10-3"), ({1: 30.0, 2: 50.0, 3: 40.0, 4: 60.0}, "docs-sft-10-3"), ({7: 40.0}, "docs-sft-10-7")],
)
def test_the_median_arm_of_the_best_setting_is_chosen(scores: dict[int, float], arm: str, tmp_path: Path) -> None:
    write_suite(tmp_path)
    board(tmp_path, {"sft": scores, "annotate": dict.fromkeys(scores, 10.0)})
    found = choose(table.read(tmp_path))
    assert (found.arm, found.line.name, found.named) == (arm, "sft", False)


def test_the_largest_budget_is_taken_unless_another_is_named(tmp_path: Path) -> None:
    write_suite(tmp_path)
    board(tmp_path, {"sft": {1: 30.0}})
    board(tmp_path, {"annotate": {1: 20.0}}, budget_usd=40.0)
    found = table.read(tmp_path)
    assert choose(found).arm == "docs-annotate-40-1"
    assert choose(found, budget_usd=10.0).arm == "docs-sft-10-1"
    assert choose(found, arm="*sft*").named
    for wrong in ({"arm": "*"}, {"arm": "none"}, {"task": "none"}):
        with pytest.raises(BenchError):
            choose(found, **wrong)


def test_several_tasks_need_one_to_be_named(tmp_path: Path) -> None:
    write_suite(tmp_path)
    board(tmp_path, {"sft": {1: 30.0}})
    board(tmp_path, {"sft": {1: 30.0}}, task="other")
    with pytest.raises(BenchError, match="docs, other"):
        choose(table.read(tmp_path))
    assert choose(table.read(tmp_path), task="other").arm == "other-sft-10-1"


def test_export_writes_a_card_with_the_scores_of_the_arm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Files, "hub_datasets", ("owner/data",))
    exportable.write(tmp_path / "results", tmp_path / "cache", seeds=(1, 3, 5))
    arguments = ["export", "model", str(tmp_path / "results"), "--cache", str(tmp_path / "cache"), "--serve"]
    for _ in range(2):  # a model that was exported before is replaced
        shown = CliRunner().invoke(main, arguments)
        assert shown.exit_code == 0, shown.output
    folder = tmp_path / "results" / "export" / exportable.ARM
    assert f"{folder}/answer.py --serve 8000" in shown.stdout
    _, front, body = (folder / "README.md").read_text().split("---\n", 2)
    about = yaml.safe_load(front)
    (result,) = about["model-index"][0]["results"]
    assert result["metrics"] == [{"type": "rouge", "name": "rouge1", "value": 8.5}]
    assert (about["license"], "base_model" in about) == ("unknown", False)
    (entry,) = parse_eval_result_entries(yaml.safe_load((folder / ".eval_results" / "docs.yaml").read_text()))
    assert (entry.dataset_id, entry.value) == ("owner/data", 8.5)
    assert re.search(r"12 of 12\b.*\+0\.00", body)
    row = next(line for line in body.splitlines() if line.startswith("| rouge1"))
    assert "| 8.50 [" in row
    assert row.endswith("| not measured | 1.00 [1.00, 1.00] |")


def exported(folder: Path, *datasets: str) -> Exported:
    """A model that nobody wrote."""
    about = {"base": "t5:mini", "large": "owner/large", "licence": "mit", "datasets": datasets, "prefix": "", "engine": "torch"}
    decoding = {"beams": 1, "length_penalty": 1.0, "max_source_tokens": 8, "max_target_tokens": 8, "precision": "fp32"}
    return Exported(folder=folder, encoder_decoder=True, parities=(), **about, **decoding)  # type: ignore[arg-type]


def test_the_hub_reads_the_scores_of_the_card_and_of_the_evaluation_results(tmp_path: Path) -> None:
    write_suite(tmp_path)
    board(tmp_path, {"sft": {1: 30.123456}})
    found = table.read(tmp_path)
    chosen, made = choose(found), exported(tmp_path / "model", "owner/data")
    card = ModelCard(model_card.card(found, chosen, made))
    (result,) = card.data.eval_results
    assert (result.dataset_type, result.dataset_split) == ("owner/data", "test")
    assert (result.metric_type, result.metric_name, result.metric_value) == ("rouge", "rouge2", 30.1235)
    text = model_card.eval_results(found, chosen, made)
    assert text is not None
    assert set(yaml.safe_load(text)[0]) == {"dataset", "value", "date", "notes"}
    (entry,) = parse_eval_result_entries(yaml.safe_load(text))
    assert (entry.dataset_id, entry.task_id, entry.value) == ("owner/data", "default", 30.1235)
    assert entry.date == "2026-01-01T00:01:00+00:00"
    assert "rouge2 (points)" in str(entry.notes)


def test_documents_that_are_not_from_the_hub_have_no_evaluation_results_there(tmp_path: Path) -> None:
    write_suite(tmp_path)
    board(tmp_path, {"sft": {1: 30.0}})
    found = table.read(tmp_path)
    assert model_card.eval_results(found, choose(found), exported(tmp_path)) is None


def test_a_folder_that_is_no_exported_model_stays(tmp_path: Path) -> None:
    exportable.write(tmp_path / "results", tmp_path / "cache")
    (tmp_path / "mine").mkdir()
    shown = CliRunner().invoke(main, ["export", "model", str(tmp_path / "results"), "--out", str(tmp_path / "mine")])
    assert shown.exit_code == 2
    assert [*(tmp_path / "mine").iterdir()] == []
