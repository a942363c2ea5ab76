"""Writes the compact model of an arm as a folder that transformers loads, and compares its answers with those of the arm.

model.safetensors, config.json, tokenizer files     copies of the arm's
generation_config.json                              decoding of the suite, so that a plain `generate` does what was measured
bench.json, answer.py                               how a document is read, and a script that answers and serves
ctranslate2/                                        a conversion, where it is wanted
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bench.contracts import Progress, Task
from bench.engines.ctranslate2 import CTranslate2
from bench.errors import BenchError, DamagedError
from bench.execution import artifacts
from bench.execution.exported import Exported, Format, Parity
from bench.execution.record import Record
from bench.suite import suite_file
from bench.suite.arms import trained_models
from bench.suite.suite_file import Cell, Suite
from bench.system.files import atomic_write, sync, write_json
from bench.system.results_folder import BILL, PREDICTIONS, SUITE_YAML
from bench.training import answer
from bench.training.checkpoints import load_tokenizer, quiet, read_config, read_generation_config
from bench.training.model_folder import INDEX, check_folder, weight_files
from bench.training.text_coverage import comparison_form

COMPARED = 50
"""Number of test documents on which answers are compared."""


def export(results: Path, record: Record, to: Path, formats: Sequence[Format], cache: Path, progress: Progress) -> Exported:
    """Write the model of an arm to the folder `to`. `formats` holds 'transformers', and 'ctranslate2' where that is wanted too.

    A model that was exported to `to` before is replaced. If this process is killed meanwhile, it is in `to`, or beside it as NAME.old.part.

    Raises BenchError where `to` is another folder, the arm has no model, or the suite in the results folder does not hold the arm.
    """
    if to.exists() and not (to / answer.SETTINGS).exists():
        raise BenchError(f"{to}: exists and is no exported model; name another folder with --out")
    suite = suite_file.read(results / SUITE_YAML)
    task, cell = _asked(suite, record)
    student = _student(results, record)
    engine = suite.engine if isinstance(suite.engine, CTranslate2) else CTranslate2()
    for wanted in formats:
        if wanted == "ctranslate2":
            engine.check(student, "cpu")
    to.parent.mkdir(parents=True, exist_ok=True)
    replaced = to.with_name(f"{to.name}.old.part")
    with atomic_write(to) as part:
        progress("writing the model", 0, 0)
        part.mkdir(parents=True)
        _copy(student, part)
        _settle(student, part, suite, task, engine)
        if "ctranslate2" in formats:
            engine.convert(student, part / answer.CONVERTED)
        shown = _documents(results / record.arm)
        parities = tuple(_parity(part, one, shown, suite, progress) for one in formats)
        sync(part)  # now, so that nothing takes long between the next move and that of the new model
        if to.exists():
            shutil.rmtree(replaced, ignore_errors=True)
            to.replace(replaced)
    shutil.rmtree(replaced, ignore_errors=True)
    origin = trained_models(suite, cell.strategy)[-1]
    return Exported(
        folder=to,
        encoder_decoder=read_config(student).is_encoder_decoder,
        base=origin.title,
        large=suite.large.title,
        licence=suite.large.licence(cache),
        datasets=task.hub_datasets,
        prefix=task.prefix,
        max_source_tokens=task.max_source_tokens,
        max_target_tokens=task.max_target_tokens,
        beams=suite.spec.decoding.beams,
        length_penalty=suite.spec.decoding.length_penalty,
        engine=suite.spec.engine.use,
        precision=suite.spec.precision,
        parities=parities,
    )


def _asked(suite: Suite, record: Record) -> tuple[Task, Cell]:
    """Return the task and the setting of an arm."""
    cells = [cell for cell in suite.cells if (cell.label, cell.setting) == (record.strategy, record.setting)]
    if not cells or record.task not in suite.tasks:
        raise BenchError(f"{record.arm}: suite.yaml of the results does not hold this arm; name another one with --arm")
    return suite.tasks[record.task], cells[0]


def _student(results: Path, record: Record) -> Path:
    if not record.student or not (results / record.student).is_dir():
        what = f"{results / record.student} is gone" if record.student else f"it ended as {record.status}"
        raise BenchError(f"{record.arm}: has no model ({what}); run the suite again, or name another arm with --arm")
    _check_sums((results / record.student).parent, record)
    return check_folder(results / record.student)


def _check_sums(folder: Path, record: Record) -> None:
    """Raise BenchError where the model differs from the checksums in its bill."""
    if not (folder / BILL).exists():
        return
    try:
        artifacts.check(folder, artifacts.read_bill(folder) or {}, contents=True)
    except DamagedError as error:
        raise BenchError(f"{error}; remove the folder {record.arm} and run the suite again, or name another arm with --arm") from error


def _copy(student: Path, to: Path) -> None:
    """Copy the weights and the config."""
    for path in (*weight_files(student), student / "config.json", student / INDEX):
        if path.exists():
            shutil.copyfile(path, to / path.name)


def _settle(student: Path, to: Path, suite: Suite, task: Task, engine: CTranslate2) -> None:
    """Write the tokenizer, the generation config, and how documents are read."""
    config, decoding = read_config(student), suite.spec.decoding
    beams = {"length_penalty": decoding.length_penalty, "early_stopping": False} if decoding.beams > 1 else {}
    generation = read_generation_config(student)
    generation.update(max_new_tokens=task.max_target_tokens, do_sample=False, num_beams=decoding.beams, **beams)
    generation.save_pretrained(to)
    tokenizer = load_tokenizer(student)
    tokenizer.model_max_length = task.max_source_tokens
    tokenizer.save_pretrained(to)
    read = {
        "prefix": task.prefix,
        "max_source_tokens": task.max_source_tokens,
        "behind": "" if config.is_encoder_decoder else "\n",
        "encoder_decoder": config.is_encoder_decoder,
        "batch_size": decoding.batch_size,
        "compute_type": engine.compute_type,
    }
    write_json(to / answer.SETTINGS, read)
    shutil.copyfile(answer.__file__, to / "answer.py")


def _documents(arm: Path) -> list[dict[str, Any]]:
    """Return the first test documents with the arm's answers."""
    lines = (arm / PREDICTIONS).read_text(encoding="utf-8").split("\n")
    return [json.loads(line) for line in lines[:COMPARED] if line]


def _parity(folder: Path, wanted: Format, shown: Sequence[dict[str, Any]], suite: Suite, progress: Progress) -> Parity:
    """Load the exported model, and compare its answers with those that the arm stored."""
    progress(f"comparing answers ({wanted})", 0, 0)
    with quiet():
        answers = [*answer.Model(folder, converted=wanted == "ctranslate2").answers([one["source"] for one in shown])]
    stored = [one["predictions"]["student"] for one in shown]
    before, now = (_score(suite, folder, outputs, [one["reference"] or "" for one in shown]) for outputs in (stored, answers))
    return Parity(
        format=wanted,
        documents=len(shown),
        equal=sum(one == other for one, other in zip(answers, stored, strict=True)),
        score_difference=None if before is None or now is None else now - before,
    )


def _score(suite: Suite, folder: Path, outputs: Sequence[str], references: Sequence[str]) -> float | None:
    """Return the score that ranks. None: it is no score of texts, or cannot be had here."""
    form = comparison_form(load_tokenizer(folder))
    for metric in suite.metrics.values():
        if suite.spec.rank_by in metric.score_names and outputs:
            try:
                metric.prepare()
                found = metric.in_form(form).score([form(output) for output in outputs], [form(reference) for reference in references])
            except BenchError:
                return None
            return next((score.value for score in found if score.name == suite.spec.rank_by), None)
    return None
