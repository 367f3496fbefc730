"""Calls to OpenAI-shaped services that differ: the client is told what was changed, and may refuse it beforehand."""

from __future__ import annotations

import json
from typing import Any

from msgspec import structs

from cloche.domain.endpoint import ExternalModel
from cloche.domain.outbound import Timeouts
from cloche.providers.compatible import bind
from cloche.snapshot import Target

from .scripted import STREAM_HEAD, Client, World

STRICT = {b"cloche-strict-params": b"true"}


def world(provider: str) -> World:
    """A gateway whose endpoint has one model of that service behind it."""
    made = World()
    settings = {f"{provider}_api_key_plaintext": "sk-0123456789", f"{provider}_api_base": "http://h"}
    bound = bind(ExternalModel("m", provider, "llm/v1/chat", settings))
    target = Target("first", "m", b"served-model-name: first\r\n", Timeouts(), translator=bound)
    snapshot = made.snapshot.current()
    chat = structs.replace(snapshot.endpoints["chat"], targets={"first": target}, routed=(target,), bounds=(100,))
    made.snapshot.swap(structs.replace(snapshot, endpoints={"chat": chat}))
    return made


def answered(provider: str, finish: str = "stop", **fields: Any) -> Client:
    """What the client gets if the service says "hello" and ends for that reason."""
    made = world(provider)
    _, client = made.ask(**fields)
    choice = {"index": 0, "finish_reason": finish}
    if fields.get("stream"):
        event = {"id": "1", "choices": [{**choice, "delta": {"content": "hello"}}]}
        made.last.receiver.on_head(200, dict(STREAM_HEAD))
        made.last.receiver.on_data(b"data: " + json.dumps(event).encode() + b"\n\ndata: [DONE]\n\n")
        made.last.receiver.on_end()
    else:
        made.last.answer(json.dumps({"id": "1", "choices": [{**choice, "message": {"content": "hello"}}]}).encode())
    assert client.over
    assert made.idle
    return client


def test_what_was_changed_is_told() -> None:
    """The head of an answer, whole or streamed, says which fields were renamed and which left out."""
    for stream in (False, True):
        client = answered("mistral", stream=stream, seed=1, user="u")
        assert b"cloche-translation: passed=messages; mapped=seed; dropped=user\r\n" in client.headers


def test_nothing_is_told_where_nothing_can_differ() -> None:
    """A service without differences costs neither a report nor a header."""
    assert b"cloche-translation" not in answered("xai", seed=1, user="u").headers


def test_a_field_cannot_write_a_header() -> None:
    """A field's name is the client's own invention; line breaks in it stay out of the answer's head."""
    fields: dict[str, Any] = {"a\r\nset-cookie: b": 1, "é,;": 2}
    client = answered("groq", **fields)
    assert client.headers.count(b"\r\n") == 2
    assert b"set-cookie:" not in client.headers


def test_who_is_strict_is_refused_before_anything_is_sent() -> None:
    """A field that would be left out makes a strict request fail with 400; one that is renamed does not."""
    made = world("mistral")
    _, client = made.ask(headers=STRICT, logprobs=True)
    assert client.status == 400
    assert "logprobs" in client.json["message"]
    assert made.calls == []
    assert made.idle
    made.ask(headers=STRICT, seed=1)
    assert made.last.body["random_seed"] == 1


def test_finish_reasons_reach_the_client_in_its_own_words() -> None:
    """What only one service says becomes what every client knows; a failed answer is an error."""
    assert answered("mistral", "model_length").json["choices"][0]["finish_reason"] == "length"
    events = answered("mistral", "model_length", stream=True).events
    assert [choice["finish_reason"] for event in events[:-1] for choice in event["choices"]] == ["length"]
    assert answered("mistral", "error").status == 502
    assert answered("groq", "tool_calls").json["choices"][0]["finish_reason"] == "tool_calls"
