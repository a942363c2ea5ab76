"""The model card and the evaluation results of an exported model, as the hub reads them, made from the results and from what the export
found."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator
from typing import Any

import numpy as np
import yaml

from bench.execution.exported import Exported, Parity
from bench.report.analysis import leaderboard, significance
from bench.report.analysis.chosen import Chosen
from bench.report.analysis.format import score
from bench.report.analysis.metric import Metric
from bench.report.blocks import Block, Code, Column, Paragraph, Points, Section, Table, Text, code, sentences
from bench.report.render import markdown
from bench.report.text import DASH, count, dollars, number
from bench.results import arm_columns
from bench.results.table import Results
from bench.system.hub_mirror import HUB_ID

MISSING = "not measured"
ROUGE = ("rouge1", "rouge2", "rougeL", "rougeLsum")
"""Scores of the hub's metric 'rouge'."""
TASK_TYPE = "text2text-generation"
DEFAULT_TASK = "default"
"""Task of a benchmark on the hub that has one task."""
LARGE = 1e3
"""From this absolute value on a number is shown without digits behind the point."""


def card(found: Results, chosen: Chosen, made: Exported) -> str:
    """Return the card of the model of one arm."""
    front = yaml.safe_dump(_front(found, chosen, made), sort_keys=False, allow_unicode=True)
    return f"---\n{front}---\n\n{markdown.page(_title(chosen), [*_sections(found, chosen, made)])}"


def eval_results(found: Results, chosen: Chosen, made: Exported) -> str | None:
    """Return the YAML of a file in the hub's folder `.eval_results/`: the arm's score in the metric that ranks.

    None: the documents come from no data set on the hub.

    The hub shows a score where the data set is a benchmark and has the task DEFAULT_TASK. Results do not hold the tasks of a benchmark.
    """
    from huggingface_hub import EvalResultEntry, eval_result_entries_to_yaml

    if not made.datasets:
        return None
    record, metric = found.records[chosen.arm], chosen.metrics[0]
    entry = EvalResultEntry(
        dataset_id=made.datasets[0],
        task_id=DEFAULT_TASK,
        value=round(_score(found, chosen, "student", metric), 4),
        date=record.ended or None,
        notes=f"{metric.name} ({metric.unit}); {chosen.line.name} at {record.budget_usd:g} USD, seed {record.seed}",
    )
    return yaml.safe_dump(eval_result_entries_to_yaml([entry]), sort_keys=False, allow_unicode=True)


def _title(chosen: Chosen) -> str:
    return f"{chosen.board.task}: {chosen.line.name}"


def _front(found: Results, chosen: Chosen, made: Exported) -> dict[str, Any]:
    """Return the card's metadata. Ids that the hub would not accept are left out."""
    from huggingface_hub.repocard_data import EvalResult, eval_results_to_model_index

    known = [name for name in dict.fromkeys((made.base, made.large)) if "/" in name and re.fullmatch(HUB_ID, name)]
    scores = {metric: value for metric in chosen.metrics if not math.isnan(value := _score(found, chosen, "student", metric))}
    results = [
        EvalResult(
            task_type=TASK_TYPE,
            task_name=chosen.board.task,
            dataset_type=next(iter(made.datasets), chosen.board.task),
            dataset_name=chosen.board.task,
            dataset_split="test",
            metric_type=_hub_metric(metric.name),
            metric_name=metric.name,
            metric_value=round(value, 4),
        )
        for metric, value in scores.items()
    ]
    return {
        "library_name": "transformers",
        "license": made.licence or "unknown",
        **({"base_model": known} if known else {}),
        **({"datasets": list(made.datasets)} if made.datasets else {}),
        "metrics": sorted({_hub_metric(metric.name) for metric in scores}),
        "tags": ["bench", found.records[chosen.arm].use, *(one.format for one in made.parities[1:])],
        "model-index": eval_results_to_model_index(made.folder.name, results),
    }


def _hub_metric(name: str) -> str:
    return "rouge" if name in ROUGE else name


