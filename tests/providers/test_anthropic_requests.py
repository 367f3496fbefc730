"""How Anthropic's Messages API is called, and the turns that a client's messages become."""

from __future__ import annotations

import json
from typing import Any

import pytest

from cloche.domain.endpoint import ExternalModel
from cloche.domain.errors import BadRequest
from cloche.domain.translation import Report
from cloche.providers.anthropic import bind
from cloche.providers.base import InvalidSettings
from cloche.wire.openai import read_chat

from .anthropic_calls import CALL, HELLO, MARK, PNG, SECRET, SONNET, sent


def turns(*messages: dict[str, Any], **fields: Any) -> Any:
    """The turns for these messages."""
    return sent(messages=list(messages), **fields)[0]["messages"]


@pytest.mark.parametrize(
    ("base", "line", "host"),
    [
        (None, "POST /v1/messages HTTP/1.1", "api.anthropic.com"),
        ("http://h:8080", "POST /v1/messages HTTP/1.1", "h:8080"),
        ("https://h/claude/", "POST /claude/v1/messages HTTP/1.1", "h"),
        ("https://h/claude/v2/", "POST /claude/v2/messages HTTP/1.1", "h"),
    ],
)
def test_the_head(base: str | None, line: str, host: str) -> None:
    """A call goes to the base's messages, with the key and the version of the API, and shows neither when printed."""
    settings = {"anthropic_api_key_plaintext": SECRET} | ({"anthropic_api_base": base} if base else {})
    bound = bind(ExternalModel("m", "anthropic", "llm/v1/chat", settings))
    call = bound.encode(read_chat(json.dumps({"messages": [HELLO]}).encode()), Report(), stream=True)
    head = call.head.decode().split("\r\n")
    assert head[0] == line
    assert {f"host: {host}", f"x-api-key: {SECRET}", "anthropic-version: 2023-06-01"} <= set(head)
    assert json.loads(bytes(call.body[0]))["stream"] is True
    assert SECRET not in repr(bound) + repr(call)


def test_a_wrong_base_is_told() -> None:
    """A base that is no URL is named as the field that is wrong."""
    settings = {"anthropic_api_key_plaintext": SECRET, "anthropic_api_base": "h"}
    with pytest.raises(InvalidSettings) as caught:
        bind(ExternalModel("m", "anthropic", "llm/v1/chat", settings))
    assert caught.value.problems[0][0] == "anthropic_config.anthropic_api_base"


def test_a_plain_request() -> None:
    """A short question is asked with the least bound that all models have."""
    body, fates = sent()
    assert body == {"model": SONNET, "messages": [HELLO], "max_tokens": 4096}
    assert fates == {"mapped": ["messages", "max_tokens"]}


# ---------------------------------------------------------------- messages


def test_instructions_go_to_the_front() -> None:
    """Instructions of either role, wherever they stand, become the system text, with their cache markers."""
    marked = {"role": "developer", "content": [{"type": "text", "text": "b", **MARK}]}
    body, _ = sent(messages=[{"role": "system", "content": "a"}, HELLO, marked, {"role": "user", "content": "there"}])
    assert body["system"] == [{"type": "text", "text": "a"}, {"type": "text", "text": "b", **MARK}]
    assert body["messages"] == [
        {"role": "user", "content": [{"type": "text", "text": "hi"}, {"type": "text", "text": "there"}]}
    ]
    assert sent(messages=[{"role": "system", "content": "a"}, HELLO])[0]["system"] == "a"


def test_tool_calls_and_their_answers() -> None:
    """Calls become blocks after the text; the answers and what the user adds become one turn, with ids that fit."""
    got = turns(
        HELLO,
        {
            "role": "assistant",
            "content": "so",
            "tool_calls": [CALL, {**CALL, "id": "b", "function": {"name": "f", "arguments": ""}}],
        },
        {"role": "tool", "tool_call_id": "call:1", "content": "1", **MARK},
        {"role": "tool", "tool_call_id": "b", "content": [{"type": "image_url", "image_url": {"url": PNG}}]},
        {"role": "user", "content": "go on"},
    )
    assert got[1]["content"] == [
        {"type": "text", "text": "so"},
        {"type": "tool_use", "id": "call_1", "name": "f", "input": {"a": 1}},
        {"type": "tool_use", "id": "b", "name": "f", "input": {}},
    ]
    image = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "AAAA"}}
    assert got[2] == {
        "role": "user",
        "content": [
            {"type": "tool_result", "tool_use_id": "call_1", "content": "1", **MARK},
            {"type": "tool_result", "tool_use_id": "b", "content": [image]},
            {"type": "text", "text": "go on"},
        ],
    }


