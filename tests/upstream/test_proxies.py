"""Proxies: which calls take one, how they are asked, and that their credentials stay hidden."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import trustme

from cloche.domain.errors import ProviderTimeout, ProviderUnreachable
from cloche.domain.outbound import HttpCall, Origin, Timeouts
from cloche.upstream import Upstream, UpstreamOptions
from cloche.upstream.proxies import Proxies

from .conftest import Run
from .scripted import HEAD, OK, Peer, Server, answering, ask, client, fetch, serving

BASIC = b"proxy-authorization: Basic dTpwQHNz\r\n"  # u:p@ss


@asynccontextmanager
async def tunnelling(to: Server) -> AsyncIterator[tuple[Server, list[bytes]]]:
    """A CONNECT proxy that wants the password and leads everybody to `to`."""
    heads: list[bytes] = []

    async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
        writer.close()

    async def script(peer: Peer) -> None:
        heads.append(await peer.head())
        if BASIC not in heads[-1]:
            await peer.send(b"HTTP/1.1 407 Who\r\ncontent-length: 0\r\n\r\n")
            return
        reader, writer = await asyncio.open_connection("127.0.0.1", to.origin.port)
        await peer.send(*(bytes([b]) for b in b"HTTP/1.1 200 Connection established\r\nVia: x\r\n\r\n"))
        try:
            await asyncio.gather(pump(peer.reader, writer), pump(reader, peer.writer))
        finally:
            writer.close()

    async with serving(script) as proxy:
        yield proxy, heads


def test_connect_tunnel(run: Run, tmp_path: Path) -> None:
    """A TLS origin is reached through CONNECT, verified end to end; the tunnel serves many calls."""
    ca = trustme.CA()
    bundle = tmp_path / "ca.pem"
    ca.cert_pem.write_to_path(str(bundle))
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    ca.issue_cert("provider.test").configure_cert(tls)

    async def main() -> None:
        async with serving(answering(OK), tls=tls) as server, tunnelling(server) as (proxy, heads):
            at = f"127.0.0.1:{proxy.origin.port}"
            origin = Origin("provider.test", 443, tls=True)
            options = UpstreamOptions(https_proxy=f"http://u:p%40ss@{at}", ca_bundle=str(bundle))
            async with client(options) as upstream:
                for _ in range(3):
                    got = await fetch(upstream, origin)
                    assert (got.problem, got.body) == (None, b"hi")
                assert (proxy.connections, server.connections) == (1, 1)
                asked = b"CONNECT provider.test:443 HTTP/1.1\r\nhost: provider.test:443\r\n" + BASIC + b"\r\n"
                assert [asked] == heads
                asyncio.get_running_loop().set_exception_handler(lambda *_: None)  # the server's handshake fails
                wrong = await fetch(upstream, Origin("other.test", 443, tls=True))
                assert wrong.problem is not None
                assert "TLS certificate not accepted" in wrong.problem.message

            async with client(UpstreamOptions(https_proxy=at)) as upstream:
                got = await fetch(upstream, origin)
                assert isinstance(got.problem, ProviderUnreachable)
                assert "refused the tunnel with status 407" in got.problem.message

    run(main)


@pytest.mark.parametrize(
    "said",
    [
        b"",
        b"HTTP/1.1 200 OK\r\n",
        b"SSH-2.0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n\r\nX",
        b"HTTP/1.1 200 OK\r\nx: " + b"y" * 20_000,
    ],
)
def test_a_proxy_that_makes_no_sense(run: Run, said: bytes) -> None:
    """Half an answer, another protocol, bytes before TLS, an endless head: no tunnel."""

    async def main() -> None:
        async def script(peer: Peer) -> None:
            await peer.head()
            await peer.send(said)

        async with serving(script) as proxy:
            options = UpstreamOptions(https_proxy=f"127.0.0.1:{proxy.origin.port}")
            async with client(options) as upstream:
                got = await fetch(upstream, Origin("provider.test", 443, tls=True))
                assert isinstance(got.problem, ProviderUnreachable)

    run(main)


def test_a_proxy_that_hangs(run: Run) -> None:
    """Waiting for a tunnel counts as connecting."""

    async def main() -> None:
        gone = asyncio.get_running_loop().create_future()

        async def script(peer: Peer) -> None:
            await peer.head()
            gone.set_result(await peer.gone())

        async with (
            serving(script) as proxy,
            client(UpstreamOptions(https_proxy=f"127.0.0.1:{proxy.origin.port}")) as upstream,
        ):
            got = await fetch(upstream, Origin("p.test", 443, tls=True), timeouts=Timeouts(connect=0.2))
            assert isinstance(got.problem, ProviderTimeout)
            assert await gone

    run(main)


def test_absolute_form(run: Run) -> None:
    """A plain origin is asked for through the proxy by its whole URL; its connections are the proxy's."""

    async def main() -> None:
        heads: list[bytes] = []

        async def script(peer: Peer) -> None:
            while True:
                heads.append((await peer.request())[0])
                await peer.send(OK)

        async with serving(script) as proxy:
            options = UpstreamOptions(http_proxy=f"http://u:p%40ss@127.0.0.1:{proxy.origin.port}/")
            async with client(options) as upstream:
                for _ in range(2):
                    assert (await fetch(upstream, Origin("provider.test", 8000))).ended
                other, _ = ask(upstream, Origin("2606:4700::1111", 80))
                await other.wait()
                assert proxy.connections == 2
            line, rest = HEAD.split(b"\r\n", 1)
            first = b"POST http://provider.test:8000/v1/chat HTTP/1.1\r\n" + BASIC + rest + b"content-length: 2\r\n\r\n"
            assert [first, first] == heads[:2]
            assert heads[2].startswith(b"POST http://[2606:4700::1111]:80/v1/chat HTTP/1.1\r\n")
            assert line == b"POST /v1/chat HTTP/1.1"

    run(main)


