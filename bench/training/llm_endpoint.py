"""An OpenAI-compatible endpoint: asked politely, and never twice for the same.

    request body -> answered before? -> responses.jsonl              under cache/endpoint/<url, model, decoding>/
                 -> rate limit -> POST -> raw response, appended and synced before anything else is done with it
                        429, 408, 5xx, time-out, lost connection, no JSON: back off, try again

The key is read from the environment when the first request goes out, kept in memory alone, and struck out of whatever the
endpoint says.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field

from bench.contracts import Part, Progress
from bench.errors import BenchError
from bench.system.files import exclusive_lock
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
    """Where an LLM is asked, and how fast."""

    base_url: Annotated[str, AfterValidator(_address)]
    """Address up to and with `/v1`; `/chat/completions` is put behind it."""
    model: str = Field(min_length=1)
    """Its name there."""
    key_variable: str | None = Field(default=None, pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")
    """NAME of the environment variable that holds the key, never the key; missing: none is sent."""
    requests_per_minute: float | None = Field(default=None, gt=0)
    """Requests are spaced out evenly to stay below this; missing: no limit but `concurrency`."""
    timeout_s: float = Field(default=120.0, gt=0)
    """Seconds without a byte after which an attempt counts as lost."""
    attempts: int = Field(default=6, ge=1)
    """Tries for one document, the first among them."""
    concurrency: int = Field(default=4, ge=1, le=64)
    """Requests under way at once."""
    length_setting: Literal["max_tokens", "max_completion_tokens"] = "max_tokens"
    """What this endpoint calls the longest output; OpenAI's reasoning models know only the second."""

    def body(self, messages: Messages, prompt: Prompt, sampling: Sampling) -> bytes:
        """The request for one answer, byte for byte the same whenever it asks the same."""
        settings = {
            self.length_setting: sampling.max_tokens,
            "temperature": sampling.temperature,
            "seed": sampling.seed,
            "stop": ["\n"] if prompt.stop_at_newline and sampling.max_thought_tokens == 0 else None,  # a thought has newlines
        }
        known = {name: value for name, value in settings.items() if value is not None}
        return json.dumps({"model": self.model, "messages": messages, **known}, sort_keys=True).encode()

    def folder(self, cache: Path, sampling: Sampling) -> Path:
        """Where its responses are kept."""
        decoding = sampling.model_dump(mode="json", exclude={"max_thought_tokens"})  # a part of the length in each request
        decides = json.dumps([self.base_url, self.model, decoding], sort_keys=True)
        return cache / "endpoint" / hashlib.sha256(decides.encode()).hexdigest()[:16]


AHEAD = 4
"""How many times as many requests as are under way at once may overtake one that waits for its answer."""

Enough = Callable[[Sequence[Reply]], bool]
"""Called with the replies so far, in order. Whether no more are wanted."""


def ask(
    endpoint: Endpoint,
    bodies: Sequence[bytes],
    folder: Path,
    progress: Progress,
    clock: Clock | None = None,
    enough: Enough | None = None,
) -> list[Reply]:
    """Return the replies to `bodies`, in order. Only those that were never answered before are sent.

    enough: asked after every `LOOK_EVERY` replies. Once it says yes, nothing more is sent, and the replies that were paid are returned.

    One process asks an address at a time, so the rate limit holds and no two pay for the same. Raises BenchError where the endpoint
    refuses, is not there after `attempts`, or does not count tokens; what was answered until then is kept.
    """
    folder.mkdir(parents=True, exist_ok=True)
    progress("waiting for a turn at the endpoint", 0, len(bodies))
    with exclusive_lock(folder.parent / f"{hashlib.sha256(endpoint.base_url.encode()).hexdigest()[:16]}.lock"):
        line = _Line(bodies=bodies, kept=Responses(folder / "responses.jsonl"), enough=enough, ahead=AHEAD * endpoint.concurrency)
        waiting = line.unanswered()
        if not line.look() and waiting:
            with _connected(endpoint, clock or Clock()) as client:
                _ask_all(client, line, waiting, endpoint.concurrency, progress)
        return line.replies()


@dataclass(kw_only=True)
class _Line:
    """Requests in order: how far they are answered, and how far they were sent. Safe to use from several threads."""

    bodies: Sequence[bytes]
    kept: Responses
    enough: Enough | None
    over: bool = False
    """Whether `enough` said yes."""
    sent: int = 0
    """Requests up to the last one that was sent."""
    answered: int = 0
    """Requests before the first one without an answer."""
    ahead: int
    """Requests that may be sent before the first one without an answer has one. Bounds what is paid beyond enough."""
    refused: dict[bytes, Refused] = field(default_factory=dict)
    _moved: threading.Condition = field(default_factory=threading.Condition)

    def unanswered(self) -> list[int]:
        """Positions to send, in order. A request that occurs twice is sent once."""
        first = {body: position for position, body in reversed(list(enumerate(self.bodies)))}
        return sorted(position for body, position in first.items() if body not in self.kept)

    def send(self, position: int, given_up: threading.Event) -> bool:
        """Wait for the turn of a request. Whether it is to be sent."""
        with self._moved:
            self._moved.wait_for(lambda: given_up.is_set() or position < self.answered + self.ahead)
            self.sent = self.sent if given_up.is_set() else max(self.sent, position + 1)
            return not given_up.is_set()

    def look(self) -> bool:
        """Whether the answers are enough. Wakes those who wait."""
        with self._moved:
            self._moved.notify_all()
            while not self.over and self.answered < len(self.bodies) and self._has(self.bodies[self.answered]):
                self.answered += 1
                self.over = self.enough is not None and self.answered % LOOK_EVERY == 0 and self.enough(self._replies(self.answered))
            return self.over

    def replies(self) -> list[Reply]:
        """Replies to all requests; once they are enough, to those up to the last one that was sent."""
        return self._replies(max(self.answered, self.sent) if self.over else len(self.bodies))

    def _has(self, body: bytes) -> bool:
        return body in self.kept or body in self.refused

    def _replies(self, count: int) -> list[Reply]:
        known = itertools.takewhile(self._has, self.bodies[:count])
        return [REFUSAL if body in self.refused else self.kept[body] for body in known]


def _ask_all(client: Client, line: _Line, waiting: Sequence[int], concurrency: int, progress: Progress) -> None:
    """Send the requests that wait. Where one fails, those under way come to their end and are kept, and no further one is sent.

    One that is refused is no failure as long as any other was ever answered: then it is this document, and not the request as such.
    """
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


@contextmanager
def _connected(endpoint: Endpoint, clock: Clock) -> Iterator[Client]:
    import httpx2

    key = _key(endpoint)
    headers = {"content-type": "application/json"} | ({"authorization": f"Bearer {key}"} if key else {})
    with httpx2.Client(headers=headers, timeout=endpoint.timeout_s) as http:
        yield Client(
            f"{endpoint.base_url}/chat/completions",
            key=key,
            attempts=endpoint.attempts,
            requests_per_minute=endpoint.requests_per_minute,
            http=http,
            clock=clock,
        )


def _key(endpoint: Endpoint) -> str:
    if endpoint.key_variable is None:
        return ""
    key = os.environ.get(endpoint.key_variable, "").strip()
    if not key:
        raise BenchError(f"the environment variable {endpoint.key_variable}, for the key of {endpoint.base_url}, is not set")
    if not key.isascii() or not key.isprintable():
        raise BenchError(f"the environment variable {endpoint.key_variable} holds no key: it has characters that no header may have")
    return key
