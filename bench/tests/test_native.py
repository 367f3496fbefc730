"""The load generator and the fake provider against each other, and the generator against bad gateways."""

from __future__ import annotations

import http.client
import json
import time
from pathlib import Path

import pytest

from bench import workloads
from bench.calls import Call, Target
from bench.processes import all_cores
from bench.results import Sample
from bench.tests.conftest import Answering
from bench.workloads import Bench, Spell, Workload
from cloche.codec import sse
from cloche.codec.eventstream import Frames

ONE_EVENT = b"data: {}\n\n"
STREAM_HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n"


def drive(folder: Path, target: Target, workload: Workload, calls: int = 4) -> Sample:
    """A few calls of that workload."""
    return workloads.measure(Bench(folder, all_cores(), rate=100), target, None, workload, Spell(5, calls))


def test_plain_answers_are_counted(provider: Target, tmp_path: Path) -> None:
    """As many calls as were asked for are done, and none is bad."""
    sample = drive(tmp_path, provider, Workload(Call(), connections=2), calls=50)
    assert (sample.done, sample.bad) == (50, 0)


def test_streams_are_whole(provider: Target, tmp_path: Path) -> None:
    """A stream brings its content, then finish, usage and [DONE]."""
    sample = drive(tmp_path, provider, Workload(Call(stream=True, events=7), connections=2))
    assert (sample.done, sample.bad, sample.events) == (4, 0, 4 * (7 + 3))


def asked(provider: Target, path: str, body: bytes = b"{}") -> bytes:
    """The body of the provider's answer to a call of that path."""
    connection = http.client.HTTPConnection("127.0.0.1", provider.port, timeout=5)
    try:
        connection.request("POST", path, body)
        return connection.getresponse().read()
    finally:
        connection.close()


def test_anthropic_s_dialect_is_spoken(provider: Target) -> None:
    """By the path: what opens a message, its content, and what ends it."""
    events = sse.Decoder().feed(asked(provider, "/v1/messages", b'{"stream":true,"x":"[[d=0,g=0,n=3,r=0]]"}'))
    kinds = [json.loads(event)["type"].removeprefix("content_") for event in events]
    deltas = ["block_delta"] * 3
    assert kinds == ["message_start", "block_start", *deltas, "block_stop", "message_delta", "message_stop"]
    assert json.loads(asked(provider, "/v1/messages"))["stop_reason"] == "end_turn"


def test_bedrock_s_dialect_is_spoken(provider: Target) -> None:
    """By the path: frames, whose checksums are right, of content and what stands around it."""
    frames = Frames().feed(asked(provider, "/model/m/converse-stream", b'{"x":"[[d=0,g=0,n=3,r=0]]"}'))
    kinds = [frame.headers[":event-type"] for frame in frames]
    assert kinds == ["messageStart", *["contentBlockDelta"] * 3, "contentBlockStop", "messageStop", "metadata"]
    assert json.loads(asked(provider, "/model/m/converse"))["stopReason"] == "end_turn"


def test_streams_are_paced(provider: Target, tmp_path: Path) -> None:
    """Delay and gaps of a call are kept: its latency is no less than their sum."""
    call = Call(stream=True, delay_us=30_000, gap_us=10_000, events=5)
    sample = drive(tmp_path, provider, Workload(call, connections=1), calls=1)
    assert 80 <= sample.p50_us / 1000 < 1000
    assert 30 <= sample.first_byte_p50_us / 1000 < 80


def test_large_bodies_go_both_ways(provider: Target, tmp_path: Path) -> None:
    """10 MB are read in full before as much is answered."""
    sample = drive(tmp_path, provider, workloads.WORKLOADS["big"])
    assert (sample.done, sample.bad) == (4, 0)
    assert sample.bytes >= 4 * workloads.BIG


def test_the_open_loop_keeps_its_rate(provider: Target, tmp_path: Path) -> None:
    """At 100 calls a second, 20 calls take about a fifth of a second, however fast the answers come."""
    began = time.monotonic()
    sample = workloads.measure(
        Bench(tmp_path, all_cores(), rate=100), provider, None, workloads.WORKLOADS["rate"], Spell(0.2)
    )
    assert (sample.done, sample.bad) == (20, 0)
    assert time.monotonic() - began >= 0.19


@pytest.mark.parametrize(
    ("answer", "stream", "complaint"),
    [
        (b"HTTP/1.1 500 Oh\r\ncontent-length: 2\r\nconnection: close\r\n\r\nno", False, "4 answered 500"),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 9000\r\n\r\nhalf", False, "4 cut off"),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\n{}", False, "4 too short"),
        (b"", False, "4 cut off"),
        (STREAM_HEAD + ONE_EVENT, True, "4 cut off"),
        (
            STREAM_HEAD.replace(b"connection: close", b"transfer-encoding: chunked") + b"a\r\n" + ONE_EVENT,
            True,
            "4 cut off",
        ),
    ],
)
def test_bad_answers_are_never_done(
    answering: Answering, tmp_path: Path, answer: bytes, stream: bool, complaint: str
) -> None:
    """An error, a cut answer or stream, and a body that is too small count as bad and leave no latency behind."""
    sample = drive(tmp_path, answering(answer), Workload(Call(stream=stream), connections=1))
    assert (0, complaint, 0.0) == (sample.done, sample.complaint(), sample.p50_us)


def test_a_gateway_that_is_gone_is_bad(tmp_path: Path) -> None:
    """Where nobody listens, the sample says so instead of failing or being empty."""
    sample = drive(tmp_path, Target(1, "/", "chat", {}), Workload(Call(), connections=1))
    assert sample.complaint() == "1 could not connect"
