"""Recorded exchanges with Anthropic: its answers are read right in every cut, and what was asked can be asked again."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from typing import Any

import pytest

from cloche.domain.assembly import Assembly
from cloche.domain.chat import ChatResponse
from cloche.domain.endpoint import ExternalModel
from cloche.domain.errors import ProviderBroken
from cloche.domain.translation import Report
from cloche.providers.anthropic import Anthropic, bind
from cloche.providers.anthropic_answer import FINISH
from cloche.wire.openai import read_chat
from codec.cuts import bytewise, randomly, whole

from .recordings import MISSING, Recording, accepted_paths, recordings

RECORDINGS = recordings(("anthropic.messages",))
pytestmark = pytest.mark.skipif(not RECORDINGS, reason=MISSING)

OK = [recording for recording in RECORDINGS if recording.status == 200]
STREAMS = [recording for recording in OK if recording.framing == "sse"]
WHOLES = [recording for recording in OK if recording.framing == "json"]
REFUSED = [recording for recording in RECORDINGS if recording.status != 200]
KEY = {"anthropic_api_key_plaintext": "sk-ant-0123456789"}

TRANSLATED = ("text", "tool_use", "thinking", "redacted_thinking")
SHORT = 8000
CUTS = 60


def bound(model: str = "claude-sonnet-4-5") -> Anthropic:
    """The translator for a model."""
    return bind(ExternalModel(model, "anthropic", "llm/v1/chat", KEY))


def streamed(pieces: list[bytes]) -> ChatResponse:
    """The answer that a stream gives."""
    decoder, assembly = bound().decoder(), Assembly()
    for chunk in [*(chunk for piece in pieces for chunk in decoder.feed(piece)), *decoder.close()]:
        assembly.add(chunk)
    return assembly.response()


def check(recording: Recording, response: ChatResponse) -> None:
    """Compare with what the reference reading found; its prompt count leaves out what a cache held or took."""
    [choice], expect, usage = response.choices, recording.expect, response.usage
    assert choice.content == expect["text"]
    calls = [(call.function.name, json.loads(call.function.arguments)) for call in choice.tool_calls]
    assert calls == [(call["name"], call["args"]) for call in expect["tool_calls"]]
    assert choice.finish_reason == FINISH[expect["finish_raw"]]
    assert usage is not None
    uncached = usage.prompt_tokens - (usage.cached_tokens or 0) - (usage.cache_write_tokens or 0)
    assert {"prompt": uncached, "completion": usage.completion_tokens} == expect["usage"]


@pytest.mark.parametrize("recording", WHOLES, ids=lambda recording: recording.name)
def test_whole_answers(recording: Recording) -> None:
    """A whole answer says what the reference reading found in it, and every block of it is somewhere."""
    answer = bound().decode(recording.body)
    check(recording, answer)
    [choice], blocks = answer.choices, json.loads(recording.body)["content"]
    assert choice.extras == [block for block in blocks if block["type"] not in TRANSLATED]
    cited = [(block["text"], each) for block in blocks for each in block.get("citations") or ()]
    assert [choice.content[each.start : each.end] for each in choice.citations] == [text for text, _ in cited]
    assert [each.url for each in choice.citations] == [each.get("url") for _, each in cited]


@pytest.mark.parametrize("recording", STREAMS, ids=lambda recording: recording.name)
def test_streams(recording: Recording) -> None:
    """A stream says the same in every cut, and what the reference reading found in it."""
    answer = streamed(whole(recording.body))
    check(recording, answer)
    for pieces in (bytewise(recording.body), *(randomly(recording.body, seed) for seed in range(5))):
        assert streamed(pieces) == answer


@pytest.mark.parametrize("recording", STREAMS, ids=lambda recording: recording.name)
def test_a_cut_stream_is_no_answer(recording: Recording) -> None:
    """A stream that breaks off before its last event never ends as an answer."""
    end = recording.body.rindex(b"message_stop")
    dice = random.Random(recording.id)
    for place in range(end) if end < SHORT else (dice.randrange(end) for _ in range(CUTS)):
        decoder = bound().decoder()
        chunks = decoder.feed(recording.body[:place])
        assert all(chunk.finish_reason is None for chunk in chunks)
        with pytest.raises(ProviderBroken):
            decoder.close()


ERRORS = {400: 400, 401: 500, 404: 404}


@pytest.mark.parametrize("recording", REFUSED, ids=lambda recording: recording.name)
def test_refusals(recording: Recording) -> None:
    """A refusal becomes the right problem, in Anthropic's words unless they are about the key."""
    problem = bound().error(recording.status, {}, recording.body)
    assert problem.status == ERRORS[recording.status]
    words = json.loads(recording.body)["error"]["message"]
    assert (words in problem.message) == (recording.status != 401)


# ---------------------------------------------------------------- what was asked, asked again in OpenAI's words

NO_CLIENT_WORD = ("caller", "is_error")
"""Fields of blocks that a client cannot say in OpenAI's words: which of the provider's programs called a tool, and
that a tool failed."""

SYSTEM_TURNS = {
    "227029aec472": "instructions between the turns, which the newest models take; they go to the front here",
    "f155d6d6d5c2": "the same",
}
"""Recordings that cannot be asked again as they were, with the reason."""


