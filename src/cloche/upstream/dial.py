"""Opens connections: names to addresses, sockets, tunnels through proxies, TLS.

Whatever ends the attempt, a failure or a cancellation, the socket is closed before it is passed on.  Sockets are
connected here rather than by the loop because the loop folds the failures of several addresses into one text, and
because a tunnel must be asked for before TLS begins.
"""

from __future__ import annotations

import asyncio
import re
import socket
import ssl
from functools import cached_property
from typing import Final

from cloche.domain.errors import ProviderForbidden, ProviderUnreachable
from cloche.domain.outbound import Origin
from cloche.domain.reach import Reach
from cloche.upstream.proxies import Proxy
from cloche.upstream.route import Route, authority

# How long one of several addresses of a name may take before the next is tried: an IPv6 route that swallows packets
# must not use up the whole time-out.
_ADDRESS_SECONDS: Final = 1.0
_MAX_TUNNEL_HEAD: Final = 16384
# As `getaddrinfo` gives them: IPv4, IPv6, and what it gives where Python was built without IPv6.
Address = tuple[str, int] | tuple[str, int, int, int] | tuple[int, bytes]

_STATUS_LINE: Final = re.compile(rb"HTTP/1\.[01] (\d{3})[ \r]")


class Dialer:
    """Makes connections along routes.  `ca_bundle`: a PEM file in place of the system's roots.  `reach`: where to."""

    def __init__(self, ca_bundle: str | None, reach: Reach) -> None:
        self._ca_bundle = ca_bundle
        self._reach = reach

    async def open(self, route: Route, protocol: asyncio.Protocol) -> None:
        """Connect `protocol`.  Raises OSError, UnicodeError, ProviderUnreachable or ProviderForbidden; no deadline of
        its own."""
        loop = asyncio.get_running_loop()
        origin = route.origin
        if origin.unix_path is not None:
            await loop.create_unix_connection(lambda: protocol, sock=_unix_socket(origin.unix_path))
            return
        sock = await self._connect(route)
        try:
            context = self._tls if origin.tls else None
            if origin.tls and route.proxy is not None:
                await _tunnel(sock, origin, route.proxy)
        except BaseException:
            sock.close()
            raise
        name = origin.host if origin.tls else None
        await loop.create_connection(lambda: protocol, sock=sock, ssl=context, server_hostname=name)

    async def _connect(self, route: Route) -> socket.socket:
        """A socket connected to the first address of the peer that takes it; the last one's error if none does."""
        if route.proxy is not None:
            # What a name means is the proxy's to find out; an address is judged here.
            self._check(route.origin, route.origin.host)
        peer = route.proxy or route.origin
        found = await asyncio.get_running_loop().getaddrinfo(peer.host, peer.port, type=socket.SOCK_STREAM)
        if route.proxy is None:
            for *_, address in found:
                self._check(route.origin, str(address[0]))
        for family, *_, address in found[:-1]:
            try:
                async with asyncio.timeout(_ADDRESS_SECONDS):
                    return await _connect_to(family, address)
            except OSError:
                continue
        family, *_, address = found[-1]
        return await _connect_to(family, address)

    def _check(self, origin: Origin, address: str) -> None:
        why = None if origin.of_host or origin.of_operator else self._reach.refuses(origin.host, address)
        if why is not None:
            raise ProviderForbidden(f"The provider must not be called: {why}.")

    @cached_property
    def _tls(self) -> ssl.SSLContext:
        """Made when first needed: loading the roots takes milliseconds and memory."""
        try:
            context = ssl.create_default_context(cafile=self._ca_bundle)
        except OSError:  # also what ssl raises for a file that holds no certificate
            raise ProviderUnreachable(
                "The provider cannot be reached: the CA bundle of this server cannot be read."
            ) from None
        context.set_alpn_protocols(["http/1.1"])
        return context


def _unix_socket(path: str) -> socket.socket:
    """Connecting a Unix socket never waits: it succeeds, is refused, or the backlog is full (BlockingIOError)."""
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        sock.setblocking(False)
        sock.connect(path)
    except BaseException:
        sock.close()
        raise
    return sock


async def _connect_to(family: int, address: Address) -> socket.socket:
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        sock.setblocking(False)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        await asyncio.get_running_loop().sock_connect(sock, address)
    except BaseException:
        sock.close()
        raise
    return sock


async def _tunnel(sock: socket.socket, origin: Origin, proxy: Proxy) -> None:
    """Ask the proxy at the other end of `sock` to pass bytes on to `origin`."""
    where = authority(origin).encode()
    ask = b"CONNECT %s HTTP/1.1\r\nhost: %s\r\n%s\r\n" % (where, where, proxy.authorization)
    loop = asyncio.get_running_loop()
    await loop.sock_sendall(sock, ask)
    head = b""
    while b"\r\n\r\n" not in head:
        data = await loop.sock_recv(sock, 4096)
        head += data
        if not data or len(head) > _MAX_TUNNEL_HEAD:
            raise _no_tunnel("gave no usable answer")
    status = _STATUS_LINE.match(head)
    if status is None or not head.endswith(b"\r\n\r\n"):
        raise _no_tunnel("gave no usable answer")
    if not status[1].startswith(b"2"):
        raise _no_tunnel(f"refused the tunnel with status {status[1].decode()}")


def _no_tunnel(reason: str) -> ProviderUnreachable:
    return ProviderUnreachable(f"The provider cannot be reached: the proxy {reason}.")
