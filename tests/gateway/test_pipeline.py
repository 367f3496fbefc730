"""The gateway as a whole: defects, silence, and its end."""

from __future__ import annotations

import logging

import pytest

from cloche.domain.outbound import HttpCall
from cloche.providers.openai_shaped import OpenAIShaped

from .scripted import STREAM_HEAD, World

FOLDING = {b"user-agent": b"unknown/0.0.0 databricks-sdk-py/0.156.0 python/3.11", b"accept": b"application/json"}
TEXT = b'data: {"id":"a","choices":[{"index":0,"delta":{"content":"hi"}}]}\n\n'


@pytest.mark.parametrize("endpoint", ["chat", "local"])
def test_a_defect_in_a_translator_ends_one_call(
    endpoint: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A defect is a 500 that names the request id; the log has the details, and the client has none of them."""

    def broken(*_: object, **__: object) -> HttpCall:
        raise ZeroDivisionError("secret detail")

    world = World()
    monkeypatch.setattr(OpenAIShaped, "encode", broken)
    monkeypatch.setattr(world.engine, "encode", broken)
    with caplog.at_level(logging.ERROR):
        call, client = world.ask(endpoint)
    assert (client.status, client.json["error_code"]) == (500, "INTERNAL_ERROR")
    assert call.id in client.json["message"]
    assert "secret" not in client.json["message"]
    assert call.id in caplog.text
    assert "secret detail" in caplog.text
    assert [record.status for record in world.records] == [500]
    assert world.idle
    monkeypatch.undo()
    world.ask()
    assert len(world.calls) == 1


@pytest.mark.parametrize("raw", [b"", b"[]", b'{"messages": []}', b"\xff", b'{"inputs": 1}'])
def test_a_body_that_is_no_request(raw: bytes) -> None:
    """A wrong body is a 400, recorded with the endpoint and the caller, and nothing is sent."""
    world = World()
    _, client = world.ask(raw=raw)
    assert (client.status, client.json["error_code"]) == (400, "BAD_REQUEST")
    [record] = world.records
    assert (record.endpoint, record.principal, record.entity) == ("chat", "ann", None)
    assert record.detail == client.json["message"]
    assert world.calls == []


@pytest.mark.parametrize(
    ("endpoint", "headers", "folds"),
    [
        ("chat", FOLDING, True),
        ("chat", {**FOLDING, b"accept": b"*/*"}, False),
        ("chat", {b"accept": b"application/json", b"user-agent": b"OpenAI/Python"}, False),
        (None, FOLDING, False),
        ("chat", {}, False),
    ],
)
def test_a_client_that_cannot_read_its_stream_gets_one_piece(
    endpoint: str | None, headers: dict[bytes, bytes], folds: bool
) -> None:
    """A client that asks for a stream which it would choke on is answered in one piece; all others stream."""
    world = World()
    call, _ = world.ask(endpoint, headers=headers, model="chat", stream=True)
    assert call.stream is not folds
    assert world.last.body.get("stream", False) is not folds


def test_silence_is_broken_by_newlines() -> None:
    """A stream that was silent for a whole period gets a bare newline; one that has not begun or was not, gets none."""
    world = World()
    _, client = world.ask(stream=True)
    _, whole = world.ask()
    world.gateway.keep_alive()
    world.gateway.keep_alive()
    assert (client.begun, client.body, whole.body) == (0, b"", b"")
    world.calls[0].head()
    world.calls[0].receiver.on_data(TEXT)
    world.gateway.keep_alive()
    assert client.body == TEXT
    world.gateway.keep_alive()
    world.gateway.keep_alive()
    assert client.body == TEXT + b"\n\n"
    world.calls[0].receiver.on_data(TEXT)
    world.gateway.keep_alive()
    assert client.body == TEXT + b"\n\n" + TEXT


def test_draining_refuses_new_calls_and_lets_the_others_end() -> None:
    """A gateway that drains answers what it has begun and tells new callers to come back."""
    world = World()
    _, early = world.ask("local")
    world.gateway.drain()
    _, late = world.ask("local")
    assert (late.status, late.json["error_code"]) == (503, "TEMPORARILY_UNAVAILABLE")
    assert late.headers == b"retry-after: 1\r\n"
    assert world.gateway.active_calls == 1
    world.last.receiver.on_head(200, dict(STREAM_HEAD))
    world.last.receiver.on_data(b'data: {"choices":[{"delta":{"content":"a"}}]}\n\n')
    world.last.receiver.on_data(b'data: {"choices":[{"delta":{},"finish_reason":"stop"}]}\n\n')
    world.last.receiver.on_end()
    assert early.status == 200
    assert world.idle


def test_aborting_fails_what_is_left() -> None:
    """When the time is over, every call under way is failed and freed, once: in its stream if that has begun."""
    world = World(parallel=1)
    _, streaming = world.ask(stream=True)
    world.last.head()
    world.last.receiver.on_data(TEXT)
    _, running = world.ask("local")
    _, waiting = world.ask("local")
    world.gateway.abort()
    world.gateway.abort()
    assert streaming.events[-2]["error_code"] == "TEMPORARILY_UNAVAILABLE"
    assert (running.status, waiting.status) == (503, 503)
    assert all(client.over for client in (streaming, running, waiting))
    assert all(outbound.cancelled for outbound in world.calls)
    assert world.idle
    assert [record.outcome for record in world.records] == ["error"] * 3


def test_a_call_keeps_the_snapshot_that_it_took() -> None:
    """A configuration that changes while a call is under way does not touch it; the next call sees the new one."""
    world = World()
    call, _ = world.ask(entity="first")
    snapshot = world.snapshot.current()
    world.snapshot.swap(type(snapshot)(revision=2, endpoints={}, tokens=snapshot.tokens))
    world.last.answer(b'{"choices": [{"message": {"content": "hi"}}]}')
    assert call.status == 200
    assert world.ask()[1].status == 404
