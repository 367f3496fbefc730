"""Clients that take more than their share: they never read, send bodies without end, or make no sense."""

from __future__ import annotations

import json
import time
import tracemalloc
from contextlib import ExitStack
from pathlib import Path

import pytest
from edge_client import ASK, ASK_STREAM, Connection, call, request
from edge_server import Edge, serving
from edge_upstream import STREAM_HEAD, Peer, answer, chunked, events, framed

from cloche.http import chat_paths

pytest_plugins = ("edge_fixtures",)

MEGABYTE = 1 << 20
STRANGER = request(b"", auth=b"")
HEALTH = request(b"", path=b"/health", method=b"GET", auth=b"")


def pour(connection: Connection, data: bytes, seconds: float) -> int:
    """Write the same again and again for so long, never reading; the bytes that were taken."""
    connection.sock.settimeout(0.1)
    deadline, taken = time.monotonic() + seconds, 0
    while time.monotonic() < deadline:
        try:
            taken += connection.sock.send(data)
        except TimeoutError:
            continue
        except OSError:
            break
    return taken


@pytest.mark.parametrize("kind", ["refused", "other", "mixed"])
def test_a_client_that_never_reads_costs_no_memory(tmp_path: Path, kind: str) -> None:
    """Requests without a token, of whatever kind, stay within 20 MB, and others are served."""
    block = {"refused": STRANGER, "other": HEALTH, "mixed": STRANGER + HEALTH}[kind] * 200
    with serving(tmp_path) as edge:
        call(edge.port)
        before = edge.resident()
        with Connection(edge.port, receive_buffer=65536) as greedy:
            pour(greedy, block, 4)
            assert edge.resident() - before < 20 * MEGABYTE
            assert call(edge.port).status == 200


def test_who_reads_late_gets_every_answer_in_order(edge: Edge) -> None:
    """What was held back because the client did not read is answered when it does."""
    count = 3000
    ids = []
    with Connection(edge.port, receive_buffer=65536) as connection:
        connection.sock.setblocking(False)
        rest, read, deadline = memoryview((STRANGER + HEALTH) * count), b"", time.monotonic() + 60
        while rest and time.monotonic() < deadline:
            try:
                rest = rest[connection.sock.send(rest) :]
            except BlockingIOError:
                try:
                    read += connection.sock.recv(65536)
                except BlockingIOError:
                    time.sleep(0.001)
        connection.sock.settimeout(20)
        connection._read = read
        for _ in range(count):
            refused, healthy = connection.answer(), connection.answer()
            assert (refused.status, healthy.status) == (401, 200)
            ids += [refused.headers["x-request-id"], healthy.headers["x-request-id"]]
    assert len(set(ids)) == 2 * count


def test_many_answers_behind_a_slow_one_come_all(edge: Edge) -> None:
    """A thousand requests queued in one piece behind a call under way are answered one after another."""

    def slow(peer: Peer) -> None:
        time.sleep(0.3)
        peer.send(framed(answer()))

    edge.provider.play = slow
    with Connection(edge.port) as connection:
        connection.send(request() + request(b"", path=b"/serving-endpoints/c/invocations", auth=b"") * 1000)
        assert connection.answer().status == 200
        assert {connection.answer().status for _ in range(1000)} == {401}


def test_who_never_reads_a_whole_answer_is_cut_off(tmp_path: Path) -> None:
    """An answer of which nothing is taken for the time that a request may take ends its connection."""
    with serving(tmp_path, request_read_seconds=1) as edge:
        edge.provider.play = lambda peer: peer.send(framed(answer("x" * (12 * MEGABYTE))))
        before = edge.descriptors()
        with ExitStack() as stack:
            for extra in (b"", b"Connection: close\r\n"):
                connection = stack.enter_context(Connection(edge.port, receive_buffer=65536))
                connection.send(request(extra=extra))
            deadline = time.monotonic() + 5
            while edge.descriptors() < before + 2:
                assert time.monotonic() < deadline
                time.sleep(0.01)
            edge.wait_for_log(" 200 POST")
            deadline = time.monotonic() + 15
            while edge.descriptors() > before + 2:  # two connections to the provider are kept
                assert time.monotonic() < deadline, "the connections are still open"
                time.sleep(0.05)


