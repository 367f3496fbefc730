"""Calls one by one, for whoever may see them, and what was asked and answered in them.

Administrators see every call, others those to endpoints that they manage, and their own.  What was said in a call is
for those who manage its endpoint alone.  Must not know HTTP, nor how calls are counted.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import NamedTuple

from msgspec.structs import replace

from cloche.domain.access import Level, Principal, level_of
from cloche.domain.errors import NotFound
from cloche.domain.payload import PayloadRow
from cloche.domain.usage import CallUsage
from cloche.snapshot import Snapshot
from cloche.store.calls import CallFilter
from cloche.store.database import Store
from cloche.store.payload_archive import PayloadArchive, Unreadable

log = logging.getLogger("cloche.control")


class Found(NamedTuple):
    """A call.  `table`: the inference table of its endpoint now; `problem`: why it could not be looked at."""

    call: CallUsage
    payload: PayloadRow | None = None
    table: str | None = None
    problem: str | None = None


class Calls:
    """The use-cases.  `snapshot`: the one in force."""

    def __init__(self, store: Store, snapshot: Callable[[], Snapshot], archive: PayloadArchive) -> None:
        self._store = store
        self._snapshot = snapshot
        self._archive = archive

    def find(self, principal: Principal, wanted: CallFilter) -> list[CallUsage]:
        """Calls that the caller may see, the newest first.  StoreUnreachable."""
        if not principal.admin:
            managed = managed_by(principal, self._snapshot())
            wanted = replace(wanted, managed=managed, requester=principal.name)
        with self._store.read() as work:
            return work.calls.find(wanted)

    def get(self, principal: Principal, request_id: str) -> Found:
        """One call.  NotFound, also where the caller may not see it; StoreUnreachable."""
        with self._store.read() as work:
            call = work.calls.get(request_id)
        snapshot = self._snapshot()
        if call is None or not may_see(principal, call, snapshot):
            raise NotFound(f"There is no call with the id '{request_id}' that you may see.")
        if not _manages(principal, call, snapshot):
            return Found(call)
        compiled = snapshot.endpoints.get(call.endpoint_name)
        table = None
        if compiled is not None and compiled.endpoint.id == call.endpoint_id and compiled.rules is not None:
            table = compiled.rules.payload_table(call.endpoint_name)
        if table is None:
            return Found(call)
        try:
            payload = self._archive.find(table, request_id, call.request_time, call.duration_ms)
        except Unreadable as error:
            log.warning("%s could not be looked at: %s", table, error)
            return Found(call, table=str(table), problem="the table could not be read; the server's log says why")
        return Found(call, payload, str(table))

    def newest_ids(self, limit: int) -> list[str]:
        """The ids of the newest calls of all.  StoreUnreachable."""
        with self._store.read() as work:
            return work.calls.newest_ids(limit)

    def some(self, request_ids: Sequence[str]) -> list[CallUsage]:
        """The calls of these ids, the oldest first, whoever may see them.  StoreUnreachable."""
        with self._store.read() as work:
            return work.calls.some(request_ids)


def managed_by(principal: Principal, snapshot: Snapshot) -> tuple[str, ...]:
    """The ids of the endpoints that a principal manages."""
    return tuple(
        each.endpoint.id for each in snapshot.endpoints.values() if level_of(principal, each.levels) is Level.CAN_MANAGE
    )


def may_see(principal: Principal, call: CallUsage, snapshot: Snapshot) -> bool:
    """Whether a call is the principal's to see."""
    return call.requester == principal.name or _manages(principal, call, snapshot)


def _manages(principal: Principal, call: CallUsage, snapshot: Snapshot) -> bool:
    if principal.admin:
        return True
    compiled = snapshot.endpoints.get(call.endpoint_name)
    if compiled is None or compiled.endpoint.id != call.endpoint_id:
        return False
    return level_of(principal, compiled.levels) is Level.CAN_MANAGE
