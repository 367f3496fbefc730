"""Many calls leave nothing behind: no connection, no object, no file descriptor."""

from __future__ import annotations

import asyncio
import gc
import os
import socket
from collections import Counter
from pathlib import Path

import pytest

from cloche.domain.errors import ProviderUnreachable
from cloche.domain.outbound import Origin
from cloche.upstream.answer import Answer
from cloche.upstream.connection import Connection
from cloche.upstream.exchange import LiveExchange

from .conftest import Run
from .scripted import OK, Peer, Recorder, answering, ask, client, fetch, serving


def living() -> Counter[str]:
    kinds = (Answer, Connection, LiveExchange, Recorder)
    return Counter(type(thing).__name__ for thing in gc.get_objects() if isinstance(thing, kinds))


def open_files() -> set[str]:
    """What this process has open, as the kernel names it: what earlier tests left may be closed meanwhile, and a new
    file may have an old one's number."""
    return {name for number in os.listdir("/proc/self/fd") if (name := link(number)) is not None}


def link(number: str) -> str | None:
    try:
        return os.readlink(f"/proc/self/fd/{number}")
    except FileNotFoundError:  # the descriptor of the directory that is being listed
        return None


def test_many_calls_leak_nothing(run: Run) -> None:
    """1,000 calls one after another use one connection, 200 at once use 200, and all of it is given back."""

    async def main() -> None:
        async with serving(answering(OK)) as server:
            descriptors = open_files()
            async with client() as upstream:
                await fetch(upstream, server.origin)
                gc.collect()
                before = living()
                for _ in range(1_000):
                    assert (await fetch(upstream, server.origin)).ended
                assert (server.connections, upstream.idle, upstream.active) == (1, 1, 0)
                gc.collect()
                assert before == living()
                for _ in range(3):
                    calls = await asyncio.gather(*(fetch(upstream, server.origin) for _ in range(200)))
                    assert all(call.ended for call in calls)
                assert (server.connections, upstream.idle, upstream.active) == (200, 200, 0)
            await asyncio.sleep(0.05)
            assert server.open == 0
            assert open_files() <= descriptors

    run(main)


def test_failing_calls_leak_nothing(run: Run) -> None:
    """Refused and cut calls free their sockets and objects, without help from the garbage collector."""

    async def main() -> None:
        async def script(peer: Peer) -> None:
            await peer.request()

        async with serving(script) as server, client() as upstream:
            gone = Origin("127.0.0.1", 1)
            await fetch(upstream, gone)
            await asyncio.sleep(0.05)
            gc.collect()
            descriptors, before = open_files(), living()
            gc.disable()
            try:
                for _ in range(50):
                    assert isinstance((await fetch(upstream, gone)).problem, ProviderUnreachable)
                    await fetch(upstream, server.origin)
                await asyncio.sleep(0.1)
                assert open_files() <= descriptors
                assert before == living()
            finally:
                gc.enable()

    run(main)


def test_cancelled_calls_leak_nothing(run: Run) -> None:
    """Cancelled at any turn of the loop, a call leaves neither sockets nor objects."""

    async def main() -> None:
        async with serving(answering(OK)) as server, client() as upstream:
            await fetch(upstream, server.origin)
            gc.collect()
            descriptors, before = open_files(), living()
            origin = Origin(server.origin.host, server.origin.port, reuse=False)
            for turn in range(70):
                exchange = ask(upstream, origin)[1]
                for _ in range(turn % 10):
                    await asyncio.sleep(0)
                exchange.cancel()
            await asyncio.sleep(0.1)
            del exchange
            gc.collect()
            assert open_files() <= descriptors
            assert before == living()

    run(main)


@pytest.mark.parametrize(
    ("origin", "reason"),
    [
        (Origin("127.0.0.1", 1), "connection refused"),
        (Origin("localhost", 1), "connection refused"),
        (Origin("no.such.host.invalid", 80), "name not resolved"),
        (Origin("x" * 70 + ".test", 80), "name not resolved"),
        (Origin("engine", 0, unix_path="/nonexistent/socket"), "socket not found"),
    ],
)
def test_unreachable(run: Run, origin: Origin, reason: str) -> None:
    """No connection: ProviderUnreachable with a short reason."""

    async def main() -> None:
        async with client() as upstream:
            got = await fetch(upstream, origin)
            assert isinstance(got.problem, ProviderUnreachable)
            assert f"The provider cannot be reached: {reason}." == got.problem.message

    run(main)


def test_unix_sockets_that_do_not_listen(run: Run, tmp_path: Path) -> None:
    """A Unix socket nobody listens on is refused; one whose backlog is full fails rather than pretends."""
    with socket.socket(socket.AF_UNIX) as sock:
        path = str(tmp_path / "s")
        sock.bind(path)

        async def refused() -> None:
            async with client() as upstream:
                got = await fetch(upstream, Origin("engine", 0, unix_path=path))
                assert got.problem is not None
                assert "connection refused" in got.problem.message

        async def full() -> None:
            async with client() as upstream:
                origin = Origin("engine", 0, unix_path=path)
                calls = [ask(upstream, origin) for _ in range(4)]
                await asyncio.sleep(0.1)
                problems = [call.problem.message for call, _ in calls if call.problem is not None]
                assert problems
                assert all("the socket takes no more connections" in problem for problem in problems)

        run(refused)
        sock.listen(0)
        run(full)
