"""What Cohere is asked: the canonical request in its words, and the report of what became of each field."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from cloche.domain.errors import BadRequest
from cloche.domain.translation import Report
from cloche.wire.openai import read_chat

from .cohere_models import chat_model

MODEL = chat_model()
USER = {"role": "user", "content": "hi"}
CITY = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
WEATHER = {"type": "function", "function": {"name": "weather", "description": "d", "parameters": CITY}}
CLOCK = {"type": "function", "function": {"name": "clock"}}
CLOCK_THERE = {"type": "function", "function": {"name": "clock", "parameters": {"type": "object", "properties": {}}}}
NAMED = {"type": "function", "function": {"name": "clock"}}
PERSON = {"type": "json_schema", "json_schema": {"name": "person", "schema": CITY, "strict": True}}
CALL = {"id": "c1", "type": "function", "function": {"name": "weather", "arguments": '{"city": "Bern"}'}}


def asked(*messages: Any, report: Report | None = None, **fields: Any) -> dict[str, Any]:
    """The body that Cohere gets, without model and stream."""
    request = read_chat(json.dumps({"messages": list(messages or [USER]), **fields}).encode())
    call = MODEL.encode(request, report or Report(), stream=False)
    body: dict[str, Any] = json.loads(b"".join(bytes(piece) for piece in call.body))
    assert (body.pop("model"), body.pop("stream")) == ("m", False)
    return body


def strictly(function: dict[str, Any]) -> dict[str, Any]:
    """The tool with `strict` set."""
    return {"type": "function", "function": {**function["function"], "strict": True}}


FIELDS: list[tuple[dict[str, Any], dict[str, Any], str]] = [
    ({"max_tokens": 5}, {"max_tokens": 5}, "passed=max_tokens"),
    ({"max_completion_tokens": 6}, {"max_tokens": 6}, "mapped=max_completion_tokens"),
    (
        {"max_tokens": 5, "max_completion_tokens": 6},
        {"max_tokens": 5},
        "passed=max_tokens; dropped=max_completion_tokens",
    ),
    ({"temperature": 0}, {"temperature": 0}, "passed=temperature"),
    ({"temperature": 1.5}, {"temperature": 1}, "clamped=temperature"),
    ({"top_p": 0.5}, {"p": 0.5}, "mapped=top_p"),
    ({"top_p": 1}, {"p": 0.99}, "clamped=top_p"),
    ({"top_p": 0.001}, {"p": 0.01}, "clamped=top_p"),
    ({"top_k": 7}, {"k": 7}, "mapped=top_k"),
    ({"top_k": 501}, {"k": 500}, "clamped=top_k"),
    ({"seed": 7}, {"seed": 7}, "passed=seed"),
    ({"seed": -7}, {"seed": 0}, "clamped=seed"),
    ({"presence_penalty": 0.5}, {"presence_penalty": 0.5}, "passed=presence_penalty"),
    ({"presence_penalty": 0, "frequency_penalty": 0}, {}, "mapped=presence_penalty,frequency_penalty"),
    ({"frequency_penalty": 2}, {"frequency_penalty": 1}, "clamped=frequency_penalty"),
    ({"frequency_penalty": -1}, {"frequency_penalty": 0}, "clamped=frequency_penalty"),
    ({"stop": "a"}, {"stop_sequences": ["a"]}, "mapped=stop"),
    ({"stop": list("abcdef")}, {"stop_sequences": list("abcde")}, "clamped=stop"),
    ({"n": 1}, {}, "mapped=n"),
    ({"n": 2}, {}, "emulated=n"),
    ({"logprobs": True}, {"logprobs": True}, "passed=logprobs"),
    ({"logprobs": False}, {}, "passed=logprobs"),
    ({"logprobs": True, "top_logprobs": 2}, {"logprobs": True}, "passed=logprobs; dropped=top_logprobs"),
    ({"reasoning_effort": "none"}, {"thinking": {"type": "disabled"}}, "mapped=reasoning_effort"),
    (
        {"reasoning_effort": "low"},
        {"thinking": {"type": "enabled", "token_budget": 1024}},
        "emulated=reasoning_effort",
    ),
    ({"reasoning_effort": "high"}, {"thinking": {"type": "enabled"}}, "emulated=reasoning_effort"),
    (
        {"thinking": {"type": "enabled", "budget_tokens": 9}},
        {"thinking": {"type": "enabled", "token_budget": 9}},
        "mapped=thinking",
    ),
    (
        {"thinking": {"type": "disabled"}, "reasoning_effort": "low"},
        {"thinking": {"type": "disabled"}},
        "passed=thinking; dropped=reasoning_effort",
    ),
    ({"logit_bias": {"1": 1}, "user": "u"}, {}, "dropped=logit_bias,user"),
    ({"metadata": {"a": "b"}, "service_tier": "auto"}, {}, "dropped=metadata,service_tier"),
    ({"store": True, "verbosity": "low"}, {}, "dropped=store,verbosity"),
    ({"safety_mode": "STRICT", "k": 3}, {"safety_mode": "STRICT", "k": 3}, "passed=safety_mode,k"),
    ({"client_request_id": "x", "usage_context": {"a": "b"}, "stream_options": {"include_usage": True}}, {}, ""),
    ({"response_format": {"type": "text"}}, {}, "mapped=response_format"),
    (
        {"response_format": {"type": "json_object"}},
        {"response_format": {"type": "json_object"}},
        "passed=response_format",
    ),
    (
        {"response_format": PERSON},
        {"response_format": {"type": "json_object", "json_schema": CITY}},
        "mapped=response_format",
    ),
    ({"tools": [WEATHER, CLOCK]}, {"tools": [WEATHER, CLOCK_THERE]}, "passed=tools"),
    ({"tools": [WEATHER], "tool_choice": "auto"}, {"tools": [WEATHER]}, "passed=tools; mapped=tool_choice"),
    (
        {"tools": [WEATHER], "tool_choice": "required"},
        {"tools": [WEATHER], "tool_choice": "REQUIRED"},
        "passed=tools; mapped=tool_choice",
    ),
    (
        {"tools": [WEATHER], "tool_choice": "none"},
        {"tools": [WEATHER], "tool_choice": "NONE"},
        "passed=tools; mapped=tool_choice",
    ),
    (
        {"tools": [WEATHER, CLOCK], "tool_choice": NAMED},
        {"tools": [CLOCK_THERE], "tool_choice": "REQUIRED"},
        "passed=tools; emulated=tool_choice",
    ),
    (
        {"tools": [WEATHER], "parallel_tool_calls": True},
        {"tools": [WEATHER]},
        "passed=tools; mapped=parallel_tool_calls",
    ),
    (
        {"tools": [WEATHER], "parallel_tool_calls": False},
        {"tools": [WEATHER]},
        "passed=tools; dropped=parallel_tool_calls",
    ),
    (
        {"tools": [strictly(WEATHER)]},
        {"tools": [WEATHER], "strict_tools": True},
        "passed=tools; mapped=tools.strict",
    ),
    ({"tools": [strictly(WEATHER), CLOCK]}, {"tools": [WEATHER, CLOCK_THERE]}, "passed=tools; dropped=tools.strict"),
    ({"tools": [strictly(CLOCK)]}, {"tools": [CLOCK_THERE]}, "passed=tools; dropped=tools.strict"),
]


def told_of(report: Report) -> str:
    """The report's header without the messages, which every request has."""
    fates = {fate: [name for name in names if name != "messages"] for fate, names in report.fates().items()}
    return "; ".join(f"{fate}={','.join(names)}" for fate, names in fates.items() if names)


