"""Recorded exchanges with models on Bedrock's InvokeModel: every answer is heard, and what we ask has been accepted.

The reference reading knows Anthropic's answers only; those of the other families are compared with what a slow reading
of their JSON finds here, and with the counts that Bedrock wrote beside them.
"""

from __future__ import annotations

import base64
import json
import random
from collections.abc import Iterable, Iterator
from itertools import groupby
from typing import Any

import pytest

from cloche.codec.eventstream import Frames
from cloche.domain.assembly import Assembly
from cloche.domain.chat import ChatResponse
from cloche.domain.errors import ProviderBroken
from cloche.domain.outbound import Origin
from cloche.domain.translation import Report
from cloche.providers.bedrock_invoke import Door, Invoke, dialect
from cloche.wire.openai import read_chat
from codec.cuts import bytewise, randomly, whole

from .recordings import MISSING, Recording, accepted_paths, recordings
from .replay import arguments
from .test_anthropic import openai_shaped, paths

API = "bedrock.invoke"
RECORDINGS = recordings((API,))
pytestmark = pytest.mark.skipif(not RECORDINGS, reason=MISSING)

OK = [recording for recording in RECORDINGS if recording.status == 200]
WHOLES = [recording for recording in OK if recording.framing == "json"]
STREAMS = [recording for recording in OK if recording.framing == "eventstream"]
REFUSED = [recording for recording in RECORDINGS if recording.status != 200]

SHORT = 3000
CUTS = 60

GUARDRAIL_ALONE = "37cf7ef980d3"
"""The answer that a guardrail wrote in the model's place: it has no reason to end."""

FINISHES = {
    "FINISH": "stop",
    "COMPLETE": "stop",
    "end_turn": "stop",
    "stop_sequence": "stop",
    "stop": "stop",
    "LENGTH": "length",
    "MAX_TOKENS": "length",
    "max_tokens": "length",
    "length": "length",
    "tool_use": "tool_calls",
}
"""All reasons that are recorded, each with the word of the API."""


def bound(model: str) -> Invoke:
    """The translator for a model."""
    spoken = dialect(model, "")
    assert spoken is not None
    return Invoke(model, spoken, Door(Origin("h", 443, tls=True), "", {}))


def heard(model: str, pieces: Iterable[bytes]) -> ChatResponse:
    """A stream, put together."""
    decoder, assembly = bound(model).decoder(), Assembly()
    for chunk in [*(chunk for piece in pieces for chunk in decoder.feed(piece)), *decoder.close()]:
        assembly.add(chunk)
    return assembly.response()


# ---------------------------------------------------------------- the slow reading


def bodies(recording: Recording) -> list[dict[str, Any]]:
    """The model's own JSON: of a whole answer, or of each event."""
    if recording.framing == "json":
        return [json.loads(recording.body)]
    payloads = [json.loads(frame.payload)["bytes"] for frame in Frames().feed(recording.body)]
    return [json.loads(base64.b64decode(payload)) for payload in payloads]


def leaves(value: Any, names: tuple[str, ...]) -> Iterator[Any]:
    """The values of the fields with these names, in order; not those of what was asked, nor of a guardrail's trace,
    nor of any generation but the first."""
    if isinstance(value, dict):
        if value.get("index") == 1 and "text" in value:
            return
        for name, inner in value.items():
            if name in names and not isinstance(inner, dict | list):
                yield inner
            elif name not in ("chat_history", "amazon-bedrock-trace", "prompt"):
                yield from leaves(inner, names)
    elif isinstance(value, list):
        for inner in value:
            yield from leaves(inner, names)