def openai_shaped(asked: dict[str, Any]) -> dict[str, Any]:
    """A client's request for what was asked of Anthropic."""
    other = ("model", "stream", "messages", "system", "tools", "tool_choice", "stop_sequences", "output_config")
    request = {name: value for name, value in asked.items() if name not in other}
    request["messages"] = [{"role": "system", "content": asked["system"]}] if asked.get("system") else []
    for turn in asked["messages"]:
        request["messages"] += openai_turn(turn)
    if asked.get("tools"):
        request["tools"] = [openai_tool(tool) for tool in asked["tools"]]
    choice = asked.get("tool_choice")
    if choice is not None:
        words = {"any": "required", "tool": {"type": "function", "function": {"name": choice.get("name")}}}
        request["tool_choice"] = words.get(choice["type"], choice["type"])
        if choice.get("disable_parallel_tool_use"):
            request["parallel_tool_calls"] = False
    output = asked.get("output_config") or {}
    if "format" in output:
        schema = {"name": "answer", "schema": output["format"]["schema"]}
        request["response_format"] = {"type": "json_schema", "json_schema": schema}
    if "effort" in output:
        request["reasoning_effort"] = output["effort"]
    return request


def openai_turn(turn: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The messages that say what a turn says."""
    if isinstance(turn["content"], str):
        yield turn
        return
    parts, calls = [], []
    for block in turn["content"]:
        if block["type"] == "tool_result":
            given = {"role": "tool", "tool_call_id": block["tool_use_id"], "content": block.get("content", "")}
            yield given | ({"cache_control": block["cache_control"]} if "cache_control" in block else {})
        elif block["type"] == "tool_use":
            function = {"name": block["name"], "arguments": json.dumps(block["input"])}
            calls.append({"id": block["id"], "type": "function", "function": function})
        else:
            parts.append(openai_part(block))
    if parts or calls:
        yield {"role": turn["role"], "content": parts or None} | ({"tool_calls": calls} if calls else {})


def openai_part(block: dict[str, Any]) -> dict[str, Any]:
    """A block as a part; Anthropic's own kinds as they are."""
    source = block.get("source", {})
    if block["type"] == "thinking":
        return {"type": "reasoning", "summary": [{**block, "type": "summary_text", "text": block["thinking"]}]}
    if block["type"] == "image" and source["type"] == "base64":
        rest = {name: value for name, value in block.items() if name not in ("type", "source")}
        return {"type": "image_url", "image_url": f"data:{source['media_type']};base64,{source['data']}", **rest}
    if block["type"] == "document" and source["type"] == "base64" and block.keys() <= {"type", "source", "title"}:
        file = {"file_data": f"data:{source['media_type']};base64,{source['data']}"}
        return {"type": "file", "file": file | ({"filename": block["title"]} if "title" in block else {})}
    return block


def openai_tool(tool: dict[str, Any]) -> dict[str, Any]:
    """A tool as a client gives it; a tool of Anthropic's own as it is."""
    if "input_schema" not in tool:
        return tool
    function = {"parameters" if name == "input_schema" else name: value for name, value in tool.items()}
    return {"type": "function", "function": function}


def blocks(content: Any) -> list[dict[str, Any]]:
    """Content as blocks without what a client cannot say and what says nothing, to compare; calls come last in OpenAI's
    messages."""
    found = [{"type": "text", "text": content}] if isinstance(content, str) else content
    kept = [
        {name: value for name, value in each.items() if name not in NO_CLIENT_WORD and value is not None}
        for each in found
        if each["type"] != "text" or each["text"].strip()
    ]
    return sorted(kept, key=lambda block: block["type"] == "tool_use")


def paths(value: Any, at: str = "") -> Iterator[str]:
    """The paths of a body's values; schemas and arguments are the caller's own."""
    if isinstance(value, dict):
        for name, inner in value.items():
            yield f"{at}.{name}"
            if name not in ("input_schema", "schema", "input"):
                yield from paths(inner, f"{at}.{name}")
    elif isinstance(value, list):
        for inner in value:
            yield from paths(inner, f"{at}[]")


ASKED_AGAIN = [recording for recording in OK if recording.id not in SYSTEM_TURNS]


@pytest.mark.parametrize("recording", ASKED_AGAIN, ids=lambda recording: recording.name)
def test_what_was_asked_can_be_asked_again(recording: Recording) -> None:
    """What a client asks in OpenAI's words becomes what Anthropic was asked, and nothing it was never asked."""
    asked = recording.request
    stream = bool(asked.get("stream"))
    request = read_chat(json.dumps(openai_shaped(asked)).encode())
    [body] = bound(asked["model"]).encode(request, Report(), stream=stream).body
    sent = json.loads(bytes(body))
    assert set(paths(sent)) <= accepted_paths("anthropic.messages")
    assert [turn["role"] for turn in sent["messages"]] == [turn["role"] for turn in asked["messages"]]
    for turn, given in zip(sent["messages"], asked["messages"], strict=True):
        assert blocks(turn["content"]) == blocks(given["content"])
    assert blocks(sent.get("system", [])) == blocks(asked.get("system", []))
    for name in ("model", "max_tokens", "tool_choice", "output_config"):
        assert sent.get(name) == asked.get(name), name