def _sections(found: Results, chosen: Chosen, made: Exported) -> Iterator[Section]:
    parities = Points(tuple(_parity(one, chosen) for one in made.parities))
    which = Paragraph(_which(found, chosen)), Points(tuple(_origin(found, chosen, made)))
    yield Section(id="use", title="Use", blocks=tuple(_use(made)))
    yield Section(id="chosen", title="Which model this is", blocks=which)
    yield Section(id="scores", title="Scores on test documents", blocks=tuple(_scores(found, chosen)))
    yield Section(id="paid", title="What was paid", blocks=(Points(tuple(_paid(found, chosen))),))
    yield Section(id="parity", title="Parity with the measured model", blocks=(parities,))


def serving(made: Exported) -> list[str]:
    """Return the command lines that serve the model."""
    script = f"python {made.folder / 'answer.py'}"
    lines = [f"{script} --serve 8000"]
    lines += [f"{script} --serve 8000 --ctranslate2" for parity in made.parities if parity.format == "ctranslate2"]
    lines += [] if made.encoder_decoder else [f"vllm serve {made.folder}"]
    return [*lines, """curl -d '["A document."]' http://127.0.0.1:8000/"""]


def _use(made: Exported) -> Iterator[Block]:
    kind = "AutoModelForSeq2SeqLM" if made.encoder_decoder else "AutoModelForCausalLM"
    yield Paragraph(("Files in ", code("."), ": answer documents with transformers, or serve the model on this machine."))
    behind = [] if made.encoder_decoder else ['"\\n"']
    prompt = " + ".join([*([json.dumps(made.prefix)] if made.prefix else []), "document", *behind])
    lines = [
        f"from transformers import {kind}, AutoTokenizer",
        "",
        f'model, tokenizer = {kind}.from_pretrained("."), AutoTokenizer.from_pretrained(".")',
        f'inputs = tokenizer({prompt}, truncation=True, return_tensors="pt")',
        "outputs = model.generate(**inputs)" + ("" if made.encoder_decoder else '[:, inputs["input_ids"].shape[1] :]'),
        "print(tokenizer.decode(outputs[0], skip_special_tokens=True))",
    ]
    yield Code("\n".join(lines), "python")
    yield Code("\n".join(line.replace(f"{made.folder}/", "").replace(str(made.folder), ".") for line in serving(made)), "sh")
    search = f"{made.beams} beams, length penalty {made.length_penalty:g}" if made.beams > 1 else "greedy search"
    yield Paragraph(("Generation: ", search, ", as in the suite. ", code("generation_config.json"), " holds these settings."))
    tokens = f"{made.max_source_tokens:,} tokens, the prefix included"
    yield Paragraph(f"A document is cut at {tokens}. An answer has at most {made.max_target_tokens:,} tokens.")


def _which(found: Results, chosen: Chosen) -> Text:
    """Return why this arm was taken."""
    board, record, ranks = chosen.board, found.records[chosen.arm], chosen.metrics[0].name
    setting = f"{chosen.line.name} at {board.budget_usd:g} USD of {board.task}, seed {record.seed}."
    if chosen.named:
        return sentences([setting, "The user named this arm; it need not be the best one."])
    best = "No other setting has a score."
    if len(board.scored) > 1:
        others = "every other setting" + ("" if chosen.leads.all_compared else " with a score for every seed")
        best = f"It is significantly better than {others}." if chosen.leads.wins else "It is the best guess: no setting wins."
    median = f"Among {count(chosen.line.seeds, 'seed')} this one has the median {ranks} on test documents."
    why = f"The best {ranks} of any seed would flatter the model, and dev scores of compact models are not recorded."
    return sentences([setting, best, median, why])


def _origin(found: Results, chosen: Chosen, made: Exported) -> Iterator[Text]:
    record, suite = found.records[chosen.arm], found.suite
    yield f"Suite: {record.suite}. {suite.get('question', '')}"
    yield ("Arm: ", code(chosen.arm))
    yield f"Made from: {made.base}. Large model: {made.large}, licence {made.licence or 'not known'}."
    yield f"Data fingerprint: {record.data_fingerprint or MISSING}"
    size = record.facts.get(arm_columns.STUDENT_PARAMETERS)
    yield f"Parameters: {MISSING if size is None else f'{size:,.0f}'}"
    ms, large_ms = (record.facts.get(name) for name in (arm_columns.STUDENT_MS, arm_columns.LARGE_MS))
    yield f"Time of an answer of the maximum length: {_quantity(ms, 'ms')}; the large model: {_quantity(large_ms, 'ms')}"
    yield f"Scored with the engine {made.engine} in {made.precision}."


