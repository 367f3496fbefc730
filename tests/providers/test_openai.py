"""Requests for OpenAI-shaped providers: the client's fields, the entity's model, nothing of cloche's own."""

from __future__ import annotations

import json
from typing import Any

import pytest

from cloche.domain.outbound import Origin
from cloche.providers.openai import OpenAIShaped
from cloche.wire.openai import read_chat

PROVIDER = OpenAIShaped("openai", 'gpt "4"', Origin("h", 80), b"head")
BASE: dict[str, Any] = {"messages": [{"role": "user", "content": "hi"}]}


def sent(*, streamed: bool = False, **fields: Any) -> dict[str, Any]:
    """The body that the provider gets for a request with those fields."""
    call = PROVIDER.encode(read_chat(json.dumps({**BASE, **fields}).encode()), stream=streamed)
    body: dict[str, Any] = json.loads(b"".join(bytes(piece) for piece in call.body))
    return body


@pytest.mark.parametrize("client_model", [{}, {"model": "chat"}, {"model": "chat/first"}])
def test_the_model_is_the_entitys(client_model: dict[str, Any]) -> None:
    """Whatever the client calls the model, the provider gets the name of its own."""
    assert sent(**client_model) == {"model": 'gpt "4"', **BASE}


@pytest.mark.parametrize(
    "fields",
    [
        {"temperature": 0.5, "max_tokens": 5, "stop": ["a"], "seed": 2**40},
        {"max_completion_tokens": 5, "reasoning_effort": "low", "user": "u", "metadata": {"a": "b"}},
        {"tools": [{"type": "function", "function": {"name": "f"}, "more": 1}], "tool_choice": "auto"},
        {"response_format": {"type": "json_object"}, "prediction": {"type": "content"}, "é": [None, {"a": 1.0}]},
        {"temperature": None, "service_tier": "flex", "thinking": {"type": "enabled"}, "top_k": 4},
    ],
    ids=str,
)
def test_fields_are_passed_on(fields: dict[str, Any]) -> None:
    """Known and unknown fields reach the provider as they are, null included."""
    assert sent(**fields) == {"model": 'gpt "4"', **BASE, **fields}


def test_fields_for_cloche_are_not_passed_on() -> None:
    """What is meant for cloche, and what extra_params was made of, stays here."""
    ours: dict[str, Any] = {"client_request_id": "c", "usage_context": {"a": "b"}, "enable_safety_filter": True}
    assert sent(**ours, extra_params={"top_p": "0.5"}) == {"model": 'gpt "4"', **BASE, "top_p": 0.5}


@pytest.mark.parametrize(
    "asked", [{}, {"stream": True}, {"stream": False}, {"stream": True, "stream_options": {"x": 1}}]
)
def test_usage_is_asked_for_in_every_stream(asked: dict[str, Any]) -> None:
    """Whether the provider streams is cloche's to say, not the client's; of a stream, usage is always wanted."""
    assert sent(**asked) == {"model": 'gpt "4"', **BASE}
    stream = {"stream": True, "stream_options": {"include_usage": True}}
    assert sent(streamed=True, **asked) == {"model": 'gpt "4"', **BASE, **stream}
