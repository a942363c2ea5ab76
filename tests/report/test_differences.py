import json
from pathlib import Path
from typing import Any

import pytest

from bench.report.analysis.differences import Unlike, unlike
from bench.results import table
from tests.facts import missing
from tests.report.arms import write_arm, write_suite
from tests.report.reading import equal


def write(folder: Path, strategy: str = "sft", inputs_fingerprint: str = "", **options: Any) -> None:
    path = write_arm(folder, strategy, equal(5.0), strategy=strategy, **options) / "record.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "inputs_fingerprint": inputs_fingerprint}))


def differing(root: Path) -> list[Unlike]:
    return unlike(table.read(root / "a"), table.read(root / "b"))


@pytest.mark.parametrize(
    ("changes", "kind", "what", "before", "after"),
    [
        ({"prices": {"label_usd": 0.05, "device_hour_usd": 3.0, "meter": "flops"}}, "money", "prices.device_hour_usd", "1.875", "3"),
        ({"start_labels": 500}, "money", "start_labels", "100", "500"),
        ({"large": "pegasus-large"}, "inputs", "large", "flan-t5-small", "pegasus-large"),
        ({"compact": {"encoder_layers": 8, "decoder_layers": 2}}, "question", "compact.decoder_layers", "4", "2"),
    ],
)
def test_a_change_of_the_suite_is_named_with_both_values(
    tmp_path: Path, changes: dict[str, Any], kind: str, what: str, before: str, after: str
) -> None:
    for folder, changed in (("a", {}), ("b", changes)):
        write(tmp_path / folder)
        write_suite(tmp_path / folder, **changed)
    (found,) = differing(tmp_path)
    assert (found.kind, found.what, found.before, found.after) == (kind, what, before, after)


def test_decoding_and_metrics_are_compared_in_the_text_of_the_suite(tmp_path: Path) -> None:
    for folder, beams in (("a", 1), ("b", 4)):
        write(tmp_path / folder)
        (tmp_path / folder / "suite.yaml").write_text(
            f"decoding: {{beams: {beams}}}\nmetrics: {{rouge: {{use: rouge}}, m{beams}: {{use: x}}}}"
        )
    assert [(one.kind, one.what) for one in differing(tmp_path)] == [("question", "decoding.beams")]


def test_what_an_older_version_did_not_write_is_no_difference_where_it_says_nothing(tmp_path: Path) -> None:
    for folder, prices in (("a", {"label_usd": 0.05}), ("b", {"label_usd": 0.05, "kwh_usd": 0.0, "usd_per_1k_items": {}})):
        write(tmp_path / folder)
        write_suite(tmp_path / folder, prices=prices)
    assert differing(tmp_path) == []


def test_machines_versions_settings_and_checkpoints_differ_each_in_their_own_line(tmp_path: Path) -> None:
    gpu = {"cpu": "another", "packages": {"torch": "2.14.0"}, "gpus": [{"name": "NVIDIA H200"}]}
    for folder, inputs, options in (("a", "a" * 16, {}), ("b", "b" * 16, {"machine": gpu, "label_share": 0.9})):
        for strategy in ("sft", "annotate"):
            write(tmp_path / folder, strategy, inputs_fingerprint=inputs, **options)
    inputs_differ, *others = differing(tmp_path)
    assert (inputs_differ.kind, inputs_differ.before, inputs_differ.after) == ("inputs", "a" * 12, "b" * 12)
    assert missing(inputs_differ.what, "checkpoints", "texts", "all 2 settings") == []
    assert [(one.kind, one.what, one.before, one.after) for one in others] == [
        ("question", "label_share of all 2 settings", "0.5", "0.9"),
        ("machine", "cpu", "a 2-core box", "another"),
        ("machine", "gpus", "–", "NVIDIA H200"),
        ("version", "packages.torch", "2.13.0", "2.14.0"),
    ]


def test_where_money_is_metered_by_the_clock_another_machine_also_changes_what_it_buys(tmp_path: Path) -> None:
    for folder, cpu in (("a", "slow"), ("b", "fast")):
        write(tmp_path / folder, machine={"cpu": cpu})
        write_suite(tmp_path / folder, meter="wall")
    assert [one.kind for one in differing(tmp_path)] == ["paying machine"]
