"""Models on Vertex AI: which dialect each speaks, where it is called, and what is in the call."""

from __future__ import annotations

import json
from typing import Any

import pytest

from cloche.domain.chat import ChatRequest
from cloche.domain.endpoint import ExternalModel
from cloche.domain.errors import ProviderBroken, ProviderBusy, ProviderCredentials, ProviderRefused
from cloche.domain.outbound import HttpCall, Origin
from cloche.domain.translation import Report
from cloche.providers import vertex
from cloche.providers.base import Embedder, Foreign, InvalidSettings, Translator
from cloche.providers.bearer import Bearer
from cloche.wire.openai import read_chat

from .google_keys import service_account, workload_identity
from .lending_steps import answer, request_line, take

GROUP = "google_cloud_vertex_ai_config"
PLACE = "/v1/projects/p-1/locations/europe-west1"
HOST = "europe-west1-aiplatform.googleapis.com"
HELLO = [{"role": "user", "content": "hi"}]


def bound(name: str, **settings: Any) -> Translator | Foreign | Embedder:
    """A chat model of a project."""
    given = {"project_id": "p-1", "region": "europe-west1", "private_key_plaintext": service_account()}
    return vertex.bind(ExternalModel(name, "google-cloud-vertex-ai", "llm/v1/chat", given | settings))


def foreign(name: str, **settings: Any) -> Foreign:
    """A model with a dialect of its own."""
    found = bound(name, **settings)
    assert isinstance(found, Foreign)
    return found


def asked(**fields: Any) -> ChatRequest:
    """A request."""
    return read_chat(json.dumps({"messages": HELLO, **fields}).encode())


def call(name: str, *, stream: bool = False, settings: dict[str, Any] | None = None, **fields: Any) -> HttpCall:
    """What is sent to a model."""
    model = bound(name, **(settings or {}))
    if isinstance(model, Foreign):
        return model.encode(asked(**fields), Report(), stream=stream)
    assert not isinstance(model, Embedder)
    return model.encode(asked(**fields), stream=stream)


def body(of: HttpCall) -> Any:
    """The JSON of a call."""
    return json.loads(b"".join(map(bytes, of.body)))


@pytest.mark.parametrize(
    ("name", "whole", "stream"),
    [
        (
            "gemini-2.5-flash",
            "publishers/google/models/gemini-2.5-flash:generateContent",
            "publishers/google/models/gemini-2.5-flash:streamGenerateContent?alt=sse",
        ),
        ("1234567890", "endpoints/1234567890:generateContent", "endpoints/1234567890:streamGenerateContent?alt=sse"),
        ("endpoints/12", "endpoints/12:generateContent", "endpoints/12:streamGenerateContent?alt=sse"),
        (
            "claude-sonnet-4-5@20250929",
            "publishers/anthropic/models/claude-sonnet-4-5@20250929:rawPredict",
            "publishers/anthropic/models/claude-sonnet-4-5@20250929:streamRawPredict",
        ),
        (
            "mistral-small-2503",
            "publishers/mistralai/models/mistral-small-2503:rawPredict",
            "publishers/mistralai/models/mistral-small-2503:streamRawPredict",
        ),
        (
            "codestral@2405",
            "publishers/mistralai/models/codestral@2405:rawPredict",
            "publishers/mistralai/models/codestral@2405:streamRawPredict",
        ),
        (
            "meta/llama-3.3-70b-instruct-maas",
            "endpoints/openapi/chat/completions",
            "endpoints/openapi/chat/completions",
        ),
    ],
)
def test_where_each_model_is_called(name: str, whole: str, stream: str) -> None:
    """Its name tells the publisher and the dialect, and every call is completed with the account's token."""
    for streams, path in ((False, whole), (True, stream)):
        made = call(name, stream=streams)
        assert request_line(made) == f"{HOST} POST {PLACE}/{path}"
        assert made.origin == Origin(HOST, 443, tls=True)
        assert isinstance(made.authorizer, Bearer)
        assert b"authorization" not in made.head


