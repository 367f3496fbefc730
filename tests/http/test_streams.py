"""Streams and failing providers: the status waits for the first event, and no end is ever invented."""

from __future__ import annotations

import json
import time

import pytest
from edge_client import ASK_STREAM, Answer, Connection, call, request
from edge_server import Edge
from edge_upstream import (
    CLOSE_HEAD,
    STREAM_HEAD,
    USAGE,
    Peer,
    Play,
    answer,
    chunk,
    chunked,
    events,
    framed,
    hangs,
    refuses,
    says,
    streams,
    wait_for,
    whole,
)

pytest_plugins = ("edge_fixtures",)

STREAM = request(ASK_STREAM)
ERROR_EVENT = b'data: {"error":{"message":"overloaded","type":"x","code":503}}\n\n'
CUT_LENGTH = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 999\r\n\r\n"


def text(got: Answer) -> str:
    """What a stream says."""
    parts = [event for event in got.events if event != "[DONE]" and event.get("choices")]
    return "".join(choice["delta"].get("content", "") for event in parts for choice in event["choices"])


def finishes(got: Answer) -> list[str]:
    """The finish reasons of a stream."""
    parts = [event for event in got.events if event != "[DONE]"]
    return [c["finish_reason"] for event in parts for c in event.get("choices", ()) if c["finish_reason"]]


def test_a_stream_is_passed_on(edge: Edge) -> None:
    """The events come in their order, with usage and both finish reasons on the last, then the end mark."""
    got = call(edge.port, STREAM)
    assert got.status == 200
    assert got.headers["content-type"] == "text/event-stream; charset=utf-8"
    assert got.headers["served-model-name"] == "primary"
    assert text(got) == "Glass bell."
    *_, last, mark = got.events
    assert last["usage"] == USAGE
    assert (last["choices"][0]["finish_reason"], last["choices"][0]["finishReason"]) == ("stop", "stop")
    assert mark == "[DONE]"


def test_the_status_waits_for_the_first_event(edge: Edge) -> None:
    """Not a byte reaches the client before the provider's first event, and then at once."""
    first = events()[0]

    def slowly(peer: Peer) -> None:
        peer.send(STREAM_HEAD, pause=0.3)
        peer.send(*map(chunked, [b": warming up\n\n", first[:10]]), pause=0.3)
        peer.send(chunked(first[10:]), pause=0.5)
        peer.send(*map(chunked, [*events()[1:], b""]))

    edge.provider.play = slowly
    with Connection(edge.port) as connection:
        connection.send(STREAM)
        assert connection.silent(0.4)
        started = time.monotonic()
        assert connection.head()[0] == 200
        assert b"Glass" in connection.read_some()
        assert time.monotonic() - started < 5


