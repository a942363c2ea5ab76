"""Nothing that was paid for is lost or asked for twice; what may pass is tried again; the key is nowhere."""

import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from bench.contracts import no_progress
from bench.errors import BenchError
from bench.training.llm_endpoint import Clock, Endpoint, ask
from bench.training.llm_prompt import Prompt, Sampling
from bench.training.llm_responses import Reply
from tests.training.fake_endpoint import Behaviour, FakeEndpoint, Response, completion, cut, echo, fails, hang, says, serving

KEY = "sk-0123456789-secret"
PROMPT, SAMPLING = Prompt(instruction="{source}"), Sampling(max_output_tokens=16)


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeEndpoint]:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with serving() as server:
        yield server


@dataclass
class Still(Clock):
    """A clock that only moves where somebody sleeps."""

    sleeps: list[float] = field(default_factory=list)
    now: Callable[[], float] = field(init=False)

    def __post_init__(self) -> None:
        self.now = lambda: sum(self.sleeps)

    def sleep(self, seconds: float) -> bool:
        self.sleeps.append(seconds)
        return self.given_up.is_set()


def asked(fake: FakeEndpoint, folder: Path, documents: list[str], clock: Clock | None = None, **settings: Any) -> list[Reply]:
    endpoint = Endpoint(base_url=fake.url, model="tiny", **{"concurrency": 1, **settings})
    bodies = [endpoint.body(PROMPT.messages((), document), PROMPT, SAMPLING) for document in documents]
    return ask(endpoint, bodies, endpoint.folder(folder, SAMPLING), no_progress, clock or Still())


def lines(folder: Path) -> list[Any]:
    (path,) = folder.rglob("responses.jsonl")
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_a_request_is_a_chat_completion_with_the_decoding_that_the_suite_states(fake: FakeEndpoint, tmp_path: Path) -> None:
    (reply,) = asked(fake, tmp_path, ["the red cat sat"])
    assert reply == Reply(text="red cat", finished=True, prompt_tokens=100, output_tokens=5, retries=0)
    assert fake.requests == [
        {
            "path": "/v1/chat/completions",
            "model": "tiny",
            "messages": [{"role": "user", "content": "the red cat sat"}],
            "temperature": 0.0,
            "max_tokens": 16,
            "seed": 0,
        }
    ]


@pytest.mark.parametrize(("thoughts", "stop", "length"), [(None, None, 9), (0, ["\n"], 9), (500, None, 509)])
def test_an_endpoint_is_asked_to_stop_only_where_its_model_does_not_think(thoughts: int | None, stop: Any, length: int) -> None:
    endpoint = Endpoint(base_url="http://localhost/v1", model="m")
    for prompt, expected in ((Prompt(), stop), (Prompt(stop_at_newline=False), None)):
        body = json.loads(endpoint.body([], prompt, Sampling(max_output_tokens=9, max_thought_tokens=thoughts)))
        assert (body.get("stop"), body["max_tokens"]) == (expected, length)


def test_another_limit_of_thoughts_finds_the_same_answers_on_disk_where_the_request_is_the_same(fake: FakeEndpoint, tmp_path: Path) -> None:
    endpoint, prompt = Endpoint(base_url=fake.url, model="tiny"), Prompt(stop_at_newline=False)
    for sampling in (Sampling(), Sampling(max_thought_tokens=0), Sampling(max_output_tokens=40, max_thought_tokens=24)):
        body = endpoint.body(prompt.messages((), "one two three"), prompt, sampling)
        assert ask(endpoint, [body], endpoint.folder(tmp_path, sampling), no_progress)[0].text == "two three"
    assert len(fake.requests) == 2  # the third has another folder


def test_what_an_endpoint_does_not_know_is_not_sent() -> None:
    endpoint = Endpoint(base_url="http://localhost/v1/", model="m", length_setting="max_completion_tokens")
    body = endpoint.body([], Prompt(stop_at_newline=False), Sampling(temperature=None, seed=None, max_output_tokens=9))
    assert json.loads(body) == {"model": "m", "messages": [], "max_completion_tokens": 9}
    assert endpoint.base_url == "http://localhost/v1"


