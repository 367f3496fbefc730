"""The client connects to no address that it must not call, whatever the name said before."""

from __future__ import annotations

import asyncio
import socket
from typing import Any

import pytest

from cloche.domain.errors import ProviderForbidden
from cloche.domain.outbound import Origin
from cloche.domain.reach import Reach, read_reach
from cloche.upstream.options import UpstreamOptions

from .conftest import Run
from .scripted import OK, Peer, client, fetch, serving


async def script(peer: Peer) -> None:
    """Answer everything."""
    while True:
        await peer.request()
        await peer.send(OK)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "2130706433", "127.1"])
def test_a_refused_address_is_not_connected_to(run: Run, host: str) -> None:
    """This machine, however it is written, gets no connection where it must not be called."""

    async def main() -> None:
        options = UpstreamOptions(reach=Reach(loopback=False))
        async with serving(script) as server, client(options) as upstream:
            got = await fetch(upstream, Origin(host, server.origin.port))
            assert isinstance(got.problem, ProviderForbidden)
            assert server.connections == 0

    run(main)


def test_what_the_operator_allows_is_connected_to(run: Run) -> None:
    """A host or a network that is allowed is called."""

    async def main() -> None:
        for allowed in ("localhost", "127.0.0.0/8"):
            options = UpstreamOptions(reach=read_reach([allowed, "::1"], loopback=False))
            async with serving(script) as server, client(options) as upstream:
                assert (await fetch(upstream, Origin("localhost", server.origin.port))).ended

    run(main)


def test_a_name_that_changes_its_meaning_gains_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """The addresses that are judged are those that are connected to: a name is not looked up twice, and one bad address
    among good ones is enough to refuse it."""
    answers = [["93.184.216.34", "127.0.0.1"], ["127.0.0.1"]]
    asked: list[str] = []

    def lookup(host: str, port: int, *_: Any, **__: Any) -> list[Any]:
        asked.append(host)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (each, port)) for each in answers[len(asked) - 1]]

    async def main() -> None:
        options = UpstreamOptions(reach=Reach(loopback=False))
        async with serving(script) as server, client(options) as upstream:
            for _ in answers:
                monkeypatch.setattr(socket, "getaddrinfo", lookup)
                got = await fetch(upstream, Origin("rebound.test", server.origin.port))
                assert isinstance(got.problem, ProviderForbidden)
            assert server.connections == 0
        assert asked == ["rebound.test"] * 2

    asyncio.run(main())
