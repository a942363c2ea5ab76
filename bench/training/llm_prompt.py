"""The prompt for an LLM, and the label in its answer.

No template language is used. `{source}` is cut out of the instruction before a document is put there, so
braces in documents and labels have no meaning.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, Self

from pydantic import Field, model_validator

from bench.contracts import Example, Part, is_blank, normal_form

SOURCE, TARGET = "{source}", "{target}"

Messages = list[dict[str, str]]
"""A conversation in the format of chat completions: `role` and `content` of each message."""

Verdict = Literal["valid", "empty", "cut_off", "no_class", "thoughts_only"]
"""Result of checking an answer. Only valid ones are trained on."""


class Prompt(Part):
    """How a document is presented to an LLM."""

    system: str = ""
    """System message; '' means none."""
    instruction: str = SOURCE
    """Text around each document; {source} marks its place. {target} may only stand at the end. There the label of an example follows, for a
    model without chat turns. Without it, labels follow on a separate line."""
    few_shot: int = Field(default=0, ge=0)
    """Number of owned labels that are shown before the document: the first ones, in drawing order."""
    stop_at_newline: bool = True
    """Whether only the first line of an answer counts. Thoughts before the answer do not count as lines."""
    answers: tuple[str, ...] = ()
    """The classes, if the task has any. Other answers are invalid; case, quotes and a full stop are ignored.
    A list in a suite is a grid, so write `[[entailed, refuted]]`."""

    @model_validator(mode="after")
    def _source_once_target_last(self) -> Self:
        if self.instruction.count(SOURCE) != 1 or TARGET in self.instruction.removesuffix(TARGET):
            raise ValueError("instruction holds {source} once, and {target} nowhere but at its end")
        return self

    def messages(self, shots: Sequence[Example], source: str) -> Messages:
        """Return the conversation: system, then each example as a question and its answer, then the document."""
        conversation = [("system", self.system)] if self.system else []
        for shot in shots:
            conversation += [("user", self._question(shot.source).rstrip()), ("assistant", shot.target or "")]
        conversation.append(("user", self._question(source).rstrip()))
        return [{"role": role, "content": content} for role, content in conversation]

    def plain(self, shots: Sequence[Example], source: str) -> str:
        """Return the same as one text to be continued, for a model without chat turns."""
        gap = "" if self.instruction.endswith(TARGET) else "\n"
        examples = [f"{self._question(shot.source)}{gap}{shot.target}" for shot in shots]
        asked = f"{self._question(source)}{gap}".rstrip(" ")  # tokens of a word include the space before it
        return "\n\n".join([*([self.system] if self.system else []), *examples, asked])

    def _question(self, source: str) -> str:
        before, _, after = self.instruction.partition(SOURCE)
        return before + source + after.removesuffix(TARGET)

    def judge(self, text: str, finished: bool) -> tuple[str, Verdict]:
        """Return (label, verdict) of an answer. `finished` is whether it ended by itself, and not at the maximum length."""
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
    """How an LLM samples its output."""

    temperature: float | None = Field(default=0.0, ge=0)
    """0 takes the most likely token. Missing: not sent to an endpoint, which then uses its own default."""
    max_output_tokens: int = Field(default=64, ge=1)
    """Most tokens of an answer. A longer one is cut off, and is then invalid. Plans and purses assume this many for each document."""
    max_thought_tokens: int | None = Field(default=None, ge=0)
    """Tokens that a reasoning model may spend on thoughts before it answers. They are requested, forecast and
    paid in addition to `max_output_tokens`.

    0: the model does not think, so an endpoint stops at a newline. Missing: the model may think, within
    `max_output_tokens`; an endpoint gets no stop sequence, and answers are cut here.
    """
    seed: int | None = 0
    """Random seed, the same for every arm. Missing: not sent, for endpoints that do not support it."""

    @property
    def max_tokens(self) -> int:
        """Most tokens of thoughts and answer together."""
        return self.max_output_tokens + (self.max_thought_tokens or 0)


def _bare(answer: str) -> str:
    return normal_form(answer).casefold().strip(" .\"'`*")
