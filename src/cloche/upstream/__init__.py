"""Outbound HTTP/1.1: carries an `HttpCall` to a provider and tells a `Receiver` of the answer.

    client.py       Upstream: send, close, counts
    exchange.py     one call under way, and the handle that its caller holds
    connection.py   one socket: writes the request, delivers the answer, goes back to the pool or is closed
    answer.py       answers taken apart, with no I/O
    pool.py         idle connections by route, and every open one
    route.py        an origin and the proxy in front of it
    proxies.py      which proxy, if any, stands in front of an origin
    dial.py         names, sockets, tunnels and TLS
    watch.py        the four time-outs
    errors.py       lower errors to domain errors, in one table

This package must not know providers, JSON or what an answer means.  It is the hot path: callbacks, no task for a call
that finds an idle connection, one write for a request.
"""

from cloche.upstream.client import Upstream
from cloche.upstream.options import UpstreamOptions

__all__ = ["Upstream", "UpstreamOptions"]
