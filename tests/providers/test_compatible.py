"""OpenAI-shaped services as rows: where they are called, what is renamed or left out for them, and who is told."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloche.domain.chat import ChatParams
from cloche.domain.endpoint import ExternalModel
from cloche.domain.errors import BadRequest, ProviderBroken, ProviderCredentials, ProviderRefused
from cloche.domain.outbound import Origin
from cloche.domain.translation import Report
from cloche.providers.base import InvalidSettings
from cloche.providers.catalogue import PROVIDERS
from cloche.providers.compatible import SERVICES, Adapted, bind, group
from cloche.providers.openai_shaped import OpenAIShaped
from cloche.wire.openai import Identity, read_chat
from cloche.wire.passthrough import Stream, complete_answer

SECRET = "sk-0123456789abcdef"
MESSAGES = [{"role": "user", "content": "hi"}]
CODE: list[dict[str, Any]] = [
    {"role": "developer", "content": "Be\u2028brief."},
    {"role": "user", "content": [{"type": "text", "text": "é"}]},
]
WHO = Identity("id", 1, "m")


def model(name: str, **settings: Any) -> OpenAIShaped:
    """A model of the service, bound with those settings: `api_key_plaintext`, …"""
    prefix = name.replace("-", "_")
    told = {f"{prefix}_{field}": value for field, value in settings.items()}
    return bind(ExternalModel("m", name, "llm/v1/chat", told))


def anywhere(name: str) -> OpenAIShaped:
    """A model of the service with what every service takes."""
    return model(name, api_key_plaintext=SECRET, api_base="http://h/v1")


def sent(name: str, *, streamed: bool = False, **fields: Any) -> dict[str, Any]:
    """The body that the service gets for a request with those fields, without the model."""
    request = read_chat(json.dumps({"messages": MESSAGES, **fields}).encode())
    call = anywhere(name).encode(request, stream=streamed)
    body: dict[str, Any] = json.loads(b"".join(bytes(piece) for piece in call.body))
    assert body.pop("model") == "m"
    return body


def told(name: str, *, strict: bool = False, **fields: Any) -> dict[str, list[str]]:
    """What the report on such a request says."""
    report = Report(strict=strict)
    anywhere(name).note(read_chat(json.dumps({"messages": MESSAGES, **fields}).encode()), report)
    return report.fates()


# ---------------------------------------------------------------- settings

ADDRESSES = [
    ("mistral", Origin("api.mistral.ai", 443, tls=True), "/v1/chat/completions"),
    ("groq", Origin("api.groq.com", 443, tls=True), "/openai/v1/chat/completions"),
    ("together", Origin("api.together.xyz", 443, tls=True), "/v1/chat/completions"),
    ("fireworks", Origin("api.fireworks.ai", 443, tls=True), "/inference/v1/chat/completions"),
    ("deepseek", Origin("api.deepseek.com", 443, tls=True), "/chat/completions"),
    ("xai", Origin("api.x.ai", 443, tls=True), "/v1/chat/completions"),
    ("openrouter", Origin("openrouter.ai", 443, tls=True), "/api/v1/chat/completions"),
    ("perplexity", Origin("api.perplexity.ai", 443, tls=True), "/chat/completions"),
    ("cerebras", Origin("api.cerebras.ai", 443, tls=True), "/v1/chat/completions"),
    ("huggingface", Origin("router.huggingface.co", 443, tls=True), "/v1/chat/completions"),
]
KEYLESS = [
    ("ollama", Origin("127.0.0.1", 11434), "/v1/chat/completions"),
    ("vllm", Origin("127.0.0.1", 8000), "/v1/chat/completions"),
]


@pytest.mark.parametrize(("name", "origin", "target"), ADDRESSES)
def test_a_key_is_all_that_a_service_needs(name: str, origin: Origin, target: str) -> None:
    """Each service is known by its address, and gets the key as a bearer token and nowhere else."""
    bound = model(name, api_key_plaintext=SECRET)
    call = bound.encode(read_chat(json.dumps({"messages": MESSAGES}).encode()), stream=False)
    assert call.origin == origin
    lines = call.head.decode().split("\r\n")
    assert lines[0] == f"POST {target} HTTP/1.1"
    assert f"authorization: Bearer {SECRET}" in lines
    assert SECRET not in repr(bound) + repr(call)
    with pytest.raises(InvalidSettings) as caught:
        model(name)
    assert caught.value.problems[0][0] == f"{name}_config.{name}_api_key"


@pytest.mark.parametrize(("name", "origin", "target"), KEYLESS)
def test_local_services_need_no_key(name: str, origin: Origin, target: str) -> None:
    """They are called where they listen by default, without authorization."""
    call = model(name).encode(read_chat(json.dumps({"messages": MESSAGES}).encode()), stream=False)
    assert call.origin == origin
    assert call.head.startswith(f"POST {target} HTTP/1.1\r\n".encode())
    assert b"authorization" not in call.head


def test_llama_cpp_needs_an_address() -> None:
    """Its own default port is that of cloche, which would call itself."""
    with pytest.raises(InvalidSettings) as caught:
        model("llama-cpp")
    assert caught.value.problems[0][0] == "llama_cpp_config.llama_cpp_api_base"
    call = model("llama-cpp", api_base="http://h:9/v1").encode(
        read_chat(json.dumps({"messages": MESSAGES}).encode()), stream=False
    )
    assert call.origin == Origin("h", 9)


@pytest.mark.parametrize("name", SERVICES)
def test_settings_of_every_service(name: str) -> None:
    """Each row is a provider under its own name; its settings are checked, and nothing shows the key."""
    kind = PROVIDERS[name]
    assert kind.group == group(name) == ExternalModel("m", name, "llm/v1/chat").settings_name
    assert kind.tasks == ("llm/v1/chat",)
    prefix = name.replace("-", "_")
    wrong: list[dict[str, Any]] = [
        {"api_base": "ftp://h"},
        {"api_bas": "x"},
        {"api_key_plaintext": 5},
        {"api_key": SECRET},
    ]
    for settings in wrong:
        good = {"api_base": "http://h", **({} if "api_key" in settings else {"api_key_plaintext": SECRET})}
        with pytest.raises(InvalidSettings) as caught:
            model(name, **{**good, **settings})
        [(path, what)] = caught.value.problems
        assert path == f"{prefix}_config.{prefix}_{next(iter(settings))}"
        assert SECRET not in what


# ---------------------------------------------------------------- requests

FIELDS: dict[str, Any] = {
    "max_tokens": 5,
    "temperature": 0.5,
    "top_p": 1,
    "n": 2,
    "stop": ["a"],
    "parallel_tool_calls": False,
    "presence_penalty": 1,
    "frequency_penalty": 1,
    "logit_bias": {"1": 2},
    "logprobs": True,
    "top_logprobs": 1,
    "seed": 7,
    "user": "u",
    "metadata": {"a": "b"},
    "service_tier": "auto",
    "top_k": 4,
    "own": [None, {"é": 1.50}],
    "tools": [{"type": "function", "function": {"name": "f"}}],
    "tool_choice": "required",
}
LEFT_OUT = {
    "mistral": ["logit_bias", "logprobs", "service_tier", "top_k", "top_logprobs", "user"],
    "groq": ["logit_bias", "logprobs", "top_logprobs"],
    "cerebras": ["frequency_penalty", "logit_bias", "presence_penalty"],
}
RENAMED = {"mistral": {"seed": "random_seed"}}


@pytest.mark.parametrize("name", SERVICES)
def test_what_reaches_a_service(name: str) -> None:
    """All fields reach it but those that it refuses; the report tells each one's fate."""
    left_out, renamed = LEFT_OUT.get(name, []), RENAMED.get(name, {})
    expected = {renamed.get(field, field): value for field, value in FIELDS.items() if field not in left_out}
    assert sent(name, **FIELDS, client_request_id="c") == {"messages": MESSAGES, **expected}
    if anywhere(name).differs:
        fates = told(name, **FIELDS, client_request_id="c")
        assert sorted(fates.get("dropped", [])) == left_out
        assert fates.get("mapped", []) == list(renamed)
        assert set(fates["passed"]) == {"messages", *FIELDS} - set(left_out) - set(renamed)


