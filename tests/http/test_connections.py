"""Connections: pipelining, odd cuts, keep-alive, impatience with the slow, `Expect`, and clients that leave."""

from __future__ import annotations

import json
import random
import socket
import time

import pytest
from edge_client import ASK, ASK_STREAM, AUTH, CHAT, HOST, Connection, request
from edge_server import Edge
from edge_upstream import STREAM_HEAD, Peer, answer, chunked, events, framed, hangs, streams, wait_for

pytest_plugins = ("edge_fixtures",)

HEALTH = request(b"", path=b"/health", method=b"GET", auth=b"")
GARBAGE = b"\x01\x02 no HTTP\r\n\r\n"


def echo(peer: Peer) -> None:
    """Answer with the question, so that a test sees which answer it got; a stream takes a while."""
    said = json.loads(peer.body)["messages"][0]["content"]
    if b'"stream":true' in peer.body:
        streams(events([said]), pause=0.02)(peer)
    else:
        peer.send(framed(answer(said)))


def asking(said: str, *, stream: bool = False) -> bytes:
    """A chat call that asks for `said`."""
    body = {"messages": [{"role": "user", "content": said}], "stream": stream}
    return request(json.dumps(body).encode())


def text_in(body: bytes) -> str:
    """What a whole answer or a stream says first."""
    if body.startswith(b"data: "):
        first: str = json.loads(body[6:].partition(b"\n")[0])["choices"][0]["delta"]["content"]
        return first
    parsed = json.loads(body)
    said: str = parsed["choices"][0]["message"]["content"] if "choices" in parsed else parsed["status"]
    return said


PIPELINES: dict[str, list[tuple[str, bool] | None]] = {
    "chat, chat": [("a", False), ("b", False)],
    "chat, other": [("a", False), None],
    "other, chat": [None, ("a", False)],
    "streams between": [("a", True), None, ("b", True), ("c", False), None, None, ("d", True)],
}


@pytest.mark.parametrize("name", PIPELINES)
@pytest.mark.parametrize("cut", ["whole", "bytewise", "random"])
def test_pipelined_answers_come_in_order(edge: Edge, name: str, cut: str) -> None:
    """Requests sent at once, in any cut, are answered each once and in their order."""
    edge.provider.play = echo
    wanted = PIPELINES[name]
    raw = b"".join(HEALTH if said is None else asking(said[0], stream=said[1]) for said in wanted)
    dice = random.Random(7)
    places = range(1, len(raw))
    cuts = {"whole": [], "bytewise": list(places), "random": sorted(dice.sample(places, 40))}[cut]
    pieces = [raw[start:end] for start, end in zip([0, *cuts], [*cuts, len(raw)], strict=True)]
    with Connection(edge.port) as connection:
        connection.send(*pieces)
        answers = [connection.answer() for _ in wanted]
        assert [text_in(got.body) for got in answers] == ["ok" if said is None else said[0] for said in wanted]
        assert connection.silent(0.1)


@pytest.mark.parametrize("stream", [False, True])
def test_a_bad_request_behind_good_ones_waits_its_turn(edge: Edge, stream: bool) -> None:
    """Garbage in a pipeline does not get into the answers before it: they come whole, then one 400, then the end."""
    if not edge.lane:
        pytest.skip("plain uvicorn answers garbage at once")
    edge.provider.play = echo
    with Connection(edge.port) as connection:
        connection.send(asking("a", stream=stream) + HEALTH + asking("b") + GARBAGE + asking("c"))
        answers = [connection.answer() for _ in range(4)]
        assert [text_in(got.body) for got in answers[:3]] == ["a", "ok", "b"]
        assert answers[3].status == 400
        assert connection.rest() == b""


