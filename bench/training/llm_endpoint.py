"""An OpenAI-compatible endpoint: asked politely, and never twice for the same.

    request body -> answered before? -> responses.jsonl              under cache/endpoint/<url, model, decoding>/
                 -> rate limit -> POST -> raw response, appended and synced before anything else is done with it
                        429, 408, 5xx, time-out, lost connection, no JSON: back off, try again

Back-off is exponential with full jitter (Brooker 2015, Exponential Backoff And Jitter, AWS Architecture Blog). The key is read
from the environment when the first request goes out, kept in memory alone, and struck out of whatever the endpoint says.
"""

from __future__ import annotations

import hashlib
import json
import os
import random
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field

from bench.contracts import Part, Progress
from bench.errors import BenchError
from bench.system.files import exclusive_lock
from bench.training.llm_prompt import Messages, Prompt, Sampling
from bench.training.llm_responses import Reply, Responses

if TYPE_CHECKING:
    import httpx2

FIRST_WAIT_S, LONGEST_WAIT_S = 1.0, 60.0
"""Ceilings of the first and of any later back-off."""
LONGEST_RETRY_AFTER_S = 600.0
"""An endpoint that wants to be left alone for longer ends the arm; a later run goes on from there."""

SHORTEST_SECRET = 12
"""A shorter key is a placeholder of a local server, such as EMPTY: striking that word out would change answers."""


def _address(url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("expected an address that starts with http:// or https://")
    if parts.username or parts.password or parts.query or parts.fragment:
        raise ValueError("expected an address without user, password, query and fragment: it is written into results")
    return url.rstrip("/")


REFUSED = (400, 413, 422)
"""What an endpoint says of a document that it will not take: its content, or its length; or of a request that it does not know."""


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
            self.length_setting: sampling.max_output_tokens,
            "temperature": sampling.temperature,
            "seed": sampling.seed,
            "stop": ["\n"] if prompt.stop_at_newline else None,
        }
        known = {name: value for name, value in settings.items() if value is not None}
        return json.dumps({"model": self.model, "messages": messages, **known}, sort_keys=True).encode()

    def folder(self, cache: Path, sampling: Sampling) -> Path:
        """Where its responses are kept."""
        decides = json.dumps([self.base_url, self.model, sampling.model_dump(mode="json")], sort_keys=True)
        return cache / "endpoint" / hashlib.sha256(decides.encode()).hexdigest()[:16]


@dataclass
class Clock:
    """What waiting is measured by. sleep: returns early, and True, once nobody waits for an answer any more."""

    now: Callable[[], float] = time.monotonic
    given_up: threading.Event = field(default_factory=threading.Event)

    def sleep(self, seconds: float) -> bool:
        return self.given_up.wait(seconds)


def ask(endpoint: Endpoint, bodies: Sequence[bytes], folder: Path, progress: Progress, clock: Clock | None = None) -> list[Reply]:
    """Replies to all `bodies`, in order; only those that were never answered before are sent.

    One process asks an address at a time, so the rate limit holds and no two pay for the same. Raises BenchError where the endpoint
    refuses, is not there after `attempts`, or does not count tokens; what was answered until then is kept.
    """
    folder.mkdir(parents=True, exist_ok=True)
    progress("waiting for a turn at the endpoint", 0, len(bodies))
    with exclusive_lock(folder.parent / f"{hashlib.sha256(endpoint.base_url.encode()).hexdigest()[:16]}.lock"):
        kept = Responses(folder / "responses.jsonl")
        missing = [body for body in dict.fromkeys(bodies) if body not in kept]
        if missing:
            with _connected(endpoint, clock or Clock()) as client:
                _ask_all(client, missing, kept, progress)
        return [kept[body] for body in bodies]


def _ask_all(client: Client, bodies: Sequence[bytes], kept: Responses, progress: Progress) -> None:
    """Where one fails, those under way come to their end and are kept, and no further one is sent.

    One that is refused is no failure as long as any other was ever answered: then it is this document, and not the request as such.
    """
    given_up = client.clock.given_up
    refused: dict[bytes, _Refused] = {}

    def answer(body: bytes) -> None:
        try:
            if not given_up.is_set():
                kept.keep(body, *client.answer(body))
        except _GivenUp:
            return
        except _Refused as error:
            refused[body] = error
        except BaseException:
            given_up.set()
            raise

    with ThreadPoolExecutor(client.endpoint.concurrency) as pool:
        waiting = [pool.submit(answer, body) for body in bodies]
        try:
            for done, future in enumerate(as_completed(waiting), start=1):
                future.result()
                progress("asking the endpoint", done, len(bodies))
        finally:
            given_up.set()
    for body, error in refused.items():
        if not len(kept):
            raise BenchError(str(error))
        kept.keep(body, error.response, refused=True)


