"""What a chat request may say: every field, its type, its range, and the exact words of the refusal."""

from __future__ import annotations

import json
from typing import Any

import pytest

from cloche.domain.chat import ChatRequest
from cloche.domain.errors import BadRequest
from cloche.wire.openai import read_chat

USER = {"role": "user", "content": "hi"}
TOOL = {"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}
CALL = {"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{}"}}


def request(*messages: Any, **fields: Any) -> ChatRequest:
    """A request read from JSON, with one user message unless others are given."""
    return read_chat(json.dumps({"messages": list(messages or [USER]), **fields}).encode())


def refusal(body: bytes) -> str:
    """The message that a body is refused with."""
    with pytest.raises(BadRequest) as caught:
        read_chat(body)
    return caught.value.message


BROKEN_BODIES = {
    b"": "the body is not valid JSON: ",
    b" ": "the body is not valid JSON: ",
    b"[]": "the body: expected object, got array",
    b"null": "the body: expected object, got null",
    b'"text"': "the body: expected object, got str",
    b"model=a&x=1": "the body is not valid JSON: ",
    b'{"messages"': "the body is not valid JSON: ",
    b'{"messages": [{"role": "user", "content": "hi"}]} {}': "the body is not valid JSON: trailing characters",
    b'{"messages": [{"role": "user", "content": "hi"}],}': "the body is not valid JSON: ",
    b'{"messages": [{"role": "user", "content": "hi"}], "temperature": NaN}': "the body is not valid JSON: ",
    b'{"messages": [{"role": "user", "content": "hi"}], "x": Infinity}': "the body is not valid JSON: ",
    b'{"messages": [{"role": "user", "content": "\xff"}]}': "the body is not valid UTF-8: bad byte at position 43",
    b'{"messages": [{"role": "user", "content": "hi"}], "x": "\xed\xa0\x80"}': "the body is not valid UTF-8: bad byte",
    b'{"messages": [{"role": "user", "content": "\\ud800"}]}': "the body is not valid JSON: ",
    b'{"messages": [{"role": "user", "content": "hi"}], "x": "\\udc00 "}': "the body is not valid JSON: ",
    b'{"messages": [{"role": "user", "content": "hi"}], "x": ' + b"[" * 100_000: "the body is nested too deeply",
    b'{"messages": [{"role": "user", "content": "hi"}], "x": 1, "x": 2}': "x: the field is given twice",
    b'{"messages": [{"role": "user", "role": "user", "content": "hi"}]}': "messages[0].role: the field is given twice",
    b'{"messages": [{"role": "user", "content": [{"type": "new", "type": "new"}]}]}': (
        "messages[0].content[0].type: the field is given twice"
    ),
    b'{"messages": [{"role": "user", "content": "hi"}], "metadata": {"a": "1", "a": "2"}}': (
        "metadata.a: the field is given twice"
    ),
}


@pytest.mark.parametrize(("body", "message"), BROKEN_BODIES.items(), ids=lambda value: repr(value)[:60])
def test_bodies_that_are_no_request(body: bytes, message: str) -> None:
    """A body that is not one JSON object in UTF-8 without repeated keys is refused in words that say why."""
    assert refusal(body).startswith(message)