def check(recording: Recording, answer: ChatResponse) -> None:
    """Compare with the reference reading where there is one, and with the slow one."""
    [choice], expect, found = answer.choices, recording.expect, bodies(recording)
    said = "".join(leaves(found, ("text", "outputText", "generation", "completion")))
    assert choice.content == said
    reasons = leaves(found, ("stopReason", "stop_reason", "finish_reason", "completionReason"))
    reason = next((each for each in reasons if each is not None), None)
    if recording.id == GUARDRAIL_ALONE:
        assert (reason, choice.finish_reason) == (None, "content_filter")
    else:
        assert choice.finish_reason == FINISHES[str(reason)]
    if expect:
        calls = [(call.function.name, arguments(call.function.arguments)) for call in choice.tool_calls]
        assert choice.content == expect["text"]
        assert calls == [(call["name"], call["args"]) for call in expect["tool_calls"]]
        assert reason == expect["finish_raw"]
    else:
        calls_made = len(list(leaves(found, ("toolUseId",))))
        assert len(choice.tool_calls) == calls_made


def uncached(answer: ChatResponse) -> tuple[int, int] | None:
    """The counts, without what a cache held or took, which Bedrock counts apart."""
    usage = answer.usage
    if usage is None:
        return None
    cached = (usage.cached_tokens or 0) + (usage.cache_write_tokens or 0)
    return usage.prompt_tokens - cached, usage.completion_tokens


@pytest.mark.parametrize("recording", WHOLES, ids=lambda recording: f"{recording.model}-{recording.id}")
def test_whole_answers(recording: Recording) -> None:
    """A whole answer says what is in it, and counts as Bedrock's headers do, or not at all."""
    answer = bound(recording.model).decode(recording.body)
    check(recording, answer)
    counts = [int(recording.headers[f"x-amzn-bedrock-{which}-token-count".encode()]) for which in ("input", "output")]
    counted = {"usage", "inputTextTokenCount", "prompt_token_count"} & json.loads(recording.body).keys()
    masked = b"amazon-bedrock-guardrailAction" in recording.body  # then the count of the output is left out
    assert uncached(answer) == (tuple(counts) if counted and not masked else None)


@pytest.mark.parametrize("recording", STREAMS, ids=lambda recording: f"{recording.model}-{recording.id}")
def test_streams(recording: Recording) -> None:
    """A stream says what is in it, in every cut, and counts as Bedrock does in the last event."""
    answer = heard(recording.model, whole(recording.body))
    check(recording, answer)
    last = bodies(recording)[-1]
    metrics = last.get("amazon-bedrock-invocationMetrics")
    if metrics is None:
        assert recording.id == GUARDRAIL_ALONE
        assert uncached(answer) == (last["inputTextTokenCount"], last["totalOutputTextTokenCount"])
    elif recording.expect:
        expected = recording.expect["usage"]  # of a call, Bedrock's own count leaves a part out
        assert uncached(answer) == (expected["prompt"], expected["completion"])
    else:
        assert uncached(answer) == (metrics["inputTokenCount"], metrics["outputTokenCount"])
    for pieces in (bytewise(recording.body), *(randomly(recording.body, seed) for seed in range(5))):
        assert heard(recording.model, pieces) == answer


@pytest.mark.parametrize("recording", STREAMS, ids=lambda recording: f"{recording.model}-{recording.id}")
def test_a_cut_stream_is_no_answer(recording: Recording) -> None:
    """A stream that breaks off before the end of the frame that says why it ended never ends as an answer."""
    dice = random.Random(recording.id)
    end = last_reason(recording.body)
    for place in range(1, end) if end < SHORT else (dice.randrange(1, end) for _ in range(CUTS)):
        decoder = bound(recording.model).decoder()
        assert all(chunk.finish_reason is None for chunk in decoder.feed(recording.body[:place]))
        with pytest.raises(ProviderBroken):
            decoder.close()


def last_reason(stream: bytes) -> int:
    """Where the frame ends by which a reason to end is told; in these streams it is the last, or one of the last."""
    frames, at, found = Frames(), 0, 0
    while at < len(stream):
        size = int.from_bytes(stream[at : at + 4], "big")
        [frame] = frames.feed(stream[at : at + size])
        at += size
        event = json.loads(base64.b64decode(json.loads(frame.payload)["bytes"]))
        names = ("stopReason", "stop_reason", "finish_reason", "completionReason", "totalOutputTextTokenCount")
        if event.get("type") != "message_start" and any(each is not None for each in leaves(event, names)):
            found = at
    return found


