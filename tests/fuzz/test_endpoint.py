"""Answers of endpoints: any status, header and body, and whatever a file of responses holds."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.errors import BenchError
from bench.training import llm_client, llm_thoughts
from bench.training.llm_client import Client, Clock, Refused
from bench.training.llm_prompt import Prompt
from bench.training.llm_responses import Responses
from tests.fuzz import hostile
from tests.training.fake_endpoint import completion

KEY = 'sk-0/12"34\\56789-secret'
ANSWER = json.loads(completion("<think>a cat</think> yes")[2])
ANSWER["usage"]["completion_tokens_details"] = {"reasoning_tokens": 3}
PARTS = {**ANSWER, "choices": [{"message": {"content": [{"type": "thinking", "text": "a"}, {"type": "text", "text": "yes"}]}}]}


@dataclass
class Still(Clock):
    """A clock that only moves where somebody sleeps."""

    now: Callable[[], float] = field(default=lambda: 0.0)

    def sleep(self, seconds: float) -> bool:
        return False


def client(answer: Callable[[], httpx2.Response], key: str = KEY, clock: Clock | None = None) -> Client:
    http = httpx2.Client(transport=httpx2.MockTransport(lambda request: answer()))
    settings: dict[str, Any] = {"key": key, "attempts": 2, "deadline_s": 100.0, "requests_per_minute": None}
    return Client("http://here/v1/chat/completions", **settings, http=http, clock=clock or Still())


headers = st.fixed_dictionaries(
    {},
    optional={
        "retry-after": st.sampled_from(("", "1", "-1", "nan", "inf", "1e999", "x", "Thu, 01 Jan 2020 00:00:00 +99999999999999999999"))
        | st.just("Mon, 99 Feb 99999 25:61:61 GMT"),
        "content-type": st.sampled_from(("application/json; charset=utf-16", "text/html; charset=hex", "a; charset=undefined", "\x7f")),
        "content-encoding": st.sampled_from(("gzip", "br", "deflate", "identity", "x")),
        "location": st.just("http://elsewhere/"),
    },
)


@hostile.cases(400)
@given(
    status=st.sampled_from((200, 200, 200, 200, 200, 301, 400, 401, 413, 429, 500, 599)),
    content=st.one_of(*map(hostile.files_of, (ANSWER, PARTS))),
    about=headers | st.just({}),
)
def test_an_answer_is_a_reply_or_an_error(status: int, content: bytes, about: dict[str, str], folder: Path) -> None:
    with hostile.survived("endpoint answers", folder):
        replies, body = Responses(folder / "none.jsonl"), b"{}"
        try:
            response, retries = client(lambda: httpx2.Response(status, headers=about, stream=httpx2.ByteStream(content))).answer(body)
        except Refused:
            return
        try:
            replies.keep(body, response, retries)
        finally:
            (folder / "none.jsonl").unlink()
        llm_thoughts.judge(Prompt(), [replies[body]])


@hostile.cases(100)
@given(content=st.data())
def test_a_file_of_responses_is_read_and_what_is_damaged_is_asked_again(content: st.DataObject, folder: Path) -> None:
    path = folder / "responses.jsonl"
    path.unlink(missing_ok=True)
    Responses(path).keep(b"a", json.dumps(ANSWER))
    Responses(path).keep(b"b", json.dumps(PARTS))
    path.write_bytes(content.draw(hostile.raw(path.read_bytes())))
    with hostile.survived("endpoint answers", folder):
        assert len(Responses(path)) <= 3


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("endpoint")


def escaped(text: str, form: str) -> str:
    """The text as JSON may write it."""
    if form == "as it is":
        return text
    plain = json.dumps(text)[1:-1]
    return {"plain": plain, "slash": plain.replace("/", "\\/"), "all": "".join(f"\\u{ord(c):04X}" for c in text)}[form]


@pytest.mark.parametrize("form", ["as it is", "plain", "slash", "all"])
@pytest.mark.parametrize("status", [200, 400, 401])
def test_a_key_that_comes_back_escaped_is_taken_out(form: str, status: int) -> None:
    said = f'{{"your key": "{escaped(KEY, form)}"}}'
    try:
        text = client(lambda: httpx2.Response(status, stream=httpx2.ByteStream(said.encode()))).answer(b"{}")[0]
    except Refused as error:
        text = error.response + str(error)
    except BenchError as error:
        text = str(error)
    assert "***" in text
    assert "secret" not in text
    assert "\\u00" not in text


def test_a_response_without_end_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(llm_client, "RESPONSE_BYTES", 100_000)
    sent = []

    class Endless(httpx2.SyncByteStream):
        def __iter__(self) -> Any:
            while True:
                sent.append(10_000)
                yield b" " * 10_000

    with pytest.raises(BenchError, match="100,000 bytes"):
        client(lambda: httpx2.Response(200, stream=Endless())).answer(b"{}")
    assert sum(sent) <= 200_000
    assert threading.active_count() < 50


def test_a_response_that_comes_too_slowly_is_lost_like_one_that_does_not_come() -> None:
    passed = []

    class Slow(httpx2.SyncByteStream):
        def __init__(self, pauses: int) -> None:
            self.pauses = pauses

        def __iter__(self) -> Iterator[bytes]:
            for _ in range(self.pauses):
                passed.append(30.0)
                yield b"\n"
            yield json.dumps(ANSWER).encode()

    clock = Still(now=lambda: sum(passed))
    answers = [httpx2.Response(200, stream=Slow(pauses)) for pauses in (10**9, 3)]
    response, lost = client(lambda: answers.pop(0), clock=clock).answer(b"{}")
    assert (json.loads(response), lost) == (ANSWER, 1)
    assert sum(passed) == 4 * 30 + 3 * 30
    with pytest.raises(BenchError, match=r"2 attempts.* 100 s"):
        client(lambda: httpx2.Response(200, stream=Slow(10**9)), clock=clock).answer(b"{}")


@pytest.mark.parametrize("tokens", [-1, 10**10, 10**400, "many", None])
def test_a_count_of_tokens_that_no_answer_has_is_no_completion(tokens: Any, tmp_path: Path) -> None:
    answer = {**ANSWER, "usage": {"prompt_tokens": tokens, "completion_tokens": 1}}
    with pytest.raises(BenchError, match=r"usage\.prompt_tokens"):
        Responses(tmp_path / "responses.jsonl").keep(b"a", json.dumps(answer))
    assert len(Responses(tmp_path / "responses.jsonl")) == 0


def test_a_response_on_disk_that_is_no_json_is_asked_again(tmp_path: Path) -> None:
    path = tmp_path / "responses.jsonl"
    for response in ("no JSON", "[" * 100_000, "[]"):
        path.write_text(json.dumps({"request": "a", "retries": 0, "response": response}) + "\n")
        assert len(Responses(path)) == 0
