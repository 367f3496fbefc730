"""Recorded exchanges with version 1 of Cohere's chat API, translated: what was answered is heard, and what we ask uses
words that a real Cohere has accepted."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any

import pytest

from cloche.domain.assembly import Assembly
from cloche.domain.chat import ChatResponse
from cloche.domain.errors import ProviderRefused
from cloche.domain.translation import Report
from cloche.wire.openai import read_chat
from codec.cuts import bytewise, randomly, whole
from providers.cohere_models import chat_model

from .recordings import MISSING, Recording, accepted_paths, recordings

API = "cohere.chat.v1"
pytestmark = pytest.mark.skipif(not recordings((API,)), reason=MISSING)

MODEL = chat_model(cohere_api_base="https://h.test/v1")
OK = [recording for recording in recordings((API,)) if recording.status == 200]
STREAMED = [recording for recording in OK if recording.framing == "ndjson"]


def named(recording: Recording) -> str:
    """For messages and for picking one."""
    return recording.name


def check(answer: ChatResponse, said: dict[str, Any]) -> None:
    """Compare with the provider's own whole answer, read the slow way."""
    [choice] = answer.choices
    assert choice.content == said["text"]
    assert [call.function.name for call in choice.tool_calls] == [call["name"] for call in said.get("tool_calls") or ()]
    assert choice.finish_reason == {"COMPLETE": "stop", "MAX_TOKENS": "length"}[said["finish_reason"]]
    assert answer.usage is not None
    tokens = said["meta"]["tokens"]
    counted = (answer.usage.prompt_tokens, answer.usage.completion_tokens)
    assert counted == (tokens["input_tokens"], tokens["output_tokens"])
    assert answer.usage.cached_tokens == said["meta"].get("cached_tokens")


@pytest.mark.parametrize("recording", [each for each in OK if each.framing == "json"], ids=named)
def test_whole_answers(recording: Recording) -> None:
    """A whole answer says what the reference reading found."""
    answer = MODEL.decode(recording.body)
    check(answer, json.loads(recording.body))
    assert answer.choices[0].content == recording.expect["text"]
    assert answer.usage is not None
    counted = {"prompt": answer.usage.prompt_tokens, "completion": answer.usage.completion_tokens}
    assert counted == recording.expect["usage"]


def heard(pieces: Iterable[bytes]) -> ChatResponse:
    """A stream, put together."""
    decoder, assembly = MODEL.decoder(), Assembly()
    for piece in pieces:
        for chunk in decoder.feed(piece):
            assembly.add(chunk)
    for chunk in decoder.close():
        assembly.add(chunk)
    return assembly.response()


@pytest.mark.parametrize("recording", STREAMED, ids=named)
def test_streams(recording: Recording) -> None:
    """A stream says what the whole answer at its end says, however it is cut, and the same as that decoded alone."""
    end = json.loads(recording.body.splitlines()[-1])["response"]
    answer = heard(whole(recording.body))
    check(answer, end)
    assert answer == MODEL.decode(json.dumps(end).encode())
    for pieces in (bytewise(recording.body), *(randomly(recording.body, seed) for seed in range(20))):
        assert heard(pieces) == answer


@pytest.mark.parametrize("recording", [each for each in recordings((API,)) if each.status != 200], ids=named)
def test_refusals(recording: Recording) -> None:
    """A model that is gone is the caller's to hear, with Cohere's words."""
    problem = MODEL.error(recording.status, {}, recording.body)
    assert isinstance(problem, ProviderRefused)
    assert (problem.status, "was removed" in problem.message) == (404, True)


# ---------------------------------------------------------------- requests


def in_openai_words(asked: dict[str, Any]) -> dict[str, Any]:
    """What a client of cloche would have asked."""
    roles = {"user": "user", "chatbot": "assistant", "system": "system"}
    history = [
        {"role": roles[turn["role"].lower()], "content": turn["message"]} for turn in asked.get("chat_history") or ()
    ]
    messages = [*history, {"role": "user", "content": asked["message"]}]
    kept = {name: asked[name] for name in ("temperature", "documents", "raw_prompting") if asked.get(name) is not None}
    stop = {"stop": asked["stop_sequences"]} if asked.get("stop_sequences") else {}
    return {"messages": messages, "stream": asked.get("stream", False), **kept, **stop}


def paths(value: Any, path: str = "") -> Iterator[str]:
    """The JSON paths of a value, but for what is the caller's own."""
    if isinstance(value, dict):
        for name, inner in value.items():
            yield f"{path}.{name}"
            if name != "documents":
                yield from paths(inner, f"{path}.{name}")
    elif isinstance(value, list):
        for inner in value:
            yield from paths(inner, f"{path}[]")


DOCUMENTED = {".preamble"}
"""Paths that no recording has, from https://docs.cohere.com/v1/reference/chat."""


@pytest.mark.parametrize("recording", OK, ids=named)
def test_requests(recording: Recording) -> None:
    """What a real Cohere was asked is asked again in words that it has taken."""
    request = in_openai_words(recording.request)
    call = MODEL.encode(read_chat(json.dumps(request).encode()), Report(), stream=request["stream"])
    body: dict[str, Any] = json.loads(b"".join(bytes(piece) for piece in call.body))
    assert set(paths(body)) - DOCUMENTED <= accepted_paths(API)
    for name in ("message", "raw_prompting", "temperature"):
        assert body.get(name) == recording.request.get(name)
    assert body.get("stop_sequences", []) == (recording.request.get("stop_sequences") or [])
    history = [turn["message"] for turn in recording.request.get("chat_history") or ()]
    instructions = [body["preamble"]] if "preamble" in body else []
    assert instructions + [turn["message"] for turn in body.get("chat_history", ())] == history