@pytest.mark.parametrize("name", SERVICES)
def test_the_bytes_of_what_passes_stay(name: str) -> None:
    """Numbers, spaces and escapes are the client's own, whatever the row changes beside them."""
    fields = rb'"temperature": 0.50, "own": {"a" : 1e2, "b":"\u00e9"}'
    body = rb'{"messages": [{"role":"user" , "content":"\u0041"}], ' + fields + b"}"
    call = anywhere(name).encode(read_chat(body), stream=False)
    out = b"".join(bytes(piece) for piece in call.body)
    for piece in (rb'[{"role":"user" , "content":"\u0041"}]', b'"temperature":0.50', rb'{"a" : 1e2, "b":"\u00e9"}'):
        assert piece in out


BOUND_BY_OLD_NAME = {"mistral", "together", "deepseek", "perplexity", "huggingface", "ollama"}
NO_DEVELOPER = {"mistral", "deepseek", "perplexity", "cerebras"}


@pytest.mark.parametrize("name", SERVICES)
def test_names_and_roles(name: str) -> None:
    """The newer name of the bound and the developer's role get the older words where the service needs them."""
    old = name in BOUND_BY_OLD_NAME
    body = sent(name, max_completion_tokens=5)
    assert body["max_tokens" if old else "max_completion_tokens"] == 5
    roles = [message["role"] for message in sent(name, messages=CODE)["messages"]]
    assert roles == ["system" if name in NO_DEVELOPER else "developer", "user"]
    contents = [message["content"] for message in sent(name, messages=CODE)["messages"]]
    assert contents == [message["content"] for message in CODE]
    if anywhere(name).differs:
        fates = told(name, messages=CODE, max_completion_tokens=5)
        assert set(fates.get("mapped", [])) == {
            *(["max_completion_tokens"] if old else []),
            *(["messages"] if name in NO_DEVELOPER else []),
        }