WRONG_FIELDS: list[tuple[str, Any, str]] = [
    ("messages", None, "messages: expected array, got null"),
    ("messages", "hi", "messages: expected array, got str"),
    ("messages", [], "messages: expected array of length >= 1"),
    ("messages", ["hi"], "messages[0]: expected object, got str"),
    ("model", 5, "model: expected str | null, got int"),
    ("max_tokens", 0, "max_tokens: expected int >= 1"),
    ("max_tokens", -1, "max_tokens: expected int >= 1"),
    ("max_tokens", 1.5, "max_tokens: expected int | null, got float"),
    ("max_tokens", "10", "max_tokens: expected int | null, got str"),
    ("max_tokens", 2**31, "max_tokens: expected int <= 2147483647"),
    ("max_tokens", 10**30, "max_tokens: "),
    ("max_completion_tokens", 0, "max_completion_tokens: expected int >= 1"),
    ("temperature", -0.1, "temperature: expected float >= 0.0"),
    ("temperature", 2.1, "temperature: expected float <= 2.0"),
    ("temperature", "1", "temperature: expected float | null, got str"),
    ("temperature", True, "temperature: expected float | null, got bool"),
    ("top_p", 0, "top_p: expected float > 0.0"),
    ("top_p", 1.1, "top_p: expected float <= 1.0"),
    ("top_k", 0, "top_k: expected int >= 1"),
    ("top_k", 2.5, "top_k: expected int | null, got float"),
    ("n", 0, "n: expected int >= 1"),
    ("n", 129, "n: expected int <= 128"),
    ("stop", "", "stop: expected str of length >= 1"),
    ("stop", [""], "stop[0]: expected str of length >= 1"),
    ("stop", [1], "stop[0]: expected str, got int"),
    ("stop", 1, "stop: expected str | array | null, got int"),
    ("stream", "true", "stream: expected bool | null, got str"),
    ("stream", 1, "stream: expected bool | null, got int"),
    ("stream_options", True, "stream_options: expected object | null, got bool"),
    ("stream_options", {"include_usage": 1}, "stream_options.include_usage: expected bool, got int"),
    ("tools", {}, "tools: expected array | null, got object"),
    ("tools", [TOOL] * 129, "tools: expected array of length <= 128"),
    ("tools", [{"type": "function"}], "tools[0].function: this field is required"),
    ("tools", [{"type": ""}], "tools[0].type: expected str of length >= 1"),
    ("tools", [{"type": "function", "function": {}}], "tools[0].function.name: this field is required"),
    ("tools", [{"function": {"name": "f\n"}}], "tools[0].function.name: expected str matching regex"),
    ("tools", [{"function": {"name": "a b"}}], "tools[0].function.name: expected str matching regex"),
    ("tools", [{"function": {"name": "f", "parameters": "x"}}], "tools[0].function.parameters: expected object | null"),
    ("tools", [TOOL, TOOL], "tools[1].function.name: 'f' is the name of another tool"),
    ("tool_choice", "f", "tool_choice: invalid enum value 'f'"),
    ("tool_choice", "auto", "tool_choice: 'auto' needs tools"),
    ("tool_choice", "required", "tool_choice: 'required' needs tools"),
    ("tool_choice", {"type": "function"}, "tool_choice.function: this field is required"),
    ("tool_choice", {"function": {"name": "g"}}, "tool_choice.function.name: no tool is named 'g'"),
    ("parallel_tool_calls", "no", "parallel_tool_calls: expected bool | null, got str"),
    ("response_format", "json", "response_format: expected object | null, got str"),
    ("response_format", {"type": "xml"}, "response_format.type: invalid enum value 'xml'"),
    ("response_format", {}, "response_format.type: this field is required"),
    (
        "response_format",
        {"type": "json_schema"},
        "response_format.json_schema: this field is required when the type is",
    ),
    (
        "response_format",
        {"type": "json_schema", "json_schema": {"name": "a"}},
        "response_format.json_schema.schema: this field is required",
    ),
    ("logprobs", 1, "logprobs: expected bool | null, got int"),
    ("top_logprobs", 21, "top_logprobs: expected int <= 20"),
    ("top_logprobs", -1, "top_logprobs: expected int >= 0"),
    ("top_logprobs", 0, "top_logprobs: needs logprobs to be true"),
    ("seed", "1", "seed: expected int | null, got str"),
    ("presence_penalty", 2.5, "presence_penalty: expected float <= 2.0"),
    ("frequency_penalty", -3, "frequency_penalty: expected float >= -2.0"),
    ("logit_bias", {"1": 101}, "logit_bias[...]: expected float <= 100.0"),
    ("logit_bias", [], "logit_bias: expected object | null, got array"),
    ("reasoning_effort", "huge", "reasoning_effort: invalid enum value 'huge'"),
    ("thinking", "on", "thinking: expected object | null, got str"),
    ("user", 1, "user: expected str | null, got int"),
    ("metadata", "m", "metadata: expected object | null, got str"),
    ("service_tier", 1, "service_tier: expected str | null, got int"),
    ("client_request_id", 1, "client_request_id: expected str | null, got int"),
    ("usage_context", {"a": 1}, "usage_context[...]: expected str, got int"),
    ("extra_params", [], "extra_params: expected object | null, got array"),
    ("enable_safety_filter", "x", "enable_safety_filter: expected bool | null, got str"),
]


@pytest.mark.parametrize(("field", "value", "message"), WRONG_FIELDS, ids=lambda value: repr(value)[:30])
def test_fields_that_are_wrong(field: str, value: Any, message: str) -> None:
    """Each field is refused for a wrong type or range, in a message that opens with its path."""
    assert refusal(json.dumps({"messages": [USER], field: value}).encode()).startswith(message)