def test_a_body_that_breaks_behind_a_running_stream_waits_its_turn(edge: Edge) -> None:
    """A pipelined request whose chunks are bad is answered with its own 400 once the stream before it is complete."""
    if not edge.lane:
        pytest.skip("plain uvicorn answers garbage at once")
    edge.provider.play = echo
    broken = b"POST " + CHAT + b" HTTP/1.1\r\n" + HOST + AUTH + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n"
    broken_control = broken.replace(CHAT, b"/api/2.0/token/create")
    for bad in (broken, broken_control):
        with Connection(edge.port) as connection:
            connection.send(asking("a", stream=True) + bad)
            assert text_in(connection.answer().body) == "a"
            assert connection.answer().status == 400
            assert connection.rest() == b""


def test_a_client_that_leaves_takes_its_queue_along(edge: Edge) -> None:
    """When a client hangs up, the call under way is stopped at the provider and those behind it never get there."""
    if not edge.lane:
        pytest.skip("plain uvicorn does not read, and so does not notice, while requests are queued")
    gone: list[float] = []
    edge.provider.play = hangs(STREAM_HEAD + chunked(events()[0]), gone)
    with Connection(edge.port) as connection:
        connection.send(request(ASK_STREAM) + request() + HEALTH)
        assert connection.read_some().startswith(b"HTTP/1.1 200")
    wait_for(gone)
    assert len(edge.provider.asked) == 1


def test_half_a_goodbye_is_a_goodbye(edge: Edge) -> None:
    """A client that ends its side of the connection has hung up: the provider is told to stop."""
    gone: list[float] = []
    edge.provider.play = hangs(STREAM_HEAD + chunked(events()[0]), gone)
    with Connection(edge.port) as connection:
        connection.send(request(ASK_STREAM))
        connection.read_some()
        connection.sock.shutdown(socket.SHUT_WR)
        wait_for(gone)
        connection.rest()


def test_a_connection_serves_many_calls(edge: Edge) -> None:
    """Chat calls, streams, refusals and other requests follow one another on one connection."""
    with Connection(edge.port) as connection:
        for _ in range(20):
            connection.send(request())
            assert connection.answer().json["choices"][0]["finishReason"] == "stop"
            connection.send(request(ASK_STREAM))
            assert connection.answer().events[-1] == "[DONE]"
            connection.send(request(auth=b""))
            assert connection.answer().status == 401
            connection.send(HEALTH)
            assert connection.answer().status == 200


def test_connection_close_is_honoured(edge: Edge) -> None:
    """A client that asks for it gets `connection: close`, and the end of the connection behind the answer."""
    for raw in (request(extra=b"Connection: close\r\n"), request(ASK_STREAM, extra=b"Connection: close\r\n")):
        with Connection(edge.port) as connection:
            connection.send(raw)
            answer = connection.answer()
            assert (answer.status, answer.whole, answer.headers["connection"]) == (200, True, "close")
            assert connection.rest() == b""


# ---------------------------------------------------------------- impatience


def test_an_idle_connection_is_closed(hasty: Edge) -> None:
    """After the keep-alive time without a request the server closes, without a word."""
    with Connection(hasty.port) as connection:
        connection.send(request())
        assert connection.answer().status == 200
        started = time.monotonic()
        assert connection.rest() == b""
        assert 0.5 < time.monotonic() - started < 6


def test_a_client_that_says_nothing_is_closed(hasty: Edge) -> None:
    """A connection on which no request ever comes is closed, without a word."""
    if not hasty.lane:
        pytest.skip("plain uvicorn waits for ever")
    with Connection(hasty.port) as connection:
        assert connection.rest() == b""


SLOW = {
    "head": request()[:60],
    "head of another": HEALTH[:20],
    "body": request()[:-10],
    "body of another": request(b"{}", path=b"/api/2.0/token/create")[:-1],
}


@pytest.mark.parametrize("name", SLOW)
def test_a_request_that_comes_too_slowly_is_refused(hasty: Edge, name: str) -> None:
    """Whoever drips a request gets 408 and the end of the connection, also on a connection that served before."""
    if not hasty.lane:
        pytest.skip("plain uvicorn waits for ever")
    with Connection(hasty.port) as connection:
        connection.send(request())
        assert connection.answer().status == 200
        connection.send(SLOW[name])
        started = time.monotonic()
        answer = connection.answer()
        assert (answer.status, answer.json["error_code"]) == (408, "DEADLINE_EXCEEDED")
        assert time.monotonic() - started > 0.9
        assert connection.rest() == b""


