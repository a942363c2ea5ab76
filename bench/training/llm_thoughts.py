"""Separates the thoughts of a reasoning model from its answer.

Servers send thoughts in three ways. vLLM with a reasoning parser, llama.cpp, SGLang, Ollama, DeepSeek and OpenRouter put them into a
separate field, `reasoning_content` or `reasoning`. Mistral sends a list of parts. A server without a parser leaves them in the text,
between tags. Where the chat template opens the tag, the text has only the closing one.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from bench.system.one_line import shown
from bench.training.llm_prompt import Prompt, Verdict
from bench.training.llm_responses import Reply

TAGS = {
    "<think>": "</think>",  # DeepSeek R1, Qwen3, SmolLM3 and many others
    "<thinking>": "</thinking>",  # models that were asked for it, such as Reflection and Claude
    "<reasoning>": "</reasoning>",
    "<thought>": "</thought>",  # EXAONE
    "<seed:think>": "</seed:think>",  # Seed-OSS
    "[THINK]": "[/THINK]",  # Magistral
    "◁think▷": "◁/think▷",  # Kimi
    "<|START_THINKING|>": "<|END_THINKING|>",  # Command A Reasoning
}
"""Tag that opens thoughts -> tag that closes them."""

LOOK_EVERY = 20
"""Number of answers after which `repeated_answer` decides whether more are bought."""


def leaves_open(text: str) -> bool:
    """Return whether a prompt ends with an open tag, so that the output begins inside thoughts."""
    return text.rstrip().endswith(tuple(TAGS))


def may_think(tokenizer: Any) -> bool:
    """Return whether the vocabulary or the chat template of a model contains a tag."""
    vocabulary, template = tokenizer.get_vocab(), str(tokenizer.chat_template or "")
    return any(tag in vocabulary or tag in template for pair in TAGS.items() for tag in pair)


def answer(text: str) -> str | None:
    """Return the text after the last closing tag, or the whole text without tags; None if the thoughts do not end."""
    end = max((text.rfind(tag) + len(tag) for tag in TAGS.values() if tag in text), default=0)
    rest = text[end:].lstrip()
    return None if rest.startswith(tuple(TAGS)) else rest


def judge(prompt: Prompt, replies: Sequence[Reply], opened: bool | None = None) -> list[tuple[str, Verdict]]:
    """Return (label, verdict) for the replies of one model, in order.

    `opened` is whether the prompt ends with an open tag. A reply without a closing tag is then all thoughts.
    None means unknown, as at an endpoint. Then the replies decide:

    - If one has a closing tag without an opening one, the prompt opens it.
    - If all were cut off, nothing shows it. The first line of a reply may then be a thought, and is not a label.
    """
    in_doubt = opened is None and not any(r.has_separate_thoughts or _closes(r.text) or (r.finished and r.text.strip()) for r in replies)
    if opened is None:
        opened = any(_closes(r.text) and not r.text.lstrip().startswith(tuple(TAGS)) for r in replies)

    def one(reply: Reply) -> tuple[str, Verdict]:
        text, plain = answer(reply.text), not reply.has_separate_thoughts and not _closes(reply.text)
        if text is None or (opened and plain and text):
            return "", "thoughts_only"
        label, verdict = prompt.judge(text, reply.finished)
        if verdict == "valid" and in_doubt and not prompt.answers:  # a class is an answer, whatever follows it
            return "", "thoughts_only"
        return label, "thoughts_only" if verdict == "empty" and not plain else verdict

    return [one(reply) for reply in replies]


def repeated_answer(prompt: Prompt, labels: Sequence[str]) -> str:
    """Return a message if more than half of the answers are the same text, else ''. Fewer than LOOK_EVERY answers give ''. `labels` holds
    '' for an answer that is empty or all thoughts. Where the prompt has classes, repeated labels are normal, and only '' counts."""
    text, count = Counter(labels).most_common(1)[0] if labels and not prompt.answers else ("", sum(not label for label in labels))
    if len(labels) < LOOK_EVERY or 2 * count <= len(labels):
        return ""
    seen = f"{count} of the first {len(labels)} answers"
    if text:
        return f"{seen} are the same text, {shown(text, 80)}: change the prompt, or name the classes in prompt.answers if this is one"
    return f"{seen} are empty or hold thoughts alone: give thoughts room in sampling.max_thought_tokens, or set it to 0 if the LLM has none"


def _closes(text: str) -> bool:
    return any(tag in text for tag in TAGS.values())
