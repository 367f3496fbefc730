"""Which addresses this server may call: public ones, and those that its operator allows.

Whoever may make endpoints chooses URLs; without a bound they could have this server ask its own network, or the
metadata service of its cloud, in their place.  A name is judged by the addresses it stands for when a connection is
made, which are the ones that are then connected to, so that a name that changes its meaning in between gains nothing.
Must not know how names are resolved.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable
from urllib.parse import urlsplit

import msgspec

_Network = ipaddress.IPv4Network | ipaddress.IPv6Network
_Address = ipaddress.IPv4Address | ipaddress.IPv6Address

_IPV6_IN_USE = ipaddress.IPv6Network("2000::/3")
"""Where every public IPv6 address is; what is outside has another purpose, or none."""

_TRANSLATED = ipaddress.IPv6Network("64:ff9b::/96")
"""IPv4 addresses, as a network that speaks IPv6 only writes them."""

_METADATA_HOSTS = frozenset(("169.254.169.254", "fd00:ec2::254", "metadata.google.internal"))
"""Where the machine's own token is fetched, by those whom the operator lets have it."""

_OF_CLOUDS = (ipaddress.IPv4Network("168.63.129.16/32"), ipaddress.IPv4Network("192.0.0.0/24"))
"""Azure's and Oracle's services of a machine, at addresses that look public, or do for some versions of Python."""


_NUMBER = re.compile("0x[0-9a-f]{1,16}|0[0-7]{0,20}|[1-9][0-9]{0,20}")


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
        if found.is_link_local or any(found in network for network in _OF_CLOUDS):
            return _not_allowed(address, "a link-local address, as of a cloud's metadata service")
        if isinstance(found, ipaddress.IPv6Address) and found not in _IPV6_IN_USE:
            return _not_allowed(address, "no public address")
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


def is_metadata(url: str) -> bool:
    """Whether a URL is of the service by which a cloud tells a machine what it is."""
    try:
        return urlsplit(url).hostname in _METADATA_HOSTS
    except ValueError:
        return False


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
        return _old_spelling(address)
    if isinstance(found, ipaddress.IPv6Address):
        inner = ipaddress.IPv4Address(int(found) & 0xFFFFFFFF) if found in _TRANSLATED else None
        return found.ipv4_mapped or found.sixtofour or inner or found
    return found


def _old_spelling(address: str) -> _Address | None:
    """The IPv4 address that 1 to 4 numbers mean, also octal and hexadecimal ones, the last for all bytes that are left:
    resolvers, and proxies, take `0xa9fea9fe` and `169.254.43518` for addresses.  None for a name."""
    parts = address.lower().rstrip(".").split(".")
    if len(parts) > 4 or not all(_NUMBER.fullmatch(part) for part in parts):
        return None
    numbers = [int(part, 16 if part[:2] == "0x" else 8 if part[0] == "0" else 10) for part in parts]
    *firsts, last = numbers
    if any(number > 255 for number in firsts) or last >= 256 ** (5 - len(parts)):
        return None
    return ipaddress.IPv4Address(sum(number << 8 * (3 - at) for at, number in enumerate(firsts)) + last)


def _not_allowed(address: str, what: str) -> str:
    return f"{address} is {what}: this server may call it only if its operator allows it (--allow-upstream)"