@pytest.mark.parametrize(("given", "sent", "told"), FIELDS, ids=lambda value: json.dumps(value)[:50])
def test_fields(given: dict[str, Any], sent: dict[str, Any], told: str) -> None:
    """Each field arrives in Cohere's words and within its ranges, and the report says what became of it."""
    report = Report()
    assert asked(report=report, **given) == {"messages": [USER], **sent}
    assert told_of(report) == told


def test_nulls_are_not_given() -> None:
    """A field that is null is neither sent nor reported."""
    report = Report()
    assert asked(report=report, temperature=None, tools=None, stop=None, user=None) == {"messages": [USER]}
    assert told_of(report) == ""


@pytest.mark.parametrize("given", [{"temperature": 2}, {"user": "u"}, {"parallel_tool_calls": False, "tools": [CLOCK]}])
def test_strict_params(given: dict[str, Any]) -> None:
    """Where nothing may be lost, whatever would be clamped or dropped is refused, by its name."""
    with pytest.raises(BadRequest, match=min(given)):
        asked(report=Report(strict=True), **given)


SYSTEM = {"role": "system", "content": "Be brief."}


@pytest.mark.parametrize("messages", [[USER], [SYSTEM, USER]])
def test_a_schema_beside_tools_is_asked_for_in_words(messages: list[Any]) -> None:
    """Cohere refuses a format together with tools, so that the schema goes into the first system message."""
    report = Report()
    body = asked(*messages, report=report, tools=[WEATHER], response_format=PERSON)
    assert "response_format" not in body
    first, *others = body["messages"]
    assert first["role"] == "system"
    assert first["content"].startswith("Be brief.\n\n") == (len(messages) == 2)
    assert json.dumps(CITY, separators=(",", ":")) in first["content"]
    assert others == [USER]
    assert report.fates()["emulated"] == ["response_format"]


