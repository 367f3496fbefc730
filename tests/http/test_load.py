"""Much at once and for long: slow readers, many connections, racing providers, and what is left behind afterwards."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from edge_client import ASK, ASK_STREAM, Connection, call, request
from edge_server import BOTH, Edge, serving
from edge_upstream import STREAM_HEAD, Peer, chunked, events, framed, whole

pytest_plugins = ("edge_fixtures",)

MEGABYTE = 1 << 20


def test_a_slow_reader_costs_no_memory(edge: Edge) -> None:
    """200 MB for a client that does not keep up pass through within 30 MB, and arrive whole."""
    block = b"".join(events(["x" * 4000])[:1] * 16)
    count = 200 * MEGABYTE // len(block)

    def flood(peer: Peer) -> None:
        peer.send(STREAM_HEAD)
        for _ in range(count):
            peer.send(chunked(block))
        peer.send(*map(chunked, [*events([])[-2:], b""]))

    edge.provider.play = whole
    call(edge.port, request(ASK_STREAM))
    before, most, size = edge.resident(), 0, 0
    edge.provider.play = flood
    with Connection(edge.port, receive_buffer=65536) as connection:
        connection.send(request(ASK_STREAM))
        connection.head()
        last, checked = b"", 0
        while not last.endswith(b"data: [DONE]\n\n\r\n0\r\n\r\n"):
            data = connection.read_some()
            assert data, "the stream ended early"
            size += len(data)
            last = (last + data)[-40:]
            if size - checked > 10 * MEGABYTE:
                checked = size
                time.sleep(0.05)
                most = max(most, edge.resident())
    assert size > count * len(block)
    assert most - before < 30 * MEGABYTE


def test_a_reader_that_stops_holds_the_provider_back(edge: Edge) -> None:
    """Of a stream that nobody reads only what fits into the buffers between leaves the provider."""
    sent = [0]

    def endless(peer: Peer) -> None:
        peer.send(STREAM_HEAD)
        while True:
            peer.send(chunked(events(["x" * 4000])[0]))
            sent[0] += 4000

    edge.provider.play = endless
    before = edge.resident()
    with Connection(edge.port, receive_buffer=65536) as connection:
        connection.send(request(ASK_STREAM))
        settled = -1
        deadline = time.monotonic() + 20
        while settled != sent[0] or not sent[0]:
            assert time.monotonic() < deadline, f"{sent[0]} bytes and no end"
            settled = sent[0]
            time.sleep(0.5)
        assert sent[0] < 40 * MEGABYTE
        assert edge.resident() - before < 30 * MEGABYTE


def in_threads(count: int, work: Callable[[int], None]) -> None:
    """Run `work` in so many threads; the first failure is raised."""
    failures: list[BaseException] = []

    def run(number: int) -> None:
        try:
            work(number)
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=run, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise failures[0]


def asking(text: str, *, stream: bool) -> bytes:
    """A chat call for a text."""
    return request((ASK_STREAM if stream else ASK).replace(b"What is a bell?", text.encode()))


@BOTH
def test_many_connections_leave_nothing_behind(tmp_path: Path, lane: bool) -> None:
    """200 connections with 20 calls each are all answered, and no descriptor stays open behind them."""
    with serving(tmp_path, lane=lane) as edge:
        call(edge.port)
        before = edge.descriptors() - kept_for_the_provider(edge)

        def work(number: int) -> None:
            with Connection(edge.port) as connection:
                for turn in range(20):
                    stream = (number + turn) % 2 == 0
                    connection.send(asking(f"{number}-{turn}", stream=stream))
                    got = connection.answer()
                    assert (got.status, got.whole) == (200, True)
                    assert (b"[DONE]" in got.body) == stream

        in_threads(200, work)
        deadline = time.monotonic() + 20
        while (now := edge.descriptors() - kept_for_the_provider(edge)) > before:
            assert time.monotonic() < deadline, f"{before} before, {now} now"
            time.sleep(0.05)


def kept_for_the_provider(edge: Edge) -> int:
    """Connections that the server keeps for later calls."""
    wanted, established = f":{edge.provider.port:04X}", "01"
    lines = [line.split() for line in Path(f"/proc/{edge.process.pid}/net/tcp").read_text().splitlines()[1:]]
    return sum(line[2].endswith(wanted) and line[3] == established for line in lines)


def test_a_provider_that_drops_idle_connections_loses_no_call(edge: Edge) -> None:
    """A kept connection that the provider closes just when it is used again does not become an error."""
    dice = random.Random(11)

    def restless(peer: Peer) -> None:
        whole(peer)
        if dice.random() < 0.5:
            time.sleep(dice.random() * 0.003)
            peer.close()

    edge.provider.play = restless

    def work(number: int) -> None:
        with Connection(edge.port) as connection:
            for turn in range(40):
                connection.send(asking(f"{number}-{turn}", stream=turn % 2 == 0))
                assert connection.answer().status == 200

    in_threads(8, work)


@pytest.mark.parametrize("size", [1, 100_000])
def test_answers_in_drops_arrive_whole(edge: Edge, size: int) -> None:
    """A provider that writes byte by byte is read like any other."""
    raw = framed(b'{"choices":[{"message":{"content":"' + b"x" * size + b'"}}]}')
    step = max(1, len(raw) // 200)
    pieces = [raw[at : at + step] for at in range(0, len(raw), step)]
    edge.provider.play = lambda peer: peer.send(*pieces, pause=0.001)
    assert call(edge.port).json["choices"][0]["message"]["content"] == "x" * size
