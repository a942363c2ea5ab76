"""Labels from an LLM that is prompted and not tuned, at an endpoint or on the suite's own device.

Sources: Wang et al. 2021, Want To Reduce Labeling Cost? GPT-3 Can Help (an LLM's labels, paid by tokens,
train a small model); Ding et al. 2023, Is GPT-3 a Good Data Annotator?, strategy PGDA.
"""

from __future__ import annotations

import dataclasses
import functools
import json
import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from bench.contracts import Activity, BuildContext, Checkpoint, Example, Recipe
from bench.errors import FIRST_DOES_NOT_FIT, CheckpointError, OverBudget
from bench.system.sequences import changed, picked
from bench.training.checkpoints import load_tokenizer
from bench.training.generated import Outputs, own_words, with_labels
from bench.training.llm_endpoint import Endpoint, ask
from bench.training.llm_prompt import Messages, Prompt, Sampling
from bench.training.llm_responses import Reply
from bench.training.llm_thoughts import LOOK_EVERY, judge, leaves_open, may_think, repeated_answer
from bench.training.recipes import write_json

OTHER_TOKENIZER, TOKENS_A_MESSAGE, BYTES_A_TOKEN = 1.3, 20, 3
"""Constants of the estimate for an endpoint's unknown tokenizer, which is an upper bound.

The count is the large model's number of tokens times the first, plus the second per message. It is at least one token for every
BYTES_A_TOKEN bytes, because a tokenizer that lacks a script writes one unknown token per word.
"""

TAG_TOKENS = 16
"""Number of tokens at the end of a prompt that are searched for an open tag."""

LABELS, INVALID = "pseudo_labels.jsonl", "invalid.jsonl"


@dataclass(frozen=True, kw_only=True)
class Labelling:
    """Labels for documents, in their order, with the answers and the tokens used."""

    examples: Sequence[Example]
    """The documents with a valid answer, which is their label."""
    answers: tuple[str, ...] = ()
    """The answer for each document, valid or not, without thoughts; '' where there was none. They are in no particular order."""
    repeated_answer: str = ""
    """Why no further documents were sent; '' if another reason ended the work."""
    documents: int
    """Number of documents with a reply."""
    invalid: int
    """Number of answers that are not valid labels."""
    prompt_tokens: int
    output_tokens: int
    """Tokens generated, thoughts included."""
    thought_tokens: int | None = None
    """Tokens of thoughts among them. None where an endpoint does not count them separately."""


@dataclass(frozen=True, kw_only=True)
class EndpointLabels(Recipe):
    """Labels from an LLM at an endpoint. Each document is cut like a student's: at `max_source_tokens` of the large model's tokenizer,
    `tokenizer`. The same tokenizer estimates in advance how many tokens will be bought."""

    endpoint: Endpoint
    sampling: Sampling
    prompt: Prompt
    shots: tuple[Example, ...]
    examples: Sequence[Example]
    tokenizer: Checkpoint
    max_source_tokens: int
    to_the_end: bool = False
    """Whether all documents are sent, whatever the answers are."""

    on_device = False
    generates_text = True
    version = 2

    def forecast_flops(self, context: BuildContext) -> float:  # noqa: ARG002
        return 0.0

    def forecast_tokens(self, context: BuildContext) -> tuple[int, int]:
        texts = [message["content"] for messages in self._conversations(context) for message in messages]
        counts = _token_ceilings(self.tokenizer.folder(context.cache), tuple(dict.fromkeys(texts)))
        return sum(counts[text] for text in texts), len(self.examples) * self.sampling.max_tokens

    def make(self, folder: Path, context: BuildContext) -> None:
        bodies = [self.endpoint.body(messages, self.prompt, self.sampling) for messages in self._conversations(context)]
        opened = False if self.sampling.max_thought_tokens == 0 else None
        place = self.endpoint.folder(context.cache, self.sampling)
        enough = None if self.to_the_end else lambda some: bool(_repeated_answer(self.prompt, some, opened))
        replies = ask(self.endpoint, bodies, place, context.progress, enough=enough)
        for reply in replies:
            context.usage.record_tokens(reply.prompt_tokens, reply.output_tokens)
        write_labelling(folder, self.prompt, self.examples[: len(replies)], replies, opened)

    def _conversations(self, context: BuildContext) -> list[Messages]:
        shots, examples = (_cut(self.tokenizer.folder(context.cache), e, self.max_source_tokens) for e in (self.shots, self.examples))
        return [self.prompt.messages(shots, example.source) for example in examples]

    def read(self, folder: Path) -> Labelling:
        return read_labelling(folder, self.examples)

    def placeholder(self, context: BuildContext) -> Labelling:
        """Return labels for all documents: each document's own words, or the longest class."""
        return _placeholder(self.prompt, self.examples, self.sampling.max_output_tokens, *self.forecast_tokens(context))


