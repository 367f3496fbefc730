"""What the embedded engine is asked, and what it is never asked because it would ignore it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from cloche.domain.chat import ChatRequest
from cloche.domain.errors import BadRequest, Problem, ProviderBroken, ProviderCredentials
from cloche.domain.outbound import Origin
from cloche.providers.local import EngineAddress, LocalTranslator
from cloche.wire.openai import read_chat

from . import engine_answers

ENGINE = LocalTranslator(
    EngineAddress(Origin("engine", 80, unix_path="/tmp/e.sock", reuse=False), "engine-key", "m"),
    context_length=2048,
    max_tokens_default=99,
)
USER = {"role": "user", "content": "hi"}
CITY = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
WEATHER = {"type": "function", "function": {"name": "weather", "parameters": CITY}}
CLOCK = {"type": "function", "function": {"name": "clock"}}
NAMED = {"type": "function", "function": {"name": "weather"}}


def request(*messages: Any, **fields: Any) -> ChatRequest:
    """A request with one user message unless others are given."""
    return read_chat(json.dumps({"messages": list(messages or [USER]), **fields}).encode())


def asked(*messages: Any, choice: int = 0, **fields: Any) -> dict[str, Any]:
    """The body that the engine gets."""
    call = ENGINE.encode(request(*messages, **fields), choice)
    body: dict[str, Any] = json.loads(b"".join(bytes(piece) for piece in call.body))
    return body


def test_the_call() -> None:
    """The engine is called with its key, over a connection of its own, always for a stream with usage and a bound."""
    call = ENGINE.encode(request(), 0)
    assert call.origin.unix_path == "/tmp/e.sock"
    lines = call.head.decode().split("\r\n")
    assert lines[0] == "POST /v1/chat/completions HTTP/1.1"
    assert {"authorization: Bearer engine-key", "connection: close"} <= set(lines)
    assert "engine-key" not in repr(call)
    assert asked() == {
        "messages": [USER],
        "max_tokens": 99,
        "stream": True,
        "stream_options": {"include_usage": True},
    }


PASSED: list[tuple[dict[str, Any], dict[str, Any]]] = [
    ({"max_tokens": 5}, {"max_tokens": 5}),
    ({"max_completion_tokens": 6}, {"max_tokens": 6}),
    ({"temperature": 0, "top_p": 0.5, "top_k": 3}, {"temperature": 0, "top_p": 0.5, "top_k": 3}),
    ({"presence_penalty": -1, "frequency_penalty": 1}, {"presence_penalty": -1, "frequency_penalty": 1}),
    ({"stop": "a"}, {"stop": "a"}),
    ({"stop": ["a", "b"]}, {"stop": ["a", "b"]}),
    ({"logit_bias": {"15": -100, "7": 0.5}}, {"logit_bias": [[15, -100], [7, 0.5]]}),
    ({"logit_bias": {}}, {}),
    ({"logprobs": True}, {"logprobs": True, "top_logprobs": 1}),  # with 0 the engine leaves the records out
    ({"logprobs": True, "top_logprobs": 2}, {"logprobs": True, "top_logprobs": 2}),
    ({"logprobs": False}, {}),
    ({"response_format": {"type": "text"}}, {}),
    ({"response_format": {"type": "json_object"}}, {"response_format": {"type": "json_object"}}),
    (
        {"response_format": {"type": "json_schema", "json_schema": {"name": "x", "schema": CITY, "strict": True}}},
        {"response_format": {"type": "json_schema", "json_schema": {"name": "answer", "schema": CITY}}},
    ),
    ({"reasoning_effort": "none", "thinking": {"type": "disabled"}, "service_tier": "auto"}, {}),
    ({"model": "x", "user": "u", "metadata": {"a": "b"}, "client_request_id": "c", "enable_safety_filter": True}, {}),
    ({"n": 5, "stream": False, "stream_options": {"include_usage": False}, "parallel_tool_calls": True}, {}),
    ({"tools": [WEATHER], "tool_choice": "none"}, {}),
]


@pytest.mark.parametrize(("fields", "expected"), PASSED, ids=str)
def test_fields(fields: dict[str, Any], expected: dict[str, Any]) -> None:
    """Each field is put into the engine's dialect, or left out because the answer does not depend on it."""
    assert asked(**fields) == {**asked(), **expected}


@pytest.mark.parametrize(
    ("seed", "choice", "expected"), [(7, 0, 7), (7, 3, 10), (-1, 0, 2**32 - 1), (2**32 - 1, 1, 0), (10**30, 0, None)]
)
def test_each_choice_has_a_seed_of_its_own(seed: int, choice: int, expected: int | None) -> None:
    """The same seed gives the same answers, but choices of one request differ; the engine takes 32 bits."""
    got = asked(seed=seed, choice=choice)["seed"]
    assert 0 <= got < 2**32
    assert expected is None or got == expected


REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"prediction": {}}, 'Bad request: json: unknown field "prediction"'),
    ({"b": 1, "a": 1}, 'Bad request: json: unknown field "a"'),
    ({"n": 6}, "n: this model gives at most 5 choices"),
    (
        {"tools": [{"type": "function", "function": {"name": f"f{n}"}} for n in range(33)]},
        "tools: 33 are given, but this model takes at most 32",
    ),
    ({"reasoning_effort": "low"}, "reasoning_effort: this model does not reason"),
    ({"thinking": {"type": "enabled"}}, "thinking: this model does not reason"),
    ({"thinking": {}}, "thinking: this model does not reason"),
    ({"service_tier": "priority"}, "service_tier: this model has no tier 'priority'"),
    ({"logit_bias": {"hello": 1}}, "logit_bias.hello: the key must be a token id"),
    ({"logit_bias": {"٣": 1}}, "logit_bias.٣: the key must be a token id"),
    ({"logit_bias": {"1" * 10: 1}}, f"logit_bias.{'1' * 10}: the key must be a token id"),
    ({"tools": [{"type": "web_search"}]}, "tools[0].type: this model takes functions only, not 'web_search'"),
    ({"tools": [WEATHER], "logprobs": True}, "logprobs: cannot be given with tools by this model"),
    (
        {"tools": [WEATHER], "response_format": {"type": "json_object"}},
        "response_format: cannot be combined with tools by this model",
    ),
]


@pytest.mark.parametrize(("fields", "message"), REFUSED, ids=lambda value: str(value)[:40])
def test_what_the_engine_would_ignore_is_refused(fields: dict[str, Any], message: str) -> None:
    """What this model cannot do is refused by name, before the engine is asked."""
    with pytest.raises(BadRequest) as caught:
        asked(**fields)
    assert caught.value.message == message


@pytest.mark.parametrize(
    ("messages", "told"),
    [
        ([USER] * 2049, "2049 messages"),
        ([{"role": "tool", "tool_call_id": "c", "content": "x"}] * 2049, "2049 messages"),
        ([{"role": "user", "content": "x" * 65_537}], "65537 characters, with the tools that are offered,"),
        ([{"role": "user", "content": "x" * 40_000}] * 2, "80000 characters, with the tools that are offered,"),
    ],
    ids=["messages", "results", "characters", "characters in all"],
)
def test_what_cannot_fit_is_refused_unasked(messages: list[Any], told: str) -> None:
    """The engine is not asked to count the tokens of a prompt that is too long whatever they are."""
    with pytest.raises(BadRequest) as caught:
        asked(*messages)
    assert caught.value.message == f"messages: {told} cannot fit in 2048 tokens"


def test_what_may_fit_is_asked() -> None:
    """As many messages and characters as might fit are left to the engine to judge."""
    assert len(asked(*[USER] * 2048)["messages"]) == 2048
    assert asked({"role": "user", "content": "x" * 65_536})


@pytest.mark.parametrize("kind", ["image_url", "input_audio", "file", "document", "refusal", "reasoning", "video_url"])
def test_parts_that_are_no_text_are_refused(kind: str) -> None:
    """A model that reads text only says so, with the place of the part."""
    part = {"type": kind, "input_audio": {}, "file": {}, "source": {}, "refusal": "no", "image_url": {"url": "data:,"}}
    with pytest.raises(BadRequest) as caught:
        asked(USER, {"role": "user", "content": [{"type": "text", "text": "a"}, part]})
    assert caught.value.message == f"messages[1].content[1].type: this model reads text only, not '{kind}'"


CALL = {"id": "c", "type": "function", "function": {"name": "weather", "arguments": '{"city": "Oslo"}'}}
CALL_TEXT = '<tool_call>{"name": "weather", "arguments": {"city": "Oslo"}}</tool_call>'


