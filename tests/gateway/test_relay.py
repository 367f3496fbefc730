"""Calls to providers that speak OpenAI's dialect: answered, failed or hung up on, each exactly once."""

from __future__ import annotations

import json
from typing import Any

import pytest

from cloche.domain.errors import NotReady, ProviderBroken, ProviderBusy, ProviderTimeout, ProviderUnreachable
from cloche.gateway import collecting

from .scripted import World

USAGE = {"prompt_tokens": 3, "completion_tokens": 4, "total_tokens": 7}
WHOLE = {
    "id": "abc",
    "created": 5,
    "model": "gpt",
    "choices": [{"index": 0, "message": {"role": "assistant", "content": "hi"}, "finish_reason": "stop"}],
    "usage": USAGE,
}
BROKEN = ProviderBroken("cut off")


def event(delta: dict[str, Any] | None = None, finish: str | None = None, **fields: Any) -> bytes:
    """One event of a provider's stream."""
    choices = [] if delta is None else [{"index": 0, "delta": delta, "finish_reason": finish}]
    return b"data: " + json.dumps({"id": "abc", "choices": choices, **fields}).encode() + b"\n\n"


TEXT, FINISH, COUNT = event({"content": "hi"}), event({}, "stop"), event(usage=USAGE)
DONE = b"data: [DONE]\n\n"


def test_a_whole_answer() -> None:
    """The provider's answer reaches the client completed, with the header that names the entity, and is recorded."""
    world = World()
    call, client = world.ask(entity="first", client_request_id="c-1", usage_context={"a": "b"})
    assert world.last.body == {"model": "model-first", "messages": [{"role": "user", "content": "hi"}]}
    assert call.source is world.last
    world.last.answer(json.dumps(WHOLE).encode())
    assert (client.status, client.headers) == (200, b"served-model-name: first\r\n")
    assert client.json["choices"][0]["finishReason"] == "stop"
    assert client.json["model"] == "gpt"
    assert client.over
    assert world.idle
    [record] = world.records
    assert (record.status, record.outcome, record.stream, record.error_code) == (200, "ok", False, None)
    assert (record.input_tokens, record.output_tokens) == (3, 4)
    assert (record.endpoint, record.entity, record.principal) == ("chat", "first", "ann")
    assert (record.client_request_id, record.request_id, record.path) == ("c-1", call.id, "/chat")
    assert record.first_byte_ms is not None
    assert 0 <= record.first_byte_ms <= record.duration_ms


def test_what_the_provider_leaves_out_is_the_calls() -> None:
    """An answer without id, time and model gets those of the call and the entity."""
    world = World()
    call, client = world.ask(entity="second")
    world.last.answer(json.dumps({"choices": WHOLE["choices"]}).encode())
    assert (client.json["id"], client.json["model"]) == (f"chatcmpl-{call.id}", "model-second")
    assert client.json["created"] == int(call.arrived)
    assert "usage" not in client.json
    assert world.records[0].input_tokens is None


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    ("status", "headers", "body", "expected", "message", "retry_after"),
    [
        (429, {b"retry-after": b"9"}, b'{"error": {"message": "slow"}}', 429, "openai answered 429: slow", b"9"),
        (401, {}, b'{"error": {"message": "sk-1"}}', 500, "openai rejected the credentials", None),
        (400, {}, b'{"error": {"message": "no"}}', 400, "openai answered 400: no", None),
        (404, {}, b"", 404, "openai answered 404", None),
        (503, {}, b"<html>", 503, "openai answered 503", b"1"),
        (500, {}, b"x" * 100_000, 502, "openai answered 500", None),
    ],
)
def test_refusals(
    stream: bool,
    status: int,
    headers: dict[bytes, bytes],
    body: bytes,
    expected: int,
    message: str,
    retry_after: bytes | None,
) -> None:
    """A refusal is an HTTP error with what it means, for streams too."""
    world = World()
    _, client = world.ask(stream=stream, entity="first")
    world.last.answer(body, status, headers)
    assert client.status == expected
    assert client.json["message"].startswith(message)
    assert client.json.keys() == {"error_code", "message"}
    assert client.headers.startswith(b"served-model-name: first\r\n")
    assert (b"retry-after: %s\r\n" % retry_after in client.headers) if retry_after else b"retry" not in client.headers
    assert client.over
    assert world.idle
    assert [record.status for record in world.records] == [expected]


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b'{"error": {"message": "slow", "code": 429}}', 429),
        (b'{"error": {"message": "odd", "code": "odd"}}', 502),
        (b"{}", 502),
        (b"not JSON", 502),
        (b"", 502),
    ],
)
def test_a_200_that_is_no_answer(stream: bool, body: bytes, status: int) -> None:
    """A 200 without an answer is an error, with the status that its error object bears."""
    world = World()
    _, client = world.ask(stream=stream)
    world.last.answer(body)
    assert client.status == status
    assert client.over
    assert world.idle