@dataclass(frozen=True, kw_only=True)
class PromptedLabels(Outputs):
    """Labels from a decoder-only model on the suite's device. Documents are cut in its own tokens."""

    prompt: Prompt
    shots: tuple[Example, ...]
    sampling: Sampling
    to_the_end: bool = False
    """Whether all documents are prompted, whatever the answers are."""

    version = 2

    def make(self, folder: Path, context: BuildContext) -> None:
        sources = self.sources(context)
        tokenizer = load_tokenizer(self.model.tokenizer_folder(context.cache, 0))
        opened = any(leaves_open(tokenizer.decode(source[-TAG_TOKENS:])) for source in sources[:1])
        replies: dict[int, Reply] = {}
        for position, output in self._generate(context):
            replies[position] = Reply(
                text=output.text, finished=output.ended, prompt_tokens=len(sources[position]), output_tokens=output.tokens
            )
            look = len(replies) % LOOK_EVERY == 0 and not self.to_the_end
            if look and _repeated_answer(self.prompt, list(replies.values()), opened):
                break
        if not replies and self.examples:
            raise OverBudget(FIRST_DOES_NOT_FIT)
        order = sorted(replies)
        asked, answered = [self.examples[i] for i in order], [replies[i] for i in order]
        write_labelling(folder, self.prompt, asked, answered, opened)

    def sources(self, context: BuildContext) -> tuple[tuple[int, ...], ...]:
        folder = self.model.tokenizer_folder(context.cache, 0)
        shots, examples = (_cut(folder, e, self.max_source_tokens) for e in (self.shots, self.examples))
        sources = _prompts(folder, self.prompt, shots, examples)
        self.model.tokenizer_folder(context.cache, max(map(len, sources), default=0), self.max_target_tokens)
        return sources

    def extra_ends(self, context: BuildContext) -> tuple[int, ...]:
        """Return the tokens with a newline, unless the model writes thoughts or may answer in several lines."""
        tokenizer = load_tokenizer(self.model.tokenizer_folder(context.cache, 0))
        limit = self.sampling.max_thought_tokens
        thinks = may_think(tokenizer) if limit is None else limit > 0
        if not self.prompt.stop_at_newline or thinks:
            return ()
        texts = tokenizer.batch_decode([[token] for token in range(len(tokenizer))])
        return tuple(token for token, text in enumerate(texts) if "\n" in text)

    def read(self, folder: Path) -> Labelling:
        return read_labelling(folder, self.examples)

    def placeholder(self, context: BuildContext) -> Labelling:
        """Return labels for as many documents as the limit allows: each document's own words, or the longest class."""
        positions, sources = sorted(self._reached(context)), self.sources(context)
        documents, prompt_tokens = picked(self.examples, positions), sum(len(sources[i]) for i in positions)
        return _placeholder(self.prompt, documents, self.sampling.max_output_tokens, prompt_tokens, len(documents) * self.max_target_tokens)


@dataclass(frozen=True)
class Answers(Recipe):
    """The answers of an LLM for documents, in their order, for evaluation.

    An answer that is not a valid label counts as its text, as it does for a student. An answer that is cut
    off or names no class stays as it is. An empty one, or one with nothing after its thoughts, counts as ''.
    """

    activity: ClassVar[Activity] = "none"

    labels: EndpointLabels | PromptedLabels

    def forecast_flops(self, context: BuildContext) -> float:  # noqa: ARG002
        return 0.0

    def make(self, folder: Path, context: BuildContext) -> None:
        made = context.artifact(self.labels)
        answers = {row["id"]: row["target"] for row in _rows(made / LABELS)}
        answers |= {row["id"]: row["says"] for row in _rows(made / INVALID)}
        write_json(folder / "predictions.json", [answers[example.id] for example in self.labels.examples])

    def read(self, folder: Path) -> list[str]:
        return list(json.loads((folder / "predictions.json").read_text(encoding="utf-8")))


def _repeated_answer(prompt: Prompt, replies: Sequence[Reply], opened: bool | None) -> str:
    return repeated_answer(prompt, [label for label, _ in judge(prompt, replies, opened)])