def _score(found: Results, chosen: Chosen, subject: str, metric: Metric) -> float:
    """Return a score of the arm; NaN where it has none."""
    return _cell(found, chosen, arm_columns.score(subject, metric.name))


def _cell(found: Results, chosen: Chosen, column: str) -> float:
    """Return a number from the arm's row of the table; NaN where there is none."""
    return float(found.by_arm[column][chosen.arm]) if column in found.by_arm else math.nan


def _own(found: Results, chosen: Chosen, subject: str, metric: Metric) -> str:
    """Return a score of the arm with its interval over test documents."""
    examples = found.examples.get(chosen.arm)
    values = None if examples is None else examples.scores.get((subject, metric.name))
    known = np.empty(0) if values is None else values[~np.isnan(values)]
    if len(known):
        return score(metric.cut(significance.estimate(known[None, :], tested=False)))
    value = _score(found, chosen, subject, metric)
    return MISSING if math.isnan(value) else f"{value:.2f}"


def _scores(found: Results, chosen: Chosen) -> Iterator[Block]:
    """Yield a table with a row for each metric: the model, its setting, its teacher and the baselines."""
    names = [line.name for line in chosen.board.baselines]
    setting_of = f"its setting, {count(chosen.line.seeds, 'seed')}"
    heads = ["metric", "this model", setting_of, "its teacher", *(f"baseline: {name}" for name in names)]
    rows = []
    for metric in chosen.metrics:
        subjects = ("teacher", *(leaderboard.BASELINE + name for name in names))
        others = [_own(found, chosen, subject, metric) for subject in subjects]
        setting = chosen.line.scores.get(metric.name)
        rows.append((metric.title, _own(found, chosen, "student", metric), score(setting) if setting else MISSING, *others))
    yield Table(tuple(Column(head, number=place > 0) for place, head in enumerate(heads)), tuple(rows))
    yield Paragraph("Intervals hold 95 %: over test documents for one model, over seeds and test documents for a setting.")


def _paid(found: Results, chosen: Chosen) -> Iterator[Text]:
    record = found.records[chosen.arm]
    facts, energy, wall = record.facts, *(_cell(found, chosen, column) for column in (arm_columns.ENERGY_KWH, arm_columns.WALL_S))
    spent = MISSING if record.spent_usd is None else f"{dollars(record.spent_usd)} USD"
    yield f"Budget: {record.budget_usd:g} USD; spent: {spent}"
    counted = [(arm_columns.LABELS_OWNED, "owned"), (arm_columns.LABELS_BOUGHT, "bought")]
    labels = [f"{facts[name]:,.0f} {what}" for name, what in counted if name in facts]
    yield f"Labels: {', '.join(labels) or MISSING}; pseudo-labels: {_quantity(facts.get(arm_columns.PSEUDO_LABELS, 0.0))}"
    yield f"Energy of all work: {_quantity(energy, 'kWh')}; time: {_quantity(wall, 's')}"


def _quantity(value: float | None, unit: str = "") -> str:
    """Return a number with three digits and its unit."""
    if value is None or math.isnan(value):
        return MISSING
    shown = number(value, 0) if abs(value) >= LARGE or not unit else f"{value:.3g}"
    return f"{shown} {unit}".strip()


def _parity(found: Parity, chosen: Chosen) -> str:
    gap = found.score_difference
    difference = MISSING if gap is None else f"{gap:+.2f}"
    return (
        f"{found.format}: {found.equal:,} of {found.documents:,} answers equal those that were measured; "
        f"difference in {chosen.metrics[0].name if chosen.metrics else DASH}: {difference}"
    )