FAILURES: dict[str, tuple[Play, int, str]] = {
    "400": (refuses(400), 400, "BAD_REQUEST"),
    "401": (refuses(401), 500, "INTERNAL_ERROR"),
    "403": (refuses(403), 500, "INTERNAL_ERROR"),
    "404": (refuses(404), 404, "BAD_REQUEST"),
    "409": (refuses(409), 400, "BAD_REQUEST"),
    "413": (refuses(413), 400, "BAD_REQUEST"),
    "422": (refuses(422), 400, "BAD_REQUEST"),
    "429": (refuses(429, extra="retry-after: 7\r\n"), 429, "REQUEST_LIMIT_EXCEEDED"),
    "500": (refuses(500), 502, "INTERNAL_ERROR"),
    "502, no JSON": (refuses(502, b"<html>"), 502, "INTERNAL_ERROR"),
    "503": (refuses(503), 503, "TEMPORARILY_UNAVAILABLE"),
    "504": (refuses(504), 504, "DEADLINE_EXCEEDED"),
    "529": (refuses(529), 503, "TEMPORARILY_UNAVAILABLE"),
    "302": (refuses(302, b""), 502, "INTERNAL_ERROR"),
    "closed at once": (lambda peer: peer.close(), 502, "INTERNAL_ERROR"),
    "garbage": (says(b"\x16\x03 garbage\r\n\r\n"), 502, "INTERNAL_ERROR"),
    "head without end": (says(b"HTTP/1.1 200 OK\r\nx: " + b"a" * 200_000), 502, "INTERNAL_ERROR"),
    "half a body": (says(CUT_LENGTH + b"{"), 502, "INTERNAL_ERROR"),
    "not JSON": (says(framed(b"<html></html>")), 502, "INTERNAL_ERROR"),
    "HTML": (says(framed(b"<html></html>", kind="text/html")), 502, "INTERNAL_ERROR"),
    "no choices": (says(framed(b"{}")), 502, "INTERNAL_ERROR"),
    "error in a 200": (says(framed(b'{"error":{"message":"busy","code":429}}')), 429, "REQUEST_LIMIT_EXCEEDED"),
    "length and chunks": (
        says(b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n"),
        502,
        "INTERNAL_ERROR",
    ),
}
STREAM_FAILURES: dict[str, tuple[Play, int, str]] = {
    "head only": (says(STREAM_HEAD), 502, "INTERNAL_ERROR"),
    "empty stream": (says(STREAM_HEAD + b"0\r\n\r\n"), 502, "INTERNAL_ERROR"),
    "end mark only": (streams([b"data: [DONE]\n\n"]), 502, "INTERNAL_ERROR"),
    "error first": (streams([ERROR_EVENT]), 503, "TEMPORARILY_UNAVAILABLE"),
    "bad JSON first": (streams([b"data: {\n\n"]), 502, "INTERNAL_ERROR"),
    "a whole answer": (says(framed(answer())), 502, "INTERNAL_ERROR"),
}


@pytest.mark.parametrize("name", FAILURES)
@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
def test_failures_before_the_first_event_are_http_errors(edge: Edge, name: str, stream: bool) -> None:
    """A provider that fails before it has said anything becomes a status, a code and nothing else."""
    play, status, code = FAILURES[name]
    expect_error(edge, play, status, code, STREAM if stream else request())


@pytest.mark.parametrize("name", STREAM_FAILURES)
def test_streams_that_never_begin_are_http_errors(edge: Edge, name: str) -> None:
    """A stream that breaks before its first event becomes an HTTP error too."""
    play, status, code = STREAM_FAILURES[name]
    expect_error(edge, play, status, code, STREAM)


def expect_error(edge: Edge, play: Play, status: int, code: str, raw: bytes) -> None:
    """The call must end in this error, and the connection must go on."""
    edge.provider.play = play
    with Connection(edge.port) as connection:
        connection.send(raw)
        got = connection.answer()
        assert (got.status, got.json["error_code"]) == (status, code)
        assert got.headers["content-type"] == "application/json"
        assert "error" not in got.json
        assert "provider-secret" not in got.json["message"]
        assert ("retry-after" in got.headers) == (status in (429, 503))
        edge.provider.play = whole
        connection.send(raw)
        assert connection.answer().status == 200


def test_a_provider_s_retry_after_is_passed_on(edge: Edge) -> None:
    """The client hears how long the provider wants it to wait."""
    edge.provider.play = refuses(429, extra="retry-after: 7\r\n")
    assert call(edge.port).headers["retry-after"] == "7"


BREAKS = {
    "connection cut": says(STREAM_HEAD + chunked(events()[0])),
    "chunk cut": says(STREAM_HEAD + chunked(events()[0]) + b"ff\r\nabc"),
    "bad chunk size": says(STREAM_HEAD + chunked(events()[0]) + b"zz\r\n"),
    "ended without a finish": streams(events()[:1]),
    "error event": streams([events()[0], ERROR_EVENT]),
    "bad JSON": streams([events()[0], b"data: {oops\n\n"]),
    "no object": streams([events()[0], b"data: 7\n\n"]),
}


@pytest.mark.parametrize("name", BREAKS)
def test_failures_after_the_first_event_are_one_error_event(edge: Edge, name: str) -> None:
    """What breaks under way ends in one event that both clients read as an error, then the end mark; no finish."""
    edge.provider.play = BREAKS[name]
    got = call(edge.port, STREAM)
    assert (got.status, got.whole) == (200, True)
    *_, error, mark = got.events
    assert mark == "[DONE]"
    assert error["error_code"] == error["error"]["code"]
    assert error["message"] == error["error"]["message"]
    assert len([event for event in got.events if event != "[DONE]" and "error" in event]) == 1
    assert text(got) == "Glass "
    assert not finishes(got)


@pytest.mark.parametrize("framing", ["chunks", "until the end"])
def test_a_stream_cut_at_any_byte_never_gets_a_finish_it_had_not(edge: Edge, framing: str) -> None:
    """Wherever the provider is cut off, the client gets an error or the true rest, never an invented end."""
    said = events(["Gl", "ass"])
    in_chunks = framing == "chunks"
    whole_raw = STREAM_HEAD + b"".join(map(chunked, [*said, b""])) if in_chunks else CLOSE_HEAD + b"".join(said)
    first_ends, finish_ends = whole_raw.index(said[0]) + len(said[0]), whole_raw.index(said[2]) + len(said[2])
    for cut in range(len(whole_raw)):
        edge.provider.play = says(whole_raw[:cut])
        got = call(edge.port, STREAM)
        where = f"cut at byte {cut}"
        if got.status != 200:
            assert got.status == 502, where
            assert cut < first_ends, where
            continue
        assert got.whole, where
        assert got.events[-1] == "[DONE]", where
        assert "Glass".startswith(text(got)), where
        if cut < finish_ends - 2:
            assert not finishes(got), where
            assert got.events[-2]["error_code"] == "INTERNAL_ERROR", where
        elif finishes(got):
            assert (finishes(got), text(got)) == (["stop"], "Glass"), where
        else:
            assert "error" in got.events[-2], where


def test_an_answer_cut_at_any_byte_is_an_error(edge: Edge) -> None:
    """A whole answer that is not whole is a 502, wherever it is cut."""
    raw = framed(answer("."))
    for cut in range(len(raw)):
        edge.provider.play = says(raw[:cut])
        assert call(edge.port).status == 502, f"cut at byte {cut}"


STALLS = {
    "before the head": (b"", 504),
    "behind the head": (STREAM_HEAD, 504),
    "within the first event": (STREAM_HEAD + b"10\r\ndata: {", 504),
    "behind the first event": (STREAM_HEAD + chunked(events()[0]), 200),
}


@pytest.mark.parametrize("name", STALLS)
def test_a_stalled_provider_is_given_up(hasty: Edge, name: str) -> None:
    """Silence beyond the time-out ends the call, as a 504 or an error event, and the provider's connection."""
    gone: list[float] = []
    first, status = STALLS[name]
    hasty.provider.play = hangs(first, gone)
    got = call(hasty.port, STREAM)
    assert got.status == status
    error = got.json if status == 504 else got.events[-2]
    assert error["error_code"] == "DEADLINE_EXCEEDED"
    assert 0.5 < wait_for(gone) < 10


LEFT = {
    "a whole answer, not begun": (request(), b""),
    "a whole answer, begun": (request(), CUT_LENGTH + b"{"),
    "a stream, not begun": (STREAM, b""),
    "a stream, begun": (STREAM, STREAM_HEAD + chunked(events()[0])),
}


@pytest.mark.parametrize("name", LEFT)
def test_a_client_that_hangs_up_frees_the_provider(edge: Edge, name: str) -> None:
    """Within a second of the client's leaving, the provider's connection is closed."""
    gone: list[float] = []
    raw, first = LEFT[name]
    edge.provider.play = hangs(first, gone)
    with Connection(edge.port) as connection:
        connection.send(raw)
        deadline = time.monotonic() + 10
        while not edge.provider.asked and time.monotonic() < deadline:
            time.sleep(0.005)
        if first.startswith(STREAM_HEAD):
            connection.head()
        time.sleep(0.1)
        assert not gone
    left = time.monotonic()
    wait_for(gone)
    assert time.monotonic() - left < 1
    assert "cancelled" in edge.wait_for_log(" cancelled ")


SDK = b"User-Agent: unknown/0.0.0 databricks-sdk-py/0.156.0 python/3.11.7 os/linux auth/pat\r\n"
JSON_ONLY = b"Accept: application/json\r\n"
FOLDING = [
    (SDK + JSON_ONLY, b"/serving-endpoints/chat/invocations", True),
    (SDK + JSON_ONLY, b"/serving-endpoints/chat/served-models/primary/invocations", True),
    (SDK + JSON_ONLY, b"/serving-endpoints/chat/completions", False),
    (SDK + b"Accept: */*\r\n", b"/serving-endpoints/chat/invocations", False),
    (SDK, b"/serving-endpoints/chat/invocations", False),
    (b"User-Agent: OpenAI/Python 3.54.0\r\n" + JSON_ONLY, b"/serving-endpoints/chat/invocations", False),
]


@pytest.mark.parametrize(("headers", "path", "folds"), FOLDING)
def test_only_the_sdk_gets_streams_folded(edge: Edge, headers: bytes, path: bytes, folds: bool) -> None:
    """The client that cannot read a stream gets one JSON answer; its look-alikes get the stream they ask for."""
    body = ASK_STREAM[:-1] + b',"model":"chat"}'
    got = call(edge.port, request(body, path=path, extra=headers))
    assert got.status == 200
    if folds:
        assert got.json["choices"][0]["message"]["content"] == "Glass bell."
    else:
        assert text(got) == "Glass bell."


def test_a_finish_is_held_until_its_usage_is_known(edge: Edge) -> None:
    """Usage that a provider sends in a chunk of its own comes on the finishing chunk, and no chunk lacks choices."""
    trailer = chunk("") | {"choices": [], "usage": USAGE}
    said = [chunk("Hi"), chunk("", "stop"), trailer]
    edge.provider.play = streams([b"data: " + json.dumps(event).encode() + b"\n\n" for event in said] + events()[-1:])
    got = call(edge.port, STREAM)
    assert [len(event["choices"]) for event in got.events[:-1]] == [1, 1]
    assert got.events[-2]["usage"] == USAGE
