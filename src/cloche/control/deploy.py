"""Brings configurations up on this host: the engines of pending versions are loaded, and then they take over; those of
active versions are loaded wherever they are not; those that nobody names any more are let go.

One Deployer on each host.  Of several hosts one holds the lease on a pending version and decides its fate; when that
host dies, the lease ends and another takes over.  The version before serves until then.  While the database does not
answer nothing is decided, and engines go on.  Must not know how an engine is made.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import secrets
from collections import deque
from collections.abc import Callable, Coroutine, Iterable, Iterator
from functools import partial
from typing import Protocol

from cloche.control.publish import Publisher
from cloche.control.status import at_fault_prefix
from cloche.domain.endpoint import Endpoint, Update, Version
from cloche.domain.errors import InvalidParameter, Problem
from cloche.engine.host import EngineHost
from cloche.snapshot import Snapshot
from cloche.store.database import StoreUnreachable

LOOK_SECONDS = 2.0
"""How often the newest state is compared with what is here, if nothing is published meanwhile."""

RENEW_SECONDS = 4.0
LEASE_MS = 15_000
log = logging.getLogger("cloche.control")


class Rollout(Protocol):
    """How a pending version ends, and what is told of it meanwhile.  All of it waits for the database."""

    def finish(self, endpoint_id: str, number: int) -> object:
        """The pending version of that number takes over."""

    def fail(self, endpoint_id: str, number: int, reason: str) -> object:
        """It cannot; what served before goes on."""

    def say(self, endpoint_id: str, number: int, entity: str, line: str) -> object:
        """Add a line to the build log of an entity."""


class Deployer:
    """Made in the event loop.  `now_ms`: the clock."""

    def __init__(self, publisher: Publisher, rollout: Rollout, engines: EngineHost, now_ms: Callable[[], int]) -> None:
        self._publisher = publisher
        self._rollout = rollout
        self._engines = engines
        self._now_ms = now_ms
        self._name = secrets.token_hex(16)
        self._wake = asyncio.Event()
        self._looked = asyncio.Condition()
        self._has_looked = False
        self._under_way: dict[object, asyncio.Task[None]] = {}
        self._defect: str | None = None

    async def run(self) -> None:
        """Compare and act until cancelled."""
        loop = asyncio.get_running_loop()

        def published(_: Snapshot) -> None:
            loop.call_soon_threadsafe(self._wake.set)

        self._publisher.published.append(published)
        try:
            while True:
                self._wake.clear()
                await self._look()
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(LOOK_SECONDS):
                        await self._wake.wait()
        finally:
            self._publisher.published.remove(published)
            tasks = list(self._under_way.values())
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def settled(self, names: Iterable[str]) -> list[str]:
        """Wait until each of these endpoints serves or cannot; what keeps those that cannot, each in words."""
        wanted = set(names)
        async with self._looked:
            while True:
                # A look that is over tells nobody again, so what it found is judged before the next is waited for.
                if self._has_looked:
                    endpoints = [each for each in self._publisher.current().state.endpoints if each.name in wanted]
                    if all(self._is_settled(endpoint) for endpoint in endpoints):
                        return [told for endpoint in endpoints for told in self._obstacles(endpoint)]
                await self._looked.wait()

    def _is_settled(self, endpoint: Endpoint) -> bool:
        known = (
            self._engines.available(model) or self._engines.failure(model) is not None for model in _models(endpoint)
        )
        return endpoint.update is not Update.IN_PROGRESS and all(known)

    def _obstacles(self, endpoint: Endpoint) -> Iterator[str]:
        if endpoint.update is Update.UPDATE_FAILED:
            yield f"endpoint '{endpoint.name}': {endpoint.update_message}"
        for model in _models(endpoint):
            why = self._engines.failure(model)
            if why is not None:
                yield f"endpoint '{endpoint.name}': {why}"

    # ---------------------------------------------------------------- what is to be done

    async def _look(self) -> None:
        """Compare the newest state with what is here, and start what has to be done."""
        try:
            await asyncio.to_thread(self._publisher.catch_up)
            self._act(self._publisher.current().state.endpoints)
            self._defect = None
        except Exception as error:  # the edge of a background loop: told once, and tried again with the next look
            if repr(error) != self._defect:
                log.exception("endpoints cannot be looked after")
            self._defect = repr(error)
        async with self._looked:
            self._has_looked = True
            self._looked.notify_all()

    def _act(self, endpoints: Iterable[Endpoint]) -> None:
        wanted: dict[str, bool] = {}
        missing = False
        for endpoint in endpoints:
            if endpoint.update is Update.IN_PROGRESS and endpoint.pending is not None:
                _want(wanted, endpoint.pending)
                self._start((endpoint.id, endpoint.pending.number), partial(self._deploy, endpoint, endpoint.pending))
            if endpoint.active is not None:
                _want(wanted, endpoint.active)
            for model in _models(endpoint):
                if not self._engines.available(model) and self._engines.failure(model) is None:
                    missing = True
                    self._start(model, partial(self._bring_back, model))
        # An engine that was replaced stays until those that replace it are here: its endpoint is served by it.
        if not missing:
            self._engines.keep(wanted)

    def _start(self, key: object, work: Callable[[], Coroutine[None, None, None]]) -> None:
        if key in self._under_way:
            return
        task = asyncio.create_task(work(), name=f"bring up {key}")
        self._under_way[key] = task
        task.add_done_callback(partial(self._ended, key))

    def _ended(self, key: object, task: asyncio.Task[None]) -> None:
        del self._under_way[key]
        if not task.cancelled() and task.exception() is not None:
            log.error("bringing up %s met a defect", key, exc_info=task.exception())
            return  # what has a defect is tried again by the clock, and not at once
        self._wake.set()

    async def _bring_back(self, model: str) -> None:
        """Load a model that an active version names."""
        try:
            await self._engines.load(model, partial(log.info, "%s"))
        except Problem as problem:
            log.error("the model %s cannot be served: %s", model, problem.message)
            return
        await asyncio.to_thread(self._publisher.recompile)

    # ---------------------------------------------------------------- a pending version

    async def _deploy(self, endpoint: Endpoint, version: Version) -> None:
        """Bring a version up, as far as it is this host's to do."""
        if not await self._claimed(endpoint):
            await asyncio.sleep(LOOK_SECONDS)  # somebody else does it; nothing has to be looked at again for it
            return
        build = _BuildLog(self._rollout, endpoint.id, version.number)
        loading = asyncio.create_task(self._load(version, build), name=f"load for {endpoint.name}")
        try:
            while not (await asyncio.wait({loading}, timeout=RENEW_SECONDS))[0]:
                await build.write()
                if not self._is_pending(endpoint, version) or not await self._claimed(endpoint):
                    return  # removed, given up for another version, or taken over by another host
            await self._conclude(endpoint, version, loading.result(), build)
        finally:
            loading.cancel()
            await asyncio.gather(loading, return_exceptions=True)
            with contextlib.suppress(StoreUnreachable):
                await asyncio.to_thread(self._release, endpoint)

    async def _load(self, version: Version, build: _BuildLog) -> str | None:
        """Load every model that a version names; why one cannot be, or None."""
        for entity in version.configuration.entities:
            if entity.entity_name is None:
                continue
            try:
                await self._engines.load(entity.entity_name, partial(build.add, entity.name))
            except Problem as problem:
                build.add(entity.name, f"failed: {problem.message}")
                return at_fault_prefix(entity.name) + problem.message
        return None

    async def _conclude(self, endpoint: Endpoint, version: Version, reason: str | None, build: _BuildLog) -> None:
        await build.write()
        where = f"version {version.number} of the endpoint '{endpoint.name}'"
        try:
            if reason is None:
                reason = await self._finished(endpoint, version)
            if reason is not None:
                log.error("%s cannot serve: %s", where, reason)
                await asyncio.to_thread(self._rollout.fail, endpoint.id, version.number, reason)
        except StoreUnreachable:
            await asyncio.sleep(LOOK_SECONDS)  # nothing is decided; what is loaded stays, and this is tried again
        except Problem as problem:
            log.warning("%s is not there any more: %s", where, problem.message)

    async def _finished(self, endpoint: Endpoint, version: Version) -> str | None:
        """Have the version take over; why it cannot, or None."""
        try:
            await asyncio.to_thread(self._rollout.finish, endpoint.id, version.number)
        except InvalidParameter as problem:
            return problem.message
        log.info("version %d of the endpoint '%s' serves", version.number, endpoint.name)
        return None

    def _is_pending(self, endpoint: Endpoint, version: Version) -> bool:
        compiled = self._publisher.current().with_id(endpoint.id)
        return compiled is not None and compiled.endpoint.pending == version

    async def _claimed(self, endpoint: Endpoint) -> bool:
        """Whether the lease is, or is still, this host's."""
        try:
            return await asyncio.to_thread(self._claim, endpoint)
        except StoreUnreachable:
            return True  # nobody else can take it now either, and nothing is decided before the database is back

    def _claim(self, endpoint: Endpoint) -> bool:
        now = self._now_ms()
        with self._publisher.store.write(publish=False) as work:
            return work.endpoints.claim(endpoint.id, self._name, now, now + LEASE_MS)

    def _release(self, endpoint: Endpoint) -> None:
        with self._publisher.store.write(publish=False) as work:
            work.endpoints.release(endpoint.id, self._name)


