"""An OpenAI-compatible server on loopback that does as it is told."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Response = tuple[int, dict[str, str], str]
"""Status, headers, body."""
Behaviour = Callable[[dict[str, Any]], Response | None]
"""Request -> response; None: never answers."""


def completion(text: str | None, prompt_tokens: int = 100, output_tokens: int = 5, finish: str = "stop") -> Response:
    choice = {"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": finish}
    usage = {"prompt_tokens": prompt_tokens, "completion_tokens": output_tokens, "total_tokens": prompt_tokens + output_tokens}
    return 200, {}, json.dumps({"object": "chat.completion", "model": "fake", "choices": [choice], "usage": usage})


def says(text: str | None, finish: str = "stop") -> Behaviour:
    return lambda request: completion(text, finish=finish)


def fails(status: int, body: str = "", **headers: str) -> Behaviour:
    return lambda request: (status, {name.replace("_", "-"): value for name, value in headers.items()}, body)


def echo(request: dict[str, Any]) -> Response:
    """The document's second and third word."""
    return completion(" ".join(request["messages"][-1]["content"].split()[1:3]))


def thinks(thoughts: str = "<think>\nThe user wants a few words.\nI look at the first ones.\n</think>\n\n") -> Behaviour:
    """Thoughts first, then as `echo`; a word is a token. Obeys `stop` and `max_tokens`, within thoughts as well."""

    def answer(request: dict[str, Any]) -> Response:
        text = thoughts + " ".join(request["messages"][-1]["content"].split()[1:3])
        for stop in request.get("stop", ()):
            text = text.split(stop)[0]
        words = text.split(" ")
        cut = len(words) > request["max_tokens"]
        text = " ".join(words[: request["max_tokens"]])
        return completion(text, output_tokens=len(text.split(" ")), finish="length" if cut else "stop")

    return answer


def cut(text: str) -> Behaviour:
    """A completion whose connection is closed before its end."""
    status, headers, body = completion(text)
    return lambda request: (status, {**headers, "Content-Length": str(len(body))}, body[:-20])


def hang(request: dict[str, Any]) -> None:
    return None


@dataclass
class FakeEndpoint:
    """script: what the next requests get, in the order of their arrival; after that all get `otherwise`."""

    url: str = ""
    script: list[Behaviour] = field(default_factory=list)
    otherwise: Behaviour = echo
    requests: list[dict[str, Any]] = field(default_factory=list)
    authorizations: list[str | None] = field(default_factory=list)
    stop: Callable[[], object] = lambda: None
    """Refuses all connections from now on."""

    def documents(self) -> list[str]:
        """What was asked, in the order of arrival."""
        return [request["messages"][-1]["content"] for request in self.requests]


@contextmanager
def serving(port: int = 0) -> Iterator[FakeEndpoint]:
    """Serve inside the block. port: 0 for any that is free."""
    fake, over, lock = FakeEndpoint(), threading.Event(), threading.Lock()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            request = json.loads(self.rfile.read(int(self.headers["content-length"])))
            with lock:
                fake.requests.append(request | {"path": self.path})
                fake.authorizations.append(self.headers["authorization"])
                behaviour = fake.script.pop(0) if fake.script else fake.otherwise
            response = behaviour(request)
            if response is None:
                over.wait()
                return
            status, headers, body = response
            self.send_response_only(status)  # without the date of this machine
            for name, value in headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body.encode())

        def log_message(self, format: str, *args: object) -> None: ...

    with ThreadingHTTPServer(("127.0.0.1", port), Handler) as server:
        server.daemon_threads = False  # so that leaving waits for them
        fake.stop = server.socket.close
        fake.url = f"http://127.0.0.1:{server.server_port}/v1"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield fake
        finally:
            over.set()
            server.shutdown()
            thread.join()
