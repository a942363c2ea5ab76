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
from bench.init.profile_text import figures, rouge_tokenizer
from bench.init.read_file import Table
from bench.init.yaml_text import scalar
from bench.system.one_line import percent, shown

WIDTH = 140
"""Characters of a comment line."""


def suite(name: str, table: Table, notes: tuple[str, ...], found: Settings) -> str:
    """Return the text of a suite called `name` over a file. `notes` are warnings about the labels and the
    splits."""
    blocks = [
        _head(table, notes, found),
        _question(name, found),
        _models(found),
        _task(name, table, found),
        _strategies(found),
        _money(found),
    ]
    return "\n".join("\n".join(line.rstrip() for line in block) + "\n" for block in [*blocks, _scores(found)])


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


def _head(table: Table, notes: tuple[str, ...], found: Settings) -> list[str]:
    lines = [f"Written by `bench init` from {shown(table.file.name)}. Change any line."]
    troubles = [f"{trouble[0].upper()}{trouble[1:]}." for trouble in table.troubles]
    return [line for text in (*lines, *troubles, *notes, *figures(found.profile, found.large)) for line in _comment(text)]


def _question(name: str, found: Settings) -> list[str]:
    spent = found.spending
    asked = f"I own {spent.start:,} labels and a pool of {spent.pool:,} unlabelled documents, and have B dollars."
    ways = "For the best compact model: annotate more, distill a large teacher, or shrink the large model and fine-tune it?"
    return [f"suite: {scalar(name)}", "question: >", f"  {asked}", f"  {ways}"]


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
    task, choice = found.task, found.choice
    settings: dict[str, tuple[str, str]] = {
        "train": (scalar(task.train), "relative to where bench runs" if not Path(task.train).is_absolute() else ""),
        **{name: (_one_line(value), table.why[name]) for name, value in table.settings.items()},
        "source": (_one_line(task.source), f"the documents: {choice.why_source}"),
        "target": (_one_line(task.target), f"the labels: {choice.why_target}"),
        "max_source_tokens": (str(task.max_source_tokens), _source_reason(found)),
        "max_target_tokens": (str(task.max_target_tokens), _target_reason(found)),
        "test_fraction": (f"{task.test_fraction:g}", _test_reason(found)),
        "dev_fraction": (f"{task.dev_fraction:g}", f"{found.divided.dev:,} documents, for settings to be chosen on"),
        "pool_fraction": (f"{task.pool_fraction:g}", _pool_reason(found)),
        **{cap: (str(getattr(task, cap) or ""), _cap_reason(found, cap)) for cap in CAPS},
        "lead_words": (str(task.lead_words), "a baseline: the first words of the document, as many as the median label has"),
    }
    left_out = {"pool_fraction"} if not found.divided.hides else set()
    left_out |= {part for part in ("test_fraction", "dev_fraction") if part.replace("fraction", "field") in table.settings}
    lines = [_line(f"      {key}: {value}", why) for key, (value, why) in settings.items() if value and key not in left_out]
    return ["tasks:", f"  {scalar(name)}:", "    use: files", "    with:", *(line for both in lines for line in both)]


def _one_line(value: Any) -> str:
    """Return a setting as one line of YAML."""
    if isinstance(value, tuple):
        return f"[{', '.join(map(_one_line, value))}]"
    return scalar(value) if isinstance(value, str) else json.dumps(value)


CAPS = {"train_examples": "train", "pool_examples": "pool", "dev_examples": "dev", "test_examples": "test"}


UNSIZED = "the largest limit, because most of the text is unknown tokens of this model"
"""Why a limit is the largest one."""


def _source_reason(found: Settings) -> str:
    lengths, limit = found.profile.document_tokens, found.task.max_source_tokens
    if lengths.unknown:
        return UNSIZED
    about = "about " if lengths.how else ""
    fits = lengths.within(limit)
    share = f"{about}{percent(fits)} of the documents fit"
    if fits == 1:
        return share
    return f"{share}; {percent(lengths.within(2 * limit))} would fit {2 * limit:,}, which at least doubles the memory of activations"


