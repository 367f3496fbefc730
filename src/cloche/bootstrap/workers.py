"""Several processes that take calls on one socket, and the host process that keeps them.

A worker that ends is replaced, after a pause that grows while it does so at once; one that has said nothing for half a
minute is ended.  Nobody is told of a start before all of them take connections.  Must not know what a worker does with
a call: that is worker.py's, and the engines' side is desk.py's.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import logging
import signal
import socket
import sys
import time
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import Awaitable, Callable, Collection, Mapping
from typing import NamedTuple

import msgspec

from cloche.bootstrap.channel import Accepting, Counted, Elsewhere, Freed, GiveUp, Line, Published, ToHost, Wait
from cloche.bootstrap.desk import Desk, EngineNewsRoom
from cloche.bootstrap.entity_lines import EntityLines
from cloche.bootstrap.handover import Handover, Received, encode
from cloche.bootstrap.repeating import repeat
from cloche.bootstrap.usage import MEASURE_SECONDS, UsageMeter
from cloche.domain.errors import OurFault
from cloche.gateway.figures import together
from cloche.gateway.hour import Hour
from cloche.wire.exposition import Totals, all_together
from cloche.wire.metrics import Minute, Usage
from cloche.wire.series import PastMinute

NEWS_SECONDS = 0.1
"""How late workers hear that an engine has gone or come."""

FIGURES_SECONDS = 1.0
SILENCE_SECONDS = 30.0
"""A worker says something every second; a loaded machine may delay that."""

FOLLOW_UP_SECONDS = 0.02
LAST_WORDS_SECONDS = 5.0
"""What workers get beyond their drain before they are killed."""

_LONGEST_PAUSE = 10.0
_SERVED_WELL = 10.0
log = logging.getLogger("cloche")


class WorkerFailed(OurFault):
    """A worker did not come up at the start; the log has its own words.  For the operator at the terminal."""


class Rooms(NamedTuple):
    """Where workers are waited on: at the engines, and at the lines in front of served entities."""

    engines: EngineNewsRoom
    entities: EntityLines


class Worker:
    """One process.  `minutes`, `totals`: its figures, and `revision`: what is in force in it, as it last told them.

    `on_hour` takes what it tells of its last hour; `owed`: what it is to be told of the others'.  `place`: which of the
    workers it is.
    """

    def __init__(self, process: Process, line: Line, rooms: Rooms, place: int) -> None:
        self.pid = process.pid
        self.line = line
        self.desk = Desk(rooms.engines, line.send)
        self._lines = rooms.entities
        self._place = place
        self._lines.join(place, line.send)
        self.minutes: Mapping[str, Minute] = {}
        self.totals = Totals()
        self.revision = 0
        self.on_hour: Callable[[Mapping[str, list[PastMinute]]], None] = lambda told: None
        self.owed: dict[str, list[PastMinute]] = {}
        self._process = process
        self._heard_at = time.monotonic()

    @classmethod
    async def start(cls, handover: Handover, listener: socket.socket, rooms: Rooms, place: int) -> Worker:
        """Start a process and hand over to it.  Raises OSError."""
        ours, theirs = socket.socketpair()
        with theirs:
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-P", "-m", "cloche.bootstrap.worker"),
                stdin=PIPE,
                stdout=DEVNULL,
                pass_fds=(listener.fileno(), theirs.fileno()),
                start_new_session=True,  # a Ctrl-C is for the host, which tells the workers
            )
            assert process.stdin is not None
            process.stdin.write(encode(Received(handover, listener.fileno(), theirs.fileno(), place)))
            process.stdin.close()
        worker = cls(process, await Line.on(ours), rooms, place)
        worker.desk.tell(rooms.engines.news())
        return worker

    async def listen(self, started: asyncio.Future[None]) -> str:
        """Do what it asks, until the process has ended; returns how, in words.  `started`: it takes connections."""
        try:
            async for message in self.line.to_host():
                self._take(message, started)
        except msgspec.MsgspecError:  # a defect: nobody can tell what else it says, so another one takes its place
            log.exception("worker %d said what the host does not understand", self.pid)
            self.signal(signal.SIGKILL)
        finally:
            self.desk.close()
            self.line.close()
        status = await self._process.wait()
        self._lines.leave(self._place)
        return f"was killed by {signal.Signals(-status).name}" if status < 0 else f"exited with status {status}"

    def signal(self, number: signal.Signals) -> None:
        """Send a signal, if the process is still there."""
        try:
            self._process.send_signal(number)
        except ProcessLookupError:
            pass

    def check_alive(self) -> None:
        """Kill a process that says nothing any more."""
        silent = time.monotonic() - self._heard_at
        if silent > SILENCE_SECONDS:
            log.error("worker %d has said nothing for %.0f s: killed", self.pid, silent)
            self._heard_at = time.monotonic()
            self.signal(signal.SIGKILL)

    def _take(self, message: ToHost, started: asyncio.Future[None]) -> None:
        self._heard_at = time.monotonic()
        match message:
            case Counted(minutes, totals, hour):
                self.minutes, self.totals = minutes, totals
                self.on_hour(hour)
            case Published(revision):
                self.revision = revision
            case Accepting():
                if not started.done():
                    started.set_result(None)
            case Wait() | GiveUp() | Freed():
                self._lines.take(self._place, message)
            case _:
                self.desk.take(message)


class Workers:
    """`count` workers on a listening socket, which this closes when it has served.  `hour`: the calls of all of them,
    also of those that are gone.  `on_gone` is told in whose place one has ended."""

    def __init__(self, count: int, handover: Handover, listener: socket.socket, rooms: Rooms) -> None:
        self._count = count
        self._handover = handover
        self._listener = listener
        self._rooms = rooms
        self._living: set[Worker] = set()
        self._meter = UsageMeter()
        self._usage: Usage | None = None
        self.hour = Hour()
        self.on_gone: Callable[[int], None] = lambda place: None
        self._ended = Totals()  # what workers have counted that are gone
        self._stopping = asyncio.Event()
        self._signals = 0

    async def run(self, on_started: Callable[[], Awaitable[None]]) -> None:
        """Serve until a signal; `on_started` is awaited once all take connections.  Raises WorkerFailed."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self._stop)
        self._listener.listen(socket.SOMAXCONN)
        started = [loop.create_future() for _ in range(self._count)]
        keepers = [asyncio.create_task(self._keep(each, place), name="worker") for place, each in enumerate(started)]
        others = [
            asyncio.create_task(repeat(NEWS_SECONDS, "telling workers of the engines", self._tell_news)),
            asyncio.create_task(repeat(FIGURES_SECONDS, "telling workers of each other", self._tell_figures)),
            asyncio.create_task(repeat(MEASURE_SECONDS, "measuring the host", self._measure)),
        ]
        stopped = asyncio.create_task(self._stopping.wait())
        all_started = asyncio.ensure_future(asyncio.gather(*started))
        try:
            await asyncio.wait((all_started, stopped), return_when=asyncio.FIRST_COMPLETED)
            if all_started.done():
                all_started.result()
                await on_started()
            await stopped
        finally:
            self._stopping.set()
            self._listener.close()  # nobody is to wait in its line any more
            await self._end_all(keepers)
            all_started.cancel()
            for task in others:
                task.cancel()
            await asyncio.gather(all_started, *others, return_exceptions=True)
            for number in (signal.SIGINT, signal.SIGTERM):
                loop.remove_signal_handler(number)

    async def follow_up(self, revision: int) -> None:
        """Wait until a revision is in force in all workers: for five seconds at most, one may be stuck."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(LAST_WORDS_SECONDS):
                while any(each.revision < revision for each in self._living):  # noqa: ASYNC110 (awaited once)
                    await asyncio.sleep(FOLLOW_UP_SECONDS)

    def _stop(self) -> None:
        """A signal: drain.  The second one: end at once."""
        self._signals += 1
        self._stopping.set()
        for worker in self._living:
            worker.signal(signal.SIGTERM if self._signals == 1 else signal.SIGINT)

    async def _keep(self, started: asyncio.Future[None], place: int) -> None:
        """One worker after another, in one place."""
        pause = 0.0
        while not self._stopping.is_set():
            began = time.monotonic()
            how = await self._live(started, place)
            if self._stopping.is_set():
                return
            if not started.done():
                started.set_exception(WorkerFailed(f"a worker {how} before it took connections, see the log"))
                return
            pause = 0.0 if time.monotonic() - began > _SERVED_WELL else min(max(2 * pause, 0.1), _LONGEST_PAUSE)
            log.warning("a worker %s; starting another%s", how, f" in {pause:g} s" if pause else "")
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), pause)

    async def _live(self, started: asyncio.Future[None], place: int) -> str:
        """A worker's life; returns how it ended."""
        try:
            worker = await Worker.start(self._handover, self._listener, self._rooms, place)
        except OSError as error:
            return f"could not be started ({error})"
        worker.on_hour = functools.partial(self._spread, worker)
        worker.owed = self.hour.all()
        self._living.add(worker)
        log.info("worker started (pid %d)", worker.pid)
        if self._stopping.is_set():
            worker.signal(signal.SIGTERM)
        try:
            how = await worker.listen(started)
            self.on_gone(place)
            return f"(pid {worker.pid}) {how}"
        finally:
            self._living.discard(worker)
            self._ended = all_together((self._ended, worker.totals.counted()))

    async def _end_all(self, keepers: Collection[asyncio.Task[None]]) -> None:
        """Let the workers drain, and kill those that take too long."""
        for worker in self._living:
            worker.signal(signal.SIGTERM)
        await asyncio.wait(keepers, timeout=self._handover.settings.drain_seconds + LAST_WORDS_SECONDS)
        for worker in self._living:
            log.error("worker %d did not end in time: killed", worker.pid)
            worker.signal(signal.SIGKILL)
        await asyncio.gather(*keepers, return_exceptions=True)

    async def _tell_news(self) -> None:
        if self._living:
            news = self._rooms.engines.news()
            for worker in self._living:
                worker.desk.tell(news)

    async def _measure(self) -> None:
        self._usage = await asyncio.to_thread(self._meter.measure)

    async def _tell_figures(self) -> None:
        lines = self._rooms.engines.lines()
        for worker in self._living:
            worker.check_alive()
            others = [each for each in self._living if each is not worker]
            if worker.line.has_room:
                totals = all_together((self._ended, Totals(lines=lines), *(each.totals for each in others)))
                minutes = together(each.minutes for each in others)
                worker.line.send(Elsewhere(minutes, self._usage, totals, worker.owed))
                worker.owed = {}

    def _spread(self, teller: Worker, told: Mapping[str, list[PastMinute]]) -> None:
        """What one tells of its hour is for all others, and for those to come."""
        self.hour.add_all(told)
        for worker in self._living:
            if worker is not teller:
                for endpoint_id, minutes in told.items():
                    worker.owed.setdefault(endpoint_id, []).extend(minutes)
