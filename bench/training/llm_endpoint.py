"""An OpenAI-compatible endpoint with a rate limit. The same request is never sent twice.

    request body -> answered before? -> responses.jsonl              under cache/endpoint/<url, model, decoding>/
                 -> rate limit -> POST -> raw response, appended and synced before it is used
                        429, 408, 5xx, time-out, lost connection, no JSON: back off, try again

The key is read from the environment when the first request is sent. It stays in memory, and is removed from all responses.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import os
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field

from bench.contracts import Part, Progress
from bench.errors import BenchError
from bench.system import leases
from bench.training.llm_client import Client, Clock, GivenUp, Refused
from bench.training.llm_prompt import Messages, Prompt, Sampling
from bench.training.llm_responses import REFUSAL, Reply, Responses
from bench.training.llm_thoughts import LOOK_EVERY


def _address(url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("expected an address that starts with http:// or https://")
    if parts.username or parts.password or parts.query or parts.fragment:
        raise ValueError("expected an address without user, password, query and fragment: it is written into results")
    return url.rstrip("/")


class Endpoint(Part):
    """Address and rate limits of an LLM."""

    base_url: Annotated[str, AfterValidator(_address)]
    """Address up to and including `/v1`; `/chat/completions` is appended."""
    model: str = Field(min_length=1)
    """Name of the model at the endpoint."""
    key_variable: str | None = Field(default=None, pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")
    """NAME of the environment variable that holds the key, never the key itself. Missing: no key is sent."""
    requests_per_minute: float | None = Field(default=None, gt=0)
    """Requests are spaced evenly to stay below this rate. Missing: only `concurrency` limits them."""
    timeout_s: float = Field(default=120.0, gt=0)
    """Seconds without any data after which an attempt counts as lost. It also is lost if its response is not complete after 10 times as
    long."""
    attempts: int = Field(default=6, ge=1)
    """Tries for one document, including the first."""
    concurrency: int = Field(default=4, ge=1, le=64)
    """Requests in progress at a time."""
    length_setting: Literal["max_tokens", "max_completion_tokens"] = "max_tokens"
    """This endpoint's name for the maximum output length. OpenAI's reasoning models accept only the second."""

    def body(self, messages: Messages, prompt: Prompt, sampling: Sampling) -> bytes:
        """Return the request for one answer. Equal questions give equal bytes."""
        settings = {
            self.length_setting: sampling.max_tokens,
            "temperature": sampling.temperature,
            "seed": sampling.seed,
            "stop": ["\n"] if prompt.stop_at_newline and sampling.max_thought_tokens == 0 else None,  # thoughts contain newlines
        }
        known = {name: value for name, value in settings.items() if value is not None}
        return json.dumps({"model": self.model, "messages": messages, **known}, sort_keys=True).encode()

    def folder(self, cache: Path, sampling: Sampling) -> Path:
        """Return the folder of its responses."""
        decoding = sampling.model_dump(mode="json", exclude={"max_thought_tokens"})  # part of the length in each request
        decides = json.dumps([self.base_url, self.model, decoding], sort_keys=True)
        return cache / "endpoint" / hashlib.sha256(decides.encode()).hexdigest()[:16]

    def key(self) -> str:
        """Return the key; '' where none is sent. Raises BenchError where its environment variable holds none."""
        if self.key_variable is None:
            return ""
        key = os.environ.get(self.key_variable, "").strip()
        if not key:
            raise BenchError(f"the environment variable {self.key_variable}, for the key of {self.base_url}, is not set")
        if not key.isascii() or not key.isprintable():
            raise BenchError(f"the environment variable {self.key_variable} holds no key: it has characters that no header may have")
        return key


DEADLINE = 10
"""Longest time for a whole response, as a multiple of `timeout_s`. Some endpoints send blank lines for minutes while a request waits."""

AHEAD = 4
"""How far requests may overtake one that waits for its answer, as a multiple of `concurrency`."""

Enough = Callable[[Sequence[Reply]], bool]
"""Called with the replies so far, in order. Returns whether no more are wanted."""


def ask(
    endpoint: Endpoint, bodies: Sequence[bytes], folder: Path, progress: Progress, clock: Clock | None = None, enough: Enough | None = None
) -> list[Reply]:
    """Return the replies to `bodies`, in order. Only requests that were never answered before are sent.

    `enough` is called after every `LOOK_EVERY` replies. Once it returns True, nothing more is sent, and the replies that were paid for are
    returned.

    Only one process uses an address at a time. Therefore the rate limit holds, and no two processes pay for the same. Raises BenchError
    where the endpoint refuses, is unreachable after `attempts`, or does not count tokens. Earlier answers are kept.
    """
    folder.mkdir(parents=True, exist_ok=True)
    progress("waiting for a turn at the endpoint", 0, len(bodies))
    with leases.hold(folder.parent / f"{hashlib.sha256(endpoint.base_url.encode()).hexdigest()[:16]}.lease"):
        line = _Line(bodies=bodies, kept=Responses(folder / "responses.jsonl"), enough=enough, ahead=AHEAD * endpoint.concurrency)
        waiting = line.unanswered()
        if not line.look() and waiting:
            import httpx2

            key = endpoint.key()
            headers = {"content-type": "application/json"} | ({"authorization": f"Bearer {key}"} if key else {})
            with httpx2.Client(headers=headers, timeout=endpoint.timeout_s) as http:
                client = Client(
                    f"{endpoint.base_url}/chat/completions",
                    key=key,
                    attempts=endpoint.attempts,
                    deadline_s=DEADLINE * endpoint.timeout_s,
                    requests_per_minute=endpoint.requests_per_minute,
                    http=http,
                    clock=clock or Clock(),
                )
                _ask_all(client, line, waiting, endpoint.concurrency, progress)
        return line.replies()


@dataclass(kw_only=True)
class _Line:
    """Requests in order: which of them are answered, and which were sent. It is safe to use from several threads."""

    bodies: Sequence[bytes]
    kept: Responses
    enough: Enough | None
    over: bool = False  # whether `enough` returned True
    sent: int = 0  # number of requests up to the last one that was sent
    answered: int = 0  # number of requests before the first one without an answer
    ahead: int  # requests that may be sent beyond the first one without an answer; bounds the cost beyond enough
    refused: dict[bytes, Refused] = field(default_factory=dict)
    _moved: threading.Condition = field(default_factory=threading.Condition)

    def unanswered(self) -> list[int]:
        """Return the positions to send, in order. A request that occurs twice is sent once."""
        first = {body: position for position, body in reversed(list(enumerate(self.bodies)))}
        return sorted(position for body, position in first.items() if body not in self.kept)

    def send(self, position: int, given_up: threading.Event) -> bool:
        """Wait for the turn of a request, and return whether it is to be sent."""
        with self._moved:
            self._moved.wait_for(lambda: given_up.is_set() or position < self.answered + self.ahead)
            self.sent = self.sent if given_up.is_set() else max(self.sent, position + 1)
            return not given_up.is_set()

    def look(self) -> bool:
        """Return whether the answers are enough, and wake waiting threads."""
        with self._moved:
            self._moved.notify_all()
            while not self.over and self.answered < len(self.bodies) and self._has(self.bodies[self.answered]):
                self.answered += 1
                self.over = self.enough is not None and self.answered % LOOK_EVERY == 0 and self.enough(self._replies(self.answered))
            return self.over

    def replies(self) -> list[Reply]:
        """Return the replies to all requests, or once they are enough, to those up to the last one that was sent."""
        return self._replies(max(self.answered, self.sent) if self.over else len(self.bodies))

    def _has(self, body: bytes) -> bool:
        return body in self.kept or body in self.refused

    def _replies(self, count: int) -> list[Reply]:
        known = itertools.takewhile(self._has, self.bodies[:count])
        return [REFUSAL if body in self.refused else self.kept[body] for body in known]


def _ask_all(client: Client, line: _Line, waiting: Sequence[int], concurrency: int, progress: Progress) -> None:
    """Send the waiting requests. When one fails, those in progress finish and are kept, and no others are sent. A refused request is not a
    failure if any other was ever answered: the fault is then in its document, not in the form of the request."""
    given_up = client.clock.given_up

    def answer(position: int) -> None:
        body = line.bodies[position]
        try:
            if line.send(position, given_up):
                line.kept.keep(body, *client.answer(body))
        except GivenUp:
            return
        except Refused as error:
            line.refused[body] = error
        except BaseException:
            give_up()
            if not line.over:
                raise
        if line.look():
            give_up()

    def give_up() -> None:
        given_up.set()
        line.look()

    with ThreadPoolExecutor(concurrency) as pool:
        futures = [pool.submit(answer, position) for position in waiting]
        try:
            for done, future in enumerate(as_completed(futures), start=1):
                future.result()
                progress("asking the endpoint", done, len(futures))
        finally:
            give_up()
    for body, error in line.refused.items():
        if not len(line.kept):
            raise BenchError(str(error))
        line.kept.keep(body, error.response, refused=True)