def test_loopback_goes_around_the_proxy(run: Run, tmp_path: Path) -> None:
    """Loopback and Unix sockets are reached directly even with a proxy for everything."""
    path = str(tmp_path / "s")

    async def main() -> None:
        async with (
            serving(answering(OK)) as server,
            serving(answering(OK), unix_path=path) as engine,
            client(UpstreamOptions(http_proxy="http://127.0.0.1:1")) as upstream,
        ):
            assert (await fetch(upstream, server.origin)).ended
            assert (await fetch(upstream, Origin("localhost", server.origin.port))).ended
            assert (await fetch(upstream, engine.origin)).ended

    run(main)


NO_PROXY = [
    ("", "a.test", 80, False),
    ("*", "a.test", 80, True),
    ("a.test", "a.test", 80, True),
    ("A.Test", "a.tesT.", 80, True),
    ("a.test", "x.a.test", 80, True),
    (".a.test", "x.a.test", 80, True),
    (".a.test", "a.test", 80, True),
    ("*.a.test", "x.a.test", 80, True),
    ("a.test", "xa.test", 80, False),
    ("a.test", "a.test.evil", 80, False),
    ("b.test, a.test ,", "a.test", 80, True),
    (",,", "a.test", 80, False),
    ("a.test:443", "a.test", 443, True),
    ("a.test:443", "a.test", 80, False),
    ("10.0.0.1", "10.0.0.1", 80, True),
    ("10.0.0.1:80", "10.0.0.1", 81, False),
    ("10.0.0.0/8", "10.9.8.7", 80, True),
    ("10.0.0.0/8", "11.0.0.1", 80, False),
    ("10.0.0.0/8", "10.test", 80, False),
    ("10.0.0.0/8:80", "10.9.8.7", 80, True),
    ("2001:db8::/32", "2001:db8::1", 80, True),
    ("[2001:db8::1]:80", "2001:db8::1", 80, True),
    ("[2001:db8::1]:81", "2001:db8::1", 80, False),
    ("2001:db8::1", "2001:db8::1", 80, True),
    ("0.0.0.0/0", "2001:db8::1", 80, False),
    ("", "localhost", 80, True),
    ("", "x.localhost", 80, True),
    ("", "127.9.9.9", 80, True),
    ("", "::1", 80, True),
]


@pytest.mark.parametrize(("no_proxy", "host", "port", "direct"), NO_PROXY)
def test_no_proxy(no_proxy: str, host: str, port: int, direct: bool) -> None:
    """NO_PROXY as its users know it, for plain and TLS origins alike."""
    proxies = Proxies(UpstreamOptions(http_proxy="http://p.test:1", https_proxy="http://p.test:2", no_proxy=no_proxy))
    for tls in (False, True):
        proxy = proxies.choose(Origin(host, port, tls))
        assert direct == (proxy is None)
        if proxy is not None:
            assert 1 + tls == proxy.port


def test_services_of_the_machine_go_around_the_proxy() -> None:
    """What the machine's own services say, keys among it, is no other machine's to see."""
    proxies = Proxies(UpstreamOptions(http_proxy="http://p.test:1"))
    assert proxies.choose(Origin("169.254.169.254", 80, of_host=True)) is None
    assert proxies.choose(Origin("169.254.169.254", 80)) is not None


@pytest.mark.parametrize(
    "url",
    [
        "https://u:secret@p.test",
        "socks5://u:secret@p.test",
        "http://",
        "http://u:secret@",
        "u:secret@p:x",
        "http://u:secret@p:1/x",
    ],
)
def test_a_proxy_that_is_not_known(url: str) -> None:
    """What is no HTTP proxy's URL is refused at the start, without repeating it."""
    with pytest.raises(ValueError, match="a proxy must be given as") as caught:
        Upstream(UpstreamOptions(http_proxy=url))
    assert "secret" not in str(caught.value)


def test_credentials_are_not_shown() -> None:
    """No repr shows a proxy's password or a call's key."""
    options = UpstreamOptions(http_proxy="http://u:secret@p.test")
    origin = Origin("a.test", 80)
    proxy = Proxies(options).choose(origin)
    call = HttpCall(origin, HEAD, [b"secret"])
    assert "secret" not in f"{options!r}{proxy!r}{call!r}{Upstream(options)!r}"
    assert "c2VjcmV0" not in repr(proxy)