class _BuildLog:
    """Lines about one version, kept until there is time to write them down: whoever says them must not wait."""

    def __init__(self, rollout: Rollout, endpoint_id: str, number: int) -> None:
        self._rollout = rollout
        self._endpoint_id = endpoint_id
        self._number = number
        self._lines: deque[tuple[str, str]] = deque()

    def add(self, entity: str, line: str) -> None:
        """Add a line.  From any thread."""
        self._lines.append((entity, line))

    async def write(self) -> None:
        """Write down what there is.  While the database does not answer it stays here."""
        with contextlib.suppress(StoreUnreachable):
            await asyncio.to_thread(self._write)

    def _write(self) -> None:
        while self._lines:
            entity, line = self._lines[0]
            self._rollout.say(self._endpoint_id, self._number, entity, line)
            self._lines.popleft()


def _models(endpoint: Endpoint) -> frozenset[str]:
    """The models that an endpoint's active version names."""
    return frozenset() if endpoint.active is None else endpoint.active.configuration.local_models


def _want(wanted: dict[str, bool], version: Version) -> None:
    """Note the models of a version, and that one may sleep if every entity with it says so."""
    for entity in version.configuration.entities:
        if entity.entity_name is not None:
            wanted[entity.entity_name] = entity.scale_to_zero_enabled and wanted.get(entity.entity_name, True)
