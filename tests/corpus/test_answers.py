"""Answers of real providers, replayed: the client gets what they said, no more and no less."""

from __future__ import annotations

import json
from typing import Any

import pytest

from codec.cuts import randomly, whole

from .recordings import MISSING, Recording, recordings
from .replay import Replayed, assembled, deltas, finishes, said, sse_events, usage_of

pytestmark = pytest.mark.skipif(not recordings(), reason=MISSING)

NOT_ANSWERS = {
    "e3783fbbce7d": "a content filter's refusal inside a 200",
    "c2ba9bbd6f07": "an error event in the middle of the stream",
    "f56bea4f4eb1": "an error event in the middle of the stream",
    "ca901b8b9edc": "an error event in the middle of the stream",
}
"""Recordings with status 200 that are errors here, with the reason."""

OTHER_USAGE = {
    "50c2f2b6340f": "usage in a field of the provider's own; asked for in the request, it comes in the usual place",
    "78bc82bd5172": "the same",
    "f3a1766db3a0": "the same",
}
OTHER_TEXT = {
    "2fb37bd4105d": "content that is an object, passed on; the reference reading sees no text in it",
    "9ef7d1272136": "the same",
    "bbafdc7dd7c7": "the same",
}

OK = [recording for recording in recordings() if recording.status == 200 and recording.id not in NOT_ANSWERS]
STREAMS = [recording for recording in OK if recording.framing == "sse"]
WHOLES = [recording for recording in OK if recording.framing == "json"]


def check_expectation(
    recording: Recording, heard: tuple[str, list[tuple[str, Any]]], finish: str | None, usage: Any
) -> None:
    """Compare with what the reference reading found in the recording."""
    expect = recording.expect
    if recording.id not in OTHER_TEXT:
        assert heard == (expect["text"], [(call["name"], call["args"]) for call in expect["tool_calls"]])
    assert (finish or None) == expect["finish_raw"]
    if recording.id not in OTHER_USAGE:
        counted = usage or {}
        wanted = expect["usage"] or {}
        assert counted.get("prompt_tokens") == wanted.get("prompt")
        assert counted.get("completion_tokens") == wanted.get("completion")


@pytest.mark.parametrize("recording", WHOLES, ids=lambda recording: recording.name)
def test_whole_answers(recording: Recording) -> None:
    """A whole answer keeps every field it had; only what was missing is added."""
    replayed = Replayed(recording, randomly(recording.body, 0))
    assert replayed.client.status == 200
    answer, raw = replayed.client.json, json.loads(recording.body)
    for got, given in zip(answer["choices"], raw["choices"], strict=True):
        assert got.pop("finishReason") == got["finish_reason"] == given.get("finish_reason")
        message = given["message"]
        assert {**got["message"], **message, "content": None} == {**got["message"], "content": None}
        assert got["message"]["content"] == message.get("content") or message.get("content") is None
        assert {**got, **given, "message": None} == {**got, "message": None}
    envelope = {name: value for name, value in raw.items() if value or name not in ("id", "object", "model", "created")}
    assert {**answer, **envelope, "choices": None} == {**answer, "choices": None, "object": answer["object"]}
    assert answer["id"]
    first = answer["choices"][0]
    check_expectation(recording, said(first["message"]), first["finish_reason"], answer.get("usage"))
    check_record(replayed, answer.get("usage"))


@pytest.mark.parametrize("recording", STREAMS, ids=lambda recording: recording.name)
def test_streams(recording: Recording) -> None:
    """A stream says the same to the client, event by event, with usage on the finishing one and one end mark."""
    raw = sse_events(recording.body)
    for pieces in (whole(recording.body), randomly(recording.body, 1), randomly(recording.body, 2)):
        replayed = Replayed(recording, pieces)
        events = sse_events(replayed.client.body)
        assert replayed.client.body.endswith(b"\n\ndata: [DONE]\n\n")
        assert replayed.client.body.count(b"[DONE]") == 1
        passed, added = deltas(events)[: len(deltas(raw))], deltas(events)[len(deltas(raw)) :]
        assert passed == deltas(raw)
        assert added in ([], [(0, ({}, None))])  # where no choice finishes, usage has an event of its own
        assert finishes(events) == finishes(raw)
        assert usage_of(events) == usage_of(raw)
        assert all(event["id"] for event in events)
        check_expectation(recording, assembled(events), (finishes(events) or [""])[-1], usage_of(events))
        check_record(replayed, usage_of(events))


def check_record(replayed: Replayed, usage: Any) -> None:
    """The record has the tokens that the client was told."""
    counted = usage or {}
    record = replayed.record
    assert (record.status, record.outcome) == (200, "ok")
    assert record.input_tokens == counted.get("prompt_tokens")
    assert record.output_tokens == counted.get("completion_tokens")


@pytest.mark.parametrize(
    "recording",
    [recording for recording in recordings() if recording.id in NOT_ANSWERS],
    ids=lambda recording: recording.name,
)
def test_200s_that_are_no_answers(recording: Recording) -> None:
    """What looks like an answer and is none ends as an error, after whatever came before it."""
    client = Replayed(recording, whole(recording.body)).client
    if client.begun:
        *events, error = sse_events(client.body)
        assert error["error"]["code"] == error["error_code"]
        raw = [event for event in sse_events(recording.body) if "error" not in event]
        assert deltas(events) == deltas(raw)
    else:
        assert client.status in (400, 502)
        assert client.json["message"]


ERRORS = {400: 400, 401: 500, 404: 404}
REFUSED_HERE = {
    "cecfea301791": "no messages: refused before a provider is asked",
    "f2563f2f459b": "a bound of 0 tokens: the same",
}


@pytest.mark.parametrize(
    "recording",
    [recording for recording in recordings() if recording.status != 200 and recording.id not in REFUSED_HERE],
    ids=lambda recording: recording.name,
)
def test_refusals(recording: Recording) -> None:
    """A provider's refusal becomes the right problem, in its words, except where they may quote a key."""
    replayed = Replayed(recording, whole(recording.body))
    assert replayed.client.status == ERRORS[recording.status]
    message = replayed.client.json["message"]
    words = json.loads(recording.body)["error"]["message"]
    assert message == f"openai answered {recording.status}: {words}" or recording.status == 401
    assert ("api key" in message.lower()) is False or recording.status != 401
