"""A format that a provider was only told to keep is checked: what has it not is a failure, and no answer."""

from __future__ import annotations

import json
from typing import Any

import pytest
from msgspec import structs

from cloche.domain.endpoint import ExternalModel
from cloche.domain.outbound import Timeouts
from cloche.providers import anthropic
from cloche.snapshot import Target

from .scripted import STREAM_HEAD, Client, World

SETTINGS = {"anthropic_api_key_plaintext": "sk-ant-0123456789"}
PERSON = {"type": "object", "properties": {"age": {"type": "integer"}}, "required": ["age"]}
TREE = {"$defs": {"n": {"anyOf": [{"$ref": "#/$defs/n"}]}}, "$ref": "#/$defs/n"}
USAGE = {"input_tokens": 1, "output_tokens": 1}


def schema(of: dict[str, Any]) -> dict[str, Any]:
    """The format of answers that fit a schema."""
    return {"type": "json_schema", "json_schema": {"name": "x", "schema": of}}


@pytest.fixture
def world() -> World:
    """A gateway whose endpoint `chat` is an older model of Anthropic's, which cannot be bound to a format."""
    made = World()
    foreign = anthropic.bind(ExternalModel("claude-3-haiku-20240307", "anthropic", "llm/v1/chat", SETTINGS))
    target = Target("a", "far", b"served-model-name: a\r\n", Timeouts(), foreign=foreign)
    snapshot = made.snapshot.current()
    chat = structs.replace(snapshot.endpoints["chat"], routed=(target,), bounds=(100,), targets={"a": target})
    made.snapshot.swap(structs.replace(snapshot, endpoints={"chat": chat}))
    return made


def answered(world: World, text: str, *, stream: bool, stop_reason: str = "end_turn", **fields: Any) -> Client:
    """What the client gets when the model says `text`."""
    _, client = world.ask(stream=stream, **fields)
    world.last.receiver.on_head(200, dict(STREAM_HEAD))
    content = [{"type": "text", "text": text}]
    whole = {"type": "message", "content": content, "stop_reason": stop_reason, "usage": USAGE}
    events = [
        {"type": "message_start", "message": {"usage": USAGE}},
        {"type": "content_block_start", "index": 0, "content_block": content[0]},
        {"type": "content_block_stop", "index": 0},
        {"type": "message_delta", "delta": {"stop_reason": stop_reason}, "usage": USAGE},
        {"type": "message_stop"},
    ]
    body = "".join(f"data: {json.dumps(event)}\n\n" for event in events) if stream else json.dumps(whole)
    world.last.receiver.on_data(body.encode())
    world.last.receiver.on_end()
    assert client.over
    assert world.idle
    return client


BAD = [
    ({"type": "json_object"}, "Sure! {}", "no JSON"),
    ({"type": "json_object"}, "```json\n{}\n```", "no JSON"),
    ({"type": "json_object"}, "[1]", "no object"),
    (schema(PERSON), '{"age": "1"}', "age: "),
    (schema(PERSON), "", "no JSON"),
]


@pytest.mark.parametrize(("wanted", "text", "why"), BAD)
@pytest.mark.parametrize("stream", [False, True])
def test_what_has_not_the_format(world: World, wanted: Any, text: str, why: str, stream: bool) -> None:
    """A whole answer is 502 and says why; a stream ends with an error, and never with a finish reason."""
    client = answered(world, text, stream=stream, response_format=wanted)
    if stream and text:
        *_, failed, end = client.events
        assert (end, failed["error_code"]) == ("[DONE]", "INTERNAL_ERROR")
        assert all(not each["choices"][0].get("finish_reason") for each in client.events[:-2])
        assert why in failed["message"]
    else:
        assert client.status == 502
        assert why in client.json["message"]
    [record] = world.records
    assert record.detail is not None
    assert why not in record.detail


GOOD = [
    ({"type": "json_object"}, ' {"any": 1}\n', "end_turn"),
    (schema(PERSON), '{"age": 1}', "end_turn"),
    (schema({"type": "array", "items": PERSON}), '[{"age": 1}]', "end_turn"),
    (schema(PERSON), '{"ag', "max_tokens"),
    (schema(PERSON), "I will not.", "refusal"),
]


@pytest.mark.parametrize(("wanted", "text", "reason"), GOOD)
@pytest.mark.parametrize("stream", [False, True])
def test_what_has_it(world: World, wanted: Any, text: str, reason: str, stream: bool) -> None:
    """An answer that has the format passes, and one whose finish reason says why it has not."""
    client = answered(world, text, stream=stream, stop_reason=reason, response_format=wanted)
    finish = "stop" if reason == "end_turn" else {"max_tokens": "length", "refusal": "content_filter"}[reason]
    last = client.events[-2] if stream else client.json
    assert (client.status, last["choices"][0]["finish_reason"]) == (200, finish)


def test_nothing_was_asked(world: World) -> None:
    """Without a format any text is an answer."""
    assert answered(world, "Sure!", stream=False).status == 200


@pytest.mark.parametrize("wanted", [{"type": "objekt"}, TREE, {"$ref": "http://127.0.0.1:1/x"}])
def test_a_schema_that_is_none(world: World, wanted: Any) -> None:
    """A schema that nothing can be checked against is the caller's mistake, and the model is not asked."""
    _, client = world.ask(response_format=schema(wanted))
    assert (client.status, world.calls) == (400, [])
    assert client.json["message"].startswith("response_format.json_schema.schema: ")
