"""TLS to providers: whom it trusts, for which names, and that calls fare inside it as they do outside."""

from __future__ import annotations

import asyncio
import ssl
from pathlib import Path

import pytest
import trustme

from cloche.domain.errors import ProviderTimeout, ProviderUnreachable
from cloche.domain.outbound import Origin, Timeouts
from cloche.upstream import UpstreamOptions

from .conftest import Run
from .scripted import CHUNKED, OK, Peer, answering, ask, client, fetch, serving


@pytest.fixture(scope="module")
def ca() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def bundle(ca: trustme.CA, tmp_path: Path) -> str:
    path = tmp_path / "ca.pem"
    ca.cert_pem.write_to_path(str(path))
    return str(path)


def server_context(ca: trustme.CA, *names: str) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    ca.issue_cert(*names).configure_cert(context)
    return context


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1"])
def test_calls_over_tls_share_a_connection(run: Run, ca: trustme.CA, bundle: str, host: str) -> None:
    """With the CA in the bundle: framing, keep-alive and the server name work as without TLS."""

    async def main() -> None:
        tls = server_context(ca, "localhost", "127.0.0.1")
        names: list[str | None] = []
        tls.sni_callback = lambda _sock, name, _context: names.append(name)
        options = UpstreamOptions(ca_bundle=bundle)
        async with serving(answering(OK, CHUNKED), tls=tls, host=host) as server, client(options) as upstream:
            for body in (b"hi", b"hello, world", b"hello, world"):
                got = await fetch(upstream, server.origin)
                assert (None, body) == (got.problem, got.body)
            assert (server.connections, upstream.idle) == (1, 1)
        assert names == ["localhost" if host == "localhost" else None]

    run(main)


def test_an_unknown_ca_is_refused(run: Run, ca: trustme.CA) -> None:
    """Without the CA in the bundle no byte of the request is sent, and the message says why."""

    async def main() -> None:
        async def script(peer: Peer) -> None:
            asked.append(await peer.head())

        asked: list[bytes] = []
        tls = server_context(ca, "localhost")
        async with serving(script, tls=tls, host="localhost") as server, client() as upstream:
            asyncio.get_running_loop().set_exception_handler(lambda *_: None)  # the server's handshake fails too
            got = await fetch(upstream, server.origin)
            assert isinstance(got.problem, ProviderUnreachable)
            assert "TLS certificate not accepted: " in got.problem.message
            assert not asked

    run(main)


def test_a_certificate_for_another_host_is_refused(run: Run, ca: trustme.CA, bundle: str) -> None:
    """A trusted CA's certificate for another name does not do."""

    async def main() -> None:
        tls = server_context(ca, "other.test")
        options = UpstreamOptions(ca_bundle=bundle)
        async with serving(answering(OK), tls=tls, host="localhost") as server, client(options) as upstream:
            asyncio.get_running_loop().set_exception_handler(lambda *_: None)  # the server's handshake fails too
            got = await fetch(upstream, server.origin)
            assert isinstance(got.problem, ProviderUnreachable)
            assert "Hostname mismatch" in got.problem.message

    run(main)


def test_a_server_without_tls(run: Run) -> None:
    """A handshake that meets plain text is a failure to connect."""

    async def main() -> None:
        async def script(peer: Peer) -> None:
            await peer.reader.read(1)
            await peer.send(OK)

        async with serving(script) as server, client() as upstream:
            got = await fetch(upstream, Origin("127.0.0.1", server.origin.port, tls=True))
            assert isinstance(got.problem, ProviderUnreachable)
            assert "TLS handshake failed" in got.problem.message

    run(main)


@pytest.mark.parametrize("how", ["cancel", "time-out"])
def test_a_handshake_that_hangs(run: Run, how: str) -> None:
    """A server that never answers the handshake: cancelling or the connect time-out closes the socket at once."""

    async def main() -> None:
        gone = asyncio.get_running_loop().create_future()

        async def script(peer: Peer) -> None:
            await peer.reader.readexactly(1)
            gone.set_result(await peer.gone())

        async with serving(script) as server, client() as upstream:
            origin = Origin("127.0.0.1", server.origin.port, tls=True)
            got, exchange = ask(upstream, origin, timeouts=Timeouts(connect=0.3))
            await asyncio.sleep(0.1)
            if how == "cancel":
                exchange.cancel()
            else:
                await got.wait()
                assert isinstance(got.problem, ProviderTimeout)
            assert await gone

    run(main)


def test_a_stale_tls_connection_is_retried(run: Run, ca: trustme.CA, bundle: str) -> None:
    """The idle-close race is met inside TLS as well."""

    async def main() -> None:
        async def script(peer: Peer) -> None:
            await peer.request()
            await peer.send(OK)
            await peer.request()
            if server.connections > 1:
                await peer.send(OK)

        tls = server_context(ca, "localhost")
        options = UpstreamOptions(ca_bundle=bundle)
        async with serving(script, tls=tls, host="localhost") as server, client(options) as upstream:
            for _ in range(3):
                assert (await fetch(upstream, server.origin)).ended
            assert server.connections == 2

    run(main)


def test_ten_megabytes_over_tls_and_pauses(run: Run, ca: trustme.CA, bundle: str) -> None:
    """Big bodies both ways inside TLS, with a pause in between, arrive whole."""
    whole = bytes(range(256)) * 40_000

    async def main() -> None:
        async def script(peer: Peer) -> None:
            _, body = await peer.request()
            await peer.send(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % len(body) + body)
            await peer.gone()

        options = UpstreamOptions(ca_bundle=bundle)
        tls = server_context(ca, "localhost")
        async with serving(script, tls=tls, host="localhost") as server, client(options) as upstream:
            got, exchange = ask(upstream, server.origin, [whole[:100], whole[100:]])
            await got.begun.wait()
            exchange.pause()
            await asyncio.sleep(0.05)
            exchange.resume()
            await got.wait()
            assert got.problem is None
            assert whole == got.body
            assert upstream.idle == 1

    run(main)


@pytest.mark.parametrize("content", [None, "no certificate"])
def test_a_bundle_that_cannot_be_used(run: Run, tmp_path: Path, content: str | None) -> None:
    """A missing or senseless CA bundle fails calls over TLS with words that say so; others go on."""
    path = tmp_path / "bundle.pem"
    if content is not None:
        path.write_text(content)

    async def main() -> None:
        async with serving(answering(OK)) as server, client(UpstreamOptions(ca_bundle=str(path))) as upstream:
            got = await fetch(upstream, Origin("127.0.0.1", server.origin.port, tls=True))
            assert isinstance(got.problem, ProviderUnreachable)
            assert "CA bundle" in got.problem.message
            assert str(path) not in got.problem.message
            assert (await fetch(upstream, server.origin)).ended

    run(main)