PDF = {"type": "document", "source": {"type": "base64", "media_type": "application/pdf", "data": "AAAA"}}
PARTS: list[tuple[dict[str, Any], dict[str, Any]]] = [
    ({"type": "text", "text": "a", **MARK}, {"type": "text", "text": "a", **MARK}),
    (
        {"type": "image_url", "image_url": {"url": "https://h/a.png", "detail": "auto"}, **MARK},
        {"type": "image", "source": {"type": "url", "url": "https://h/a.png"}, **MARK},
    ),
    (
        {"type": "file", "file": {"file_data": "data:application/pdf;base64,AAAA", "filename": "a.pdf"}},
        {**PDF, "title": "a.pdf"},
    ),
    (
        {"type": "file", "file": {"file_data": "data:text/plain;charset=utf-8;base64,w6k="}},
        {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "é"}},
    ),
    ({**PDF, "citations": {"enabled": True}}, {**PDF, "citations": {"enabled": True}}),
    ({"type": "container_upload", "file_id": "f"}, {"type": "container_upload", "file_id": "f"}),
]


@pytest.mark.parametrize(("part", "block"), PARTS, ids=lambda value: str(value)[:50])
def test_parts(part: dict[str, Any], block: dict[str, Any]) -> None:
    """Each kind of part becomes the block for it; Anthropic's own kinds and markers pass as they are."""
    first = {"type": "text", "text": "x"}
    assert turns({"role": "user", "content": [first, part]})[0]["content"] == [first, block]


def test_reasoning_goes_back_unchanged() -> None:
    """Reasoning with its signature, open or secret, goes back as it came; what has none is left out."""
    parts = [
        {"type": "reasoning", "summary": [{"type": "summary_text", "text": "hm", "signature": "s"}]},
        {"type": "reasoning", "summary": [{"type": "summary_encrypted_text", "data": "x"}]},
        {"type": "reasoning", "summary": [{"type": "summary_text", "text": "from elsewhere"}]},
        {"type": "text", "text": "done "},
    ]
    assert turns(HELLO, {"role": "assistant", "content": parts})[1]["content"] == [
        {"type": "thinking", "thinking": "hm", "signature": "s"},
        {"type": "redacted_thinking", "data": "x"},
        {"type": "text", "text": "done"},
    ]


SEARCHED = [
    {"type": "server_tool_use", "id": "s", "name": "web_search", "input": {"query": "q"}},
    {"type": "web_search_tool_result", "tool_use_id": "s", "content": []},
]


def test_what_the_provider_did_itself_goes_back() -> None:
    """What an answer kept of the API's own tools goes back behind the reasoning, so that a paused turn can go on; what
    other providers kept does not."""
    thought = {"type": "reasoning", "summary": [{"type": "summary_text", "text": "hm", "signature": "s"}]}
    said = {"role": "assistant", "content": [thought, {"type": "text", "text": "so"}]}
    kept = [*SEARCHED, {"groundingMetadata": {}}]
    assert turns(HELLO, {**said, "provider_content": kept})[1]["content"] == [
        {"type": "thinking", "thinking": "hm", "signature": "s"},
        *SEARCHED,
        {"type": "text", "text": "so"},
    ]
    assert turns(HELLO, {"role": "assistant", "content": "", "provider_content": kept})[1]["content"] == SEARCHED


def test_instructions_alone() -> None:
    """Instructions without a turn are what the user says, as other providers take them."""
    body, report = sent(messages=[{"role": "system", "content": "a"}])
    assert (body.get("system"), body["messages"]) == (None, [{"role": "user", "content": "a"}])
    assert report["emulated"] == ["messages"]


BAD: list[tuple[list[dict[str, Any]], str]] = [
    ([{"role": "user", "content": " "}], "messages: "),
    ([{"role": "user", "content": [{"type": "input_audio", "input_audio": {}}]}], "messages[0].content[0].type: "),
    ([{"role": "user", "content": [{"type": "image_url", "image_url": "data:x"}]}], "messages[0].content[0].image_url"),
    ([{"role": "user", "content": [{"type": "file", "file": {"file_id": "f"}}]}], "messages[0].content[0].file.file_"),
    (
        [{"role": "user", "content": [{"type": "file", "file": {"file_data": "data:text/plain;base64,/w=="}}]}],
        "messages[0].content[0].file.file_data",
    ),
    (
        [HELLO, {"role": "assistant", "tool_calls": [{**CALL, "function": {"name": "f", "arguments": "[1]"}}]}],
        "messages[1].tool_calls[0].function.arguments: ",
    ),
]


@pytest.mark.parametrize(("messages", "path"), BAD, ids=lambda value: str(value)[:50])
def test_what_the_api_has_no_place_for(messages: list[dict[str, Any]], path: str) -> None:
    """What cannot be asked is refused with the path of what is at fault."""
    with pytest.raises(BadRequest) as caught:
        sent(messages=messages)
    assert caught.value.message.startswith(path)
