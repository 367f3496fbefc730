"""What an operator may choose about outbound calls.  It must not know where the values come from."""

from __future__ import annotations

import msgspec

from cloche.domain.reach import Reach


class UpstreamOptions(msgspec.Struct, frozen=True):
    """Proxies, trust, pool sizes, and which addresses may be called.

    `http_proxy`, `https_proxy`: URLs of HTTP proxies, with `user:password@` where the proxy wants it.
    `no_proxy`: the usual comma list (see `proxies.py`).  `ca_bundle`: a PEM file that replaces the system's roots.
    `idle_seconds`: how long an unused connection is kept; shorter than the 60 s after which most servers hang up.
    `max_head`: bytes that the head of an answer, or any other part of it that is not body, may take.
    """

    http_proxy: str | None = None
    https_proxy: str | None = None
    no_proxy: str = ""
    ca_bundle: str | None = None
    idle_seconds: float = 50.0
    max_idle_per_origin: int = 256
    max_head: int = 65536
    reach: Reach = Reach()

    def __repr__(self) -> str:
        """Without the proxies: their URLs may hold passwords."""
        return f"UpstreamOptions(idle_seconds={self.idle_seconds}, ca_bundle={self.ca_bundle!r})"