def test_several_requests_are_under_way_at_once_and_the_replies_keep_the_order(fake: FakeEndpoint, tmp_path: Path) -> None:
    together = threading.Barrier(4)

    def all_at_once(request: dict[str, Any]) -> Response:
        together.wait(timeout=30)
        return echo(request)

    fake.script = [all_at_once] * 4
    documents = [f"a number {i}" for i in range(9)]
    replies = asked(fake, tmp_path, documents, concurrency=4)
    assert [reply.text for reply in replies] == [f"number {i}" for i in range(9)]


def test_what_was_answered_is_kept_as_it_came_and_not_asked_for_again(fake: FakeEndpoint, tmp_path: Path) -> None:
    first = asked(fake, tmp_path, ["one two three", "four five six", "one two three"])
    assert len(fake.requests) == 2
    assert asked(fake, tmp_path, ["four five six", "one two three"]) == [first[1], first[0]]
    assert len(fake.requests) == 2
    assert [row["response"] for row in lines(tmp_path)] == [completion("two three")[2], completion("five six")[2]]


@pytest.mark.parametrize("setting", [{"model": "other"}, {"length_setting": "max_completion_tokens"}])
def test_another_model_or_request_is_asked_anew(setting: dict[str, Any], fake: FakeEndpoint, tmp_path: Path) -> None:
    asked(fake, tmp_path, ["one two three"])
    endpoint = Endpoint(**{"base_url": fake.url, "model": "tiny", **setting})
    body = endpoint.body(PROMPT.messages((), "one two three"), PROMPT, SAMPLING)
    ask(endpoint, [body], endpoint.folder(tmp_path, SAMPLING), no_progress)
    assert len(fake.requests) == 2


def test_work_that_broke_off_goes_on_where_it_was(fake: FakeEndpoint, tmp_path: Path) -> None:
    documents = [f"a number {i}" for i in range(6)]
    fake.script = [echo, echo, echo, fails(403, "no")]
    with pytest.raises(BenchError, match="HTTP 403: no"):
        asked(fake, tmp_path, documents)
    assert fake.documents() == documents[:4]
    assert len(asked(fake, tmp_path, documents)) == 6
    assert fake.documents()[4:] == documents[3:]


def test_a_response_cut_off_by_a_kill_is_asked_for_again_and_the_others_are_not(fake: FakeEndpoint, tmp_path: Path) -> None:
    documents = [f"a number {i}" for i in range(3)]
    replies = asked(fake, tmp_path, documents)
    (path,) = tmp_path.rglob("responses.jsonl")
    path.write_bytes(path.read_bytes()[:-20])
    assert asked(fake, tmp_path, documents) == replies
    assert fake.documents()[3:] == documents[2:]
    assert asked(fake, tmp_path, documents) == replies
    assert len(fake.requests) == 4


def test_too_many_requests_wait_as_long_as_the_endpoint_says(fake: FakeEndpoint, tmp_path: Path) -> None:
    fake.script, clock = [fails(429, Retry_After="7")], Still()
    (reply,) = asked(fake, tmp_path, ["one two three"], clock)
    assert (reply.text, reply.retries) == ("two three", 1)
    assert clock.now() == pytest.approx(7)


def test_a_date_to_come_back_at_is_understood_and_one_too_far_away_ends_the_work(fake: FakeEndpoint, tmp_path: Path) -> None:
    fake.script = [fails(503, Retry_After="Fri, 31 Dec 1999 23:59:59 GMT"), fails(503, Retry_After="Thu, 31 Dec 2099 23:59:59 GMT")]
    with pytest.raises(BenchError, match=r"HTTP 503, .* \d{9,} s; .* again"):
        asked(fake, tmp_path, ["one two three"])
    assert len(fake.requests) == 2