@pytest.mark.parametrize(
    ("settings", "line"),
    [
        ({"region": "global"}, "aiplatform.googleapis.com POST /v1/projects/p-1/locations/global/"),
        ({"region": "us"}, "aiplatform.us.rep.googleapis.com POST /v1/projects/p-1/locations/us/"),
        ({"region": "eu"}, "aiplatform.eu.rep.googleapis.com POST /v1/projects/p-1/locations/eu/"),
        ({"vertex_api_base": "http://127.0.0.1:8080/g/"}, f"127.0.0.1 POST /g{PLACE}/"),
        ({"vertex_api_base": "https://h/v1beta1"}, "h POST /v1beta1/projects/p-1/locations/europe-west1/"),
    ],
)
def test_regions_and_other_addresses(settings: dict[str, Any], line: str) -> None:
    """Each region has a host of its own; another base URL takes its place, with a version or without."""
    assert request_line(call("gemini-2.5-flash", settings=settings)).startswith(line + "publishers/google/")


def test_another_token_server() -> None:
    """Tokens are asked for where the settings say."""
    authorizer = call("gemini-2.5-flash", settings={"vertex_token_uri": "http://127.0.0.1:8080/token"}).authorizer
    assert authorizer is not None
    [asking], _ = take(authorizer.source, answer({"access_token": "t", "expires_in": 60}))
    assert request_line(asking) == "127.0.0.1 POST /token"


# ---------------------------------------------------------------- dialects


