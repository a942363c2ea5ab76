"""Writes the suite, with a comment on every choice: the figure on which it rests."""

from __future__ import annotations

import json
import math
import textwrap
from pathlib import Path
from typing import Any

from bench.contracts import Part
from bench.init.budgets import LABEL_SHARE, SHARE_BESIDE_A_TEACHER, Spending
from bench.init.choose import SEEDS, Settings
from bench.init.lengths import Lengths
from bench.init.profile_text import figures, rouge_tokenizer
from bench.init.read_file import Table
from bench.init.yaml_text import scalar
from bench.suite.schema import COMMENT
from bench.system.one_line import percent, shown

WIDTH = 140
"""Characters of a comment line."""


def suite(name: str, table: Table, notes: tuple[str, ...], found: Settings) -> str:
    """Return the text of a suite called `name` over a file. `notes` are warnings about the labels and the splits."""
    spent = found.spending
    troubles = [f"{trouble[0].upper()}{trouble[1:]}." for trouble in table.troubles]
    written = f"Written by `bench init` from {shown(table.file.name)}. Change any line."
    head = [line for text in (written, *troubles, *notes, *figures(found.profile, found.large)) for line in _comment(text)]
    question = [
        f"suite: {scalar(name)}",
        "question: >",
        f"  I own {spent.start:,} labels and a pool of {spent.pool:,} unlabelled documents, and have B dollars.",
        "  For the best compact model: annotate more, distill a large teacher, or shrink the large model and fine-tune it?",
    ]
    blocks = [[COMMENT, *head], question, _models(found), _task(name, table, found), _strategies(found), _money(found), _scores(found)]
    return "\n".join("\n".join(line.rstrip() for line in block) + "\n" for block in blocks)


def _comment(text: str, indent: str = "") -> list[str]:
    harmless = "".join(c if c.isprintable() else " " for c in text)
    start = f"{indent}# "
    return textwrap.wrap(harmless, WIDTH, initial_indent=start, subsequent_indent=start, break_long_words=False, break_on_hyphens=False)


def _line(text: str, why: str = "") -> list[str]:
    """Return a line followed by its comment. Where they are too long for one line, the comment stands above."""
    if not why:
        return [text]
    both = f"{text} # {why}"
    return [both] if len(both) <= WIDTH else [*_comment(why, text[: len(text) - len(text.lstrip())]), text]


def _models(found: Settings) -> list[str]:
    large, layers = found.large, found.compact.model_dump(exclude_none=True)
    named = [f"large: {{use: {large.use}}}"]
    if large.settings:
        named = ["large:", f"  use: {large.use}", "  with:", *(f"    {key}: {scalar(value)}" for key, value in large.settings.items())]
    if large.on_hub and "revision" not in large.settings:
        model = large.settings["model"]
        why = f"copy the model to DIR/{model} and use --models DIR, or pin a commit with `revision: ` and its 40 hex digits"
        named[-1:] = _line(named[-1], why)
    stacks = ", ".join(f"{stack}: {count}" for stack, count in layers.items())
    return [*named, *_line(f"compact: {{{stacks}}}", found.why_compact)]


