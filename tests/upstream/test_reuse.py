"""Which connections serve again, which never do, and what happens when one has died meanwhile."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from cloche.domain.errors import ProviderBroken
from cloche.domain.outbound import Origin
from cloche.upstream import UpstreamOptions
from cloche.upstream.connection import STALE_SECONDS

from .conftest import Run
from .scripted import CHUNKED, OK, Peer, Recorder, answering, ask, client, fetch, serving


def test_one_connection_serves_many_calls(run: Run) -> None:
    """Calls one after another share a connection, whatever the framing of the answers."""

    async def main() -> None:
        async with serving(answering(OK, CHUNKED, b"HTTP/1.1 204 X\r\n\r\n", OK)) as server, client() as upstream:
            bodies = [(await fetch(upstream, server.origin)).body for _ in range(4)]
            assert bodies == [b"hi", b"hello, world", b"", b"hi"]
            assert (server.connections, upstream.idle, upstream.active) == (1, 1, 0)

    run(main)


def test_the_last_used_connection_serves_first(run: Run) -> None:
    """The pool is last in, first out, so that connections which are not needed grow old."""

    async def main() -> None:
        served: list[int] = []

        async def script(peer: Peer) -> None:
            number = server.connections
            while True:
                await peer.request()
                served.append(number)
                await peer.send(OK)

        async with serving(script) as server, client() as upstream:
            await asyncio.gather(*(fetch(upstream, server.origin) for _ in range(3)))
            last = served[-1]
            for _ in range(3):
                await fetch(upstream, server.origin)
            assert [last] * 3 == served[3:]
            assert upstream.idle == 3

    run(main)


NOT_AGAIN = {
    "connection: close": OK.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"),
    "http/1.0": OK.replace(b"1.1", b"1.0"),
    "surplus bytes": OK + b"X",
    "surplus answer": OK + OK,
    "surplus answer begun": OK + b"HTTP/1.1 2",
    "body after 204": b"HTTP/1.1 204 X\r\ncontent-length: 2\r\n\r\nhi",
    "close and surplus": OK.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n") + b"X",
}


@pytest.mark.parametrize("name", NOT_AGAIN)
def test_never_again(run: Run, name: str) -> None:
    """A connection that says so, or on which more came than was asked for, serves no second call."""

    async def main() -> None:
        async with serving(answering(NOT_AGAIN[name])) as server, client() as upstream:
            for count in (1, 2, 3):
                got = await fetch(upstream, server.origin)
                assert got.problem is None
                assert got.body in (b"hi", b"")
                assert (count, 0) == (server.connections, upstream.idle)

    run(main)


def test_http_1_0_with_keep_alive_serves_again(run: Run) -> None:
    """HTTP/1.0 that asks for keep-alive gets it."""
    wire = OK.replace(b"1.1", b"1.0").replace(b"\r\n\r\n", b"\r\nConnection: keep-alive\r\n\r\n")

    async def main() -> None:
        async with serving(answering(wire)) as server, client() as upstream:
            for _ in range(3):
                assert (await fetch(upstream, server.origin)).ended
            assert server.connections == 1

    run(main)


@pytest.mark.parametrize("unasked", [b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nevil", b"\r\n"])
def test_bytes_on_an_idle_connection_drop_it(run: Run, unasked: bytes) -> None:
    """What a server sends unasked is never taken for the next answer."""

    async def main() -> None:
        async def script(peer: Peer) -> None:
            await peer.request()
            await peer.send(OK)
            await asyncio.sleep(0.02)
            await peer.send(unasked)
            assert await peer.gone()

        async with serving(script) as server, client() as upstream:
            await fetch(upstream, server.origin)
            assert upstream.idle == 1
            await asyncio.sleep(0.1)
            assert upstream.idle == 0
            assert (await fetch(upstream, server.origin)).body == b"hi"

    run(main)


def test_a_connection_closed_while_idle_is_forgotten(run: Run) -> None:
    """A server that hangs up on an idle connection costs the next call nothing but a new one."""

    async def main() -> None:
        async def script(peer: Peer) -> None:
            await peer.request()
            await peer.send(OK)

        async with serving(script) as server, client() as upstream:
            for count in (1, 2):
                assert (await fetch(upstream, server.origin)).ended
                await asyncio.sleep(0.05)
                assert (count, 0) == (server.connections, upstream.idle)

    run(main)


@pytest.mark.parametrize("by_reset", [False, True], ids=["fin", "rst"])
@pytest.mark.parametrize("reads_request", [False, True])
def test_a_stale_connection_is_retried_once(run: Run, by_reset: bool, reads_request: bool) -> None:
    """A connection that served before and dies without a byte: the call goes out again, on a fresh one."""

    async def main() -> None:
        async def script(peer: Peer) -> None:
            await peer.request()
            await peer.send(OK)
            if server.connections == 1:
                await (peer.request() if reads_request else peer.reader.read(1))
                if by_reset:
                    peer.reset()
            else:
                await peer.gone()

        async with serving(script) as server, client() as upstream:
            await fetch(upstream, server.origin)
            got = await fetch(upstream, server.origin, [b"a" * 10, b"b" * 10])
            assert (got.problem, got.body, server.connections) == (None, b"hi", 2)

    run(main)


def test_a_connection_that_dies_late_is_not_retried(run: Run) -> None:
    """A server that dies a second after it got the call may have been working on it: it is not asked again."""

    async def main() -> None:
        async def script(peer: Peer) -> None:
            await peer.request()
            await peer.send(OK)
            await peer.request()
            await asyncio.sleep(STALE_SECONDS + 0.2)

        async with serving(script) as server, client() as upstream:
            await fetch(upstream, server.origin)
            got = await fetch(upstream, server.origin)
            assert isinstance(got.problem, ProviderBroken)
            assert server.connections == 1

    run(main)


def test_the_retry_is_not_retried(run: Run) -> None:
    """When the fresh connection dies as well the call fails: it is sent twice at most."""

    async def main() -> None:
        async def script(peer: Peer) -> None:
            if server.connections == 1:
                await peer.request()
                await peer.send(OK)
            await peer.request()

        async with serving(script) as server, client() as upstream:
            await fetch(upstream, server.origin)
            got = await fetch(upstream, server.origin)
            assert isinstance(got.problem, ProviderBroken)
            assert server.connections == 2

    run(main)


def test_a_fresh_connection_is_not_retried(run: Run) -> None:
    """A server that takes a first request and dies may have acted on it: it is not asked again."""

    async def main() -> None:
        async def script(peer: Peer) -> None:
            await peer.request()

        async with serving(script) as server, client() as upstream:
            got = await fetch(upstream, server.origin)
            assert isinstance(got.problem, ProviderBroken)
            assert server.connections == 1

    run(main)


def test_a_stale_connection_that_began_to_answer_is_not_retried(run: Run) -> None:
    """After the first byte of an answer there is no second try, even if the head is not complete."""

    async def main() -> None:
        async def script(peer: Peer) -> None:
            await peer.request()
            await peer.send(OK)
            await peer.request()
            await peer.send(b"H")

        async with serving(script) as server, client() as upstream:
            await fetch(upstream, server.origin)
            got = await fetch(upstream, server.origin)
            assert isinstance(got.problem, ProviderBroken)
            assert server.connections == 1

    run(main)


def test_origins_never_mix(run: Run, tmp_path: Path) -> None:
    """Same port under another name, another port, a Unix socket: each has its own connections."""
    path = str(tmp_path / "s")

    async def main() -> None:
        async with (
            serving(answering(OK)) as one,
            serving(answering(OK.replace(b"hi", b"ho"))) as two,
            serving(answering(OK.replace(b"hi", b"ha")), unix_path=path) as three,
            client() as upstream,
        ):
            alias = Origin("localhost", one.origin.port)
            for _ in range(3):
                for origin, body in ((one.origin, b"hi"), (two.origin, b"ho"), (three.origin, b"ha"), (alias, b"hi")):
                    assert body == (await fetch(upstream, origin)).body
            assert (one.connections, two.connections, three.connections, upstream.idle) == (2, 1, 1, 4)

    run(main)


@pytest.mark.parametrize("unix", [False, True])
def test_without_reuse_every_call_has_its_own_connection(run: Run, tmp_path: Path, unix: bool) -> None:
    """`reuse=False`: a connection per call, closed after it."""

    async def main() -> None:
        async with (
            serving(answering(OK), unix_path=str(tmp_path / "s") if unix else None) as server,
            client() as upstream,
        ):
            at = server.origin
            origin = Origin(at.host, at.port, unix_path=at.unix_path, reuse=False)
            for count in (1, 2, 3):
                assert (await fetch(upstream, origin)).ended
                assert (count, 0) == (server.connections, upstream.idle)
            await asyncio.sleep(0.05)
            assert server.open == 0

    run(main)


def test_idle_connections_expire(run: Run) -> None:
    """An unused connection is closed after `idle_seconds`, each by its own age."""

    async def main() -> None:
        async with serving(answering(OK)) as server, client(UpstreamOptions(idle_seconds=0.3)) as upstream:
            await asyncio.gather(fetch(upstream, server.origin), fetch(upstream, server.origin))
            await asyncio.sleep(0.2)
            await fetch(upstream, server.origin)
            await asyncio.sleep(0.2)
            assert (upstream.idle, server.open) == (1, 1)
            await asyncio.sleep(0.25)
            assert (upstream.idle, server.open) == (0, 0)

    run(main)


def test_idle_connections_are_bounded(run: Run) -> None:
    """Beyond `max_idle_per_origin` a connection is closed rather than kept."""

    async def main() -> None:
        async with serving(answering(OK)) as server, client(UpstreamOptions(max_idle_per_origin=2)) as upstream:
            await asyncio.gather(*(fetch(upstream, server.origin) for _ in range(5)))
            await asyncio.sleep(0.05)
            assert (server.connections, upstream.idle, server.open) == (5, 2, 2)

    run(main)


def test_an_early_answer_ends_the_connection(run: Run) -> None:
    """A 413 before the request was written in full is delivered, and what is left of the request goes nowhere."""

    async def main() -> None:
        async def script(peer: Peer) -> None:
            await peer.head()
            await peer.send(b"HTTP/1.1 413 Too Large\r\ncontent-length: 3\r\n\r\nbig")
            if server.connections == 1:
                await asyncio.sleep(0.2)
            elif server.connections == 2:
                peer.writer.write_eof()
                await asyncio.sleep(0.2)

        async with serving(script) as server, client() as upstream:
            for count in (1, 2, 3):
                got = await fetch(upstream, server.origin, [b"x" * 20_000_000])
                assert (got.status, got.body, got.problem) == (413, b"big", None)
                assert (count, 0) == (server.connections, upstream.idle)

    run(main)


def test_a_call_from_inside_on_end(run: Run) -> None:
    """A receiver may send its next call from `on_end`."""

    async def main() -> None:
        async with serving(answering(OK)) as server, client() as upstream:
            second = Recorder()

            class Chain(Recorder):
                def on_end(self) -> None:
                    super().on_end()
                    ask(upstream, server.origin, receiver=second)

            ask(upstream, server.origin, receiver=Chain())
            await second.wait()
            assert second.body == b"hi"

    run(main)
