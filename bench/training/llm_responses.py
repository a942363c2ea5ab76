"""Keeps raw responses of an endpoint on disk, so that nothing paid for is lost or requested twice."""

from __future__ import annotations

import hashlib
import json
import os
import threading
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, Field, ValidationError

from bench.errors import BenchError
from bench.system.files import names_file
from bench.system.one_line import first_fault


@dataclass(frozen=True, kw_only=True)
class Reply:
    """An LLM's answer. The text is '' and not finished if the request was refused, or if the tokens counted brought no text."""

    text: str
    """The answer. It includes thoughts unless the server separates them."""
    finished: bool
    """Whether it ended by itself."""
    prompt_tokens: int
    output_tokens: int
    """Tokens generated, thoughts included."""
    thought_tokens: int | None = None
    """Tokens of thoughts among them. None: not counted separately."""
    has_separate_thoughts: bool = False
    """Whether the server sent thoughts separately from the text."""
    retries: int = 0
    """Attempts that were lost before."""


REFUSAL = Reply(text="", finished=False, prompt_tokens=0, output_tokens=0)
"""The reply to a request that was refused."""


class Responses:
    """Raw responses on disk, by the hash of their request. Several threads may add to it."""

    def __init__(self, path: Path) -> None:
        self._path, self._lock = path, threading.Lock()
        self._replies: dict[str, Reply] = {}
        lines = path.read_bytes().split(b"\n") if path.exists() else [b""]
        self._torn = bool(lines[-1])
        for line in lines:
            with suppress(ValidationError, BenchError):  # cut off by a kill, or unusable: it will be requested again
                row = _Row.model_validate_json(line)
                self._replies[row.request] = row.reply()

    def __contains__(self, body: bytes) -> bool:
        return _hash(body) in self._replies

    def __getitem__(self, body: bytes) -> Reply:
        return self._replies[_hash(body)]

    def __len__(self) -> int:
        return len(self._replies)

    def keep(self, body: bytes, response: str, retries: int = 0, refused: bool = False) -> None:
        """Write a raw response, then parse it. Raises BenchError where it is unusable."""
        row = _Row(request=_hash(body), retries=retries, response=response, refused=refused)
        with self._lock:
            with names_file(self._path), self._path.open("ab") as file:
                file.write(b"\n" * self._torn + row.model_dump_json().encode() + b"\n")
                file.flush()
                os.fsync(file.fileno())
            self._torn = False
            self._replies[row.request] = row.reply()


def _hash(body: bytes) -> str:
    return hashlib.sha256(body).hexdigest()


def _whole_characters(text: object) -> object:
    """Replace a lone surrogate, which JSON can express and no file can hold, by the replacement character."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace") if isinstance(text, str) else text


_Text = Annotated[str, BeforeValidator(_whole_characters)]
_Tokens = Annotated[int, Field(ge=0, le=10**9)]


class _Row(BaseModel):
    """A line of responses.jsonl."""

    request: str
    retries: int
    response: str
    refused: bool = False

    def reply(self) -> Reply:
        """Return the parsed reply. Raises BenchError if the response is no chat completion, or does not count its tokens."""
        if self.refused:
            return replace(REFUSAL, retries=self.retries)
        try:
            completion = _Completion.model_validate(json.loads(self.response))
        except ValidationError as error:
            raise BenchError(f"no chat completion: {first_fault(error)}") from None
        except (ValueError, RecursionError):
            raise BenchError("no chat completion: response: not JSON") from None
        if (usage := completion.usage) is None:
            raise BenchError("the endpoint sends no `usage`, so its tokens cannot be counted and paid")
        choice = completion.choices[0] if completion.choices else _Choice(message=_Message(), finish_reason="content_filter")
        return Reply(
            text=choice.message.text,
            finished=choice.finish_reason not in ("length", "content_filter"),
            prompt_tokens=usage.prompt_tokens,
            output_tokens=usage.output_tokens,
            thought_tokens=usage.completion_tokens_details.reasoning_tokens if usage.completion_tokens_details else None,
            has_separate_thoughts=choice.message.has_separate_thoughts,
            retries=self.retries,
        )


class _Part(BaseModel):
    """A part of an answer that is sent as a list, as Mistral's reasoning models do."""

    type: str
    text: _Text = ""


class _Message(BaseModel):
    """An answer. Thoughts are in `reasoning_content`, in `reasoning`, in parts of the type `thinking`, or in the text."""

    content: _Text | list[_Part] | None = None
    reasoning_content: Any = None
    reasoning: Any = None

    @property
    def text(self) -> str:
        parts = self.content if isinstance(self.content, list) else [_Part(type="text", text=self.content or "")]
        return "".join(part.text for part in parts if part.type == "text")

    @property
    def has_separate_thoughts(self) -> bool:
        parts = self.content if isinstance(self.content, list) else []
        return bool(self.reasoning_content or self.reasoning or any(part.type == "thinking" for part in parts))


class _Choice(BaseModel):
    message: _Message
    finish_reason: str | None = None


class _Details(BaseModel):
    reasoning_tokens: _Tokens | None = None


class _Usage(BaseModel):
    prompt_tokens: _Tokens
    completion_tokens: _Tokens
    total_tokens: _Tokens | None = None
    completion_tokens_details: _Details | None = None

    @property
    def output_tokens(self) -> int:
        """All tokens generated. Gemini and Grok omit thoughts from `completion_tokens`, but not from `total_tokens`."""
        return max(self.completion_tokens, (self.total_tokens or 0) - self.prompt_tokens)


class _Completion(BaseModel):
    choices: list[_Choice]
    usage: _Usage | None = None
