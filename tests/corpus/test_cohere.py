"""Recorded exchanges with Cohere, translated: what was answered is heard, what we ask is accepted."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any

import pytest

from cloche.domain.assembly import Assembly
from cloche.domain.chat import ChatResponse
from cloche.domain.errors import ProviderCredentials
from cloche.domain.translation import Report
from cloche.wire.openai import read_chat
from codec.cuts import bytewise, randomly, whole
from providers.cohere_models import chat_model

from .recordings import MISSING, Recording, accepted_paths, recordings
from .replay import arguments, sse_events

API = "cohere.chat.v2"
pytestmark = pytest.mark.skipif(not recordings((API,)), reason=MISSING)

MODEL = chat_model()
OK = [recording for recording in recordings((API,)) if recording.status == 200]


def of_framing(framing: str) -> pytest.MarkDecorator:
    """The successful recordings of that framing."""
    chosen = [recording for recording in OK if recording.framing == framing]
    return pytest.mark.parametrize("recording", chosen, ids=lambda recording: recording.name)


def check(recording: Recording, answer: ChatResponse) -> None:
    """Compare with what the reference reading found."""
    expect, [choice] = recording.expect, answer.choices
    assert choice.content == expect["text"]
    calls = [(call.function.name, arguments(call.function.arguments)) for call in choice.tool_calls]
    assert calls == [(call["name"], call["args"]) for call in expect["tool_calls"]]
    assert all(call.id for call in choice.tool_calls)
    assert choice.finish_reason == {"COMPLETE": "stop", "TOOL_CALL": "tool_calls"}[expect["finish_raw"]]
    assert answer.usage is not None
    counted = {"prompt": answer.usage.prompt_tokens, "completion": answer.usage.completion_tokens}
    assert counted == expect["usage"]


@of_framing("json")
def test_whole_answers(recording: Recording) -> None:
    """A whole answer says what the reference reading found, and its reasoning besides."""
    answer = MODEL.decode(recording.body)
    check(recording, answer)
    message = json.loads(recording.body)["message"]
    thoughts = [message.get("tool_plan"), *(block.get("thinking") for block in message.get("content") or ())]
    assert [piece.text for piece in answer.choices[0].reasoning] == [thought for thought in thoughts if thought]
    check_citations(answer, message.get("citations") or [])


def check_citations(answer: ChatResponse, given: list[dict[str, Any]]) -> None:
    """Every stretch that Cohere cites is there, once for each of its sources, and its place is that of its words."""
    [choice] = answer.choices
    words = [cited["text"] for cited in given for _ in cited["sources"]]
    assert [cited.details["text"] for cited in choice.citations] == words
    for cited in choice.citations:
        if cited.start is not None:
            assert choice.content[cited.start : cited.end] == cited.details["text"]


def heard(pieces: Iterable[bytes]) -> ChatResponse:
    """A stream, put together."""
    decoder, assembly = MODEL.decoder(), Assembly()
    for piece in pieces:
        for chunk in decoder.feed(piece):
            assembly.add(chunk)
    for chunk in decoder.close():
        assembly.add(chunk)
    return assembly.response()


@of_framing("sse")
def test_streams(recording: Recording) -> None:
    """A stream says what the reference reading found, whole, byte by byte and cut at random."""
    answer = heard(whole(recording.body))
    check(recording, answer)
    cited = [
        event["delta"]["message"]["citations"]
        for event in sse_events(recording.body)
        if "citation-start" in event.values()
    ]
    check_citations(answer, cited)
    for pieces in (bytewise(recording.body), *(randomly(recording.body, seed) for seed in range(20))):
        assert heard(pieces) == answer


@pytest.mark.parametrize(
    "recording",
    [recording for recording in recordings((API,)) if recording.status != 200],
    ids=lambda recording: recording.name,
)
def test_refusals(recording: Recording) -> None:
    """The refusals that are recorded are of a wrong key: the operator's to mend, and not quoted."""
    problem = MODEL.error(recording.status, {}, recording.body)
    assert isinstance(problem, ProviderCredentials)
    assert "API key provided" not in problem.message


# ---------------------------------------------------------------- requests


