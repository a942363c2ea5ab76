"""What an LLM is asked, and what of its answer is a label.

Nothing here is a template language: `{source}` is cut out of the instruction before a document is put there, so braces in
documents and labels mean nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, Self

from pydantic import Field, model_validator

from bench.contracts import Example, Part, is_blank, normal_form

SOURCE, TARGET = "{source}", "{target}"

Messages = list[dict[str, str]]
"""A conversation as chat completions take it: `role` and `content` of each message."""

Verdict = Literal["valid", "empty", "cut_off", "no_class", "thoughts_only"]
"""What an answer is worth; only a valid one is trained on."""


class Prompt(Part):
    """How a document is put to an LLM."""

    system: str = ""
    """What it is told first; '': nothing."""
    instruction: str = SOURCE
    """What is said of each document: {source} is where it goes. {target}, if there, ends it: where the label of an example
    follows if the model knows no turns; if missing, labels follow on a line of their own."""
    few_shot: int = Field(default=0, ge=0)
    """Labels owned that are shown before the document: the first ones, in drawing order."""
    stop_at_newline: bool = True
    """Whether an answer is its first line alone. Thoughts before the answer do not count as lines."""
    answers: tuple[str, ...] = ()
    """The classes, if the task has any: another answer is invalid; case, quotes and a full stop aside. A list in a suite is a
    grid, so `[[entailed, refuted]]`."""

    @model_validator(mode="after")
    def _source_once_target_last(self) -> Self:
        if self.instruction.count(SOURCE) != 1 or TARGET in self.instruction.removesuffix(TARGET):
            raise ValueError("instruction holds {source} once, and {target} nowhere but at its end")
        return self

    def messages(self, shots: Sequence[Example], source: str) -> Messages:
        """The conversation: system, then each example as a question and its answer, then the document."""
        conversation = [("system", self.system)] if self.system else []
        for shot in shots:
            conversation += [("user", self._question(shot.source).rstrip()), ("assistant", shot.target or "")]
        conversation.append(("user", self._question(source).rstrip()))
        return [{"role": role, "content": content} for role, content in conversation]

    def plain(self, shots: Sequence[Example], source: str) -> str:
        """The same as one text to be continued, for a model that knows no turns."""
        gap = "" if self.instruction.endswith(TARGET) else "\n"
        examples = [f"{self._question(shot.source)}{gap}{shot.target}" for shot in shots]
        asked = f"{self._question(source)}{gap}".rstrip(" ")  # tokens of a word bring its space along
        return "\n\n".join([*([self.system] if self.system else []), *examples, asked])

    def _question(self, source: str) -> str:
        before, _, after = self.instruction.partition(SOURCE)
        return before + source + after.removesuffix(TARGET)

    def judge(self, text: str, finished: bool) -> tuple[str, Verdict]:
        """(label, what it is worth) of an answer. finished: it ended by itself, not because it was as long as allowed."""
        answer = normal_form(text).strip()
        if self.stop_at_newline:
            answer, newline, _ = answer.partition("\n")
            answer, finished = answer.rstrip(), finished or bool(newline)
        if is_blank(answer):
            return "", "empty"
        if not finished:
            return answer, "cut_off"
        if self.answers:
            named = {_bare(a): normal_form(a) for a in self.answers}.get(_bare(answer))
            return (named, "valid") if named else (answer, "no_class")
        return answer, "valid"


class Sampling(Part):
    """How an LLM chooses its words."""

    temperature: float | None = Field(default=0.0, ge=0)
    """0 takes the likeliest token; missing: not sent to an endpoint, which then takes its own."""
    max_output_tokens: int = Field(default=64, ge=1)
    """Tokens of an answer. A longer one is cut off, and is then invalid. Plans and purses reckon with this many for each document."""
    max_thought_tokens: int | None = Field(default=None, ge=0)
    """Tokens that a reasoning model may think before it answers. They are sent, reckoned and paid on top of `max_output_tokens`.
    0: the model does not think, so an endpoint is told to stop at a newline. Missing: the model may think, within
    `max_output_tokens`; an endpoint is not told to stop, and answers are cut here."""
    seed: int | None = 0
    """Sent along, the same for every arm; missing: not sent, for endpoints that do not know it."""

    @property
    def max_tokens(self) -> int:
        """Tokens of thoughts and answer together."""
        return self.max_output_tokens + (self.max_thought_tokens or 0)


def _bare(answer: str) -> str:
    return normal_form(answer).casefold().strip(" .\"'`*")
