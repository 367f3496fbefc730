"""AWS event streams are read alike however they are cut, and a damaged one is never read on."""

from __future__ import annotations

import struct
import zlib

import pytest
from botocore.eventstream import EventStreamBuffer
from hypothesis import given
from hypothesis import strategies as some

from cloche.codec.eventstream import MAX_FRAME, Frame, Frames
from cloche.domain.errors import ProviderBroken

from .cuts import every_way, whole
from .frames import event, frame, header, text

ALL_TYPES = b"".join(
    (
        header("true", 0, b""),
        header("false", 1, b""),
        header("byte", 2, struct.pack(">b", -3)),
        header("short", 3, struct.pack(">h", -300)),
        header("int", 4, struct.pack(">i", -70_000)),
        header("long", 5, struct.pack(">q", -5_000_000_000)),
        header("bytes", 6, struct.pack(">H", 3) + b"\x00\xff\x01"),
        text("text", "héllo"),
        header("time", 8, struct.pack(">q", 1_700_000_000_123)),
        header("uuid", 9, bytes(range(16))),
    )
)
STREAM = event("messageStart", role="assistant") + frame(ALL_TYPES, b"") + frame(b"", b"x" * 300) + event("é", text="é")


def heard(pieces: list[bytes]) -> list[Frame]:
    """The frames of a stream that ends well."""
    frames = Frames()
    found = [each for piece in pieces for each in frames.feed(piece)]
    frames.close()
    return found


def test_headers_of_every_type() -> None:
    """Each type of header is read as the value that it stands for."""
    [found] = heard([frame(ALL_TYPES, b"payload")])
    assert found.headers == {
        "true": True,
        "false": False,
        "byte": -3,
        "short": -300,
        "int": -70_000,
        "long": -5_000_000_000,
        "bytes": b"\x00\xff\x01",
        "text": "héllo",
        "time": 1_700_000_000_123,
        "uuid": bytes(range(16)),
    }
    assert found.payload == b"payload"


def test_any_cut_gives_the_same() -> None:
    """However a stream is cut, its frames are the same."""
    expected = heard(whole(STREAM))
    assert len(expected) == 4
    for name, pieces in every_way(STREAM):
        assert heard(pieces) == expected, name


@given(some.lists(some.tuples(some.text(min_size=1, max_size=9), some.binary(max_size=400)), max_size=5))
def test_frames_are_read_as_the_sdk_reads_them(given_frames: list[tuple[str, bytes]]) -> None:
    """The signer's own library finds the same frames in a stream."""
    stream = b"".join(frame(text(":event-type", name), payload) for name, payload in given_frames)
    theirs = EventStreamBuffer()
    theirs.add_data(stream)
    expected = [Frame(dict(each.headers), each.payload) for each in theirs]
    assert heard([stream[:7], stream[7:]]) == expected
    assert [(each.headers[":event-type"], each.payload) for each in expected] == given_frames


@pytest.mark.parametrize("at", range(len(event("a", b=1))))
def test_no_flipped_bit_goes_unseen(at: int) -> None:
    """A frame in which any byte was changed is broken, or the stream has not ended."""
    good = bytearray(event("a", b=1))
    good[at] ^= 0x10
    with pytest.raises(ProviderBroken):
        heard([bytes(good)])


def lengths(total: int, headers: int) -> bytes:
    """A prelude whose checksum is right."""
    given_lengths = struct.pack(">II", total, headers)
    return given_lengths + struct.pack(">I", zlib.crc32(given_lengths))


@pytest.mark.parametrize(
    ("total", "headers"), [(15, 0), (0, 0), (16, 1), (MAX_FRAME + 1, 0), (2**32 - 1, 0), (MAX_FRAME, 2**18)]
)
def test_impossible_lengths_are_refused_at_once(total: int, headers: int) -> None:
    """Lengths that no frame can have are told before anything is kept for them."""
    with pytest.raises(ProviderBroken, match="impossible length"):
        Frames().feed(lengths(total, headers))


@pytest.mark.parametrize(
    "headers",
    [
        b"\x05ab",
        b"\x01a\x0a",
        b"\x01a",
        text("a", "b")[:-1],
        header("a", 4, b"\x00"),
        header("a", 9, b"\x00" * 15),
        header("a", 7, b"\x00\x01\xff"),
        b"\x01\xff\x00",
    ],
)
def test_headers_that_cannot_be_read(headers: bytes) -> None:
    """A frame with right checksums and wrong headers is broken, and no exception of Python's own."""
    with pytest.raises(ProviderBroken, match="headers cannot be read"):
        Frames().feed(frame(headers, b""))


def test_a_stream_that_ends_within_a_frame() -> None:
    """A stream that was cut anywhere but between frames is told as cut off."""
    one = event("a", b=1)
    for end in range(1, len(one)):
        frames = Frames()
        assert frames.feed(one + one[:end]) == heard([one])
        with pytest.raises(ProviderBroken, match="cut off"):
            frames.close()
