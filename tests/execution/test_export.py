"""An exported model, loaded freshly, answers as the arm did."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bench.contracts import no_progress
from bench.errors import BenchError
from bench.execution.export import export
from tests.execution import exportable


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


def stored(root: Path) -> list[str]:
    lines = (root / exportable.ARM / "predictions.jsonl").read_text().splitlines()
    return [json.loads(line)["predictions"]["student"] for line in lines]


@pytest.mark.parametrize(("family", "beams"), [("t5_v1_1", 1), ("t5", 3), ("bart", 1), ("pegasus", 2), ("llama", 1)])
def test_transformers_alone_gives_the_answers_that_were_measured(family: str, beams: int, cache: Path, tmp_path: Path) -> None:
    record = exportable.write(tmp_path, cache, family, beams)
    made = export(tmp_path, record, tmp_path / "out", ("transformers",), cache, no_progress)
    (parity,) = made.parities
    assert len(set(stored(tmp_path))) > 1
    assert (parity.documents, parity.equal, parity.score_difference) == (12, 12, 0.0)
    settings = json.loads((tmp_path / "out" / "generation_config.json").read_text())
    assert (settings["max_new_tokens"], settings["num_beams"]) == (exportable.TARGET_TOKENS, beams)
    tokenizer = json.loads((tmp_path / "out" / "tokenizer_config.json").read_text())
    assert tokenizer["model_max_length"] == exportable.SOURCE_TOKENS


def test_other_answers_are_counted_and_scored(cache: Path, tmp_path: Path) -> None:
    record = exportable.write(tmp_path, cache)
    path = tmp_path / exportable.ARM / "predictions.jsonl"
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    for line in lines[:6]:
        line["predictions"]["student"] = line["reference"]
    path.write_text("\n".join(map(json.dumps, lines)))
    (parity,) = export(tmp_path, record, tmp_path / "out", ("transformers",), cache, no_progress).parities
    assert parity.equal == 6
    assert parity.score_difference == pytest.approx(-50)


def test_a_conversion_is_compared_too(cache: Path, tmp_path: Path) -> None:
    pytest.importorskip("ctranslate2")
    record = exportable.write(tmp_path, cache, "t5_v1_1", beams=2)
    made = export(tmp_path, record, tmp_path / "out", ("transformers", "ctranslate2"), cache, no_progress)
    assert [(one.format, one.equal) for one in made.parities] == [("transformers", 12), ("ctranslate2", 12)]
    assert (tmp_path / "out" / "ctranslate2" / "model.bin").is_file()


def test_the_script_in_the_folder_answers_without_bench(cache: Path, tmp_path: Path) -> None:
    record = exportable.write(tmp_path, cache)
    export(tmp_path, record, tmp_path / "out", ("transformers",), cache, no_progress)
    asked = "\n".join(map(json.dumps, exportable.DOCUMENTS))
    command = [sys.executable, "-I", str(tmp_path / "out" / "answer.py")]
    found = subprocess.run(command, input=asked, capture_output=True, text=True, check=True, cwd=tmp_path)
    assert [json.loads(line) for line in found.stdout.splitlines()] == stored(tmp_path)


@pytest.mark.parametrize("change", [{"student": ""}, {"student": "store/gone"}, {"task": "other"}, {"setting": "label_share=0.1"}])
def test_an_arm_without_a_model_or_outside_the_suite_is_refused(change: dict[str, Any], cache: Path, tmp_path: Path) -> None:
    record = replace(exportable.write(tmp_path, cache), **change)
    with pytest.raises(BenchError, match="--arm"):
        export(tmp_path, record, tmp_path / "out", ("transformers",), cache, no_progress)
    assert not (tmp_path / "out").exists()
