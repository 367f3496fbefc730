"""Keeps one model served: starts its engine, watches it, and starts it again when it dies or hangs.

    STARTING ──> READY <──> RESTARTING ──> FAILED      after too many crashes
        └──────────┴────────────┴─────────────> STOPPED

One task per engine, `_keep`, owns the child from the first READY on and is awaited by `stop`.  The address and the key
of an engine are the same for all its lives, so that a snapshot may hold them.  This file must not know calls: the
gateway asks `check_ready` before it sends one, and says `stalled` when one gets no answer.
"""

from __future__ import annotations

import asyncio
import contextlib
import enum
import logging
import math
import os
import secrets
import shutil
import signal
import time
from pathlib import Path

from cloche.domain.errors import NotReady
from cloche.domain.outbound import Origin
from cloche.engine import probe
from cloche.engine.catalogue import Model
from cloche.engine.child import ChildOptions
from cloche.engine.journal import Journal
from cloche.engine.options import EngineOptions
from cloche.engine.process import Child, EngineFailed
from cloche.engine.restarts import Restarts
from cloche.engine.rundir import SOCKET, choose_run_dir, make_run_dir

HEALTH_EVERY = 5.0
HEALTH_SECONDS = 10.0
"""Long, because a busy engine on a loaded machine answers late and must not be killed for it."""

HEALTH_MISSES = 3
STALL_HEALTH_SECONDS = 3.0
"""Shorter, because a call that was not answered in time is a reason for doubt already."""

FIRST_LOAD_GUESS = 2.0
FAILED_RETRY_AFTER = 120
log = logging.getLogger("cloche.engine")


class State(enum.Enum):
    """What an engine is doing; the picture above shows how one state follows another."""

    STARTING = "starting"
    READY = "ready"
    RESTARTING = "restarting"
    FAILED = "failed"
    STOPPED = "stopped"


