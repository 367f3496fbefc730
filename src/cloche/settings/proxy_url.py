"""The one rule for proxies: `http://[user:password@]host[:port]`, with or without `http://`.

Must not know which setting a value belongs to, or what a proxy is used for.
"""

from __future__ import annotations

from typing import NamedTuple
from urllib.parse import unquote, urlsplit

WANTED = "http://[user:password@]host[:port] or host:port; a proxy that is itself reached by TLS is not known"


class ProxyUrl(NamedTuple):
    """Where a proxy is, and `user:password` for it, if it wants any."""

    host: str
    port: int
    credentials: str | None


def read_proxy_url(text: str) -> ProxyUrl:
    """The parts of a proxy's URL.  ValueError for what is none; the text stays out of it, as it may hold a password."""
    try:
        parts = urlsplit(text if "://" in text else f"http://{text}")
        host, port = parts.hostname, parts.port
    except ValueError:  # a port that is no number, half an IPv6 address: urlsplit's words quote the text
        host = port = None
    else:
        if parts.scheme != "http" or parts.path not in ("", "/") or parts.query or parts.fragment:
            host = None
    if not host or any(sign.isspace() for sign in text):
        raise ValueError(f"a proxy must be given as {WANTED}")
    credentials = None
    if parts.username is not None:
        credentials = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
    return ProxyUrl(host, port or 80, credentials)