def _task(name: str, table: Table, found: Settings) -> list[str]:
    task, choice, rows, profile = found.task, found.choice, found.divided, found.profile
    source, tested = task.max_source_tokens, task.test_examples or rows.test
    source_why, documents = _fit(profile.document_tokens, source, "documents"), f"{rows.test:,} documents"
    if not profile.document_tokens.unknown and profile.document_tokens.within(source) != 1:
        twice = percent(profile.document_tokens.within(2 * source))
        source_why += f"; {twice} would fit {2 * source:,}, which at least doubles the memory of activations"
    if profile.classes:
        half = 196 * (0.25 / tested) ** 0.5
        documents += f"; the 95 % interval of an accuracy over {tested:,} is ±{half:.1f} points or narrower"
    few = f"only {profile.unlabelled:,} documents have no label" if profile.unlabelled else "every document has a label"
    hidden = f"{few}: {percent(task.pool_fraction)} of the labels are hidden, to make a pool of {rows.pool:,}"
    in_time = f"; remove this line to use all. With it the suite should end within {found.device.hours_at_most:g} hours"
    settings: dict[str, tuple[str, str]] = {
        "train": (scalar(task.train), "relative to where bench runs" if not Path(task.train).is_absolute() else ""),
        **{name: (_one_line(value), table.why[name]) for name, value in table.settings.items()},
        "source": (_one_line(task.source), f"the documents: {choice.source.why}"),
        "target": (_one_line(task.target), f"the labels: {choice.target.why}"),
        "max_source_tokens": (str(source), source_why),
        "max_target_tokens": (str(task.max_target_tokens), _fit(profile.label_tokens, task.max_target_tokens, "labels")),
        "test_fraction": (f"{task.test_fraction:g}", documents),
        "dev_fraction": (f"{task.dev_fraction:g}", f"{rows.dev:,} documents, for settings to be chosen on"),
        "pool_fraction": (f"{task.pool_fraction:g}" if rows.hides else "", hidden),
        "train_examples": (str(task.train_examples or ""), f"of {rows.train:,}{in_time}"),
        "pool_examples": (str(task.pool_examples or ""), f"of {rows.pool:,}"),
        "dev_examples": (str(task.dev_examples or ""), f"of {rows.dev:,}"),
        "test_examples": (str(task.test_examples or ""), f"of {rows.test:,}"),
        "lead_words": (str(task.lead_words), "a baseline: the first words of the document, as many as the median label has"),
    }
    left_out = {part for part in ("test_fraction", "dev_fraction") if part.replace("fraction", "field") in table.settings}
    lines = [_line(f"      {key}: {value}", why) for key, (value, why) in settings.items() if value and key not in left_out]
    return ["tasks:", f"  {scalar(name)}:", "    use: files", "    with:", *(line for both in lines for line in both)]


def _fit(lengths: Lengths, limit: int, what: str) -> str:
    """Return how many of the texts fit a limit, as its reason."""
    if lengths.unknown:
        return "the largest limit, because most of the text is unknown tokens of this model"
    return f"{'about ' if lengths.how else ''}{percent(lengths.within(limit))} of the {what} fit"


def _one_line(value: Any) -> str:
    """Return a setting as one line of YAML."""
    if isinstance(value, tuple):
        return f"[{', '.join(map(_one_line, value))}]"
    return scalar(value) if isinstance(value, str) else json.dumps(value)


def _strategies(found: Settings) -> list[str]:
    spent, how = found.spending, found.methods
    most, some = spent.share(LABEL_SHARE), spent.share(SHARE_BESIDE_A_TEACHER)
    bought, beside = _bought(spent, LABEL_SHARE), _bought(spent, SHARE_BESIDE_A_TEACHER)
    grid, ways = (f"[0.0, {some:g}]", f"none bought, or {beside}") if some else ("0.0", beside)
    return [
        f"strategies: # training settings of {how.whose}; they were not tuned on these rows",
        "  annotate:",
        "    use: annotate",
        "    with:",
        *_line(f"      label_share: {most:g}", f"{bought}{_rest(spent, 'annotate')}"),
        f"      student: {_flow(how.student)}",
        "  distill:",
        "    use: distill",
        "    with:",
        *_line(f"      label_share: {grid}", f"{ways}{_rest(spent, 'distill')}"),
        "      start_from: teacher",
        f"      teacher: {_flow(how.teacher)}",
        f"      student: {_flow(how.distilled)}",
        "  sft:",
        "    use: sft",
        "    with:",
        *_line(f"      label_share: {some:g}", f"{beside}{_rest(spent, 'sft')}"),
        f"      teacher: {_flow(how.teacher)}",
        f"      student: {_flow(how.shrunk)}",
    ]


def _bought(spent: Spending, wanted: float) -> str:
    if not spent.share(wanted):
        return "no labels are bought"
    counts = " and ".join(f"{spent.bought(wanted, budget):,}" for budget in spent.budgets)
    return f"buys {counts} labels{', all there are' if spent.share(wanted) < wanted else ''}"


def _rest(spent: Spending, strategy: str) -> str:
    """Return what compute costs with the largest budget, as a part of a sentence."""
    computing = [flops * spent.flop_usd for name, _, flops in spent.arms(max(spent.budgets)) if name == strategy]
    return f"; with the largest budget, compute costs about {computing[0]:.2g} USD" if computing else ""


def _flow(part: Part) -> str:
    shown_keys = {"epochs", "batch_size", "learning_rate", "freeze"} | {k for k, v in part if v != type(part).model_fields[k].default}
    return "{" + ", ".join(f"{key}: {_plain(value)}" for key, value in part if key in shown_keys) + "}"