def write_labelling(folder: Path, prompt: Prompt, examples: Sequence[Example], replies: Sequence[Reply], opened: bool | None) -> None:
    """Write the labels, the invalid answers, and labelling.json with the counts. `opened` is that of `judge`."""
    judged = judge(prompt, replies, opened)
    seen: Counter[str] = Counter(documents=len(replies), invalid=0, empty=0, retries=0, prompt_tokens=0, output_tokens=0)
    valid, invalid = [], []
    for example, reply, (label, verdict) in zip(examples, replies, judged, strict=True):
        if verdict == "valid":
            valid.append({"id": example.id, "source": example.source, "target": label})
        else:
            says = prompt.judge(label, finished=True)[0]
            invalid.append({"id": example.id, "answer": reply.text, "says": says, "verdict": verdict})
            seen.update({verdict: 1, "invalid": 1})
        seen.update(prompt_tokens=reply.prompt_tokens, output_tokens=reply.output_tokens, retries=reply.retries)
    for name, rows in ((LABELS, valid), (INVALID, invalid)):
        (folder / name).write_text("".join(f"{json.dumps(row)}\n" for row in rows), encoding="utf-8")
    counted = [reply.thought_tokens for reply in replies if reply.output_tokens]
    thoughts = sum(n for n in counted if n is not None) if None not in counted else None
    counts = {**seen, "thought_tokens": thoughts, "repeated_answer": repeated_answer(prompt, [label for label, _ in judged])}
    write_json(folder / "labelling.json", counts)


def read_labelling(folder: Path, documents: Sequence[Example]) -> Labelling:
    """Return what `write_labelling` wrote for these documents."""
    counts = json.loads((folder / "labelling.json").read_text(encoding="utf-8"))
    valid, invalid = _rows(folder / LABELS), _rows(folder / INVALID)
    wanted = {f.name: counts[f.name] for f in dataclasses.fields(Labelling) if f.name in counts}
    answers = (*(row["target"] for row in valid), *(row["says"] for row in invalid))
    return Labelling(examples=with_labels(documents, valid), answers=answers, **wanted)


def _rows(path: Path) -> list[dict[str, str]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").split("\n") if line]


def _placeholder(prompt: Prompt, examples: Sequence[Example], words: int, prompt_tokens: int, output_tokens: int) -> Labelling:
    longest = max(prompt.answers, key=len, default="")
    labelled = changed(examples, lambda e: Example(e.id, e.source, longest or own_words(e.source, words)))
    return Labelling(examples=labelled, documents=len(examples), invalid=0, prompt_tokens=prompt_tokens, output_tokens=output_tokens)


@functools.lru_cache(maxsize=8)  # a forecast and the later work need the same
def _cut(folder: Path, examples: Sequence[Example], max_tokens: int) -> tuple[Example, ...]:
    """Return the examples with sources cut at this many tokens, without special tokens. The rest of a source is unchanged."""
    if not examples:
        return ()
    settings = {"truncation": True, "max_length": max_tokens, "add_special_tokens": False, "return_offsets_mapping": True}
    ends = load_tokenizer(folder)([e.source for e in examples], **settings)["offset_mapping"]
    kept = ((e, e.source[: end[-1][1]] if len(end) == max_tokens else e.source) for e, end in zip(examples, ends, strict=True))
    return tuple(Example(e.id, source, e.target) for e, source in kept)


@functools.lru_cache(maxsize=8)
def _token_ceilings(folder: Path, texts: tuple[str, ...]) -> dict[str, int]:
    counted = load_tokenizer(folder)(list(texts), verbose=False)["input_ids"] if texts else []
    ceilings = (max(OTHER_TOKENIZER * len(ids), len(text.encode()) / BYTES_A_TOKEN) for text, ids in zip(texts, counted, strict=True))
    return {text: math.ceil(ceiling) + TOKENS_A_MESSAGE for text, ceiling in zip(texts, ceilings, strict=True)}


@functools.lru_cache(maxsize=4)
def _prompts(folder: Path, prompt: Prompt, shots: tuple[Example, ...], examples: tuple[Example, ...]) -> tuple[tuple[int, ...], ...]:
    """Return the token ids of the prompt for each document, by the chat template, or as plain text where there is none."""
    from jinja2.exceptions import TemplateError

    tokenizer = load_tokenizer(folder)
    if not tokenizer.chat_template:
        return tuple(tuple(tokenizer(prompt.plain(shots, e.source), verbose=False)["input_ids"]) for e in examples)
    settings = {"add_generation_prompt": True, "return_dict": False}
    try:
        return tuple(tuple(tokenizer.apply_chat_template(prompt.messages(shots, e.source), **settings)) for e in examples)
    except TemplateError as error:
        raise CheckpointError(f"{folder}: its chat template refuses the prompt: {error}") from None
