"""A results folder with one arm whose model can be exported: a random model, and the answers that the torch engine gives."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from bench.contracts import Decoding, Example
from bench.engines.torch import Torch
from bench.execution.record import Record, read_record, write_record
from bench.models.random import Random
from bench.training.batches import encode_sources
from bench.training.checkpoints import load, save
from tests.report.arms import write_arm, write_suite

DOCUMENTS = [f"{word} the file number {place}, and close it" for place in range(4) for word in ("Return", "Open", "Write")]
REFERENCES = [f"file {place}" for place in range(len(DOCUMENTS))]
PREFIX, SOURCE_TOKENS, TARGET_TOKENS = "in short: ", 24, 6
ARM, STUDENT = "docs.annotate.10usd.seed3-0", "store/cpu/finetuned-1/artifact"

SUITE = """
suite: example
question: Which one?
large: {{use: random, with: {{family: {family}}}}}
tasks: {{docs: {{use: files, with: {{train: gone.csv, source: a, target: b, prefix: "{prefix}", max_source_tokens: {source},
  max_target_tokens: {target}}}}}}}
strategies: {{annotate: {{use: annotate, with: {{label_share: 0.9}}}}}}
start_labels: 2
budgets_usd: [10]
seeds: [3]
prices: {{label_usd: 0.2, device_hour_usd: 1, meter: flops, device_flops_per_second: 1.0e+6}}
decoding: {{beams: {beams}, batch_size: 5}}
metrics: {{rouge: {{use: rouge}}}}
rank_by: rouge1
"""


def that_answers(folder: Path) -> tuple[Any, Any]:
    """Return (model, tokenizer). Random models but T5 give every document the same answer unless their layers are louder."""
    model, tokenizer = load(folder)
    with torch.no_grad():
        for module in model.modules() if model.config.model_type != "t5" else ():
            if isinstance(module, torch.nn.Linear) and module is not model.get_output_embeddings():
                module.weight *= 10
    return model, tokenizer


def write(root: Path, cache: Path, family: str = "t5_v1_1", beams: int = 1, seeds: tuple[int, ...] = (3,), **suite: Any) -> Record:
    """Write the folder. Return the record of the arm that has the model."""
    write_suite(root, primary_metric="rouge1", large="the large model", **suite)
    shape = {"family": family, "prefix": PREFIX, "source": SOURCE_TOKENS, "target": TARGET_TOKENS, "beams": beams}
    (root / "suite.yaml").write_text(SUITE.format(**shape))
    for seed in seeds:
        scores = {"student": {"rouge1": [float(seed + place) for place in range(12)]}, "floor: lead": {"rouge1": [1.0] * 12}}
        facts = {"student_ms": 2.0, "labels_bought": 40.0}
        write_arm(root, ARM.replace("3-0", f"{seed}-0"), scores, seed=seed, task="docs", facts=facts)
    model = root / STUDENT
    save(*that_answers(Random(family=family).folder(cache)), model)
    record = read_record(root / ARM)
    assert record is not None
    record = replace(record, student=STUDENT)
    write_record(root / ARM, record)
    examples = tuple(Example(str(place), document) for place, document in enumerate(DOCUMENTS))
    sources = encode_sources(model, examples, PREFIX, SOURCE_TOKENS)
    engine = Torch().load(model, sources, decoding=Decoding(beams=beams), precision="fp32", device="cpu", cache=cache)
    lines = [json.loads(line) for line in (root / ARM / "predictions.jsonl").read_text().splitlines()]
    for line, document, reference, output in zip(lines, DOCUMENTS, REFERENCES, engine.generate(sources, TARGET_TOKENS), strict=True):
        written = {"predictions": {"student": output.text}, "log_probs": {"student": output.log_prob}}
        line |= {"source": document, "reference": reference, **written}
    (root / ARM / "predictions.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    return record
