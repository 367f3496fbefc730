"""The event stream decoder: the same payloads for every cut of every stream that providers send."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloche.codec import sse
from cloche.domain.errors import ProviderBroken

from .cuts import at, bytewise, every_way, whole

BOM = b"\xef\xbb\xbf"

STREAMS = {
    "nothing": (b"", []),
    "one event": (b"data: a\n\n", [b"a"]),
    "two events": (b"data: a\n\ndata: b\n\n", [b"a", b"b"]),
    "CRLF": (b"data: a\r\n\r\ndata: b\r\n\r\n", [b"a", b"b"]),
    "CR": (b"data: a\r\rdata: b\r\r", [b"a", b"b"]),
    "all line ends mixed": (b"data: a\n\r\ndata: b\r\rdata: c\r\n\ndata: d\n\n", [b"a", b"b", b"c", b"d"]),
    "no space after the colon": (b"data:a\n\ndata:  b\n\n", [b"a", b" b"]),
    "comments": (b": ping\n\ndata: a\n: between\n\n:\n\ndata: b\n\n", [b"a", b"b"]),
    "other fields": (b"event: message\nid: 7\nretry: 10\ndata: a\n\n", [b"a"]),
    "fields that only begin with data": (b"database: x\ndata: a\ndatum\n\n", [b"a"]),
    "fields without data make no event": (b"event: ping\n\ndata: a\n\n", [b"a"]),
    "several data lines": (b"data: a\ndata: b\ndata:\ndata\n\n", [b"a\nb\n\n"]),
    "an empty event": (b"data:\n\ndata: \n\ndata: a\n\n", [b"", b"", b"a"]),
    "blank lines before, between and after": (b"\n\n\ndata: a\n\n\n\ndata: b\n\n\n", [b"a", b"b"]),
    "a byte order mark": (BOM + b"data: a\n\n", [b"a"]),
    "a byte order mark in the middle is text": (b"data: a\n\n" + BOM + b"data: b\n\n", [b"a"]),
    "only a byte order mark": (BOM, []),
    "no blank line at the end": (b"data: a\n\ndata: b\n", [b"a", b"b"]),
    "no line end at the end": (b"data: a\n\ndata: [DONE]", [b"a", b"[DONE]"]),
    "no line end at the end of a stream with a mark": (BOM + b"data: [DONE]", [b"[DONE]"]),
    "the last CR": (b"data: a\r\n\r", [b"a"]),
    "colons and marks inside": (b'data: {"a": "data: \xef\xbb\xbf"}\n\n', [b'{"a": "data: \xef\xbb\xbf"}']),
    "any bytes": (b"data: \x00\xff\x85\n\n", [b"\x00\xff\x85"]),
}


def payloads(pieces: list[bytes]) -> list[bytes]:
    """What one decoder makes of the pieces."""
    decoder = sse.Decoder()
    return [payload for piece in pieces for payload in decoder.feed(piece)] + decoder.close()


@pytest.mark.parametrize(("stream", "expected"), STREAMS.values(), ids=STREAMS.keys())
def test_the_table_however_it_is_cut(stream: bytes, expected: list[bytes]) -> None:
    """Every stream of the table gives its payloads whole, byte by byte and at random cuts."""
    for way, pieces in every_way(stream):
        assert payloads(pieces) == expected, way


LINES = st.sampled_from(
    [b"data: x", b"data:y", b"data", b"data: ", b": c", b"event: e", b"id: 1", b"", b"", b"da", BOM, b"data: \xc3\xa9"]
)
STREAM = st.lists(st.tuples(LINES, st.sampled_from([b"\n", b"\r\n", b"\r"])), max_size=20).map(
    lambda lines: b"".join(line + end for line, end in lines)
)


@given(stream=STREAM, tail=LINES, places=st.lists(st.integers(0, 200), max_size=10))
def test_any_cut_gives_the_same_payloads(stream: bytes, tail: bytes, places: list[int]) -> None:
    """Where a stream is cut never changes what is read from it."""
    stream += tail
    assert payloads(at(stream, places)) == payloads(whole(stream)) == payloads(bytewise(stream))


@given(stream=STREAM)
def test_the_payloads_are_those_of_the_standard(stream: bytes) -> None:
    """A slow reader that follows the letter of the standard, line by line, reads the same from whole events."""
    stream += b"\n\n"
    text = stream.removeprefix(BOM).replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    expected: list[bytes] = []
    data: list[bytes] = []
    for line in text.split(b"\n"):
        field, _, value = line.partition(b":")
        if not line and data:
            expected.append(b"\n".join(data))
            data = []
        elif line and field == b"data":
            data.append(value.removeprefix(b" "))
    assert payloads([stream]) == expected


@pytest.mark.parametrize("line_end", [b"", b"\ndata: "], ids=["one line", "many lines"])
def test_an_event_without_an_end_is_refused(line_end: bytes) -> None:
    """An event of 33 MiB breaks the stream, whether it is one line or many; the bound is on one event, not on all."""
    decoder = sse.Decoder()
    piece = b"x" * (1024 * 1024 - len(line_end)) + line_end
    for _ in range(40):
        assert decoder.feed(b"data: " + piece + b"\n\n")
    decoder.feed(b"data: ")
    for _ in range(31):
        decoder.feed(piece)
    with pytest.raises(ProviderBroken, match="32 MiB"):
        decoder.feed(2 * piece)


@pytest.mark.parametrize(
    "piece", [b"x", b"x\ndata: ", b"x\r\ndata: ", b"\xc3\xa9 "], ids=["one line", "LF lines", "CRLF lines", "two bytes"]
)
def test_a_long_event_in_small_pieces_takes_linear_time(piece: bytes) -> None:
    """An event of many tiny pieces does not get slower with its length: four times as long takes far less than
    sixteen times the time."""

    def seconds(pieces: int) -> float:
        best = float("inf")
        for _ in range(3):
            decoder = sse.Decoder()
            start = time.process_time()
            decoder.feed(b"data: ")
            for _ in range(pieces):
                decoder.feed(piece)
            decoder.feed(b"\n\n")
            best = min(best, time.process_time() - start)
        return best

    assert seconds(200_000) < 10 * seconds(50_000) + 0.05


def test_what_is_encoded_is_read_again() -> None:
    """Events that cloche writes are data lines and blank lines only, and the decoder reads them back."""
    events = [b'{"a":1}', b"[DONE]"]
    assert sse.encode(events[0]) == b'data: {"a":1}\n\n'
    assert sse.encode_all(events) == sse.encode(events[0]) + sse.encode(events[1])
    assert sse.encode_all([]) == b""
    assert payloads([sse.encode_all(events)]) == events


@pytest.mark.parametrize(
    ("before", "data", "expected"),
    [
        (b"\n", b"data: a\n\n", [b"a"]),
        (b"", b"data: a\n\n", []),
        (b"data: x\n\n", b"data: a\n\n", [b"a"]),
        (b"data: x", b"data: a\n\n", []),
        (b"data: x\n", b"data: a\n\n", []),
        (b"\n", b"data: a\n", []),
        (b"\n", b"data: a\n\ndata: b\n\n", [b"a", b"b"]),
        (b"\n", b"data: a\n\ndata: b\n", []),
        (b"\n", b"data: a\ndata: b\n\n", []),
        (b"\n", b"data: a\n\n\ndata: b\n\n", []),
        (b"\n", b"data: a\r\n\r\n", []),
        (b"\n", b"data:a\n\n", []),
        (b"\n", b": a\n\n", []),
        (b"\n", b"", []),
    ],
)
def test_whole_events_are_recognised(before: bytes, data: bytes, expected: list[bytes]) -> None:
    """Only bytes that are nothing but whole one-line events, with nothing of another before them, may pass."""
    decoder = sse.Decoder()
    decoder.feed(before)
    assert decoder.whole_events(data) == expected