def _plain(value: Any) -> str:
    if isinstance(value, float) and value and not 1e-2 <= abs(value) < 1e6:
        digits, exponent = f"{value:e}".split("e")
        return f"{float(digits):g}e{int(exponent):+d}"
    return value if isinstance(value, str) else json.dumps(value)


def _money(found: Settings) -> list[str]:
    spent, on, rows = found.spending, found.device, found.divided
    hidden = f", {percent(found.task.pool_fraction)} of the rest are hidden" if rows.hides else ""
    capped = f", of which {spent.train:,} are used" if spent.train < rows.train else ""
    kept = f". Arms buy from the other {spent.to_buy:,}" if spent.to_buy else ""
    start = f"of {found.profile.labelled:,} labels, {rows.test:,} are for test and {rows.dev:,} for dev{hidden}, "
    start += f"and {rows.train:,} are left for training{capped}{kept}"
    short = [line for text in spent.short() for line in _comment(f"The budget is small: {text}.")]
    speed = "assumed, as in suites/papers/pegasus-large.yaml" if on.is_gpu else "measured, one core (results/reference/pegasus)"
    return [
        *_line(f"start_labels: {spent.start}", start),
        f"budgets_usd: [{', '.join(map(usd, spent.budgets))}]",
        *short,
        f"seeds: [{', '.join(map(str, SEEDS))}] # each draws its own labels; a third narrows the intervals and takes half as long again",
        "",
        "prices:",
        f"  label_usd: {usd(spent.label_usd)} # what one label costs you",
        f"  device_hour_usd: {usd(on.hour_usd)} # assumed price of {on.name}; enter what you pay",
        "  meter: flops # the same charges on every machine",
        f"  device_flops_per_second: {_plain(on.flops_per_second)} # {speed}",
    ]


def usd(amount: float) -> str:
    """Return an amount in as few digits as possible without rounding it."""
    return f"{amount:.12g}"


def _scores(found: Settings) -> list[str]:
    decoding = ", ".join(f"{key}: {_plain(value)}" for key, value in found.methods.decoding.model_dump().items())
    precision = "bf16" if found.device.is_gpu else "fp32 # fast on every CPU; bf16 only on those that have it in hardware"
    lines = [f"precision: {precision}", f"decoding: {{{decoding}}}", *_metrics(found)]
    if found.flops is None or found.hours is None:
        return [*lines, "", *_comment("The compute is unknown without the model. `bench plan` shows what each arm buys and costs.")]
    minutes, cores = math.ceil(60 * found.hours), found.device.workers
    takes = f"about {minutes} minutes" if minutes > 1 else "a minute or less"
    if found.hours >= 1.5:
        takes = f"about {found.hours:.2g} hours"
    on = "such a GPU" if found.device.is_gpu else f"{cores} such core{'s' if cores > 1 else ''}"
    estimate = f"Estimated: {found.flops:.2g} FLOPs, {takes} on {on}. `bench plan` shows what each arm buys and costs."
    return [*lines, "", *_comment(estimate)]


def _metrics(found: Settings) -> list[str]:
    profile = found.profile
    if profile.classes:
        names = [f"        - {scalar(name)} # {count:,}" for name, count in zip(profile.classes.names, profile.classes.counts, strict=True)]
        baseline = f"baseline: {100 * profile.classes.majority:.1f}, by always answering {shown(profile.classes.names[0])}"
        return [
            "metrics:",
            "  classification:",
            "    use: classification",
            "    with:",
            "      classes:",
            *names,
            f"rank_by: accuracy # {baseline}",
        ]
    short = profile.typical_label_words <= 12
    also = ", exact_match: {use: exact_match}" if profile.typical_label_words <= 5 else ""
    why = "ROUGE-2 is noisy on such short texts" if short else "the usual score of summaries"
    suited = profile.label_letters.suited
    settings = "" if suited == "latin" else f", with: {{tokenizer: {suited}}}"
    return [
        *_line(f"metrics: {{rouge: {{use: rouge{settings}}}{also}}}", rouge_tokenizer(profile)),
        f"rank_by: {'rougeL' if short else 'rouge2'} # the median label has {profile.typical_label_words} {profile.word}: {why}",
    ]
