"""FLOPs of each strategy per label, per document and per test document, from the strategies' own code.

Each strategy runs once as in `bench plan`, over a store that makes nothing. The data are a few texts of mean
length. The model is a folder with the real config, a tokenizer that knows a few words, and no weights.
"""

from __future__ import annotations

import json
import math
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.contracts import Compact, Example, Splits, no_progress
from bench.init.defaults import Methods

POOL = 8
"""Documents in the pool of a probe, beside one label: more than the times that a strategy uses
one text, so that uses of labels and of documents can be separated."""


@dataclass(frozen=True, kw_only=True)
class ArmCost:
    """FLOPs of an arm. They grow linearly with its labels, the documents of its pool, and test documents."""

    teacher_label: float
    """Tuning the teacher, per label."""
    pooled_document: float
    """Labelling the pool by the teacher, per document."""
    student_label: float
    """Training the compact model, per label."""
    student_document: float
    """Training the compact model, per document of the pool."""
    test_document: float
    """Generating for test documents, with all models of the arm."""

    def flops(self, labels: int, pool: int) -> float:
        """Return the FLOPs without those of test documents."""
        return labels * self.teacher_label + pool * self.pooled_document + self.student(labels, pool)

    def student(self, labels: int, pool: int) -> float:
        """Return the FLOPs of training the compact model."""
        return labels * self.student_label + pool * self.student_document


def strategies(how: Methods) -> dict[str, dict[str, Any]]:
    """Return the strategies of the suite: label -> their settings besides `label_share`."""
    tunings = {name: getattr(how, name).model_dump(mode="json") for name in ("teacher", "student", "distilled", "shrunk")}
    return {
        "annotate": {"student": tunings["student"]},
        "distill": {"start_from": "teacher", "teacher": tunings["teacher"], "student": tunings["distilled"]},
        "sft": {"teacher": tunings["teacher"], "student": tunings["shrunk"]},
    }


def costs(config: Any, compact: Compact, how: Methods, source: float, target: float) -> dict[str, ArmCost] | None:
    """Return the costs of each strategy, for documents of `source` and labels of `target` tokens. `config` is that of the large model. None
    where a strategy cannot run with this model."""
    from bench.execution.store import DryStore
    from bench.forecast.arm import forecast
    from bench.suite import arms, suite_file

    read, generated = max(round(source), 4), max(round(target), 2)  # the least that a task allows
    texts = [Example(str(i), f"{i} " + "a " * read, "a " * generated) for i in range(POOL + 2)]  # a text that comes again may cost less
    pool = tuple(Example(e.id, e.source) for e in texts[2:])
    splits = Splits(train=tuple(texts[:1]), unlabelled=pool, dev=(), test=tuple(texts[1:2]), fingerprint="")
    with tempfile.TemporaryDirectory() as place:
        model, file = Path(place) / "model", Path(place) / "suite.yaml"
        _write_model(model, config)
        task = {"train": "none.csv", "source": "source", "target": "target", "max_source_tokens": read, "max_target_tokens": generated}
        probe = {
            "suite": "probe",
            "question": "What does each strategy cost?",
            "large": {"use": "folder", "with": {"path": str(model)}},
            "compact": compact.model_dump(exclude_none=True),
            "tasks": {"probe": {"use": "files", "with": task}},
            "strategies": {label: {"use": label, "with": {"label_share": 0.0, **settings}} for label, settings in strategies(how).items()},
            "start_labels": 1,
            "budgets_usd": [1e9],
            "seeds": [1],
            "decoding": how.decoding.model_dump(mode="json"),
            "prices": {"label_usd": 0.0},
        }
        file.write_text(json.dumps(probe), encoding="utf-8")
        suite, store = suite_file.read(file), DryStore(Path(place), no_progress)
        found = {arm.cell.label: forecast(suite, arm, splits, store) for arm in arms.arms(suite)}
    if any(planned.stops for planned in found.values()):
        return None
    return {label: _cost([(work.phase, work.bill.flops, work.bill.items) for work in planned.works]) for label, planned in found.items()}


def _cost(works: list[tuple[str, float, float]]) -> ArmCost:
    """Return the cost of an arm from (phase, FLOPs, items) of its work. All items of a phase cost the same."""

    def each(phase: str) -> float:
        items = math.fsum(items for name, _, items in works if name == phase)
        return math.fsum(flops for name, flops, items in works if name == phase and items) / max(items, 1)

    trained = math.fsum(items for name, _, items in works if name == "student_training")
    return ArmCost(
        teacher_label=each("teacher_tuning"),
        pooled_document=each("pseudo_labelling"),
        student_label=each("student_training") * (trained % POOL),
        student_document=each("student_training") * (trained // POOL),
        test_document=math.fsum(flops for name, flops, items in works if name == "evaluation" and items),
    )


def _write_model(folder: Path, config: Any) -> None:
    """Write the config, a tokenizer for texts such as '1 a a', and a file of weights that nobody reads."""
    from tokenizers import Tokenizer, models, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    words = ["<pad>", "</s>", "<unk>", "a", *map(str, range(POOL + 2))]
    tokenizer = Tokenizer(models.WordLevel({word: i for i, word in enumerate(words)}, unk_token="<unk>"))  # noqa: S106 - a token of text
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokenizer.post_processor = processors.TemplateProcessing(single="$A </s>", special_tokens=[("</s>", 1)])
    named = {"pad_token": "<pad>", "eos_token": "</s>", "unk_token": "<unk>"}
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, **named).save_pretrained(folder)
    config.save_pretrained(folder)
    (folder / "model.safetensors").touch()