class _Refused(Exception):
    """The endpoint does not take this request: its content, or its length."""

    def __init__(self, reason: str, response: str) -> None:
        super().__init__(reason)
        self.response = response


class _GivenUp(Exception):
    """Another request failed, so this one is not waited for."""


class _Lost(Exception):
    """An attempt that may succeed if it is made again. after_s: how long the endpoint wants to be left alone."""

    def __init__(self, reason: str, after_s: float = 0.0) -> None:
        super().__init__(reason)
        self.after_s = after_s


class Client:
    """Asks one endpoint, from several threads."""

    def __init__(self, endpoint: Endpoint, key: str, http: httpx2.Client, clock: Clock) -> None:
        self.endpoint, self.clock = endpoint, clock
        self._url, self._key, self._http = f"{endpoint.base_url}/chat/completions", key, http
        self._jitter, self._lock, self._free_at = random.Random(), threading.Lock(), clock.now()  # noqa: S311 - no secret

    def answer(self, body: bytes) -> tuple[str, int]:
        """(raw response, attempts lost before it). Raises BenchError."""
        for lost in range(self.endpoint.attempts):
            self._wait_for_turn()
            try:
                return self._post(body), lost
            except _Lost as error:
                reason = str(error)
                if error.after_s > LONGEST_RETRY_AFTER_S:
                    raise BenchError(f"{self._url}: {reason}, and asks to wait {error.after_s:.0f} s; run again then") from None
                if lost + 1 < self.endpoint.attempts:
                    self._back_off(lost, error.after_s)
        raise BenchError(f"{self._url}: {self.endpoint.attempts} attempts failed, the last: {reason}; answers so far are kept, run again")

    def _wait_for_turn(self) -> None:
        """Requests leave evenly spaced."""
        gap = 60 / self.endpoint.requests_per_minute if self.endpoint.requests_per_minute else 0.0
        with self._lock:
            now = self.clock.now()
            turn = max(now, self._free_at)
            self._free_at = turn + gap
        self._sleep(turn - now)

    def _back_off(self, lost: int, after_s: float) -> None:
        """Full jitter for this request; where the endpoint says how long, all of them wait."""
        with self._lock:
            self._free_at = max(self._free_at, self.clock.now() + after_s)
        self._sleep(self._jitter.uniform(0, min(LONGEST_WAIT_S, FIRST_WAIT_S * 2**lost)))

    def _sleep(self, seconds: float) -> None:
        if seconds > 0 and self.clock.sleep(seconds):
            raise _GivenUp

    def _post(self, body: bytes) -> str:
        import httpx2

        try:
            response = self._http.post(self._url, content=body)
        except httpx2.RequestError as error:
            raise _Lost(f"{type(error).__name__} {self._without_key(str(error))}".strip()) from None
        text = self._without_key(response.text)
        if response.status_code in (408, 429) or response.status_code >= 500:
            raise _Lost(f"HTTP {response.status_code}", _retry_after_s(response.headers.get("retry-after", "")))
        reason = f"{self._url}: HTTP {response.status_code}: {' '.join(text.split())[:200]}"
        if response.status_code in REFUSED:
            raise _Refused(reason, text)
        if response.status_code != 200:
            raise BenchError(reason)
        if not _is_json(text):
            raise _Lost("HTTP 200 without JSON")
        return text

    def _without_key(self, text: str) -> str:
        return text.replace(self._key, "***") if len(self._key) >= SHORTEST_SECRET else text


@contextmanager
def _connected(endpoint: Endpoint, clock: Clock) -> Iterator[Client]:
    import httpx2

    key = _key(endpoint)
    headers = {"content-type": "application/json"} | ({"authorization": f"Bearer {key}"} if key else {})
    with httpx2.Client(headers=headers, timeout=endpoint.timeout_s) as http:
        yield Client(endpoint, key, http, clock)


def _key(endpoint: Endpoint) -> str:
    if endpoint.key_variable is None:
        return ""
    key = os.environ.get(endpoint.key_variable, "").strip()
    if not key:
        raise BenchError(f"the environment variable {endpoint.key_variable}, for the key of {endpoint.base_url}, is not set")
    if not key.isascii() or not key.isprintable():
        raise BenchError(f"the environment variable {endpoint.key_variable} holds no key: it has characters that no header may have")
    return key


def _retry_after_s(header: str) -> float:
    """Seconds that a Retry-After header asks for, given as such or as a date (RFC 9110, 10.2.3); 0 where it says neither."""
    try:
        return max(0.0, float(header))
    except ValueError:
        pass
    try:
        return max(0.0, (parsedate_to_datetime(header) - datetime.now(UTC)).total_seconds())
    except (ValueError, TypeError):
        return 0.0


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except ValueError:
        return False
    return True