def test_a_server_that_stays_broken_is_given_up_after_as_many_attempts_as_stated(fake: FakeEndpoint, tmp_path: Path) -> None:
    fake.otherwise, clock = fails(500), Still()
    with pytest.raises(BenchError, match=r"5 attempts .*HTTP 500; .*kept.* again"):
        asked(fake, tmp_path, ["one two three"], clock, attempts=5)
    assert len(fake.requests) == 5
    assert len(clock.sleeps) == 4
    assert all(0 <= waited <= 2**lost for lost, waited in enumerate(clock.sleeps))


@pytest.mark.parametrize("lost", [fails(408), fails(500), fails(502), fails(200, "<html>"), cut("two"), hang])
def test_what_may_pass_is_tried_again(lost: Any, fake: FakeEndpoint, tmp_path: Path) -> None:
    fake.script = [lost]
    (reply,) = asked(fake, tmp_path, ["one two three"], timeout_s=0.2)
    assert (reply.text, reply.retries) == ("two three", 1)
    assert [row["retries"] for row in lines(tmp_path)] == [1]


def test_an_endpoint_that_is_not_there_gives_one_line(fake: FakeEndpoint, tmp_path: Path) -> None:
    endpoint = Endpoint(base_url="http://127.0.0.1:9/v1", model="tiny", attempts=2)
    with pytest.raises(BenchError, match=r"http://127\.0\.0\.1:9/v1/chat/completions: 2 attempts .*ConnectError") as error:
        ask(endpoint, [b"{}"], tmp_path, no_progress, Still())
    assert "\n" not in str(error.value)


