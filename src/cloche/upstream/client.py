"""The outbound client: sends calls on idle connections, or on fresh ones, and closes down in order.

All methods belong to the running event loop.
"""

from __future__ import annotations

import asyncio
from typing import Final

from cloche.domain.errors import NotReady, ProviderFault
from cloche.domain.outbound import Exchange, HttpCall, Receiver, Timeouts
from cloche.upstream.connection import Connection
from cloche.upstream.dial import Dialer
from cloche.upstream.errors import cut_off, unreachable
from cloche.upstream.exchange import CONNECTING, LiveExchange, Opening
from cloche.upstream.options import UpstreamOptions
from cloche.upstream.pool import Pool
from cloche.upstream.route import Route
from cloche.upstream.watch import Watch

_CLOSING: Final = "The server is shutting down; ask again in a moment."


class Upstream:
    """Carries calls to providers.  No socket is opened before the first `send`.

    Raises ValueError for proxies that are none.
    """

    def __init__(self, options: UpstreamOptions) -> None:
        self._max_head = options.max_head
        self._pool = Pool(options)
        self._watch = Watch()
        self._dialer = Dialer(options.ca_bundle, options.reach)
        self._openings: set[asyncio.Task[None]] = set()
        self._closed = False

    @property
    def active(self) -> int:
        """Calls under way."""
        return len(self._watch.exchanges)

    @property
    def idle(self) -> int:
        """Connections kept for the next calls."""
        return self._pool.idle

    def send(self, call: HttpCall, receiver: Receiver, timeouts: Timeouts) -> Exchange:
        """Begin `call` and return at once; `receiver` is told of everything later, never from inside `send`.

        Failures are ProviderFaults, or NotReady once the client was closed.
        """
        exchange = LiveExchange(receiver, timeouts, self._watch)
        route = self._pool.route(call.origin)
        idle = route.idle
        while idle:
            connection = idle.pop()
            if not connection.closing:
                connection.carry(exchange, call)
                return exchange
        self._open(exchange, call, route)
        return exchange

    async def close(self) -> None:
        """End every call (its receiver is told NotReady), close every connection, and wait until all is gone."""
        self._closed = True
        for exchange in tuple(self._watch.exchanges):
            exchange.expire(NotReady(_CLOSING))
        self._watch.stop()
        if self._openings:
            await asyncio.wait(self._openings)
        await self._pool.close()

    def _open(self, exchange: LiveExchange, call: HttpCall, route: Route) -> None:
        """Put `call` on a fresh connection."""
        loop = asyncio.get_running_loop()
        if self._closed:
            exchange.ride(Opening(loop.call_soon(exchange.fail, NotReady(_CLOSING))), CONNECTING)
            return
        opening = loop.create_task(self._connect(exchange, call, route))
        exchange.ride(Opening(opening), CONNECTING)
        self._openings.add(opening)
        opening.add_done_callback(self._openings.discard)

    async def _connect(self, exchange: LiveExchange, call: HttpCall, route: Route) -> None:
        connection = Connection(route, self._max_head, self._pool, self._open)
        try:
            await self._dialer.open(route, connection)
        except ProviderFault as problem:
            exchange.fail(problem)
        except (OSError, UnicodeError) as error:
            exchange.fail(unreachable(error))
        else:
            if connection.closing:
                exchange.fail(cut_off(answer_begun=False, error=None))
            else:
                connection.carry(exchange, call)
