"""What the OpenAI client raises, what its exceptions hold, and how often it tries."""

from __future__ import annotations

from typing import Any

import openai
import pytest
from openai import OpenAI

from .live import ENDPOINT, TOKEN, Live, chat, invocations
from .provider import Provider

IMAGE = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}
BAD_SCHEMA = {"type": "json_schema", "json_schema": {"name": "x", "schema": {"type": "nonsense"}}}
UPSIDE_DOWN = {"type": "json_schema", "json_schema": {"name": "x", "schema": {"minLength": 5, "maxLength": 2}}}
"""A schema over which the engine would take all the memory of the machine."""

FAULTS: tuple[tuple[dict[str, Any], tuple[str, ...]], ...] = (
    ({"temperature": 9}, ("temperature",)),
    ({"messages": []}, ("messages",)),
    ({"messages": [{"role": "user", "content": [IMAGE]}]}, ("messages[0].content[0]", "image_url")),
    ({"messages": [{"role": "user", "content": "word " * 5000}]}, ("messages", "5031", "4096")),
    ({"n": 6}, ("n:", "5")),
    ({"response_format": BAD_SCHEMA}, ("schema", "nonsense")),
    ({"response_format": UPSIDE_DOWN}, ("response_format.json_schema.schema.minLength",)),
    ({"tool_choice": "required"}, ("tool_choice", "tools")),
    ({"extra_body": {"prompt": "hello"}}, ("prompt", "messages")),
    ({"extra_body": {"best_of": 2}}, ("best_of",)),
)


def ask(client: OpenAI, **fields: Any) -> Any:
    """A short query."""
    return client.chat.completions.create(**({"model": ENDPOINT} | chat(**fields)))


def error_code(error: openai.APIError) -> object:
    """The error code, where users of this client find it."""
    assert isinstance(error.body, dict)
    return error.body["error_code"]


@pytest.mark.model
@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(("fields", "told"), FAULTS, ids=lambda value: next(iter(value), ""))
def test_a_bad_request(
    live: Live, openai_client: OpenAI, fields: dict[str, Any], told: tuple[str, ...], stream: bool
) -> None:
    """What cannot be done is a BadRequestError that names it, before any stream begins, and is tried once."""
    with live.calls() as calls, pytest.raises(openai.BadRequestError) as caught:
        ask(openai_client, stream=stream, **fields)
    assert caught.value.status_code == 400
    assert error_code(caught.value) == "BAD_REQUEST"
    assert all(word in str(caught.value) for word in told), str(caught.value)
    assert [call["status"] for call in calls] == [400]


@pytest.mark.model
@pytest.mark.parametrize("name", ["no-such-endpoint", f"{ENDPOINT}/no-such-entity", "system.ai.llama"])
def test_an_unknown_endpoint(live: Live, openai_client: OpenAI, name: str) -> None:
    """An endpoint or entity that is not there is a NotFoundError, tried once."""
    with live.calls() as calls, pytest.raises(openai.NotFoundError) as caught:
        ask(openai_client, model=name)
    assert error_code(caught.value) == "ENDPOINT_NOT_FOUND"
    assert name.partition("/")[0] in caught.value.message
    assert len(calls) == 1


@pytest.mark.model
def test_a_bad_token(live: Live) -> None:
    """A token that is not ours is an AuthenticationError, tried once; the token is not in the log."""
    stranger = OpenAI(api_key="dapi-not-ours", base_url=f"{live.url}/serving-endpoints")
    with stranger, live.calls() as calls, pytest.raises(openai.AuthenticationError) as caught:
        ask(stranger)
    assert error_code(caught.value) == "UNAUTHENTICATED"
    assert caught.value.request_id == calls[0]["request_id"]
    assert [call["status"] for call in calls] == [401]
    assert "dapi-not-ours" not in str(live.log())


@pytest.mark.model
def test_an_endpoint_in_the_base_url(live: Live) -> None:
    """Whoever puts the endpoint's path into the base URL is told where it belongs."""
    mistaken = OpenAI(api_key=TOKEN, base_url=live.url + invocations(ENDPOINT))
    with mistaken, pytest.raises(openai.NotFoundError, match=r"must end in /serving-endpoints"):
        ask(mistaken)


def test_a_busy_provider(relaying: Live, provider: Provider) -> None:
    """A rate limit is a RateLimitError after the client's own tries, a second apart as `Retry-After` asks."""
    before = len(provider.asked)
    patient = OpenAI(api_key=TOKEN, base_url=f"{relaying.url}/serving-endpoints", max_retries=1)
    with patient, relaying.calls() as calls, pytest.raises(openai.RateLimitError) as caught:
        ask(patient, model="busy")
    assert caught.value.response.headers["retry-after"] == "1"
    assert error_code(caught.value) == "REQUEST_LIMIT_EXCEEDED"
    assert [call["status"] for call in calls] == [429, 429]
    assert len(provider.asked) - before == 2


@pytest.mark.parametrize(
    ("name", "status", "code"),
    [
        ("overloaded", 503, "TEMPORARILY_UNAVAILABLE"),
        ("failing", 502, "INTERNAL_ERROR"),
        ("bad-key", 500, "INTERNAL_ERROR"),
    ],
)
def test_a_failing_provider(relaying_client: OpenAI, name: str, status: int, code: str) -> None:
    """A provider's failure is an InternalServerError; its refusal of our key does not accuse the caller's token."""
    with pytest.raises(openai.InternalServerError) as caught:
        ask(relaying_client, model=name)
    assert caught.value.status_code == status
    assert error_code(caught.value) == code


def test_a_provider_that_refuses(relaying_client: OpenAI) -> None:
    """A provider's 400 stays one, with its words and whose they are."""
    with pytest.raises(openai.BadRequestError, match=r"openai.*max_tokens is too large: 9"):
        ask(relaying_client, model="refusing")


@pytest.mark.parametrize(("name", "told"), [("breaking", "the service broke down"), ("cut", "")])
def test_a_stream_that_breaks(relaying: Live, relaying_client: OpenAI, name: str, told: str) -> None:
    """A stream that breaks after its beginning gives what came and then an APIError with a code, never an end."""
    chunks: list[Any] = []
    with relaying.calls() as calls, pytest.raises(openai.APIError) as caught:
        chunks.extend(ask(relaying_client, model=name, stream=True))
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks) == "Glass bell."
    assert {chunk.choices[0].finish_reason for chunk in chunks} == {None}
    assert caught.value.code == "INTERNAL_ERROR"
    assert told in caught.value.message
    assert [(call["status"], call["outcome"]) for call in calls] == [(200, "error")]


def test_a_stream_that_is_refused(relaying_client: OpenAI) -> None:
    """A provider's refusal of a stream is an HTTP error, not an event."""
    with pytest.raises(openai.BadRequestError):
        ask(relaying_client, model="refusing", stream=True)
