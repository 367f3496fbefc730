"""Open connections: the idle ones by route, last in first out, and all of them for closing down.

Last in first out keeps few connections warm and lets the rest grow old and go.  The pool must not know calls.
"""

from __future__ import annotations

import asyncio
from time import monotonic

from cloche.domain.outbound import Origin
from cloche.upstream.connection import Connection
from cloche.upstream.options import UpstreamOptions
from cloche.upstream.proxies import Proxies
from cloche.upstream.route import Route


class Pool:
    """Routes stay once made: there are as many as origins in all configurations so far.

    One pool has one set of proxies, so an origin has one route, and the route names the proxy.
    """

    def __init__(self, options: UpstreamOptions) -> None:
        self._idle_seconds = options.idle_seconds
        self._max_idle = options.max_idle_per_origin
        self._proxies = Proxies(options)
        self._routes: dict[Origin, Route] = {}
        self._open: set[Connection] = set()
        self._expiry: asyncio.TimerHandle | None = None
        self._emptied: asyncio.Future[None] | None = None

    @property
    def idle(self) -> int:
        """Connections that wait for a call."""
        return sum(len(route.idle) for route in self._routes.values())

    def route(self, origin: Origin) -> Route:
        """The way to `origin`."""
        route = self._routes.get(origin)
        if route is None:
            route = self._routes[origin] = Route(origin, self._proxies.choose(origin))
        return route

    def join(self, connection: Connection) -> None:
        """A connection was opened."""
        self._open.add(connection)

    def put(self, connection: Connection) -> None:
        """A connection may serve again."""
        idle = connection.route.idle
        if len(idle) >= self._max_idle:
            connection.cancel()
            return
        connection.idle_since = monotonic()
        idle.append(connection)
        if self._expiry is None:
            self._expiry = asyncio.get_running_loop().call_later(self._idle_seconds, self._expire)

    def leave(self, connection: Connection) -> None:
        """A connection is closed, by whichever side."""
        self._open.discard(connection)
        if connection in connection.route.idle:
            connection.route.idle.remove(connection)
        if self._emptied is not None and not self._open and not self._emptied.done():
            self._emptied.set_result(None)

    async def close(self) -> None:
        """Close every connection and return when the loop has let go of all of them."""
        if self._expiry is not None:
            self._expiry.cancel()
            self._expiry = None
        for connection in tuple(self._open):
            connection.cancel()
        if self._open:
            self._emptied = asyncio.get_running_loop().create_future()
            await self._emptied

    def _expire(self) -> None:
        """Close what is too old, and come back when the oldest of the rest will be."""
        now = monotonic()
        oldest = None
        for route in self._routes.values():
            while route.idle and now - route.idle[0].idle_since >= self._idle_seconds:
                route.idle.pop(0).cancel()
            if route.idle and (oldest is None or route.idle[0].idle_since < oldest):
                oldest = route.idle[0].idle_since
        self._expiry = None
        if oldest is not None:
            wait = oldest + self._idle_seconds - now
            self._expiry = asyncio.get_running_loop().call_later(wait, self._expire)