@pytest.mark.parametrize("name", SERVICES)
def test_usage_of_streams(name: str) -> None:
    """Usage is asked for in a stream, except of the service that gives it anyway and refuses the question."""
    asked = {} if name == "mistral" else {"stream_options": {"include_usage": True}}
    assert sent(name, streamed=True) == {"messages": MESSAGES, "stream": True, **asked}


def test_strict_requests_are_refused() -> None:
    """Who asks for strictness is refused what would be left out, but not what is renamed or null."""
    with pytest.raises(BadRequest, match=r"^logprobs: .*mistral refuses it"):
        told("mistral", strict=True, logprobs=True)
    assert told("mistral", strict=True, seed=1, logprobs=None) == {"passed": ["messages"], "mapped": ["seed"]}
    assert "logprobs" not in sent("mistral", logprobs=None)


def test_services_without_differences_cost_nothing() -> None:
    """They are bound to the very translator that OpenAI has."""
    plain = {name for name in SERVICES if not isinstance(anywhere(name), Adapted)}
    assert plain == {"fireworks", "xai", "vllm", "llama-cpp"}
    assert not any(anywhere(name).differs or anywhere(name).finishes for name in plain)


@given(st.sampled_from(sorted(SERVICES)), st.sets(st.sampled_from(sorted(FIELDS))))
def test_no_field_goes_silently(name: str, chosen: set[str]) -> None:
    """Whatever is asked of a service that differs, the report has a fate for every field, and it is the true one."""
    fields = {field: FIELDS[field] for field in chosen if field not in ("tool_choice", "top_logprobs")}
    body, bound = sent(name, **fields), anywhere(name)
    report = Report()
    bound.note(read_chat(json.dumps({"messages": MESSAGES, **fields}).encode()), report)
    fates = report.fates()
    noted = [field for group_of_fields in fates.values() for field in group_of_fields]
    assert sorted(noted) == sorted(["messages", *fields])
    assert not set(fates.get("dropped", [])) & set(body)
    assert set(fates["passed"]) <= set(body)


def test_the_tables_name_known_fields() -> None:
    """What a row renames is a field of the API: a slip in its name would never take effect."""
    for service in SERVICES.values():
        assert set(service.renamed) <= set(ChatParams.__struct_fields__)
        assert not set(service.renamed) & service.refused


# ---------------------------------------------------------------- answers

FINISHES = [
    *(("mistral", "model_length", "length"), ("mistral", "error", None), ("mistral", "tool_calls", "tool_calls")),
    *(("deepseek", "insufficient_system_resource", "length"), ("together", "eos", "stop"), ("together", "x", "x")),
    *(("huggingface", "eos_token", "stop"), ("huggingface", "stop_sequence", "stop"), ("openrouter", "error", None)),
    *(("groq", "eos", "eos"), ("vllm", "abort", "abort")),
]


@pytest.mark.parametrize(("name", "reason", "expected"), FINISHES)
def test_finish_reasons(name: str, reason: str, expected: str | None) -> None:
    """A service's own words for the end become the API's, whole and streamed alike; unknown ones stay as they are."""
    finishes = anywhere(name).finishes
    choice = {"index": 0, "finish_reason": reason}
    whole = json.dumps({"id": "1", "choices": [{**choice, "message": {"content": "a"}}]}).encode()
    event = b"data: " + json.dumps({"id": "1", "choices": [{**choice, "delta": {"content": "a"}}]}).encode() + b"\n\n"
    stream = Stream(WHO, finishes=finishes)
    if expected is None:
        with pytest.raises(ProviderBroken, match="gave its answer up"):
            complete_answer(whole, WHO, finishes)
        stream.feed(event)
        assert isinstance(stream.failure, ProviderBroken)
        return
    [answered] = json.loads(complete_answer(whole, WHO, finishes).body)["choices"]
    assert (answered["finish_reason"], answered["finishReason"]) == (expected, expected)
    out = stream.feed(event + b"data: [DONE]\n\n")
    [streamed] = json.loads(out.split(b"\n")[0].removeprefix(b"data: "))["choices"]
    assert (streamed["finish_reason"], streamed["finishReason"]) == (expected, expected)


def test_refusals_name_the_service_and_hide_the_key() -> None:
    """An error says which service spoke; Mistral's 422 is the caller's 400; a key that is quoted is taken out."""
    bound = anywhere("mistral")
    refused = bound.error(422, {}, b'{"object":"error","message":{"detail":[{"type":"extra_forbidden"}]}}')
    assert isinstance(refused, ProviderRefused)
    assert (refused.status, refused.message[:20]) == (400, "mistral answered 422")
    assert isinstance(bound.error(401, {}, b'{"detail":"Unauthorized"}'), ProviderCredentials)
    assert SECRET not in bound.error(400, {}, json.dumps({"message": f"bad key {SECRET}"}).encode()).message
