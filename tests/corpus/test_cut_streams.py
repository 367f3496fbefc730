"""Streams of real providers that break off: the client sees a beginning of the answer, and an end only of a whole one.

Short streams are cut behind every byte, long ones at the borders of their events and at seeded places.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterable

import pytest

from cloche.wire.openai import Identity
from cloche.wire.passthrough import Stream

from .recordings import MISSING, Recording, recordings
from .replay import Replayed, deltas, finishes, sse_events

pytestmark = pytest.mark.skipif(not recordings(), reason=MISSING)

STREAMS = [recording for recording in recordings() if recording.status == 200 and recording.framing == "sse"]
SHORT = 8000
CUTS = 300


def borders(raw: bytes) -> list[int]:
    """The places just before, within and behind the blank line after each event."""
    return [match.end() + shift for match in re.finditer(rb"\r?\n\r?\n", raw) for shift in (-2, -1, 0)]


def places(recording: Recording) -> Iterable[int]:
    """Where a recording is cut."""
    raw = recording.body
    if len(raw) < SHORT:
        return range(len(raw))
    dice = random.Random(recording.id)
    at_borders = borders(raw)
    chosen = at_borders if len(at_borders) < CUTS else dice.sample(at_borders, CUTS)
    return [*chosen, *(dice.randrange(len(raw)) for _ in range(CUTS))]


def finishing_places(raw: bytes) -> list[int]:
    """How many bytes it takes until each finish reason has been read."""
    return [match.end() for match in re.finditer(rb'"finish_reason" ?: ?"[a-z_]+"', raw)]


@pytest.mark.parametrize("recording", STREAMS, ids=lambda recording: recording.name)
def test_a_cut_never_ends_an_answer(recording: Recording) -> None:
    """Whatever a cut stream gives is a beginning of what the whole one gives, and its end mark comes only when every
    choice has finished, or with the provider's own."""
    raw, expected = recording.body, recording.request.get("n") or 1
    who = Identity("id", 1, "m")
    full = Stream(who, expected=expected)
    whole_answer = full.feed(raw) + full.end()
    ends = finishing_places(raw)
    for place in places(recording):
        stream = Stream(who, expected=expected)
        given = stream.feed(raw[:place])
        assert whole_answer.startswith(given), place
        if stream.done or stream.failure is not None:
            continue
        complete = stream.complete
        last = stream.end()
        if stream.failure is None:
            assert last.endswith(b"data: [DONE]\n\n"), place
        else:
            assert b"[DONE]" not in last, place
        finished = sum(end <= place for end in ends)
        assert finished >= expected or not complete, place
        assert finished >= expected or stream.failure is not None or b"[DONE]" in raw[:place], place


@pytest.mark.parametrize("recording", STREAMS[::4], ids=lambda recording: recording.name)
def test_a_broken_connection_is_told(recording: Recording) -> None:
    """Through the whole gateway: a connection that breaks gives an error, in the stream once that has begun, unless
    nothing of the answer is missing."""
    dice = random.Random(recording.id)
    raw = sse_events(recording.body)
    for place in (dice.randrange(len(recording.body)) for _ in range(10)):
        client = Replayed(recording, [recording.body[:place]], broken=True).client
        if not client.begun:
            assert client.status >= 400
            continue
        events = sse_events(client.body)
        said = [event for event in events if "error" not in event]
        assert deltas(said) == deltas(raw)[: len(deltas(said))]
        assert (len(said) < len(events)) or len(finishes(said)) >= (recording.request.get("n") or 1)
        assert client.body.endswith(b"data: [DONE]\n\n")