class Engine:
    """One model, served on a Unix socket.  `detail` says in words why the state is what it is, `journal` what became
    of it.  A stopped engine may be started again."""

    def __init__(self, model: Model, options: EngineOptions, run_dir: Path, journal: Journal) -> None:
        self.name = model.name
        self.parallel = options.parallel
        self.context_length = options.context_for(model.context_length)
        self.api_key = secrets.token_urlsafe(32)
        self.state = State.STARTING
        self.detail = "not started yet"
        self._folder = choose_run_dir(run_dir)
        self.origin = Origin(host="engine", port=0, unix_path=str(self._folder / SOCKET), reuse=False)
        self._options = ChildOptions(
            model_path=model.path,
            socket_path=str(self._folder / SOCKET),
            api_key=self.api_key,
            alias=model.name,
            threads=options.threads,
            parallel=options.parallel,
            context_length=self.context_length,
        )
        self._journal = journal
        self._restarts = Restarts()
        self._stall = asyncio.Event()
        self._child: Child | None = None
        self._keeper: asyncio.Task[None] | None = None
        self._load_seconds = FIRST_LOAD_GUESS
        self._ready_at = 0.0  # monotonic; a forecast while it is not ready

    @property
    def pid(self) -> int | None:
        """The process that serves now, if one does."""
        return self._child.pid if self._child else None

    def rss_bytes(self) -> int | None:
        """Resident memory of the child; None where there is none, or no /proc to ask."""
        try:
            return int(Path(f"/proc/{self.pid}/statm").read_bytes().split()[1]) * os.sysconf("SC_PAGE_SIZE")
        except (OSError, IndexError):
            return None

    def check_ready(self) -> None:
        """Raises NotReady, with the seconds after which another try is worth while, unless a call may be sent."""
        if self.state is State.READY:
            return
        if self.state is State.FAILED:
            raise NotReady(
                f"The model {self.name} has failed and will not come back by itself: {self.detail}.",
                retry_after=FAILED_RETRY_AFTER,
            )
        seconds = max(1, math.ceil(self._ready_at - time.monotonic()))
        raise NotReady(f"The model {self.name} is {self.state.value}: {self.detail}.", retry_after=seconds)

    def stalled(self) -> None:
        """A call was not answered in time: ask the engine for its health at once, and start it again if it fails
        that too.  The fault may be that call's alone, and the engine has others to answer."""
        if self.state is State.READY:
            self._stall.set()

    async def start(self) -> None:
        """Start the engine; on return a query works.  Raises EngineFailed with the engine's last words."""
        self._enter(State.STARTING, "loading the model")
        try:
            make_run_dir(self._folder)
            child = await self._launch("loading the model")
        except OSError as error:
            self._enter(State.FAILED, "it did not start")
            raise EngineFailed(f"The folder {self._folder} for the engine's socket cannot be made: {error}.") from error
        except BaseException:
            self._enter(State.FAILED, "it did not start")
            self._sweep()
            raise
        self._keeper = asyncio.create_task(self._keep(child), name=f"engine {self.name}")

    async def stop(self, why: str = "shutting down") -> None:
        """End the engine and remove its socket.  Harmless when it has ended already."""
        keeper, self._keeper = self._keeper, None
        self._enter(State.STOPPED, why)
        if keeper is not None:
            keeper.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await keeper
        child, self._child = self._child, None
        if child is not None:
            await child.end()
        self._sweep()

    def _sweep(self) -> None:
        shutil.rmtree(self._folder, ignore_errors=True)

    def _enter(self, state: State, detail: str) -> None:
        self.state = state
        self.detail = detail
        self._journal.add(f"engine {state.value}: {detail}")

    async def _launch(self, detail: str) -> Child:
        """One try to start a child, timed for the forecasts.  Raises EngineFailed."""
        began = time.monotonic()
        self._ready_at = began + self._load_seconds
        self.detail = detail
        child = await Child.start(self._options, self._journal.add)
        self._ready_at = time.monotonic()
        self._load_seconds = self._ready_at - began
        self._child = child
        self._stall.clear()
        self._enter(State.READY, f"pid {child.pid}")
        log.info("engine %s is ready after %.1f s (pid %d)", self.name, self._load_seconds, child.pid)
        return child

    async def _keep(self, child: Child | None) -> None:
        """Watch the child, end it when it is of no use any more, start the next: until `stop`, or given up."""
        try:
            while child is not None:
                why = await self._watch(child)
                self._enter(State.RESTARTING, why)
                await child.end(signal.SIGKILL)
                self._child = None
                child = await self._revive(why)
        except Exception:  # the edge of a background task: told here, or nobody would know that it is gone
            self._enter(State.FAILED, "the supervisor met a defect, see the log")
            log.exception("engine %s is not supervised any more", self.name)

    async def _watch(self, child: Child) -> str:
        """Wait until the child is of no use any more; returns why."""
        watchers = {
            asyncio.ensure_future(child.wait()),
            asyncio.ensure_future(self._until_stalled()),
            asyncio.ensure_future(self._until_sick()),
        }
        try:
            done, _ = await asyncio.wait(watchers, return_when=asyncio.FIRST_COMPLETED)
            return done.pop().result()
        finally:
            for watcher in watchers:
                watcher.cancel()
            await asyncio.gather(*watchers, return_exceptions=True)

    async def _until_stalled(self) -> str:
        while True:
            await self._stall.wait()
            self._stall.clear()
            if not await probe.healthy(self._options.socket_path, STALL_HEALTH_SECONDS):
                return "killed because neither a call nor a health check got an answer"

    async def _until_sick(self) -> str:
        misses = 0
        while misses < HEALTH_MISSES:
            await asyncio.sleep(HEALTH_EVERY)
            misses = 0 if await probe.healthy(self._options.socket_path, HEALTH_SECONDS) else misses + 1
        return f"killed because it missed {HEALTH_MISSES} health checks in a row"

    async def _revive(self, why: str) -> Child | None:
        """Start a child after a pause, again and again; None when it crashes in a loop."""
        served = time.monotonic() - self._ready_at
        while True:
            pause = self._restarts.pause_after_crash(time.monotonic(), served)
            if pause is None:
                self._enter(State.FAILED, f"too many crashes, the last one: {why}")
                log.error("engine %s has failed: %s", self.name, self.detail)
                return None
            self._enter(State.RESTARTING, why)
            self._ready_at = time.monotonic() + pause + self._load_seconds
            log.warning("engine %s: %s; restarting in %.1f s", self.name, why, pause)
            await asyncio.sleep(pause)
            try:
                return await self._launch(why)
            except EngineFailed as error:
                log.warning("%s", error.message)
                why = "it did not come up again"
                served = 0.0