def test_a_whole_answer_where_a_stream_was_asked_for() -> None:
    """A provider that does not stream when asked to is broken, and the client is told so before its stream begins."""
    world = World()
    _, client = world.ask(stream=True)
    world.last.answer(json.dumps(WHOLE).encode())
    assert (client.status, client.begun) == (502, 0)
    assert "whole answer" in client.json["message"]


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("problem", [BROKEN, ProviderUnreachable("no"), ProviderTimeout("late")])
def test_failures_before_the_first_byte(stream: bool, problem: Exception) -> None:
    """A connection that fails before anything was sent to the client is a real HTTP error."""
    world = World()
    _, client = world.ask(stream=stream)
    if stream:
        world.last.head()
    world.last.receiver.on_failure(problem)  # type: ignore[arg-type]
    assert client.status == getattr(problem, "status", None)
    assert (client.begun, client.wholes) == (0, 1)
    assert world.idle
    assert world.records[0].outcome == "error"


def test_a_stream() -> None:
    """Events pass as they come, usage goes on the finishing one, and the record has the tokens."""
    world = World()
    call, client = world.ask(stream=True, entity="first")
    assert world.last.body["stream_options"] == {"include_usage": True}
    world.last.head()
    assert client.begun == 0
    world.last.receiver.on_data(TEXT)
    assert client.body == TEXT
    assert (client.begun, client.headers) == (1, b"served-model-name: first\r\n")
    for piece in (FINISH, COUNT, DONE):
        world.last.receiver.on_data(piece)
    world.last.receiver.on_end()
    *events, end = client.events
    assert [each["choices"][0]["finish_reason"] for each in events] == [None, "stop"]
    assert (events[-1]["usage"], end) == (USAGE, "[DONE]")
    assert client.over
    assert call.ended
    assert world.idle
    [record] = world.records
    assert (record.status, record.outcome, record.stream) == (200, "ok", True)
    assert (record.input_tokens, record.output_tokens) == (3, 4)


def test_separate_usage() -> None:
    """A client that asks for it gets usage in an event of its own."""
    world = World()
    _, client = world.ask(stream=True, stream_options={"include_usage": True})
    world.last.head()
    world.last.receiver.on_data(TEXT + FINISH + COUNT + DONE)
    assert [("usage" in each, len(each["choices"])) for each in client.events[:-1]] == [
        (False, 1),
        (False, 1),
        (True, 0),
    ]


@pytest.mark.parametrize("n", [1, 2])
def test_a_stream_is_whole_when_every_choice_has_ended(n: int) -> None:
    """With n choices, an end after the first finish is too early, unless the provider says that it is the end."""
    world = World()
    _, client = world.ask(stream=True, n=n)
    world.last.head()
    world.last.receiver.on_data(TEXT + FINISH)
    world.last.receiver.on_end()
    assert client.events[-1] == "[DONE]"
    assert ("error" in client.events[-2]) == (n == 2)
    assert world.records[0].outcome == ("ok" if n == 1 else "error")


@pytest.mark.parametrize(
    ("sent", "problem"),
    [(TEXT, BROKEN), (TEXT, None), (TEXT + b"data: {\n\n", None), (TEXT + b"data: {", None)],
)
def test_failures_in_the_middle(sent: bytes, problem: ProviderBroken | None) -> None:
    """A stream that breaks ends with an error event and the end mark; its status was sent, and is what is recorded."""
    world = World()
    _, client = world.ask(stream=True)
    world.last.head()
    world.last.receiver.on_data(sent)
    if problem is not None:
        world.last.receiver.on_failure(problem)
    else:
        world.last.receiver.on_end()
    text, error, end = client.events
    assert text["choices"][0]["delta"] == {"content": "hi"}
    assert error["error"]["code"] == error["error_code"] == "INTERNAL_ERROR"
    assert end == "[DONE]"
    assert client.over
    assert world.idle
    [record] = world.records
    assert (record.status, record.outcome, record.error_code) == (200, "error", "INTERNAL_ERROR")