@pytest.mark.parametrize(
    ("messages", "turns"),
    [
        ([{"role": "developer", "content": "d"}], [("system", "d")]),
        ([{"role": "user", "content": [{"type": "text", "text": t} for t in "ab"], "name": "n"}], [("user", "ab")]),
        ([{"role": "assistant", "tool_calls": [CALL]}], [("assistant", CALL_TEXT)]),
        ([{"role": "assistant", "content": "So:", "tool_calls": [CALL]}], [("assistant", f"So:\n{CALL_TEXT}")]),
        (
            [{"role": "assistant", "tool_calls": [{**CALL, "function": {"name": "f", "arguments": ""}}]}],
            [("assistant", '<tool_call>{"name": "f", "arguments": {}}</tool_call>')],
        ),
        (
            [{"role": "tool", "tool_call_id": "c", "content": t} for t in "12"] + [USER],
            [("user", "<tool_response>\n1\n</tool_response>\n<tool_response>\n2\n</tool_response>"), ("user", "hi")],
        ),
        (
            [USER, {"role": "tool", "tool_call_id": "c", "content": "1"}],
            [("user", "hi"), ("user", "<tool_response>\n1\n</tool_response>")],
        ),
    ],
)
def test_turns_are_plain_text(messages: list[dict[str, Any]], turns: list[tuple[str, str]]) -> None:
    """Every turn is a role that the template knows and text: calls and results are written into it."""
    assert [(turn["role"], turn["content"]) for turn in asked(*messages)["messages"]] == turns
    assert all(turn.keys() == {"role", "content"} for turn in asked(*messages)["messages"])


@pytest.mark.parametrize("messages", [[USER], [{"role": "system", "content": "Be kind."}, USER]])
@pytest.mark.parametrize("choice", ["auto", None, "required", NAMED])
def test_the_model_is_told_of_its_tools(messages: list[Any], choice: Any) -> None:
    """Functions are written into the system message, one a line, after what the client says there."""
    turns = asked(*messages, tools=[WEATHER, CLOCK], tool_choice=choice)["messages"]
    system = turns[0]["content"]
    assert turns[0]["role"] == "system"
    assert turns[-1] == USER
    assert len(turns) == 2
    assert system.startswith("Be kind.\n\n") == (len(messages) == 2)
    assert ('"weather"' in system, '"clock"' in system) == (True, choice is not NAMED)


def schema(**fields: Any) -> dict[str, Any]:
    """The schema that forces the model's answer."""
    wanted: dict[str, Any] = asked(**fields)["response_format"]
    assert wanted["type"] == "json_schema"
    forced: dict[str, Any] = wanted["json_schema"]["schema"]
    return forced


def test_a_named_function_forces_its_arguments() -> None:
    """A named function, or a required one that is the only one, makes the answer its arguments."""
    assert schema(tools=[WEATHER, CLOCK], tool_choice=NAMED) == CITY
    assert schema(tools=[WEATHER], tool_choice="required") == CITY
    assert schema(tools=[WEATHER], tool_choice="required", parallel_tool_calls=False) == CITY
    assert schema(tools=[CLOCK], tool_choice="required") == {"type": "object", "properties": {}}


@pytest.mark.parametrize(("parallel", "at_most"), [(None, 8), (False, 1), (True, 8)])
def test_required_forces_a_list_of_calls(parallel: bool | None, at_most: int) -> None:
    """A required choice of several functions makes the answer a list of calls, bounded."""
    calls = schema(tools=[WEATHER, CLOCK], tool_choice="required", parallel_tool_calls=parallel)
    items = calls["properties"]["tool_calls"]
    assert (items["minItems"], items["maxItems"]) == (1, at_most)
    assert [each["properties"]["name"]["const"] for each in items["items"]["anyOf"]] == ["weather", "clock"]


def test_a_choice_that_is_free_forces_nothing() -> None:
    """With `auto` the model may answer in text, so no schema binds it."""
    assert "response_format" not in asked(tools=[WEATHER])
    assert "response_format" not in asked(tools=[WEATHER], tool_choice="auto")


@pytest.mark.parametrize(
    ("status", "body", "kind", "words"),
    [
        (
            400,
            engine_answers.CONTEXT_EXCEEDED,
            BadRequest,
            "messages: the prompt has 2531 tokens, but this model takes",
        ),
        (400, engine_answers.BAD_SCHEMA, BadRequest, "the engine cannot do this: JSON schema error at #"),
        (500, b'{"error":{"message":"boom"}}', ProviderBroken, "the engine answered 500: boom"),
        (401, engine_answers.NO_KEY, ProviderBroken, "the engine answered 401: Invalid API Key"),
        (502, b"<html>", ProviderBroken, "the engine answered 502"),
        (401, b"no", ProviderCredentials, "the engine rejected the credentials"),
    ],
)
def test_refusals(status: int, body: bytes, kind: type[Problem], words: str) -> None:
    """What the engine refuses is the caller's fault where it is about the request, and else the engine's."""
    problem = ENGINE.error(status, {}, body)
    assert type(problem) is kind
    assert problem.message.startswith(words)