WRONG_MESSAGES: list[tuple[dict[str, Any], str]] = [
    ({}, "messages[0].role: this field is required"),
    ({"role": "robot", "content": "x"}, "messages[0].role: invalid enum value 'robot'"),
    ({"role": "user"}, "messages[0].content: this field is required"),
    ({"role": "user", "content": None}, "messages[0].content: this field is required"),
    ({"role": "assistant"}, "messages[0].content: this field is required"),
    ({"role": "assistant", "tool_calls": []}, "messages[0].content: this field is required"),
    ({"role": "user", "content": 5}, "messages[0].content: expected str | array | null, got int"),
    ({"role": "user", "content": ["x"]}, "messages[0].content[0]: expected object, got str"),
    ({"role": "user", "content": [{}]}, "messages[0].content[0].type: this field is required"),
    ({"role": "user", "content": [{"type": "text"}]}, "messages[0].content[0].text: this field is required in a text"),
    ({"role": "user", "content": [{"type": "image_url"}]}, "messages[0].content[0].image_url: this field is required"),
    (
        {"role": "user", "content": [{"type": "image_url", "image_url": {}}]},
        "messages[0].content[0].image_url.url: this field is required",
    ),
    (
        {"role": "user", "content": [{"type": "image_url", "image_url": {"url": ""}}]},
        "messages[0].content[0].image_url.url: expected str of length >= 1",
    ),
    ({"role": "user", "content": [{"type": "input_audio"}]}, "messages[0].content[0].input_audio: this field"),
    ({"role": "user", "content": [{"type": "file", "file": "f"}]}, "messages[0].content[0].file: expected object"),
    ({"role": "user", "content": [{"type": "document"}]}, "messages[0].content[0].source: this field is required"),
    ({"role": "assistant", "content": [{"type": "refusal"}]}, "messages[0].content[0].refusal: this field is required"),
    ({"role": "user", "content": "x", "tool_calls": [CALL]}, "messages[0].tool_calls: only an assistant message"),
    ({"role": "tool", "content": "x"}, "messages[0].tool_call_id: this field is required in a tool message"),
    ({"role": "tool", "content": "x", "tool_call_id": ""}, "messages[0].tool_call_id: this field is required"),
    ({"role": "assistant", "tool_calls": [{}]}, "messages[0].tool_calls[0].id: this field is required"),
    (
        {"role": "assistant", "tool_calls": [{**CALL, "function": {"name": "f", "arguments": {}}}]},
        "messages[0].tool_calls[0].function.arguments: expected str, got object",
    ),
    ({"role": "user", "content": "x", "name": 1}, "messages[0].name: expected str | null, got int"),
]


@pytest.mark.parametrize(("message", "words"), WRONG_MESSAGES, ids=lambda value: repr(value)[:50])
def test_messages_that_are_wrong(message: dict[str, Any], words: str) -> None:
    """Each fault of a message is refused with the message's index and the field's path."""
    assert refusal(json.dumps({"messages": [message]}).encode()).startswith(words)


@pytest.mark.parametrize("name", ["inputs", "instances", "dataframe_split", "dataframe_records", "prompt", "input"])
@pytest.mark.parametrize("messages", [{}, {"messages": [USER]}], ids=["without messages", "with messages"])
def test_bodies_for_custom_models_are_told_so(name: str, messages: dict[str, Any]) -> None:
    """A body that is meant for another kind of model is told what a chat endpoint takes."""
    words = f'Bad request: json: unknown field "{name}". A chat endpoint takes "messages"'
    assert refusal(json.dumps({name: [], **messages}).encode()).startswith(words)


def test_both_bounds_on_the_length_are_one_too_many() -> None:
    """max_tokens and max_completion_tokens are names of one thing; the first one counts where both are given."""
    assert request(max_tokens=1, max_completion_tokens=2).max_tokens == 1
    assert request(max_tokens=1).max_tokens == request(max_completion_tokens=1).max_tokens == 1
    assert request().max_tokens is None


def test_null_means_not_given() -> None:
    """Every field but the messages may be null, and is then as if it were not there."""
    fields = {name: None for name, value, _ in WRONG_FIELDS if name != "messages"}
    params = request(**fields).params
    assert {getattr(params, name) for name in fields} == {None}


