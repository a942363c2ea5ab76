"""An exported model, loaded freshly, answers as the arm did."""

from __future__ import annotations

import io
import json
import math
import runpy
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bench.contracts import no_progress
from bench.errors import BenchError
from bench.execution.export import export
from bench.training import answer
from tests.execution import exportable


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


def stored(root: Path, what: str = "predictions") -> list[Any]:
    lines = (root / exportable.ARM / "predictions.jsonl").read_text().splitlines()
    return [json.loads(line)[what]["student"] for line in lines]


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


def test_a_model_that_was_exported_before_is_there_until_the_new_one_is(
    cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    record, to, replace_ = exportable.write(tmp_path, cache), tmp_path / "out", Path.replace
    to.mkdir()
    (to / answer.SETTINGS).write_text("before")

    def killed(self: Path, target: Path) -> Path:
        if self.name == "out.part":
            raise KeyboardInterrupt
        return replace_(self, target)

    monkeypatch.setattr(Path, "replace", killed)
    with pytest.raises(KeyboardInterrupt):
        export(tmp_path, record, to, ("transformers",), cache, no_progress)
    monkeypatch.setattr(Path, "replace", replace_)
    assert [path.read_text() for path in tmp_path.glob(f"out*/{answer.SETTINGS}")] == ["before"]
    export(tmp_path, record, to, ("transformers",), cache, no_progress)
    assert [path.name for path in tmp_path.glob("out*")] == ["out"]
    assert (to / "model.safetensors").is_file()


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


@pytest.mark.parametrize(
    ("family", "beams", "converted"), [("t5_v1_1", 1, False), ("bart", 3, False), ("llama", 1, False), ("t5_v1_1", 2, True)]
)
def test_the_confidence_is_the_probability_that_the_run_recorded(
    family: str, beams: int, converted: bool, cache: Path, tmp_path: Path
) -> None:
    """The cascade table is made from what the run recorded, so a threshold means the same in both."""
    if converted:
        pytest.importorskip("ctranslate2")
    record = exportable.write(tmp_path, cache, family, beams)
    formats = ("transformers", "ctranslate2") if converted else ("transformers",)
    export(tmp_path, record, tmp_path / "out", formats, cache, no_progress)
    recorded = stored(tmp_path, "log_probs")
    threshold = math.exp(sorted(recorded)[6]) * 1.001
    found = [*answer.Model(tmp_path / "out", converted=converted).with_confidence(exportable.DOCUMENTS, threshold)]
    assert [one["answer"] for one in found] == stored(tmp_path)
    assert [math.log(one["confidence"]) for one in found] == pytest.approx(
        recorded, abs=0.01 if converted else 1e-3
    )  # CTranslate2 adds in another order
    lengths = [math.log(one["confidence"]) / one["log_prob_per_token"] for one in found]
    assert all(length == pytest.approx(round(length)) and 1 <= round(length) <= exportable.TARGET_TOKENS for length in lengths)
    assert [one["passed_on"] for one in found] == [one["confidence"] < threshold for one in found]
    assert 0 < sum(one["passed_on"] for one in found) < len(found)


@pytest.mark.parametrize(("options", "keys"), [((), 0), (("--confidence",), 3), (("--threshold", "0.5"), 4)])
def test_the_script_prints_objects_where_the_confidence_is_wanted(
    options: tuple[str, ...], keys: int, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    export(tmp_path, exportable.write(tmp_path, cache), tmp_path / "out", ("transformers",), cache, no_progress)
    monkeypatch.setattr(sys, "argv", ["answer.py", *options])
    monkeypatch.setattr(sys, "stdin", io.StringIO(json.dumps(exportable.DOCUMENTS[0])))
    capsys.readouterr()
    runpy.run_path(str(tmp_path / "out" / "answer.py"), run_name="__main__")
    found = json.loads(capsys.readouterr().out)
    assert (found["answer"] if keys else found) == stored(tmp_path)[0]
    assert keys == (len(found) if isinstance(found, dict) else 0)


def test_a_threshold_is_a_probability(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["answer.py", "--threshold", "-3"])
    with pytest.raises(SystemExit):
        answer.main()


@pytest.mark.parametrize("change", [{"student": ""}, {"student": "store/gone"}, {"task": "other"}, {"setting": "label_share=0.1"}])
def test_an_arm_without_a_model_or_outside_the_suite_is_refused(change: dict[str, Any], cache: Path, tmp_path: Path) -> None:
    record = replace(exportable.write(tmp_path, cache), **change)
    with pytest.raises(BenchError, match="--arm"):
        export(tmp_path, record, tmp_path / "out", ("transformers",), cache, no_progress)
    assert not (tmp_path / "out").exists()