def in_openai_words(recording: Recording) -> dict[str, Any]:
    """What a client of cloche would have asked."""
    asked = {**recording.request, "messages": [_message(message) for message in recording.request["messages"]]}
    if "tool_choice" in asked:
        asked["tool_choice"] = asked["tool_choice"].lower()
    wanted = asked.get("response_format", {})
    schema = wanted.get("json_schema", wanted.get("schema"))
    if schema is not None:
        asked["response_format"] = {"type": "json_schema", "json_schema": {"name": "x", "schema": schema}}
    return asked


def _message(message: dict[str, Any]) -> dict[str, Any]:
    content = message.get("content")
    parts: list[dict[str, Any]] = []
    if message.get("tool_plan"):
        parts.append({"type": "reasoning", "summary": [{"type": "summary_text", "text": message["tool_plan"]}]})
    for part in content if isinstance(content, list) else ():
        if part["type"] == "thinking":
            parts.append({"type": "reasoning", "summary": [{"type": "summary_text", "text": part["thinking"]}]})
        elif part["type"] == "document":
            parts.append({"type": "text", "text": json.dumps(part["document"]["data"])})
        else:
            parts.append(part)
    said = {name: value for name, value in message.items() if name != "tool_plan"}
    return {**said, "content": parts} if parts else said


def paths(value: Any, path: str = "") -> Iterator[str]:
    """The JSON paths of a value, down to the schemas of tools, which are the caller's own."""
    if isinstance(value, dict):
        for name, inner in value.items():
            yield f"{path}.{name}"
            if name not in ("parameters", "json_schema", "documents"):
                yield from paths(inner, f"{path}.{name}")
    elif isinstance(value, list):
        for inner in value:
            yield from paths(inner, f"{path}[]")


def encoded(request: dict[str, Any]) -> dict[str, Any]:
    """The body that Cohere would get."""
    call = MODEL.encode(read_chat(json.dumps(request).encode()), Report(), stream=request.get("stream", False))
    body: dict[str, Any] = json.loads(b"".join(bytes(piece) for piece in call.body))
    return body


@pytest.mark.parametrize("recording", OK, ids=lambda recording: recording.name)
def test_requests(recording: Recording) -> None:
    """What a real Cohere was asked is asked again in the same words, from what a client of cloche would have said."""
    body, asked = encoded(in_openai_words(recording)), recording.request
    assert set(paths(body)) <= accepted_paths(API)
    assert body["stream"] == asked.get("stream", False)
    assert body.keys() - {"stream"} == asked.keys() - {"stream"}
    for name in asked.keys() - {"model", "messages", "stream", "response_format"}:
        assert body[name] == asked[name]
    for got, given in zip(body["messages"], asked["messages"], strict=True):
        assert got["role"] == given["role"]
        assert got.get("tool_calls") == given.get("tool_calls")
        assert got.get("tool_call_id") == given.get("tool_call_id")
        assert got.get("tool_plan", "") == given.get("tool_plan", "")


EVERYTHING: dict[str, Any] = {
    "messages": [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": [{"type": "image_url", "image_url": {"url": "https://h/i", "detail": "low"}}]},
        {"role": "assistant", "content": "a"},
        {"role": "user", "content": "b"},
    ],
    "tools": [
        {
            "type": "function",
            "function": {"name": "f", "strict": True, "parameters": {"type": "object", "required": ["x"]}},
        }
    ],
    "tool_choice": "required",
    "temperature": 0.5,
    "top_p": 0.5,
    "top_k": 5,
    "seed": 1,
    "presence_penalty": 0.1,
    "frequency_penalty": 0.1,
    "max_tokens": 5,
    "stop": ["a"],
    "logprobs": True,
    "thinking": {"type": "enabled", "budget_tokens": 5},
}
DOCUMENTED = {
    ".messages[].content[].image_url.detail",  # https://docs.cohere.com/docs/image-inputs
    ".strict_tools",  # this and what follows: https://docs.cohere.com/reference/chat
    ".p",
    ".k",
    ".seed",
    ".presence_penalty",
    ".frequency_penalty",
    ".max_tokens",
    ".stop_sequences",
    ".logprobs",
    ".thinking.token_budget",
}
"""Paths that no recording has, from Cohere's own pages."""


def test_every_path_that_is_ever_written() -> None:
    """A request with every field that Cohere has a word for uses no path but recorded and documented ones."""
    assert set(paths(encoded(EVERYTHING))) - accepted_paths(API) == DOCUMENTED