def test_a_drip_does_not_buy_time(hasty: Edge) -> None:
    """A byte now and then does not keep a request alive."""
    if not hasty.lane:
        pytest.skip("plain uvicorn waits for ever")
    with Connection(hasty.port) as connection:
        started = time.monotonic()
        for byte in request():
            try:
                connection.send(bytes([byte]), pause=0.1)
            except OSError:
                break
            if time.monotonic() - started > 10:
                break
        assert time.monotonic() - started < 8


def test_an_answered_request_is_not_answered_again(hasty: Edge) -> None:
    """A client that is refused before its body is complete, and never completes it, gets that one answer."""
    if not hasty.lane:
        pytest.skip("plain uvicorn waits for ever")
    with Connection(hasty.port) as connection:
        connection.send(request(b"{}", path=b"/api/2.0/token/create", auth=b"")[:-1])
        assert connection.answer().status == 401
        assert connection.rest() == b""


def test_a_long_answer_is_not_cut_for_what_comes_behind(hasty: Edge) -> None:
    """The time for a request does not run while an earlier answer on its connection is under way."""
    hasty.provider.play = streams(events(["a", "b", "c", "d", "e"]), pause=0.25)
    with Connection(hasty.port) as connection:
        connection.send(request(ASK_STREAM) + request()[:-5])
        answer = connection.answer()
        assert answer.whole
        assert answer.events[-1] == "[DONE]"
        connection.send(request()[-5:])
        hasty.provider.play = echo
        assert connection.answer().status == 200


# ---------------------------------------------------------------- Expect: 100-continue


EXPECT = b"Expect: 100-continue\r\n"
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


def test_an_expected_continue_comes_once(edge: Edge) -> None:
    """A client that waits to be told to send its body is told so, and answered."""
    for path, body in ((CHAT, ASK), (b"/api/2.0/token/create", b"{}")):
        with Connection(edge.port) as connection:
            connection.send(request(body, path=path, extra=EXPECT)[: -len(body)])
            assert connection.sock.recv(len(CONTINUE)) == CONTINUE
            connection.send(body)
            assert connection.answer().status == 200


def test_a_refused_caller_is_not_told_to_send(hasty: Edge) -> None:
    """Nobody is asked for a body that will be refused: neither with a bad token nor when it is announced too large."""
    large = b"Content-Length: %d\r\n" % (1 << 20)
    refused = {401: request(auth=b"Authorization: Bearer wrong\r\n", extra=EXPECT)[: -len(ASK)]}
    if hasty.lane:
        refused[400] = b"POST " + CHAT + b" HTTP/1.1\r\n" + HOST + AUTH + EXPECT + large + b"\r\n"
    for status, raw in refused.items():
        with Connection(hasty.port) as connection:
            connection.send(raw)
            assert connection.answer().status == status
            assert hasty.lane is False or connection.rest() == b""


def test_a_continue_stays_out_of_an_earlier_answer(edge: Edge) -> None:
    """A pipelined request that waits for its continue gets it only behind the answer before it."""
    edge.provider.play = echo
    with Connection(edge.port) as connection:
        body = json.dumps({"messages": [{"role": "user", "content": "b"}]}).encode()
        connection.send(asking("a", stream=True) + request(body, extra=EXPECT)[: -len(body)])
        first = connection.answer()
        assert text_in(first.body) == "a"
        assert first.events[-1] == "[DONE]"
        assert connection.read_some() == CONTINUE
        connection.send(body)
        assert text_in(connection.answer().body) == "b"


def test_a_body_sent_unasked_behind_expect_is_taken(edge: Edge) -> None:
    """A client may send its body without waiting for the continue."""
    with Connection(edge.port) as connection:
        connection.send(request(ASK, extra=EXPECT))
        assert connection.sock.recv(len(CONTINUE)) == CONTINUE
        assert connection.answer().status == 200
