"""Sends requests to one endpoint, evenly spaced, and repeats lost attempts.

Back-off is exponential with full jitter (Brooker 2015, Exponential Backoff And Jitter, AWS Architecture Blog).
"""

from __future__ import annotations

import json
import random
import re
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING

from bench.errors import BenchError

if TYPE_CHECKING:
    import httpx2

FIRST_WAIT_S, LONGEST_WAIT_S = 1.0, 60.0
"""Upper bounds of the first back-off, and of every later one, in seconds."""
LONGEST_RETRY_AFTER_S = 600.0
"""If an endpoint requests a longer wait, the arm ends. A later run continues from there."""

SHORTEST_SECRET = 12
"""A shorter key is a placeholder of a local server, such as EMPTY. Removing that word from responses would change answers."""

RESPONSE_BYTES = 64_000_000
"""Largest size of a response, unpacked."""

REFUSED = (400, 413, 422)
"""HTTP statuses for a document that an endpoint refuses because of its content or length, or for an unknown request."""


@dataclass
class Clock:
    """The clock of all waiting."""

    now: Callable[[], float] = time.monotonic
    """Time in seconds."""
    given_up: threading.Event = field(default_factory=threading.Event)
    """Set when nobody waits for an answer any more."""

    def sleep(self, seconds: float) -> bool:
        """Wait, and return True early once `given_up` is set."""
        return self.given_up.wait(seconds)


class Refused(Exception):
    """The endpoint refuses this request because of its content or its length."""

    def __init__(self, reason: str, response: str) -> None:
        super().__init__(reason)
        self.response = response


class GivenUp(Exception):
    """Another request failed, so this one no longer waits."""


class _Lost(Exception):
    """An attempt failed that may succeed if repeated. `after_s` is the wait in seconds that the endpoint requests."""

    def __init__(self, reason: str, after_s: float = 0.0) -> None:
        super().__init__(reason)
        self.after_s = after_s


class Client:
    """Sends requests to one endpoint, from several threads."""

    def __init__(
        self,
        url: str,
        *,
        key: str,
        attempts: int,
        deadline_s: float,
        requests_per_minute: float | None,
        http: httpx2.Client,
        clock: Clock,
    ) -> None:
        """Create a client. `key` is '' if none is sent. `attempts` is the number of tries for one request, each with a `deadline_s`."""
        self.clock, self._url, self._http, self._deadline_s = clock, url, http, deadline_s
        self._secret = _in_json(key) if len(key) >= SHORTEST_SECRET else None
        self._attempts, self._gap_s = attempts, 60 / requests_per_minute if requests_per_minute else 0.0
        self._jitter, self._lock, self._free_at = random.Random(), threading.Lock(), clock.now()  # noqa: S311 - no secret

    def answer(self, body: bytes) -> tuple[str, int]:
        """Return (raw response, attempts lost before it). Raises BenchError."""
        for lost in range(self._attempts):
            with self._lock:  # requests are evenly spaced
                now = self.clock.now()
                turn = max(now, self._free_at)
                self._free_at = turn + self._gap_s
            self._sleep(turn - now)
            try:
                return self._post(body), lost
            except _Lost as error:
                reason = str(error)
                if error.after_s > LONGEST_RETRY_AFTER_S:
                    raise BenchError(f"{self._url}: {reason}, and asks to wait {error.after_s:.0f} s; run again then") from None
                if lost + 1 < self._attempts:
                    with self._lock:  # where the endpoint requests a wait, all requests wait that long
                        self._free_at = max(self._free_at, self.clock.now() + error.after_s)
                    self._sleep(self._jitter.uniform(0, min(LONGEST_WAIT_S, FIRST_WAIT_S * 2**lost)))
        raise BenchError(f"{self._url}: {self._attempts} attempts failed, the last: {reason}; answers so far are kept, run again")

    def _sleep(self, seconds: float) -> None:
        if seconds > 0 and self.clock.sleep(seconds):
            raise GivenUp

    def _post(self, body: bytes) -> str:
        import httpx2

        until = self.clock.now() + self._deadline_s
        try:
            with self._http.stream("POST", self._url, content=body) as response:
                text = self._without_key(self._text(response, until))
        except httpx2.RequestError as error:
            raise _Lost(f"{type(error).__name__} {self._without_key(str(error))}".strip()) from None
        if response.status_code in (408, 429) or response.status_code >= 500:
            headers = response.headers
            raise _Lost(f"HTTP {response.status_code}", _retry_after_s(headers.get("retry-after", ""), headers.get("date", "")))
        reason = f"{self._url}: HTTP {response.status_code}: {' '.join(text.split())[:200]}"
        if response.status_code in REFUSED:
            raise Refused(reason, text)
        if response.status_code != 200:
            raise BenchError(reason)
        try:
            json.loads(text)
        except (ValueError, RecursionError):
            raise _Lost("HTTP 200 without JSON") from None
        return text

    def _text(self, response: httpx2.Response, until: float) -> str:
        content = bytearray()
        for chunk in response.iter_bytes():
            content += chunk
            if len(content) > RESPONSE_BYTES:
                raise BenchError(f"{self._url}: a response of more than {RESPONSE_BYTES:,} bytes")
            if self.clock.now() > until:
                raise _Lost(f"a response that is not complete after {self._deadline_s:g} s")
        try:
            return content.decode(response.encoding or "utf-8", "replace")
        except (LookupError, UnicodeError):  # a codec that is none of text
            return content.decode("utf-8", "replace")

    def _without_key(self, text: str) -> str:
        return self._secret.sub("***", text) if self._secret else text


def _in_json(key: str) -> re.Pattern[str]:
    """Return a pattern of a key of ASCII characters, as it is or with any of them escaped as JSON does it."""
    return re.compile("".join(rf"(?:{re.escape(c)}|\\{re.escape(c)}|\\u(?i:{ord(c):04x}))" for c in key))


def _retry_after_s(header: str, now: str) -> float:
    """Return the seconds that a Retry-After header requests, as a number or as a date (RFC 9110, 10.2.3); 0 if it has neither.

    now: the endpoint's Date header. Its clock and the one of this machine need not agree.
    """
    try:
        return max(0.0, float(header))
    except ValueError:
        pass
    try:
        sent = parsedate_to_datetime(now) if now else datetime.now(UTC)
        return max(0.0, (parsedate_to_datetime(header) - sent).total_seconds())
    except (ValueError, TypeError, OverflowError):
        return 0.0