def test_an_endpoint_that_dies_in_the_middle_of_an_answer_is_paid_once_for_those_before(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    documents = [f"a number {i}" for i in range(6)]

    def dies(request: dict[str, Any]) -> Response | None:
        fake.stop()
        return cut("number 3")(request)

    with serving() as fake:
        fake.script = [echo, echo, echo, dies]
        with pytest.raises(BenchError, match=r"3 attempts .*ConnectError") as error:
            asked(fake, tmp_path, documents, attempts=3)
    assert "\n" not in str(error.value)
    assert [row["response"] for row in lines(tmp_path)] == [completion(f"number {i}")[2] for i in range(3)]
    with serving(int(fake.url.split(":")[2].split("/")[0])) as again:
        assert [reply.text for reply in asked(again, tmp_path, documents)] == [f"number {i}" for i in range(6)]
    assert (fake.documents(), again.documents()) == (documents[:4], documents[3:])


def test_a_date_to_come_back_at_is_counted_by_the_clock_of_the_endpoint(fake: FakeEndpoint, tmp_path: Path) -> None:
    fake.script = [fails(503, Date="Thu, 31 Dec 2099 23:59:30 GMT", Retry_After="Thu, 31 Dec 2099 23:59:59 GMT")]
    clock = Still()
    (reply,) = asked(fake, tmp_path, ["one two three"], clock)
    assert reply.retries == 1
    assert clock.now() == pytest.approx(29)


def test_a_refusal_is_not_tried_again_and_the_rest_is_not_sent(fake: FakeEndpoint, tmp_path: Path) -> None:
    fake.otherwise = fails(404, '{"error": {"message": "no such\n model"}}')
    with pytest.raises(BenchError, match=r'HTTP 404: \{"error": \{"message": "no such model"\}\}'):
        asked(fake, tmp_path, ["one two three", "four five six"])
    assert fake.documents() == ["one two three"]


@pytest.mark.parametrize("status", [400, 413, 422])
def test_a_document_that_is_refused_is_left_out_and_kept_where_others_are_answered(status: int, fake: FakeEndpoint, tmp_path: Path) -> None:
    fake.script = [fails(status, "too long"), echo]
    first, second = asked(fake, tmp_path, ["one two three", "four five six"])
    assert (first, second.text) == (Reply(text="", finished=False, prompt_tokens=0, output_tokens=0), "five six")
    assert asked(fake, tmp_path, ["one two three", "four five six"]) == [first, second]
    assert len(fake.requests) == 2


def test_where_every_document_is_refused_it_is_the_request_that_is_wrong(fake: FakeEndpoint, tmp_path: Path) -> None:
    fake.otherwise = fails(400, "unknown parameter")
    with pytest.raises(BenchError, match="HTTP 400: unknown parameter"):
        asked(fake, tmp_path, ["one two three", "four five six"])


def test_an_answer_that_says_nothing_but_counts_its_tokens_is_paid_and_not_asked_for_again(fake: FakeEndpoint, tmp_path: Path) -> None:
    nothing = {**json.loads(completion("")[2]), "choices": []}
    broken = completion("two x")[2].replace("two x", "two \\ud83d")
    fake.script = [fails(200, json.dumps(nothing)), fails(200, broken)]
    replies = asked(fake, tmp_path, ["one two three", "four five six"])
    assert replies == [
        Reply(text="", finished=False, prompt_tokens=100, output_tokens=5),
        Reply(text="two \ufffd", finished=True, prompt_tokens=100, output_tokens=5),
    ]
    assert asked(fake, tmp_path, ["one two three", "four five six"]) == replies
    assert len(fake.requests) == 2


def test_nobody_goes_on_waiting_for_an_endpoint_that_has_refused_another(fake: FakeEndpoint, tmp_path: Path) -> None:
    both = threading.Barrier(2, timeout=60)  # so that the second is under way before the first is told to wait

    def once_both_are_there(behaviour: Behaviour) -> Behaviour:
        return lambda request: (both.wait(), behaviour(request))[1]

    fake.script = [once_both_are_there(fails(503, Retry_After="500")), once_both_are_there(fails(403, "forbidden"))]
    with pytest.raises(BenchError, match="HTTP 403: forbidden"):
        asked(fake, tmp_path, ["one two three", "four five six"], Clock(), concurrency=2)
    assert len(fake.requests) == 2


def test_a_redirection_is_not_followed_so_that_the_key_goes_nowhere_else(fake: FakeEndpoint, tmp_path: Path) -> None:
    fake.script = [fails(307, Location="http://127.0.0.1:9/elsewhere")]
    with pytest.raises(BenchError, match="HTTP 307"):
        asked(fake, tmp_path, ["one two three"])


def test_tokens_that_are_not_counted_cannot_be_paid_but_the_answer_is_kept(fake: FakeEndpoint, tmp_path: Path) -> None:
    response = json.loads(completion("two three")[2])
    del response["usage"]
    fake.script = [fails(200, json.dumps(response))]
    with pytest.raises(BenchError, match="sends no `usage`"):
        asked(fake, tmp_path, ["one two three"])
    assert [json.loads(row["response"]) for row in lines(tmp_path)] == [response]
    assert asked(fake, tmp_path, ["one two three"])[0].text == "two three"


def test_an_answer_in_another_form_is_an_error_and_is_kept(fake: FakeEndpoint, tmp_path: Path) -> None:
    fake.script = [fails(200, '{"error": "overloaded"}')]
    with pytest.raises(BenchError, match="choices: Field required"):
        asked(fake, tmp_path, ["one two three"])
    assert len(lines(tmp_path)) == 1


@pytest.mark.parametrize(("finish", "finished"), [("stop", True), ("length", False), ("content_filter", False)])
def test_an_answer_that_was_cut_off_is_known_as_such(finish: str, finished: bool, fake: FakeEndpoint, tmp_path: Path) -> None:
    fake.script = [says(None, finish)]
    assert asked(fake, tmp_path, ["one two three"])[0] == Reply(text="", finished=finished, prompt_tokens=100, output_tokens=5)


def message(response: Response, message: dict[str, Any], usage: dict[str, Any] | None = None) -> Behaviour:
    """The response with another message, and other counts."""
    changed = json.loads(response[2])
    changed["choices"][0]["message"] = {"role": "assistant", **message}
    changed["usage"] |= usage or {}
    return lambda request: (200, {}, json.dumps(changed))


TEXT = {"type": "text", "text": "cats"}


@pytest.mark.parametrize(
    ("sent", "text", "separate"),
    [
        ({"content": "cats", "reasoning_content": "Hm.\nSo."}, "cats", True),
        ({"content": "cats", "reasoning": "Hm."}, "cats", True),
        ({"content": None, "reasoning": "Hm.", "reasoning_details": [{"type": "reasoning.text", "text": "Hm."}]}, "", True),
        ({"content": "cats", "reasoning": None, "refusal": None}, "cats", False),
        (
            {"content": [{"type": "thinking", "thinking": [{"type": "text", "text": "Hm."}]}, {"type": "text", "text": "cats"}]},
            "cats",
            True,
        ),
        ({"content": [{"type": "text", "text": "ca"}, {"type": "text", "text": "ts"}]}, "cats", False),
    ],
)
def test_thoughts_beside_the_answer_are_no_part_of_it(
    sent: dict[str, Any], text: str, separate: bool, fake: FakeEndpoint, tmp_path: Path
) -> None:
    fake.script = [message(completion("", output_tokens=9), sent)]
    (reply,) = asked(fake, tmp_path, ["one two three"])
    assert (reply.text, reply.has_separate_thoughts, reply.output_tokens) == (text, separate, 9)


@pytest.mark.parametrize(
    ("usage", "output", "thoughts"),
    [
        ({"completion_tokens": 90, "total_tokens": 190, "completion_tokens_details": {"reasoning_tokens": 80}}, 90, 80),
        ({"completion_tokens": 10, "total_tokens": 190, "completion_tokens_details": {"reasoning_tokens": 80}}, 90, 80),
        ({"completion_tokens": 10, "total_tokens": 190}, 90, None),
        ({"completion_tokens": 90, "total_tokens": None, "completion_tokens_details": None}, 90, None),
    ],
)
def test_thoughts_are_paid_also_where_they_are_counted_in_the_total_alone(
    usage: dict[str, Any], output: int, thoughts: int | None, fake: FakeEndpoint, tmp_path: Path
) -> None:
    fake.script = [message(completion(""), {"content": "cats"}, usage)]
    (reply,) = asked(fake, tmp_path, ["one two three"])
    assert (reply.prompt_tokens, reply.output_tokens, reply.thought_tokens) == (100, output, thoughts)


def stopped(fake: FakeEndpoint, folder: Path, documents: list[str], at: int, concurrency: int = 1) -> list[Reply]:
    """Replies of an endpoint that is not asked on once `at` answers are there."""
    endpoint = Endpoint(base_url=fake.url, model="tiny", concurrency=concurrency)
    bodies = [endpoint.body(PROMPT.messages((), document), PROMPT, SAMPLING) for document in documents]
    place = endpoint.folder(folder, SAMPLING)
    return ask(endpoint, bodies, place, no_progress, Still(), enough=lambda replies: len(replies) >= at)


@pytest.mark.parametrize(("at", "asked_for"), [(1, 20), (20, 20), (21, 40), (61, 70)])
def test_nothing_more_is_asked_once_the_answers_are_enough(at: int, asked_for: int, fake: FakeEndpoint, tmp_path: Path) -> None:
    documents = [f"a number {i}" for i in range(70)]
    replies = stopped(fake, tmp_path, documents, at)
    assert [reply.text for reply in replies] == [f"number {i}" for i in range(asked_for)]
    assert fake.documents() == documents[:asked_for]
    assert stopped(fake, tmp_path, documents, at) == replies
    assert len(fake.requests) == asked_for


def test_several_at_once_overshoot_by_what_is_under_way_and_that_is_returned(fake: FakeEndpoint, tmp_path: Path) -> None:
    documents = [f"a number {i}" for i in range(70)]
    replies = stopped(fake, tmp_path, documents, 20, concurrency=4)
    assert 20 <= len(replies) == len(fake.requests) <= 20 + 4 * 4
    assert [reply.text for reply in replies] == [f"number {i}" for i in range(len(replies))]


def test_a_request_that_hangs_holds_the_others_up_before_they_have_run_far_ahead(fake: FakeEndpoint, tmp_path: Path) -> None:
    far_ahead, seen = threading.Event(), []

    def answer(request: dict[str, Any]) -> Response:
        if len(fake.requests) >= 16:
            far_ahead.set()
        if request["messages"][-1]["content"].endswith("number 0"):
            far_ahead.wait(timeout=60)
            seen.append(len(fake.requests))
        return echo(request)

    fake.otherwise = answer
    documents = [f"a number {i}" for i in range(70)]
    assert [reply.text for reply in asked(fake, tmp_path, documents, concurrency=4)] == [f"number {i}" for i in range(70)]
    assert seen == [16]


def test_where_every_document_of_the_first_ones_is_refused_no_further_one_is_sent(fake: FakeEndpoint, tmp_path: Path) -> None:
    fake.otherwise = fails(400, "unknown parameter")
    with pytest.raises(BenchError, match="HTTP 400: unknown parameter"):
        stopped(fake, tmp_path, [f"a number {i}" for i in range(70)], 20)
    assert len(fake.requests) == 20


def test_requests_leave_evenly_spaced(fake: FakeEndpoint, tmp_path: Path) -> None:
    clock = Still()
    asked(fake, tmp_path, [f"a number {i}" for i in range(5)], clock, requests_per_minute=30)
    assert clock.sleeps == [2.0] * 4


def test_the_key_goes_along_as_a_bearer_and_stands_in_no_file_and_no_error(
    fake: FakeEndpoint, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OWN_KEY", f"{KEY}\n")
    fake.script = [says(f"your key is {KEY}"), fails(401, f"{KEY} is not known here")]
    with pytest.raises(BenchError, match=r"HTTP 401: \*\*\* is not") as error:
        asked(fake, tmp_path, ["one two three", "four five six"], key_variable="OWN_KEY")
    assert fake.authorizations == [f"Bearer {KEY}"] * 2
    assert error.value.__cause__ is None
    files = [path.read_text() for path in tmp_path.rglob("*") if path.is_file()]
    assert any("your key is ***" in text for text in files)
    assert not any(KEY in text for text in files)


def test_no_key_is_sent_where_none_is_named(fake: FakeEndpoint, tmp_path: Path) -> None:
    asked(fake, tmp_path, ["one two three"])
    assert fake.authorizations == [None]


@pytest.mark.parametrize(("value", "message"), [("", "OWN_KEY.* not set"), ("sk-\u00e9\n1", "holds no key")])
def test_a_key_that_cannot_be_one_is_refused_and_not_shown(
    value: str, message: str, fake: FakeEndpoint, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OWN_KEY", value)
    with pytest.raises(BenchError, match=message) as error:
        asked(fake, tmp_path, ["one two three"], key_variable="OWN_KEY")
    assert "sk-" not in str(error.value)
    assert not fake.requests


def test_what_was_answered_before_needs_no_key(fake: FakeEndpoint, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked(fake, tmp_path, ["one two three"])
    monkeypatch.delenv("OWN_KEY", raising=False)
    assert asked(fake, tmp_path, ["one two three"], key_variable="OWN_KEY")[0].text == "two three"


@pytest.mark.parametrize(
    "url", ["ftp://host/v1", "file:///etc/passwd", "host/v1", "http://", "https://me:secret@host/v1", "https://host/v1?key=secret"]
)
def test_an_address_that_is_none_or_holds_a_secret_is_refused(url: str) -> None:
    with pytest.raises(ValidationError, match="expected an address"):
        Endpoint(base_url=url, model="tiny")


def test_the_key_itself_is_refused_as_the_name_of_a_variable() -> None:
    with pytest.raises(ValidationError, match="should match pattern"):
        Endpoint(base_url="https://host/v1", model="tiny", key_variable=KEY)