def test_a_schema_beside_documents_is_asked_for_in_words() -> None:
    """Cohere refuses a format together with documents, too."""
    body = asked(documents=["d"], response_format={"type": "json_object"})
    assert body.keys() == {"messages", "documents"}
    assert body["messages"][0]["content"].startswith("Your final answer must be one JSON object")


def part(text: str) -> dict[str, Any]:
    """A text part."""
    return {"type": "text", "text": text}


def reasoning(text: str, **more: Any) -> dict[str, Any]:
    """A reasoning part as cloche gives it."""
    return {"type": "reasoning", "summary": [{"type": "summary_text", "text": text, **more}]}


PIXEL = "data:image/png;base64,iVBORw0KGgo="
TEXT_FILE = {"type": "file", "file": {"file_data": "data:text/plain;base64," + base64.b64encode(b"abc").decode()}}
CSV = {"type": "document", "source": {"type": "base64", "media_type": "text/csv", "data": "YWJj"}}
TURNS: list[tuple[dict[str, Any], dict[str, Any], str]] = [
    ({"role": "developer", "content": "d"}, {"role": "system", "content": "d"}, ""),
    ({"role": "system", "content": [part("a"), part("b")]}, {"role": "system", "content": "ab"}, ""),
    ({"role": "user", "content": [part("a")]}, {"role": "user", "content": [part("a")]}, ""),
    ({**USER, "name": "n"}, USER, "dropped=messages.name"),
    (
        {"role": "user", "content": [{**part("a"), "cache_control": {"type": "ephemeral"}}]},
        {"role": "user", "content": [part("a")]},
        "dropped=messages.cache_control",
    ),
    (
        {"role": "user", "content": [{"type": "image_url", "image_url": PIXEL}]},
        {"role": "user", "content": [{"type": "image_url", "image_url": {"url": PIXEL}}]},
        "",
    ),
    (
        {"role": "user", "content": [{"type": "image_url", "image_url": {"url": "https://h/i", "detail": "low"}}]},
        {"role": "user", "content": [{"type": "image_url", "image_url": {"url": "https://h/i", "detail": "low"}}]},
        "",
    ),
    ({"role": "user", "content": [TEXT_FILE]}, {"role": "user", "content": [part("abc")]}, "emulated=messages.file"),
    (
        {"role": "user", "content": [{"type": "document", "source": {"type": "text", "data": "abc"}}]},
        {"role": "user", "content": [part("abc")]},
        "emulated=messages.document",
    ),
    ({"role": "user", "content": [CSV]}, {"role": "user", "content": [part("abc")]}, "emulated=messages.document"),
    (
        {"role": "assistant", "content": [reasoning("why"), part("a"), {"type": "refusal", "refusal": "no"}]},
        {"role": "assistant", "content": [{"type": "thinking", "thinking": "why"}, part("ano")]},
        "",
    ),
    (
        {"role": "assistant", "content": [reasoning("why", signature="s")]},
        {"role": "assistant", "content": [{"type": "thinking", "thinking": "why"}]},
        "dropped=messages.reasoning.signature",
    ),
    (
        {"role": "assistant", "content": [{"type": "reasoning", "summary": [{"data": "s"}]}, part("a")]},
        {"role": "assistant", "content": "a"},
        "dropped=messages.reasoning.signature",
    ),
    (
        {"role": "assistant", "content": [reasoning("plan")], "tool_calls": [CALL]},
        {"role": "assistant", "tool_plan": "plan", "tool_calls": [CALL]},
        "",
    ),
    (
        {"role": "assistant", "content": "a", "tool_calls": [CALL]},
        {"role": "assistant", "content": "a", "tool_calls": [CALL]},
        "",
    ),
    (
        {"role": "assistant", "content": None, "tool_calls": [CALL]},
        {"role": "assistant", "tool_calls": [CALL]},
        "",
    ),
    (
        {"role": "tool", "tool_call_id": "c1", "content": "5"},
        {"role": "tool", "tool_call_id": "c1", "content": "5"},
        "",
    ),
    (
        {"role": "tool", "tool_call_id": "c1", "content": [part("5")]},
        {"role": "tool", "tool_call_id": "c1", "content": [part("5")]},
        "",
    ),
]


