"""Which addresses this server may call: public ones, and those that its operator allows.

Whoever may make endpoints chooses URLs; without a bound they could have this server ask its own network, or the
metadata service of its cloud, in their place.  A name is judged by the addresses it stands for when a connection is
made, which are the ones that are then connected to, so that a name that changes its meaning in between gains nothing.
Must not know how names are resolved.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from urllib.parse import urlsplit

import msgspec

_Network = ipaddress.IPv4Network | ipaddress.IPv6Network
_Address = ipaddress.IPv4Address | ipaddress.IPv6Address


class Reach(msgspec.Struct, frozen=True):
    """`hosts`: names, in lower case, that may stand for any address.  `networks`: addresses that may be called.
    `loopback`: whether this machine may be called."""

    hosts: frozenset[str] = frozenset()
    networks: tuple[_Network, ...] = ()
    loopback: bool = True

    def refuses(self, host: str, address: str) -> str | None:
        """Why `host` must not be called at `address`, in words; None if it may be."""
        if host.lower() in self.hosts:
            return None
        found = _parsed(address)
        if found is None or any(found in network for network in self.networks):
            return None
        if found.is_loopback or found.is_unspecified:
            return None if self.loopback else _not_allowed(address, "this machine itself")
        if found.is_link_local:
            return _not_allowed(address, "a link-local address, as of a cloud's metadata service")
        return None if found.is_global and not found.is_multicast else _not_allowed(address, "no public address")

    def refuses_url(self, url: str) -> str | None:
        """Why a URL must not be called, as far as it tells itself: it names an address, or this machine."""
        try:
            host = urlsplit(url).hostname
        except ValueError:
            return None  # no URL, which others say better
        if host is None:
            return None
        return self.refuses(host, "127.0.0.1" if host.lower().rstrip(".") == "localhost" else host)


def is_loopback(host: str) -> bool:
    """Whether a name or address that is listened on is of this machine alone."""
    address = _parsed(host)
    return host == "localhost" if address is None else address.is_loopback


def read_reach(allowed: Iterable[str], *, loopback: bool) -> Reach:
    """From what the operator allows: host names, addresses and networks (`10.0.0.0/8`).  ValueError names what is
    none."""
    hosts: set[str] = set()
    networks: list[_Network] = []
    for each in allowed:
        try:
            networks.append(ipaddress.ip_network(each, strict=False))
        except ValueError:
            if "/" in each or ":" in each:
                raise ValueError(f"{each!r} is no host name, address or network") from None
            hosts.add(each.lower())
    return Reach(frozenset(hosts), tuple(networks), loopback)


def _parsed(address: str) -> _Address | None:
    """The address, an IPv4 one also where it is written inside an IPv6 one; None for a name."""
    try:
        found = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return None
    if isinstance(found, ipaddress.IPv6Address):
        return found.ipv4_mapped or found.sixtofour or found
    return found


def _not_allowed(address: str, what: str) -> str:
    return f"{address} is {what}: this server may call it only if its operator allows it (--allow-upstream)"
