"""Recorded text completions through the gateway: what the client gets says what the provider said, whole and cut."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from cloche.domain.endpoint import COMPLETIONS_TASK, ExternalModel
from cloche.domain.errors import BadRequest, ProviderBroken
from cloche.wire.completions import read_completion
from codec.cuts import bytewise, randomly, whole
from gateway.scripted import Client, World

from .recordings import MISSING, Recording, recordings
from .replay import sse_events, usage_of

APIS = ("openai.completions", "openai_compat.completions")

pytestmark = pytest.mark.skipif(not recordings(APIS), reason=MISSING)

NOT_ASKED = {"4467fa8bbe88": "asks for a template that is kept with the service, and has no prompt"}
"""Recordings whose request is none of this API, with the reason."""

OTHER_EVENTS = {"ff6d4d73af73": "Writer's own events, with no choices, finish reason or end mark in them"}
"""Streams of another shape, with what is different."""

REFUSED_HERE = {"c5565ada270b": "max_tokens is below 0"}
"""Recordings of requests that cloche refuses by itself, as the provider did, with the reason."""

RECORDED = [each for each in recordings(APIS) if each.id not in NOT_ASKED]
ANSWERS = [each for each in RECORDED if each.status == 200 and each.framing == "json"]
STREAMS = [each for each in RECORDED if each.status == 200 and each.framing == "sse" and each.id not in OTHER_EVENTS]
REFUSALS = [each for each in RECORDED if each.status != 200 and each.id not in REFUSED_HERE]
OURS = {"model", "stream", "stream_options"}

Cut = Callable[[bytes], list[bytes]]


def named(recordings: list[Recording]) -> pytest.MarkDecorator:
    """A test for each of them."""
    return pytest.mark.parametrize("recording", recordings, ids=lambda recording: recording.name)


def replayed(recording: Recording, pieces: list[bytes], *, broken: bool = False) -> tuple[World, Client]:
    """The request sent again, and answered in these pieces.  What the provider is asked is what was asked then."""
    world = World()
    settings = {"openai_api_key_plaintext": "sk-secret", "openai_api_base": "http://t.test"}
    world.add("prose", ExternalModel("m", "openai", COMPLETIONS_TASK, settings))
    stream = recording.framing == "sse"
    request = {**recording.request, "stream": stream}
    _, client = world.ask("prose", raw=json.dumps(request).encode())
    assert {name: value for name, value in world.last.body.items() if name not in OURS} == {
        name: value for name, value in request.items() if name not in OURS
    }
    receiver = world.last.receiver
    receiver.on_head(recording.status, {b"content-type": recording.content_type.encode()})
    for piece in pieces:
        receiver.on_data(piece)
    receiver.on_failure(ProviderBroken("cut")) if broken else receiver.on_end()
    assert client.over
    assert world.idle
    return world, client


def said(events: list[Any]) -> dict[int, tuple[str, str | None]]:
    """Text and finish reason of each choice."""
    found: dict[int, tuple[str, str | None]] = {}
    for event in events:
        for choice in event.get("choices") or []:
            text, finish = found.get(choice.get("index", 0), ("", None))
            found[choice.get("index", 0)] = (text + (choice.get("text") or ""), choice.get("finish_reason") or finish)
    return found


@named(ANSWERS)
@pytest.mark.parametrize("cut", [whole, bytewise])
def test_whole_answers(recording: Recording, cut: Cut) -> None:
    """Every field of the answer reaches the client as it was, what every client needs is added, and usage is in the
    record."""
    original = json.loads(recording.body)
    world, client = replayed(recording, cut(recording.body))
    assert client.status == 200
    got = client.json
    assert said([got]) == said([original])
    assert got["object"] == "text_completion"
    assert got["id"]
    assert got["created"]
    for choice, recorded in zip(got.pop("choices"), original.pop("choices"), strict=True):
        assert choice["finishReason"] == choice["finish_reason"] == recorded.get("finish_reason")
        assert choice.items() >= recorded.items()
    assert got.items() >= original.items()
    assert world.records[0].input_tokens == (original.get("usage") or {}).get("prompt_tokens")


@named(STREAMS)
@pytest.mark.parametrize(
    "cut", [whole, bytewise, lambda data: randomly(data, 7)], ids=["whole", "bytewise", "randomly"]
)
def test_streams(recording: Recording, cut: Cut) -> None:
    """Texts, finish reasons and usage are those of the recording, however its bytes come, and the end mark is there."""
    original = sse_events(recording.body)
    world, client = replayed(recording, cut(recording.body))
    *events, end = client.events
    assert end == "[DONE]"
    assert world.records[0].outcome == "ok"
    assert said(events) == said(original)
    assert (usage_of(events) or {}) == (usage_of(original) or {})
    assert all(event["id"] and event["object"] == "text_completion" for event in events)


@named(STREAMS)
def test_cut_streams(recording: Recording) -> None:
    """A stream that breaks anywhere is whole, or ends with an error and says no more than was said; never silently."""
    told = said(sse_events(recording.body))
    step = max(1, len(recording.body) // 60)
    for length in range(1, len(recording.body), step):
        world, client = replayed(recording, [recording.body[:length]], broken=True)
        if world.records[0].outcome == "ok":
            assert said(client.events[:-1]) == told
        elif client.begun:
            *events, error, end = client.events
            assert (bool(error["error_code"]), end) == (True, "[DONE]")
            assert all(told[index][0].startswith(text) for index, (text, _) in said(events).items())
        else:
            assert client.status == 502


@named(REFUSALS)
def test_refusals(recording: Recording) -> None:
    """A refusal keeps the provider's words where they are the caller's business, and its status."""
    _, client = replayed(recording, [recording.body])
    assert client.status == {400: 400, 401: 500, 404: 404, 429: 429}[recording.status]
    if recording.status != 401:
        assert json.loads(recording.body)["error"]["message"] in client.json["message"]


@named([each for each in RECORDED if each.id in OTHER_EVENTS])
def test_events_of_another_shape(recording: Recording) -> None:
    """A stream that is not OpenAI's is the provider's fault, said before anything was answered."""
    _, client = replayed(recording, [recording.body])
    assert client.status == 502


@named([each for each in RECORDED if each.id in REFUSED_HERE])
def test_what_is_refused_without_asking(recording: Recording) -> None:
    """What the provider refused is refused by name, and nobody is asked."""
    with pytest.raises(BadRequest) as caught:
        read_completion(json.dumps(recording.request).encode())
    named_there = json.loads(recording.body)["error"]["param"]
    assert caught.value.message.startswith(f"{named_there}:")