@pytest.mark.parametrize(("given", "sent", "told"), TURNS, ids=lambda value: json.dumps(value)[:60])
def test_messages(given: dict[str, Any], sent: dict[str, Any], told: str) -> None:
    """Each kind of message has its turn at Cohere, wherever in the conversation it stands."""
    report = Report()
    assert asked(USER, given, USER, report=report)["messages"] == [USER, sent, USER]
    assert told_of(report) == told


PDF = {"type": "document", "source": {"type": "base64", "media_type": "application/pdf", "data": "JVBERg=="}}
NOT_READ: list[tuple[dict[str, Any], str]] = [
    ({"role": "user", "content": [PDF]}, r"messages\[0\]\.content\[0\]\.type: cohere cannot read this 'document'"),
    (
        {"role": "user", "content": [{"type": "input_audio", "input_audio": {"data": "", "format": "wav"}}]},
        "cannot read this 'input_audio'",
    ),
    (
        {"role": "user", "content": [{"type": "file", "file": {"file_data": "data:text/plain;base64,!"}}]},
        "cannot read this 'file'",
    ),
    ({"role": "user", "content": [{"type": "file", "file": {"file_id": "f"}}]}, "cannot read this 'file'"),
    (
        {"role": "tool", "tool_call_id": "c", "content": [{"type": "image_url", "image_url": PIXEL}]},
        "cannot read this 'image_url' in a tool message",
    ),
    ({"role": "system", "content": [{"type": "image_url", "image_url": PIXEL}]}, "nothing but text"),
    ({"role": "assistant", "content": [{"type": "image_url", "image_url": PIXEL}]}, "no 'image_url' in an assistant"),
]


@pytest.mark.parametrize(("message", "words"), NOT_READ)
def test_what_cohere_cannot_read(message: dict[str, Any], words: str) -> None:
    """Content that Cohere has no word for is refused here, by its path, rather than left out."""
    with pytest.raises(BadRequest, match=words):
        asked(message)


def test_tools_of_another_provider() -> None:
    """A tool that is no function is refused by its place."""
    with pytest.raises(BadRequest, match=r"tools\[1\]\.type: cohere takes functions only, not 'web_search'"):
        asked(tools=[CLOCK, {"type": "web_search"}])