def test_gemini_gets_no_ids_of_calls() -> None:
    """Vertex AI refuses them, and the order of the calls tells which is which."""
    weather = {"id": "call_1", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    told = [
        *HELLO,
        {"role": "assistant", "tool_calls": [weather]},
        {"role": "tool", "tool_call_id": "call_1", "content": "sunny"},
    ]
    sent = body(call("gemini-2.5-flash", messages=told))
    assert [part.get("functionCall") for part in sent["contents"][1]["parts"]] == [{"name": "f", "args": {}}]
    assert "call_1" not in json.dumps(sent)


def test_claude_is_told_the_version_in_the_body_and_the_model_in_the_url() -> None:
    """The body is that of the Messages API otherwise, with what the client gave of its own."""
    sent = body(call("claude-sonnet-4-5@20250929", max_tokens=5, anthropic_beta=["x"]))
    assert sent == {
        "anthropic_version": "vertex-2023-10-16",
        "max_tokens": 5,
        "messages": HELLO,
        "anthropic_beta": ["x"],
    }
    assert body(call("claude-sonnet-4-5@20250929", stream=True))["stream"] is True


def test_mistral_gets_what_its_own_service_takes() -> None:
    """Fields that it refuses are left out, others are renamed; the version in its name belongs to the URL."""
    assert body(call("codestral@2405", seed=1, logit_bias={"1": 1})) == {
        "model": "codestral",
        "messages": HELLO,
        "random_seed": 1,
    }
    assert body(call("mistral-small-2503", stream=True)) == {
        "model": "mistral-small-2503",
        "messages": HELLO,
        "stream": True,
    }


def test_partners_get_the_client_s_own_bytes() -> None:
    """Their address speaks OpenAI's dialect, and is asked for usage in a stream."""
    sent = body(call("openai/gpt-oss-120b-maas", stream=True, temperature=0.5))
    assert sent == {
        "model": "openai/gpt-oss-120b-maas",
        "messages": HELLO,
        "temperature": 0.5,
        "stream": True,
        "stream_options": {"include_usage": True},
    }


CLAUDE: dict[str, Any] = {
    "id": "msg_1",
    "type": "message",
    "role": "assistant",
    "model": "claude",
    "content": [{"type": "text", "text": "Hello"}],
    "stop_reason": "end_turn",
    "usage": {"input_tokens": 3, "output_tokens": 1},
}
GEMINI = {
    "candidates": [{"index": 0, "content": {"role": "model", "parts": [{"text": "Hello"}]}, "finishReason": "STOP"}],
    "usageMetadata": {"promptTokenCount": 3, "candidatesTokenCount": 1},
}


@pytest.mark.parametrize(("name", "said"), [("claude-opus-4-1", CLAUDE), ("gemini-2.5-pro", GEMINI)])
def test_answers(name: str, said: Any) -> None:
    """They are read by the dialect's own reader; an error in their place is a Problem."""
    model = foreign(name)
    response = model.decode(json.dumps(said).encode())
    assert (response.choices[0].content, response.choices[0].finish_reason) == ("Hello", "stop")
    assert response.usage is not None
    assert (response.usage.prompt_tokens, response.usage.completion_tokens) == (3, 1)
    with pytest.raises(ProviderBroken):
        model.decode(b"{")


def test_errors_inside_answers() -> None:
    """What comes after the status 200 is judged by what it says of its own kind."""
    overloaded = b'{"type": "error", "error": {"type": "rate_limit_error", "message": "slow"}}'
    with pytest.raises(ProviderBusy, match="vertex-ai answered 429: slow"):
        foreign("claude-opus-4-1").decode(overloaded)
    decoder = foreign("claude-opus-4-1").decoder()
    with pytest.raises(ProviderBusy):
        decoder.feed(b"event: error\ndata: " + overloaded + b"\n\n")
    exhausted = b'{"error": {"code": 429, "message": "Quota", "status": "RESOURCE_EXHAUSTED"}}'
    with pytest.raises(ProviderBusy, match="vertex-ai answered 429: Quota"):
        foreign("gemini-2.5-pro").decode(exhausted)
    decoder = foreign("gemini-2.5-pro").decoder()
    with pytest.raises(ProviderBusy):
        decoder.feed(b"data: " + exhausted + b"\r\n\r\n")


@pytest.mark.parametrize("name", ["gemini-2.5-flash", "claude-opus-4-1", "mistral-small-2503", "qwen/qwen3-maas"])
def test_refusals(name: str) -> None:
    """Google's refusals are told alike for all models: whose fault they are, and in whose words."""
    model = bound(name)
    denied = {"error": {"code": 403, "status": "PERMISSION_DENIED", "message": "Permission denied on p-1"}}
    for status in (401, 403):
        told = model.error(status, {}, json.dumps(denied).encode())
        assert isinstance(told, ProviderCredentials)
        assert "Permission" not in told.message
    missing = model.error(404, {}, b'[{"error": {"code": 404, "message": "Not found"}}]')
    assert isinstance(missing, ProviderRefused)
    assert (missing.status, missing.message) == (404, "vertex-ai answered 404: Not found")


# ---------------------------------------------------------------- settings


@pytest.mark.parametrize(
    ("name", "settings", "path", "words"),
    [
        ("llama-3.3-70b-instruct-maas", {}, "name", "'llama-3.3-70b-instruct-maas' is a partner's model"),
        ("a/b/c", {}, "name", "'a/b/c' is no name"),
        ("../x", {}, "name", "'../x' is no name"),
        ("gemini?x", {}, "name", "'gemini?x' is no name"),
        ("m", {"region": "a/b"}, f"{GROUP}.region", "is no region"),
        ("m", {"project_id": "P 1"}, f"{GROUP}.project_id", "is no project_id"),
        ("m", {"vertex_api_base": "https://h/?x"}, f"{GROUP}.vertex_api_base", "must have no query"),
        (
            "m",
            {"vertex_api_base": "https://h", "private_key_plaintext": workload_identity({"file": "/t"})},
            f"{GROUP}.vertex_api_base",
            "must be the provider's own",
        ),
        (
            "m",
            {"vertex_token_uri": "https://h/t", "private_key_plaintext": workload_identity({"file": "/t"})},
            f"{GROUP}.private_key_plaintext.token_url",
            "must be the provider's own",
        ),
        ("m", {"vertex_token_uri": "http://h/t"}, f"{GROUP}.vertex_token_uri", "must be an https:// URL"),
        ("m", {"private_key_plaintext": None}, f"{GROUP}.private_key", "give private_key or"),
        ("m", {"private_key_plaintext": "x"}, f"{GROUP}.private_key_plaintext", "must be JSON"),
        ("m", {"private_key_plaintext": "{}"}, f"{GROUP}.private_key_plaintext.type", "this field is required"),
    ],
)
def test_wrong_settings_are_named(name: str, settings: dict[str, Any], path: str, words: str) -> None:
    """Each fault is told with its path."""
    with pytest.raises(InvalidSettings) as caught:
        bound(name, **settings)
    [(where, what)] = caught.value.problems
    assert where == path
    assert what.startswith(words)


def test_the_examples_can_be_bound() -> None:
    """What the provider tells of itself is true, and no example needs a key."""
    for example in vertex.PROFILE.examples.values():
        assert vertex.bind(example).model == example.name.partition("@")[0] or isinstance(vertex.bind(example), Foreign)