GOOD: list[dict[str, Any]] = [
    {"temperature": 0, "top_p": 1, "n": 128, "max_tokens": 2**31 - 1, "top_k": 1, "seed": -(2**62)},
    {"temperature": 2, "top_p": 0.0001, "n": 1, "stop": ["a", "b"], "presence_penalty": -2, "frequency_penalty": 2},
    {"logprobs": True, "top_logprobs": 20, "logit_bias": {"50256": -100}, "stop": "x"},
    {"tools": [TOOL], "tool_choice": {"type": "function", "function": {"name": "f"}}, "parallel_tool_calls": False},
    {"tools": [TOOL], "tool_choice": "required"},
    {"tools": [{"type": "web_search", "limits": 3}], "tool_choice": "auto"},
    {"tool_choice": "none"},
    {"response_format": {"type": "json_schema", "json_schema": {"name": "n", "schema": {}, "strict": True}}},
    {"response_format": {"type": "json_object"}},
    {"stream": True, "stream_options": {"include_usage": True, "include_obfuscation": False}},
    {"thinking": {"type": "enabled", "budget_tokens": 1024}, "reasoning_effort": "xhigh"},
    {"client_request_id": "c", "usage_context": {"project": "p"}, "enable_safety_filter": True},
]


@pytest.mark.parametrize("fields", GOOD, ids=str)
def test_fields_that_are_right(fields: dict[str, Any]) -> None:
    """What is in range passes, is typed, and every field is kept as it was written."""
    read = request(**fields)
    assert {name: json.loads(bytes(value)) for name, value in read.fields.items()} == {"messages": [USER], **fields}
    for name, value in fields.items():
        if isinstance(value, int | float | str):
            assert getattr(read.params, name) == value


GOOD_MESSAGES: list[dict[str, Any]] = [
    {"role": "system", "content": ""},
    {"role": "developer", "content": "d"},
    {"role": "assistant", "content": None, "tool_calls": [CALL]},
    {"role": "assistant", "content": "", "tool_calls": [CALL, {**CALL, "id": "c2"}]},
    {"role": "tool", "tool_call_id": "c1", "content": [{"type": "text", "text": "4"}]},
    {"role": "user", "content": "x", "name": "ann", "cache_control": {"type": "ephemeral"}},
    {"role": "user", "content": [{"type": "text", "text": "x"}, {"type": "image_url", "image_url": {"url": "data:,"}}]},
    {"role": "user", "content": [{"type": "image_url", "image_url": "https://example.org/a.png"}]},
    {"role": "user", "content": [{"type": "video_url", "video_url": {"url": "https://example.org/a"}}]},
    {"role": "user", "content": [{"type": "input_audio", "input_audio": {"data": "", "format": "wav"}}]},
    {"role": "user", "content": [{"type": "document", "source": {"type": "text"}}, {"type": "file", "file": {}}]},
    {"role": "assistant", "content": [{"type": "reasoning", "summary": []}, {"type": "refusal", "refusal": "no"}]},
    {"role": "assistant", "content": [{"type": "reasoning", "encrypted_content": "e"}]},
    {"role": "assistant", "content": []},
]


@pytest.mark.parametrize("message", GOOD_MESSAGES, ids=str)
def test_messages_that_are_right(message: dict[str, Any]) -> None:
    """Every kind of message passes, and kinds of parts that cloche does not know are left to the provider."""
    read = request(USER, message)
    assert json.loads(bytes(read.fields["messages"]))[1] == message
    assert read.params.messages[1].role == message["role"]


def test_the_text_of_a_message_is_that_of_its_text_parts() -> None:
    """Parts of text are joined, and other parts have no text."""
    parts = [
        {"type": "text", "text": "a"},
        {"type": "image_url", "image_url": {"url": "u"}},
        {"type": "text", "text": "b"},
    ]
    messages = request({"role": "user", "content": parts}, USER).params.messages
    assert [message.text() for message in messages] == ["ab", "hi"]


def test_stop_is_a_list_of_texts() -> None:
    """One stop text, several, and none are all a list."""
    assert request(stop="a").stop == ["a"]
    assert request(stop=["a", "b"]).stop == ["a", "b"]
    assert request().stop == []


def test_a_refusal_sent_back() -> None:
    """A message that refuses has no content, as OpenAI gives it: its words are what was said."""
    refusal = {"role": "assistant", "content": None, "refusal": "I will not"}
    request = read_chat(json.dumps({"messages": [refusal]}).encode())
    assert request.params.messages[0].text() == "I will not"
    assert json.loads(bytes(request.fields["messages"])) == [refusal]