def test_an_error_event_is_classified() -> None:
    """An error that the provider sends in its stream means what it would mean as an answer."""
    world = World()
    _, client = world.ask(stream=True)
    world.last.head()
    world.last.receiver.on_data(TEXT + FINISH + b'data: {"error": {"message": "slow", "code": 429}}\n\n')
    text, finish, error, _ = client.events
    assert finish["choices"][0]["finish_reason"] == "stop"
    assert (error["error_code"], error["message"]) == ("REQUEST_LIMIT_EXCEEDED", "openai answered 429: slow")
    assert world.last.cancelled == 1
    assert text["choices"][0]["delta"] == {"content": "hi"}


def test_an_error_event_first_is_an_http_error() -> None:
    """If the first event is an error, the client's stream never begins."""
    world = World()
    _, client = world.ask(stream=True)
    world.last.head()
    world.last.receiver.on_data(b'data: {"error": {"message": "slow", "code": 429}}\n\n')
    assert (client.status, client.begun) == (429, 0)


def test_a_connection_that_breaks_after_the_finish_costs_nothing() -> None:
    """When every choice has finished, a broken connection is no error: nothing of the answer is missing."""
    world = World()
    _, client = world.ask(stream=True)
    world.last.head()
    world.last.receiver.on_data(TEXT + FINISH)
    world.last.receiver.on_failure(BROKEN)
    assert [each if isinstance(each, str) else each["choices"][0]["finish_reason"] for each in client.events] == [
        None,
        "stop",
        "[DONE]",
    ]
    assert world.records[0].outcome == "ok"


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("begun", [False, True])
def test_hanging_up(stream: bool, begun: bool) -> None:
    """A client that goes away cancels the provider's call once, and is recorded once, whatever still comes."""
    world = World()
    call, client = world.ask(stream=stream)
    outbound = world.last
    outbound.head()
    if begun:
        outbound.receiver.on_data(TEXT)
    call.hang_up()
    call.hang_up()
    assert outbound.cancelled == 1
    assert world.idle
    outbound.receiver.on_data(FINISH + DONE)
    outbound.receiver.on_end()
    outbound.receiver.on_failure(BROKEN)
    [record] = world.records
    assert (record.outcome, record.status) == ("cancelled", 200 if stream and begun else 499)
    assert (client.wholes, client.finished) == (0, 0)


def test_a_slow_client_holds_the_provider_back() -> None:
    """Pausing and resuming reach the provider's call, and do nothing once the call has ended."""
    world = World()
    call, _ = world.ask(stream=True)
    call.slow()
    assert world.last.paused
    call.caught_up()
    assert not world.last.paused
    call.hang_up()
    call.slow()
    assert not world.last.paused


def test_an_answer_without_bounds_is_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    """A provider that sends more than any answer has is cut off, and the client is told."""
    monkeypatch.setattr(collecting, "MAX_ANSWER", 1000)
    world = World()
    _, client = world.ask()
    world.last.head()
    for _ in range(11):
        world.last.receiver.on_data(b"x" * 100)
    world.last.receiver.on_end()
    assert client.status == 502
    assert world.last.cancelled == 1
    assert len(world.records) == 1


def test_a_providers_words_stay_out_of_the_log() -> None:
    """The caller reads what the provider said, which may quote the prompt; the record only says that it refused."""
    world = World()
    _, client = world.ask()
    said = {"error": {"message": "invalid input: 'my secret prompt'", "code": "bad"}}
    world.last.answer(json.dumps(said).encode(), status=400)
    assert "my secret prompt" in client.json["message"]
    [record] = world.records
    assert record.detail is not None
    assert "secret" not in record.detail
    assert "400" in record.detail


def test_every_429_and_503_says_when_to_come_back() -> None:
    """Clients poll at the pace of Retry-After: it is there also where nobody knows better."""
    for problem in (ProviderUnreachable("connection refused"), ProviderBusy("busy"), NotReady("loading")):
        world = World()
        _, client = world.ask()
        world.last.receiver.on_failure(problem)
        assert b"retry-after: 1\r\n" in client.headers
