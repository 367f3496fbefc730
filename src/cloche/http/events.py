"""Whoever watches this server, and what they are told: changes, states of endpoints, models that are fetched, calls.

One task looks once a second, while anybody watches, and tells each what is theirs to see; whose token is good no longer
is told nothing more.  What waits for one who is slow is bounded: of a state the newest, of calls the newest two
thousand, and how many were left out.  Calls are read from the usage tables, so those of all workers and hosts come.
Must not know how events are written.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections import deque
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any, NamedTuple

from cloche.control.calls import Calls, may_see
from cloche.domain.access import Principal, level_of
from cloche.domain.endpoint import Endpoint
from cloche.domain.errors import LimitExceeded, NotReady, Problem
from cloche.domain.usage import CallUsage
from cloche.snapshot import Snapshot
from cloche.wire import calls as calls_wire
from cloche.wire import events as wire
from cloche.wire.serving import EndpointStatus

MAX_LISTENERS = 100
"""Of one process."""

MAX_WAITING = 2000
"""Calls that wait for one listener; those that wait for several are there once."""

LOOK_SECONDS = 1.0
KEEP_ALIVE_SECONDS = 15.0

NEWEST = 2000
"""Calls among which new ones are looked for: by the time when they came, so that one of many hours is not found."""

_AT_ONCE = 100
_BUSY_RETRY = 10

log = logging.getLogger("cloche.http")

States = Mapping[str, wire.EndpointState]


class Sources(NamedTuple):
    """Where events come from.  `pulls`: how models are fetched, by id, as it is told."""

    snapshot: Callable[[], Snapshot]
    status: Callable[[Endpoint], EndpointStatus]
    calls: Calls
    pulls: Callable[[], Mapping[str, Any]]


class Listener:
    """One who watches.  `principal`: who that is, by the token as it is now; raises Problem once it is not good."""

    def __init__(
        self, asked: wire.Asked, principal: Callable[[], Principal], leave: Callable[[Listener], None]
    ) -> None:
        self.asked = asked
        self.principal = principal
        self._leave = leave
        self._revision: int | None = None
        self._latest: dict[tuple[str, str], Any] = {}
        self._calls: deque[CallUsage] = deque()
        self._lost = 0
        self._unknown_lost = False
        self._over = False
        self._news = asyncio.Event()

    def tell_revision(self, revision: int) -> None:
        """That one is in force."""
        if revision != self._revision:
            self._revision = revision
            self._latest["revision", ""] = wire.RevisionEvent(revision)
            self._news.set()

    def tell(self, kind: str, about: str, told: Any) -> None:
        """The newest of a thing; what was to be said of it before is not said any more."""
        self._latest[kind, about] = told
        self._news.set()

    def tell_call(self, call: CallUsage) -> None:
        """A call has ended."""
        if len(self._calls) == MAX_WAITING:
            self._calls.popleft()
            self._lost += 1
        self._calls.append(call)
        self._news.set()

    def tell_lost(self) -> None:
        """Calls have ended, and nobody knows how many."""
        self._unknown_lost = True
        self._news.set()

    def end(self) -> None:
        """What waits is told, and nothing more."""
        self._over = True
        self._news.set()

    def close(self) -> None:
        """Nobody listens any more."""
        self._leave(self)

    async def pieces(self) -> AsyncIterator[bytes]:
        """What is told, as it comes."""
        while True:
            piece = self._take()
            if piece:
                yield piece
                continue
            if self._over:
                return
            self._news.clear()
            try:
                await asyncio.wait_for(self._news.wait(), KEEP_ALIVE_SECONDS)
            except TimeoutError:
                yield wire.KEEP_ALIVE

    def _take(self) -> bytes:
        """Some of what waits, as events."""
        latest, self._latest = self._latest, {}
        told = [wire.event(kind, each) for (kind, _), each in latest.items()]
        if self._lost or self._unknown_lost:
            told.append(wire.event("lost", wire.LostEvent(None if self._unknown_lost else self._lost)))
            self._lost, self._unknown_lost = 0, False
        for _ in range(min(_AT_ONCE, len(self._calls))):
            told.append(wire.event("call", calls_wire.call(self._calls.popleft())))
        return b"".join(told)


class Events:
    """The listeners of this process.  Belongs to one loop; `listen` may be called from any thread."""

    def __init__(self, sources: Sources) -> None:
        self._sources = sources
        self._listeners: set[Listener] = set()
        self._lock = threading.Lock()
        self._closed = False
        self._watching: asyncio.Task[None] | None = None
        self._snapshot: Snapshot | None = None
        self._states: States = {}
        self._pulls: Mapping[str, Any] = {}
        self._seen: frozenset[str] | None = None

    def listen(self, asked: wire.Asked, principal: Callable[[], Principal]) -> Listener:
        """Another listener, which is to be closed.  LimitExceeded if there are too many, NotReady at the end."""
        with self._lock:
            if self._closed:
                raise NotReady("the server is about to end", retry_after=1)
            if len(self._listeners) >= MAX_LISTENERS:
                raise LimitExceeded(
                    f"{MAX_LISTENERS} others watch this server already; try again later", retry_after=_BUSY_RETRY
                )
            listener = Listener(asked, principal, self._leave)
            self._listeners.add(listener)
        return listener

    async def told_to(self, listener: Listener) -> AsyncIterator[bytes]:
        """What a listener is told, as it comes.  In the loop."""
        if self._watching is None or self._watching.done():
            self._watching = asyncio.create_task(self._watch(), name="events")
        async for piece in listener.pieces():
            yield piece

    async def close(self) -> None:
        """The server drains: every listener is told what waits, and that is the end.  In the loop."""
        with self._lock:
            self._closed = True
            listeners = list(self._listeners)
        for each in listeners:
            each.end()
        if self._watching is not None:
            self._watching.cancel()
            await asyncio.wait([self._watching])

    def _leave(self, listener: Listener) -> None:
        with self._lock:
            self._listeners.discard(listener)

    async def _watch(self) -> None:
        """Look until nobody listens."""
        self._snapshot, self._seen = None, None
        told = False
        while self._listeners:
            try:
                await self._look()
                told = False
            except Exception:  # the edge of a background task: told here, or nobody would know
                if not told:
                    log.exception("looking for events failed inside cloche, and goes on")
                told = True
            await asyncio.sleep(LOOK_SECONDS)

    async def _look(self) -> None:
        before, snapshot = self._snapshot, self._sources.snapshot()
        states, pulls = await asyncio.to_thread(self._now, before, snapshot)
        changed = {} if before is None else {name: states.get(name) for name in _different(self._states, states)}
        fetched = (
            {} if before is None else {each: pulls[each] for each in _different(self._pulls, pulls) if each in pulls}
        )
        self._snapshot, self._states, self._pulls = snapshot, states, pulls
        wanted = any(each.asked.calls for each in self._listeners)
        calls = await self._new_calls() if wanted else self._forget_calls()
        for listener in list(self._listeners):
            try:
                principal = listener.principal()
            except Problem:
                listener.end()
                continue
            listener.tell_revision(snapshot.revision)
            for name, state in changed.items():
                if _visible(principal, name, snapshot) or (before is not None and _visible(principal, name, before)):
                    listener.tell("endpoint", name, wire.EndpointEvent(name, state))
            for pull_id, pull in fetched.items() if principal.admin else ():
                listener.tell("pull", pull_id, pull)
            if listener.asked.calls:
                _tell_calls(listener, principal, calls, snapshot)

    def _now(self, before: Snapshot | None, snapshot: Snapshot) -> tuple[States, Mapping[str, Any]]:
        """How endpoints are doing, and the models that are fetched.  Those of external models change with the snapshot
        alone."""
        same = before is snapshot
        states = {}
        for endpoint in snapshot.state.endpoints:
            known = self._states.get(endpoint.name)
            if known is None or not same or endpoint.newest.configuration.local_models:
                known = _state(endpoint, self._sources.status(endpoint))
            states[endpoint.name] = known
        return states, self._sources.pulls()

    def _forget_calls(self) -> list[CallUsage] | None:
        self._seen = None
        return []

    async def _new_calls(self) -> list[CallUsage] | None:
        """The calls since the last look, the oldest first; None if there were more than can be looked at."""
        try:
            ids = await asyncio.to_thread(self._sources.calls.newest_ids, NEWEST)
            seen, new = self._seen, frozenset(ids)
            if seen is None or not new - seen:
                self._seen = new
                return []
            if len(new) == NEWEST and not new & seen:
                self._seen = new
                return None
            calls = await asyncio.to_thread(self._sources.calls.some, sorted(new - seen))
            self._seen = new
        except Problem:  # the database does not answer: they are found once it does
            return []
        return calls


def _different(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    return [name for name in {**before, **now} if before.get(name) != now.get(name)]


def _visible(principal: Principal, name: str, snapshot: Snapshot) -> bool:
    compiled = snapshot.endpoints.get(name)
    return compiled is not None and level_of(principal, compiled.levels) is not None


def _state(endpoint: Endpoint, status: EndpointStatus) -> wire.EndpointState:
    ready = endpoint.active is not None and status.ready
    return wire.EndpointState("READY" if ready else "NOT_READY", endpoint.update.value)


def _tell_calls(listener: Listener, principal: Principal, calls: list[CallUsage] | None, snapshot: Snapshot) -> None:
    if calls is None:
        listener.tell_lost()
        return
    for call in calls:
        if listener.asked.endpoint in (None, call.endpoint_name) and may_see(principal, call, snapshot):
            listener.tell_call(call)
