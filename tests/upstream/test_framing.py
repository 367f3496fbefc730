"""How answers are told apart from bytes: framing, cuts, interim answers, and everything that is no answer."""

from __future__ import annotations

import asyncio
import random
from itertools import pairwise

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cloche.domain.errors import ProviderBroken
from cloche.upstream import UpstreamOptions
from cloche.upstream.answer import Answer

from .conftest import Run
from .scripted import CHUNKED, EVENT, OK, SSE, Peer, Script, answering, client, fetch, serving

ANSWERS = {
    "length": (OK, 200, b"hi"),
    "chunked": (CHUNKED, 200, b"hello, world"),
    "sse": (SSE, 200, EVENT * 4),
    "empty": (b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n", 200, b""),
    "empty chunked": (b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n", 200, b""),
    "204": (b"HTTP/1.1 204 No Content\r\n\r\n", 204, b""),
    "304 with a length": (b"HTTP/1.1 304 Not Modified\r\ncontent-length: 5\r\n\r\n", 304, b""),
    "no reason": (b"HTTP/1.1 404\r\ncontent-length: 2\r\n\r\nno", 404, b"no"),
    "100 first": (b"HTTP/1.1 100 Continue\r\nx-i: 1\r\n\r\n" + OK, 200, b"hi"),
    "103 twice first": (b"HTTP/1.1 103 Early Hints\r\nlink: a\r\n\r\n" * 2 + CHUNKED, 200, b"hello, world"),
    "http/1.0": (b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nhi", 200, b"hi"),
    "error": (b"HTTP/1.1 429 Slow\r\nRetry-After: 3\r\ncontent-length: 2\r\n\r\n{}", 429, b"{}"),
}
NO_ANSWERS = {
    "garbage": b"\x16\x03\x01 nonsense\r\n\r\n",
    "a request": b"GET / HTTP/1.1\r\n\r\n",
    "length and chunked": OK.replace(b"\r\n\r\n", b"\r\ntransfer-encoding: chunked\r\n\r\n"),
    "chunked and length": CHUNKED.replace(b"X-A: 1", b"Content-Length: 5"),
    "two lengths": OK.replace(b"\r\n\r\n", b"\r\nContent-Length: 3\r\n\r\n"),
    "a list of lengths": OK.replace(b": 2", b": 2, 3"),
    "negative length": OK.replace(b": 2", b": -2"),
    "signed length": OK.replace(b": 2", b": +2"),
    "huge length": OK.replace(b": 2", b": 99999999999999999999999"),
    "bare LF": OK.replace(b"\r\n", b"\n"),
    "one bare LF": OK.replace(b"2\r\n\r\n", b"2\n\r\n"),
    "folded header": OK.replace(b"content", b"a: b\r\n c\r\ncontent"),
    "space before colon": OK.replace(b"length:", b"length :"),
    "NUL in a header": OK.replace(b"content", b"a: \0\r\ncontent"),
    "bad chunk size": CHUNKED.replace(b"5\r\n", b"zz\r\n"),
    "negative chunk size": CHUNKED.replace(b"5\r\n", b"-5\r\n"),
    "huge chunk size": CHUNKED.replace(b"5\r\n", b"fffffffffffffffff\r\n"),
    "chunk too long": CHUNKED.replace(b"hello\r\n", b"hello!\r\n"),
    "bare LF after a chunk size": CHUNKED.replace(b"5\r\n", b"5\n"),
    "unknown coding": CHUNKED.replace(b"chunked", b"gzip"),
    "coding on coding": CHUNKED.replace(b"chunked", b"gzip, chunked"),
    "switched protocols": b"HTTP/1.1 101 Switching\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n" + OK,
    "bare 101": b"HTTP/1.1 101 Switching\r\n\r\n" + OK,
    "status 99": OK.replace(b"200", b"099"),
    "status 600": OK.replace(b"200", b"600"),
    "status 2000": OK.replace(b"200", b"2000"),
    "head too long": OK.replace(b"\r\n\r\n", b"\r\nx: " + b"y" * 70_000 + b"\r\n\r\n"),
    "endless empty lines": b"\r\n" * 40_000,
    "endless trailers": CHUNKED.replace(b"T: 1", b"T: " + b"y" * 2_000_000),
    "endless chunk extension": CHUNKED.replace(b"ext=1", b"ext=" + b"y" * 2_000_000),
}


def pieces_of(data: bytes, cuts: list[int]) -> list[bytes]:
    edges = [0, *sorted(cuts), len(data)]
    return [data[a:b] for a, b in pairwise(edges) if a < b]


def in_pieces(*pieces: bytes) -> Script:
    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(*pieces)
        await peer.gone()

    return script


@pytest.mark.parametrize("name", ANSWERS)
def test_whole_bytewise_and_cut_anywhere(run: Run, name: str) -> None:
    """An answer reads the same however its bytes are cut on the wire."""
    wire, status, body = ANSWERS[name]
    seed = random.randrange(1 << 32)
    print("seed", seed)
    dice = random.Random(seed)
    ways = [[wire], [wire[k : k + 1] for k in range(len(wire))]]
    ways += [pieces_of(wire, [dice.randrange(len(wire)) for _ in range(4)]) for _ in range(6)]

    async def main() -> None:
        for pieces in ways:
            async with serving(in_pieces(*pieces)) as server, client() as upstream:
                got = await fetch(upstream, server.origin)
                assert (status, body, None) == (got.status, got.body, got.problem)
                assert len(got.pieces) <= max(1, len(pieces))

    run(main)


@pytest.mark.parametrize("wire", [OK, CHUNKED, SSE], ids=["length", "chunked", "sse"])
@pytest.mark.parametrize("by_reset", [False, True], ids=["fin", "rst"])
def test_cut_after_every_byte(run: Run, wire: bytes, by_reset: bool) -> None:
    """An answer that ends early fails, wherever it ends, and never looks complete."""

    async def main() -> None:
        for k in range(len(wire) + 1):

            async def script(peer: Peer, k: int = k) -> None:
                await peer.request()
                await peer.send(wire[:k])
                if by_reset:
                    await asyncio.sleep(0.002)
                    peer.reset()

            async with serving(script) as server, client() as upstream:
                got = await fetch(upstream, server.origin)
                assert (k == len(wire)) == got.ended, k
                assert got.ended or isinstance(got.problem, ProviderBroken), k
                assert server.connections == 1

    run(main)


@pytest.mark.parametrize("by_reset", [False, True], ids=["fin", "rst"])
def test_body_without_a_length(run: Run, by_reset: bool) -> None:
    """A body with neither length nor chunks ends with an orderly close, and is broken off by a reset."""

    async def main() -> None:
        async def script(peer: Peer) -> None:
            await peer.request()
            await peer.send(b"HTTP/1.1 200 OK\r\n\r\nhel", b"lo")
            if by_reset:
                await asyncio.sleep(0.01)
                peer.reset()

        async with serving(script) as server, client() as upstream:
            got = await fetch(upstream, server.origin)
            assert got.body == b"hello"
            assert got.ended != by_reset

    run(main)


@pytest.mark.parametrize("name", NO_ANSWERS)
def test_what_is_no_answer_fails(run: Run, name: str) -> None:
    """Malformed and ambiguous answers are ProviderBroken, the connection is closed, and no content is quoted."""
    wire = NO_ANSWERS[name]

    async def main() -> None:
        closed = asyncio.get_running_loop().create_future()

        async def script(peer: Peer) -> None:
            await peer.request()
            await peer.send(wire)
            closed.set_result(await peer.gone())

        async with serving(script) as server, client() as upstream:
            got = await fetch(upstream, server.origin)
            assert isinstance(got.problem, ProviderBroken)
            assert not got.ended
            assert b"secret" not in got.problem.message.encode()
            assert await closed
            assert upstream.idle == 0

    run(main)


def test_long_head_within_the_bound_and_big_body_together(run: Run) -> None:
    """The bound on the head does not count the body that arrives with it."""
    wire = OK.replace(b"\r\n\r\n", b"\r\nx: " + b"y" * 900 + b"\r\n\r\n").replace(b": 2", b": 9000")[:-2] + b"z" * 9000

    async def main() -> None:
        async with serving(answering(wire)) as server, client(UpstreamOptions(max_head=1000)) as upstream:
            got = await fetch(upstream, server.origin)
            assert (got.problem, len(got.body)) == (None, 9000)

    run(main)


def test_head_length_is_counted_over_reads() -> None:
    """A head of exactly the allowed length passes, one byte more fails, whole or byte by byte."""
    head = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n"
    for size in (len(head), 1):
        for bound in (len(head), len(head) - 1):
            answer = Answer(bound)
            for k in range(0, len(head), size):
                answer.feed(head[k : k + size])
                if answer.fault:
                    break
            assert (answer.fault is None) == (bound == len(head))
            assert (answer.status == 200) == (bound == len(head))


def test_headers_are_lower_case_and_the_last_counts(run: Run) -> None:
    """Header names come in lower case, of a repeated field the last value, trailers and interim headers not at all."""
    wire = b"HTTP/1.1 103 X\r\nX-I: 1\r\n\r\n" + CHUNKED.replace(b"X-A: 1", b"X-A: 1\r\nx-a: 2")

    async def main() -> None:
        async with serving(answering(wire)) as server, client() as upstream:
            got = await fetch(upstream, server.origin)
            assert got.headers == {b"transfer-encoding": b"chunked", b"x-a": b"2"}

    run(main)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_split_gives_the_same_answer(data: st.DataObject) -> None:
    """Whatever body, framing and split: the same head, body and end."""
    chunks = data.draw(st.lists(st.binary(min_size=1, max_size=40), max_size=5))
    interim = b"HTTP/1.1 100 Continue\r\n\r\n" * data.draw(st.integers(0, 2))
    body = b"".join(chunks)
    if data.draw(st.booleans()):
        framed = b"transfer-encoding: chunked\r\n\r\n"
        framed += b"".join(b"%X\r\n%s\r\n" % (len(c), c) for c in chunks) + b"0\r\n\r\n"
    else:
        framed = b"content-length: %d\r\n\r\n%s" % (len(body), body)
    wire = interim + b"HTTP/1.1 200 OK\r\nA: b\r\n" + framed
    cuts = data.draw(st.lists(st.integers(0, len(wire)), max_size=12))
    answer = Answer(65536)
    for round_ in range(2):  # the parser must serve the next answer as well
        if round_:
            answer.expect()
        got = b""
        for piece in pieces_of(wire, cuts):
            assert not answer.complete
            answer.feed(piece)
            got += b"".join(answer.parts)
            answer.parts.clear()
        assert answer.headers[b"a"] == b"b"
        assert (answer.fault, answer.complete, answer.surplus, answer.keep_alive) == (None, True, False, True)
        assert body == got


@settings(max_examples=300, deadline=None)
@given(st.one_of(st.binary(max_size=300), st.binary(max_size=60).map(lambda b: b"HTTP/1.1 200 OK\r\n" + b)))
def test_random_bytes_never_raise(wire: bytes) -> None:
    """The reader of answers takes any bytes; they are an answer, a fault, or not yet either."""
    answer = Answer(200)
    answer.feed(wire)
    assert answer.fault is None or not answer.complete


@pytest.mark.parametrize(("coding", "whole"), [(b"gzip", False), (b"identity, BR", False), (b"identity", True)])
def test_a_compressed_answer_is_named_as_such(run: Run, coding: bytes, whole: bool) -> None:
    """One that is compressed although no call asks for that fails with that reason, and not as one that makes no
    sense."""

    async def main() -> None:
        wire = OK.replace(b"\r\n\r\n", b"\r\ncontent-encoding: " + coding + b"\r\n\r\n")
        async with serving(in_pieces(wire)) as server, client() as upstream:
            got = await fetch(upstream, server.origin)
            assert got.ended is whole
            assert whole or (isinstance(got.problem, ProviderBroken) and "is compressed" in got.problem.message)

    run(main)
