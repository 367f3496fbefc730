"""Which proxy, if any, stands in front of an origin.

NO_PROXY is a comma list.  An entry is `*` (everything), a domain with or without a leading dot (that name and all
below it), an IP address or a CIDR block (for origins given as an address), each optionally with `:port`.
Loopback hosts, Unix sockets and the machine's own services never go through a proxy: there they would mean the proxy's
own machine.
Only HTTP proxies are known; `https_proxy` is the proxy for TLS origins, not a proxy that speaks TLS itself.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

from cloche.domain.outbound import Origin
from cloche.settings.proxy_url import read_proxy_url
from cloche.upstream.options import UpstreamOptions

Exemption = Callable[[Origin], bool]


class Proxy:
    """An HTTP proxy.  `authorization`: a whole header field with its CRLF, or nothing."""

    __slots__ = ("authorization", "host", "port")

    def __init__(self, host: str, port: int, authorization: bytes) -> None:
        self.host = host
        self.port = port
        self.authorization = authorization

    def __repr__(self) -> str:
        """Without the credentials."""
        return f"Proxy({self.host}:{self.port})"


class Proxies:
    """The operator's proxies, parsed once.  Raises ValueError for a URL that is no HTTP proxy's."""

    def __init__(self, options: UpstreamOptions) -> None:
        self._plain = _parse(options.http_proxy)
        self._tls = _parse(options.https_proxy)
        entries = (entry.strip().lower() for entry in options.no_proxy.split(","))
        self._exempt = [_exemption(entry) for entry in entries if entry]

    def choose(self, origin: Origin) -> Proxy | None:
        """The proxy for calls to `origin`, or None to go there directly."""
        proxy = self._tls if origin.tls else self._plain
        if proxy is None or origin.unix_path is not None or origin.of_host or _is_loopback(origin.host):
            return None
        if any(exempt(origin) for exempt in self._exempt):
            return None
        return proxy


def _parse(url: str | None) -> Proxy | None:
    if not url:
        return None
    host, port, credentials = read_proxy_url(url)
    authorization = b""
    if credentials is not None:
        authorization = b"proxy-authorization: Basic %s\r\n" % b64encode(credentials.encode())
    return Proxy(host, port, authorization)


def _is_loopback(host: str) -> bool:
    address = _address(host)
    if address is not None:
        return address.is_loopback
    name = host.lower().rstrip(".")
    return name == "localhost" or name.endswith(".localhost")


def _address(host: str) -> IPv4Address | IPv6Address | None:
    try:
        return ip_address(host)
    except ValueError:
        return None


def _exemption(entry: str) -> Exemption:
    if entry == "*":
        return lambda origin: True
    host, port = _split_port(entry)
    matches = _block(host) or _domain(host)
    return lambda origin: (port is None or port == origin.port) and matches(origin)


def _split_port(entry: str) -> tuple[str, int | None]:
    """`host:port` apart; the colons of a bare IPv6 address are none of a port."""
    host, colon, port = entry.rpartition(":")
    if colon and port.isdecimal() and (":" not in host or host.endswith("]")):
        return host.strip("[]"), int(port)
    return entry.strip("[]"), None


def _block(text: str) -> Exemption | None:
    try:
        block = ip_network(text, strict=False)
    except ValueError:
        return None

    def matches(origin: Origin) -> bool:
        address = _address(origin.host)
        return address is not None and address.version == block.version and address in block

    return matches


def _domain(text: str) -> Exemption:
    name = text.removeprefix("*").strip(".")

    def matches(origin: Origin) -> bool:
        host = origin.host.lower().rstrip(".")
        return host == name or host.endswith(f".{name}")

    return matches
