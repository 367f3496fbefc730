"""What the host process and its workers say to each other: JSON lines over a socket pair, one for each worker.

Owns the messages and their way.  The end of one side closes the other: that is how a worker notices that its host was
killed, and the host that a worker is gone.  Must not know what the messages lead to.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator

import msgspec

from cloche.domain.errors import LimitExceeded, NotReady, Problem
from cloche.gateway.remote_model import EngineNews
from cloche.wire.exposition import Totals
from cloche.wire.metrics import Minute, Usage
from cloche.wire.series import PastMinute

_LINE_LIMIT = 64 * 1024 * 1024
"""Bytes.  The longest lines bear the figures of all endpoints, about 150 bytes for each that is called."""

_MAX_WAITING = 1024 * 1024
"""Bytes that may wait for a process that does not read, before what can be said later is left for then."""


class Engines(msgspec.Struct, tag=True):
    """To a worker: all models that have an engine on this host, whenever something about them changes."""

    news: dict[str, EngineNews]


class Turn(msgspec.Struct, tag=True):
    """To a worker: a call may go to its engine."""

    ticket: int


class Refused(msgspec.Struct, tag=True):
    """To a worker: a call gets no place.  `busy`: there are too many; otherwise the engine is not ready."""

    ticket: int
    busy: bool
    message: str
    retry_after: int | None

    def problem(self) -> Problem:
        """What the caller is told."""
        kind = LimitExceeded if self.busy else NotReady
        return kind(self.message, retry_after=self.retry_after)


class Admitted(msgspec.Struct, tag=True):
    """To a worker: a call that waited at a served entity may go, and is counted as one that runs."""

    ticket: int
    entity: str


class Elsewhere(msgspec.Struct, tag=True):
    """To a worker, every second: the figures and totals of all other workers together, and what cloche takes of
    this host.  `hour`: what came to their last hour since it was told of that, by endpoint id."""

    minutes: dict[str, Minute]
    usage: Usage | None
    totals: Totals
    hour: dict[str, list[PastMinute]]


class Said(msgspec.Struct, tag=True):
    """To a worker: an engine's last lines, in answer to AskLog."""

    number: int
    text: str


class Accepting(msgspec.Struct, tag=True):
    """To the host: this worker takes connections."""


class Published(msgspec.Struct, tag=True):
    """To the host: this revision is in force in this worker."""

    revision: int


class Enter(msgspec.Struct, tag=True):
    """To the host: a call wants a place at an engine.  Numbers are the worker's own."""

    ticket: int
    model: str


class Leave(msgspec.Struct, tag=True):
    """To the host: a call gives its place back; `finished` if it came to its proper end."""

    ticket: int
    finished: bool


class Wait(msgspec.Struct, tag=True):
    """To the host: a call waits at a served entity, which works on so many at once.  Numbers are the worker's own, and
    others than those of Enter."""

    ticket: int
    entity: str
    max_calls: int


class GiveUp(msgspec.Struct, tag=True):
    """To the host: a call waits at its entity no more."""

    ticket: int


class Freed(msgspec.Struct, tag=True):
    """To the host: a call at a served entity has ended while others wait."""

    entity: str


class Stalled(msgspec.Struct, tag=True):
    """To the host: an engine has left a call without an answer."""

    model: str


class AskLog(msgspec.Struct, tag=True):
    """To the host: an engine's last lines are wanted."""

    number: int
    model: str


class Counted(msgspec.Struct, tag=True):
    """To the host, every second, also as a sign of life: this worker's figures, by endpoint id, and totals.  `hour`:
    what came to its last hour since it told of that."""

    minutes: dict[str, Minute]
    totals: Totals
    hour: dict[str, list[PastMinute]]


ToWorker = Engines | Turn | Refused | Admitted | Elsewhere | Said
ToHost = Accepting | Published | Enter | Leave | Wait | GiveUp | Freed | Stalled | AskLog | Counted

_encode = msgspec.json.Encoder().encode


class Line:
    """One end of the pair, for a loop."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    @classmethod
    async def on(cls, end: socket.socket) -> Line:
        """On a connected socket, which it owns from now on."""
        end.setblocking(False)
        return cls(*await asyncio.open_unix_connection(sock=end, limit=_LINE_LIMIT))

    def send(self, message: ToWorker | ToHost) -> None:
        """Say something.  To nobody if the other side is gone: `messages` ends then."""
        if not self._writer.is_closing():
            self._writer.write(_encode(message) + b"\n")

    @property
    def has_room(self) -> bool:
        """Whether to say now what can be said later: not while the other side does not read."""
        return self._writer.transport.get_write_buffer_size() < _MAX_WAITING

    async def to_worker(self) -> AsyncIterator[ToWorker]:
        """What the host says, until it is gone."""
        decoder = msgspec.json.Decoder(ToWorker)
        async for line in self._lines():
            yield decoder.decode(line)

    async def to_host(self) -> AsyncIterator[ToHost]:
        """What the worker says, until it is gone."""
        decoder = msgspec.json.Decoder(ToHost)
        async for line in self._lines():
            yield decoder.decode(line)

    async def _lines(self) -> AsyncIterator[bytes]:
        try:
            async for line in self._reader:
                if not line.endswith(b"\n"):
                    return  # the other side was killed within a line
                yield line
        except ConnectionError:
            return

    def close(self) -> None:
        """Close this end, and so the other."""
        self._writer.close()