def _target_reason(found: Settings) -> str:
    lengths, limit = found.profile.label_tokens, found.task.max_target_tokens
    if lengths.unknown:
        return UNSIZED
    return f"{'about ' if lengths.how else ''}{percent(lengths.within(limit))} of the labels fit"


def _test_reason(found: Settings) -> str:
    tested = found.task.test_examples or found.divided.test
    documents = f"{found.divided.test:,} documents"
    if not found.profile.classes:
        return documents
    return f"{documents}; the 95 % interval of an accuracy over {tested:,} is ±{196 * (0.25 / tested) ** 0.5:.1f} points or narrower"


def _pool_reason(found: Settings) -> str:
    profile = found.profile
    few = f"only {profile.unlabelled:,} documents have no label" if profile.unlabelled else "every document has a label"
    return f"{few}: {percent(found.task.pool_fraction)} of the labels are hidden, to make a pool of {found.divided.pool:,}"


def _cap_reason(found: Settings, cap: str) -> str:
    there_are, on = getattr(found.divided, CAPS[cap]), found.device
    if cap != "train_examples":
        return f"of {there_are:,}"
    return f"of {there_are:,}; remove this line to use all. With it the suite should end within {on.hours_at_most:g} hours"


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
    computing = spent.computing_usd(max(spent.budgets))
    return f"; with the largest budget, compute costs about {computing[strategy]:.2g} USD" if computing else ""


def _flow(part: Part) -> str:
    shown_keys = {"epochs", "batch_size", "learning_rate", "freeze"} | {k for k, v in part if v != type(part).model_fields[k].default}
    return "{" + ", ".join(f"{key}: {_plain(value)}" for key, value in part if key in shown_keys) + "}"


def _plain(value: Any) -> str:
    if isinstance(value, float) and value and not 1e-2 <= abs(value) < 1e6:
        digits, exponent = f"{value:e}".split("e")
        return f"{float(digits):g}e{int(exponent):+d}"
    return value if isinstance(value, str) else json.dumps(value)


def _money(found: Settings) -> list[str]:
    spent, on = found.spending, found.device
    short = [line for text in spent.short() for line in _comment(f"The budget is small: {text}.")]
    speed = "assumed, as in suites/papers/pegasus-large.yaml" if on.is_gpu else "measured, one core (results/reference/pegasus)"
    return [
        *_line(f"start_labels: {spent.start}", _start_reason(found)),
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


def _start_reason(found: Settings) -> str:
    spent, rows = found.spending, found.divided
    held_out = f"{rows.test:,} are for test and {rows.dev:,} for dev"
    hidden = f", {percent(found.task.pool_fraction)} of the rest are hidden" if rows.hides else ""
    capped = f", of which {spent.train:,} are used" if spent.train < rows.train else ""
    kept = f". Arms buy from the other {spent.to_buy:,}" if spent.to_buy else ""
    return f"of {found.profile.labelled:,} labels, {held_out}{hidden}, and {rows.train:,} are left for training{capped}{kept}"


def _scores(found: Settings) -> list[str]:
    decoding = ", ".join(f"{key}: {_plain(value)}" for key, value in found.methods.decoding.model_dump().items())
    precision = "bf16" if found.device.is_gpu else "fp32 # fast on every CPU; bf16 only on those that have it in hardware"
    lines = [f"precision: {precision}", f"decoding: {{{decoding}}}", *_metrics(found)]
    if found.flops is None or found.hours is None:
        return [*lines, "", *_comment("The compute is unknown without the model. `bench plan` shows what each arm buys and costs.")]
    cores = found.device.workers
    on = "such a GPU" if found.device.is_gpu else f"{cores} such core{'s' if cores > 1 else ''}"
    estimate = f"Estimated: {found.flops:.2g} FLOPs, {_hours(found.hours)} on {on}. `bench plan` shows what each arm buys and costs."
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


def _hours(hours: float) -> str:
    if hours >= 1.5:
        return f"about {hours:.2g} hours"
    minutes = math.ceil(60 * hours)
    return f"about {minutes} minutes" if minutes > 1 else "a minute or less"
