"""uvicorn, fitted out: the fast lane as its protocol, a drain that counts lane calls, exit status 0 after a signal."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import signal
import socket
import ssl
import threading
from collections.abc import Awaitable, Callable, Iterator
from types import FrameType

import uvicorn
from starlette.types import ASGIApp

from cloche.gateway.pipeline import KEEP_ALIVE_SECONDS, Gateway
from cloche.http.lane import LaneProtocol
from cloche.http.shared import Lane

_LAST_WORDS_SECONDS = 2
"""After the drain: time for the error events of what was not finished to reach their clients."""

_LOOK_SECONDS = 0.5
"""Between two looks at the connections while the server drains."""

_TICK_SECONDS = 1.0
_TICKS = 10
"""What uvicorn counts in that time: at every tenth it renews the date in the heads."""


class UnusableTls(Exception):
    """Why certificate and key cannot be used, in words for the operator."""


class TlsFiles:
    """Certificate chain and key, as PEM files.  Raises UnusableTls, naming the file, for what cannot be served with."""

    def __init__(self, cert: str, key: str) -> None:
        self.cert = cert
        self.key = key
        self._check()

    def _check(self) -> None:
        try:
            ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(self.cert)
        except OSError as error:  # ssl's own errors are OSErrors, too
            raise UnusableTls(f"tls_cert: {self.cert} is no certificate chain in PEM form: {_told(error)}") from None
        try:
            # A password would be asked for at the terminal, which a server has none of.
            ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(self.cert, self.key, password="")
        except OSError as error:
            raise UnusableTls(
                f"tls_key: {self.key} is no private key in PEM form, without a password, "
                f"of the certificate in {self.cert}: {_told(error)}"
            ) from None


def _told(error: OSError) -> str:
    if isinstance(error, ssl.SSLError):
        return (error.reason or "unreadable").lower().replace("_", " ")
    return error.strerror or "unreadable"


class ServerOptions:
    """How long an idle connection is kept, and how long running answers may take after a signal: seconds.

    `on_drain`: awaited after the signal, to end what would not end by itself.
    """

    def __init__(
        self,
        *,
        keep_alive: float,
        drain: float,
        lane: bool,
        tls: TlsFiles | None,
        on_drain: Callable[[], Awaitable[None]],
    ) -> None:
        self.keep_alive = keep_alive
        self.drain = drain
        self.on_drain = on_drain
        self.lane = lane
        self.tls = tls


class Server(uvicorn.Server):
    """Serves on one socket until a signal comes, then drains."""

    def __init__(self, app: ASGIApp, lane: Lane, gateway: Gateway, options: ServerOptions) -> None:
        self._gateway = gateway
        self._on_drain = options.on_drain
        self._drain_seconds = options.drain
        self._loop: asyncio.AbstractEventLoop | None = None
        self._signalled = asyncio.Event()
        tls = options.tls
        super().__init__(
            uvicorn.Config(
                app,
                http=functools.partial(LaneProtocol, lane) if options.lane else "httptools",  # type: ignore[arg-type]
                ws="none",
                lifespan="off",
                access_log=False,
                log_config=None,
                server_header=False,
                proxy_headers=False,
                timeout_keep_alive=max(1, round(options.keep_alive)),
                timeout_graceful_shutdown=max(1, round(options.drain)) + _LAST_WORDS_SECONDS,
                ssl_certfile=tls.cert if tls is not None else None,
                ssl_keyfile=tls.key if tls is not None else None,
            )
        )

    async def run_on(self, listener: socket.socket, on_started: Callable[[], Awaitable[None]]) -> None:
        """Serve until a signal; `on_started` is awaited once connections are taken."""
        self._on_started = on_started
        await self.serve(sockets=[listener])

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begin to take connections."""
        await super().startup(sockets)
        await self._on_started()

    async def main_loop(self) -> None:
        """uvicorn's, which wakes ten times a second only to see whether there was a signal: a third of the time that a
        server without calls takes."""
        self._loop = asyncio.get_running_loop()
        ticks = 0
        while not await self.on_tick(ticks):
            ticks += _TICKS
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._signalled.wait(), _TICK_SECONDS)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """A signal has come."""
        super().handle_exit(sig, frame)
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._signalled.set)

    async def on_tick(self, counter: int) -> bool:
        """Once a second."""
        self._check_deadlines()
        if counter % round(KEEP_ALIVE_SECONDS / _TICK_SECONDS * _TICKS) == 0:
            self._gateway.keep_alive()
        return await super().on_tick(counter)

    def _check_deadlines(self) -> None:
        """Close the connections whose client takes too long to send or to read."""
        for connection in list(self.server_state.connections):
            if isinstance(connection, LaneProtocol):
                connection.check_deadline()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Take no new calls, let running answers finish, and end those that take too long with an error event."""
        self._gateway.drain()
        await self._on_drain()
        stalled = asyncio.create_task(self._leave_stalled())
        # Before uvicorn's own limit, at which it cancels what still runs and nothing can be said any more.
        late = asyncio.get_running_loop().call_later(self._drain_seconds, self._gateway.abort)
        await super().shutdown(sockets)
        late.cancel()
        stalled.cancel()
        await asyncio.wait([stalled])
        self._gateway.abort()

    async def _leave_stalled(self) -> None:
        """Close the connections of clients that take nothing of an answer, again and again."""
        while True:
            for connection in list(self.server_state.connections):
                if isinstance(connection, LaneProtocol):
                    connection.check_stalled()
            await asyncio.sleep(_LOOK_SECONDS)

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """As uvicorn does it, but without raising the signal again at the end: a drained server has exited well."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before = {number: signal.signal(number, self.handle_exit) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
