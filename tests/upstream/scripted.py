"""A server that follows a script, byte by byte, and a receiver that writes down what it is told."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager

from cloche.domain.errors import Problem
from cloche.domain.outbound import BytesLike, Exchange, HttpCall, Origin, Timeouts
from cloche.upstream import Upstream, UpstreamOptions

OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi"
CHUNKED = (
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nX-A: 1\r\n\r\n"
    b"5\r\nhello\r\n1;ext=1\r\n,\r\n6\r\n world\r\n0\r\nT: 1\r\n\r\n"
)
EVENT = b'data: {"a": 1}\n\n'
SSE = (
    b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
    + b"".join(b"%x\r\n%s\r\n" % (len(EVENT), EVENT) for _ in range(4))
    + b"0\r\n\r\n"
)
HEAD = b"POST /v1/chat HTTP/1.1\r\nhost: provider.test\r\nauthorization: Bearer secret\r\n"
PATIENT = Timeouts(connect=20.0, first_byte=20.0, between_bytes=20.0, total=50.0)


class Peer:
    """The server's end of one connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer
        sock = writer.get_extra_info("socket")
        if sock.family != socket.AF_UNIX:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    async def head(self) -> bytes:
        """A request's head; IncompleteReadError at the end of the connection."""
        return await self.reader.readuntil(b"\r\n\r\n")

    async def request(self) -> tuple[bytes, bytes]:
        """A request's head and body."""
        head = await self.head()
        size = int(head.split(b"content-length: ")[1].split(b"\r\n")[0])
        return head, await self.reader.readexactly(size)

    async def send(self, *pieces: bytes) -> None:
        """Write each piece by itself, with time between for the other side to read it."""
        for piece in pieces:
            self.writer.write(piece)
            await self.writer.drain()
            for _ in range(3 if len(pieces) > 1 else 0):
                await asyncio.sleep(0)

    async def gone(self) -> bool:
        """Whether the other side closes within a second; what it still sends is read away."""
        try:
            async with asyncio.timeout(1):
                while await self.reader.read(65536):
                    pass
        except TimeoutError:
            return False
        except ConnectionError:
            pass
        return True

    def reset(self) -> None:
        """Close with an RST."""
        sock = self.writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        self.writer.transport.abort()


Script = Callable[[Peer], Awaitable[None]]


class Server:
    """`connections`: how many were accepted.  `peers`: those that are open."""

    def __init__(self, script: Script) -> None:
        self._script = script
        self._tasks: set[asyncio.Task[None]] = set()
        self.connections = 0
        self.open = 0
        self.origin = Origin("127.0.0.1", 0)

    async def accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self.connections += 1
        self.open += 1
        try:
            await self._script(Peer(reader, writer))
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        except asyncio.CancelledError:
            pass  # the test is over
        finally:
            self.open -= 1
            self._tasks.discard(task)
            writer.transport.abort()

    async def stop(self) -> None:
        for task in tuple(self._tasks):
            task.cancel()
        while self._tasks:
            await asyncio.sleep(0.001)


@asynccontextmanager
async def serving(
    script: Script, *, tls: ssl.SSLContext | None = None, unix_path: str | None = None, host: str = "127.0.0.1"
) -> AsyncIterator[Server]:
    """A server on loopback, or on a Unix socket, that runs `script` on each connection."""
    server = Server(script)
    if unix_path is not None:
        listener = await asyncio.start_unix_server(server.accept, unix_path)
        server.origin = Origin("engine", 0, unix_path=unix_path)
    else:
        listener = await asyncio.start_server(server.accept, "127.0.0.1", 0, ssl=tls)
        server.origin = Origin(host, listener.sockets[0].getsockname()[1], tls=tls is not None)
    try:
        yield server
    finally:
        listener.close()
        await server.stop()
        await asyncio.sleep(0.01)


@asynccontextmanager
async def client(options: UpstreamOptions | None = None) -> AsyncIterator[Upstream]:
    """An outbound client, closed in the end."""
    upstream = Upstream(options or UpstreamOptions())
    try:
        yield upstream
    finally:
        await upstream.close()
        assert (upstream.active, upstream.idle) == (0, 0)


def answering(*answers: bytes) -> Script:
    """A script that gives these answers in turn, the last one for ever."""

    async def script(peer: Peer) -> None:
        left = list(answers)
        while True:
            await peer.request()
            await peer.send(left.pop(0) if len(left) > 1 else left[0])

    return script


class Recorder:
    """A receiver that keeps everything and notices calls out of order."""

    def __init__(self) -> None:
        self.status = 0
        self.headers: dict[bytes, bytes] = {}
        self.pieces: list[bytes] = []
        self.problem: Problem | None = None
        self.ended = False
        self.over = asyncio.Event()
        self.begun = asyncio.Event()

    @property
    def body(self) -> bytes:
        return b"".join(self.pieces)

    def on_head(self, status: int, headers: dict[bytes, bytes]) -> None:
        assert not self.status
        assert not self.over.is_set()
        self.status, self.headers = status, headers
        self.begun.set()

    def on_data(self, data: bytes) -> None:
        assert self.status
        assert data
        assert not self.over.is_set()
        self.pieces.append(data)

    def on_end(self) -> None:
        assert self.status
        assert not self.over.is_set()
        self.ended = True
        self.over.set()

    def on_failure(self, problem: Problem) -> None:
        assert not self.over.is_set()
        self.problem = problem
        self.over.set()

    async def wait(self) -> None:
        await asyncio.wait_for(self.over.wait(), 30)


def ask(
    upstream: Upstream,
    origin: Origin,
    body: Sequence[BytesLike] = (b"{}",),
    *,
    receiver: Recorder | None = None,
    timeouts: Timeouts = PATIENT,
) -> tuple[Recorder, Exchange]:
    """Send a call."""
    receiver = receiver or Recorder()
    exchange = upstream.send(HttpCall(origin, HEAD, body), receiver, timeouts)
    assert not receiver.over.is_set()
    return receiver, exchange


async def fetch(
    upstream: Upstream, origin: Origin, body: Sequence[BytesLike] = (b"{}",), *, timeouts: Timeouts = PATIENT
) -> Recorder:
    """Send a call and wait until it is over."""
    receiver, _ = ask(upstream, origin, body, timeouts=timeouts)
    await receiver.wait()
    await asyncio.sleep(0)
    return receiver