REFUSALS = {"ValidationException": 400, "ExpiredTokenException": 500}


@pytest.mark.parametrize("recording", REFUSED, ids=lambda recording: recording.name)
def test_refusals(recording: Recording) -> None:
    """A refusal becomes the right problem by its name; in Bedrock's words unless they are about the credentials."""
    problem = bound("anthropic.claude-3").error(recording.status, recording.headers, recording.body)
    kind = recording.headers[b"x-amzn-errortype"].decode().partition(":")[0]
    assert problem.status == REFUSALS[kind]
    assert (json.loads(recording.body)["message"] in problem.message) == (problem.status == 400)


# ---------------------------------------------------------------- requests

CLAUDES = [recording for recording in OK if "anthropic_version" in recording.request]


@pytest.mark.parametrize("recording", CLAUDES, ids=lambda recording: recording.name)
def test_what_claude_was_asked_can_be_asked_again(recording: Recording) -> None:
    """What a client asks in OpenAI's words becomes what a Claude model was asked, and nothing it was never asked."""
    asked = {name: value for name, value in recording.request.items() if name != "anthropic_version"}
    sent = encoded(recording.model, openai_shaped(asked))
    assert set(paths(sent)) <= accepted_paths(API)
    assert sent["anthropic_version"] == recording.request["anthropic_version"]
    turns = [role for role, _ in groupby(turn["role"] for turn in asked["messages"])]  # two of one role are merged
    assert [turn["role"] for turn in sent["messages"]] == turns
    for name in ("max_tokens", "tool_choice"):
        assert sent.get(name) == asked.get(name), name


EVERYTHING: dict[str, Any] = {
    "messages": [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "a"},
        {"role": "assistant", "content": "b"},
        {"role": "user", "content": "c"},
    ],
    "temperature": 0.5,
    "top_p": 0.5,
    "top_k": 5,
    "max_tokens": 5,
    "stop": ["a"],
    "seed": 1,
    "presence_penalty": 0.1,
    "frequency_penalty": 0.1,
    "metadata": {"user_id": "u"},
    "service_tier": "auto",
}

DOCUMENTED = {
    "amazon.nova-micro-v1:0": set(),
    "anthropic.claude-3-haiku-20240307-v1:0": set(),
    "amazon.titan-text-express-v1": set(),
    "meta.llama3-70b-instruct-v1:0": set(),
    "cohere.command-text-v14": set(),
    "mistral.mistral-7b-instruct-v0:2": set(),
    # https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters-cohere-command-r-plus.html
    "cohere.command-r-v1:0": {
        ".preamble",
        ".chat_history",
        ".chat_history[].role",
        ".chat_history[].message",
        ".seed",
        ".presence_penalty",
        ".frequency_penalty",
    },
    # https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters-jurassic2.html
    "ai21.j2-mid-v1": {".maxTokens", ".topP", ".stopSequences"},
    # https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters-jamba.html
    "ai21.jamba-1-5-mini-v1:0": {".presence_penalty", ".frequency_penalty"},
    # https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters-mistral-chat-completion.html
    "mistral.mistral-large-2407-v1:0": set[str](),
}
"""Paths that no recording has, by models, from AWS's own pages."""


@pytest.mark.parametrize("model", DOCUMENTED)
def test_every_path_that_is_ever_written(model: str) -> None:
    """A request with every field that a family has a word for uses no path but recorded and documented ones."""
    assert set(paths(encoded(model, EVERYTHING))) - accepted_paths(API) == DOCUMENTED[model]


def encoded(model: str, request: dict[str, Any]) -> dict[str, Any]:
    """The body that the model would get."""
    call = bound(model).encode(read_chat(json.dumps(request).encode()), Report(), stream=False)
    body: dict[str, Any] = json.loads(b"".join(bytes(piece) for piece in call.body))
    return body
