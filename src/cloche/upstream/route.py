"""A route: an origin and the proxy in front of it, if any.  Connections are pooled by route."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from cloche.domain.outbound import Origin

if TYPE_CHECKING:
    from cloche.upstream.connection import Connection
    from cloche.upstream.proxies import Proxy

# Heads are rendered once per configuration, so there are few; old ones must not pile up over many configurations.
_MAX_HEADS: Final = 256


class Route:
    """`idle`: connections that may serve, the last used at the end."""

    __slots__ = ("_heads", "idle", "origin", "proxy")

    def __init__(self, origin: Origin, proxy: Proxy | None) -> None:
        self.origin = origin
        self.proxy = proxy
        self.idle: list[Connection] = []
        self._heads: dict[bytes, bytes] = {}

    def head(self, head: bytes) -> bytes:
        """The head as it is written on this route: to a plain-text proxy with the whole URL as the target."""
        if self.proxy is None or self.origin.tls:
            return head
        rewritten = self._heads.get(head)
        if rewritten is None:
            if len(self._heads) >= _MAX_HEADS:
                self._heads.clear()
            rewritten = self._heads[head] = _absolute(head, self.origin, self.proxy)
        return rewritten


def authority(origin: Origin) -> str:
    """`host:port`, an IPv6 literal in brackets."""
    host = f"[{origin.host}]" if ":" in origin.host else origin.host
    return f"{host}:{origin.port}"


def _absolute(head: bytes, origin: Origin, proxy: Proxy) -> bytes:
    method, target = head.split(b" ", 1)
    line, fields = target.split(b"\r\n", 1)
    where = b"http://" + authority(origin).encode()
    return b"%s %s%s\r\n%s%s" % (method, where, line, proxy.authorization, fields)
