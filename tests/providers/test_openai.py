"""Requests for OpenAI-shaped providers: the client's fields, the entity's model, nothing of cloche's own."""

from __future__ import annotations

import json
from typing import Any

import pytest

from cloche.domain.endpoint import ExternalModel
from cloche.domain.errors import ProviderCredentials
from cloche.domain.outbound import Origin
from cloche.providers.openai import bind
from cloche.providers.openai_shaped import OpenAIShaped
from cloche.providers.site import Site
from cloche.wire.openai import read_chat

PROVIDER = OpenAIShaped('gpt "4"', Site("openai", Origin("h", 80), b"head"))
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


def azure(version: str) -> OpenAIShaped:
    """A deployment on Azure under that version of its interface."""
    settings = {
        "openai_api_type": "azure",
        "openai_api_base": "https://x.openai.azure.com/",
        "openai_api_version": version,
        "openai_deployment_name": "d",
        "openai_api_key_plaintext": "0123456789abcdef",
    }
    bound = bind(ExternalModel("gpt-4o", "openai", "llm/v1/chat", settings))
    assert isinstance(bound, OpenAIShaped)
    return bound


@pytest.mark.parametrize(
    ("version", "knows"), [("2023-07-01-preview", False), ("2024-09-01-preview", True), ("2024-10-21", True)]
)
def test_azure_is_asked_for_usage_where_it_can_be(version: str, knows: bool) -> None:
    """Older versions of Azure's interface refuse `stream_options`, so they are not sent there."""
    call = azure(version).encode(read_chat(json.dumps(BASE).encode()), stream=True)
    body = json.loads(b"".join(bytes(piece) for piece in call.body))
    asked = {"stream_options": {"include_usage": True}} if knows else {}
    assert body == {"model": "gpt-4o", **BASE, "stream": True, **asked}


def test_azure_answers_in_its_own_name() -> None:
    """Who reads an error learns that Azure refused, not OpenAI, and never reads the key."""
    said = b'{"error":{"code":"401","message":"Access denied due to invalid subscription key 0123456789abcdef."}}'
    problem = azure("2024-10-21").error(401, {}, said)
    assert isinstance(problem, ProviderCredentials)
    assert problem.message.startswith("azure rejected")
    assert "0123456789" not in azure("2024-10-21").error(400, {}, said).message