def test_a_stream_waits_for_its_client(tmp_path: Path) -> None:
    """A client that pauses in the middle of a stream, longer than a request may take, gets the rest all the same."""
    block = b"".join(events(["x" * 4000])[:1] * 16)

    def flood(peer: Peer) -> None:
        peer.send(STREAM_HEAD, *([chunked(block)] * 300))
        peer.send(*map(chunked, [*events([])[-2:], b""]))

    with serving(tmp_path, request_read_seconds=1, keep_alive_seconds=1) as edge:
        edge.provider.play = flood
        with Connection(edge.port, receive_buffer=65536) as connection:
            connection.send(request(ASK_STREAM))
            connection.head()
            time.sleep(4)
            assert connection.rest().endswith(b"data: [DONE]\n\n\r\n0\r\n\r\n")


def test_bodies_in_the_making_are_bounded_over_all_connections(tmp_path: Path) -> None:
    """Sixteen bodies of the largest size may be in the making; one more is answered 429, until there is room again."""
    with serving(tmp_path, max_body=65536) as edge:
        with ExitStack() as stack:
            for _ in range(16):
                connection = stack.enter_context(Connection(edge.port))
                connection.send(request(b" " * 65536)[:-1])
            time.sleep(0.5)
            got = call(edge.port, request(ASK))
            assert (got.status, got.json["error_code"]) == (429, "REQUEST_LIMIT_EXCEEDED")
            assert got.headers["retry-after"] == "1"
        deadline = time.monotonic() + 10
        while call(edge.port, request(ASK)).status != 200:
            assert time.monotonic() < deadline, "what the clients that left had sent still counts"
            time.sleep(0.05)
        for _ in range(40):  # answered bodies count no longer, whatever their answer was
            assert call(edge.port, request(b"{" + b" " * 60_000)).status == 400


NO_HTTP = {
    "garbage": (b"\x01\x02 no HTTP\r\n\r\n", "-", "-"),
    "no host": (
        b"POST /serving-endpoints/chat/invocations?a=b HTTP/1.1\r\n\r\n",
        "POST",
        "/serving-endpoints/chat/invocations",
    ),
    "long head": (b"GET /health HTTP/1.1\r\nX: " + b"a" * 70_000, "GET", "/health"),
    "late": (b"GET /health HTTP/1.1\r\nHost", "GET", "/health"),
}


@pytest.mark.parametrize("name", NO_HTTP)
def test_what_is_no_request_has_an_id_and_a_line_too(tmp_path: Path, name: str) -> None:
    """Bad HTTP, a head that is too long and one that does not come are answered and logged like any other request."""
    raw, method, path = NO_HTTP[name]
    with serving(tmp_path, request_read_seconds=1, log_format="json") as edge:
        got = call(edge.port, raw)
        call_id = got.headers["x-request-id"]
        assert got.headers["databricks-request-id"] == call_id
        assert float(got.headers["cloche-overhead-ms"]) >= 0
        log = edge.wait_for_log(call_id)
    (line,) = [json.loads(line) for line in log.splitlines() if call_id in line]
    assert (line["method"], line["path"], line["status"]) == (method, path, got.status)
    assert (line["outcome"], line["error_code"]) == ("error", got.json["error_code"])


def test_long_urls_are_not_remembered() -> None:
    """Strangers' URLs, chat calls or not, leave nothing behind; those of usual length are read once."""
    known = b"/serving-endpoints/chat/invocations"
    assert chat_paths.match(known) is chat_paths.match(known) is not None
    chat_paths.match(b"/warm" * 100)
    tracemalloc.start()
    try:
        for number in range(2000):
            assert chat_paths.match(b"%b?%d" % (known, number) + b"x" * 60_000)
            assert chat_paths.match(b"/%d" % number) is None
        assert tracemalloc.get_traced_memory()[0] < MEGABYTE // 4
    finally:
        tracemalloc.stop()


def test_ready_names_nobody_to_strangers(edge: Edge) -> None:
    """The answer that needs no token says how many endpoints cannot serve, and not which."""
    got = call(edge.port, request(b"", path=b"/ready", method=b"GET", auth=b""))
    assert (got.status, got.json) == (200, {"status": "ok", "not_ready": 0})
