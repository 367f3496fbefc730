"""Usage: rows of calls are written down, served entities are told as they come and go, and both are added up for
whoever may see them.

Administrators see every call, others those to endpoints that they manage, and their own.  Must not know HTTP, nor how
calls are counted.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager

from msgspec.structs import replace

from cloche.control.calls import managed_by
from cloche.domain.access import Principal
from cloche.domain.endpoint import Endpoint
from cloche.domain.errors import InvalidParameter
from cloche.domain.usage import CallUsage, entity_row
from cloche.settings import Settings
from cloche.snapshot import Snapshot
from cloche.store.database import Store, changing
from cloche.store.usage_sums import Grouping, UsageFilter, UsageSum
from cloche.store.work import Work

GROUPINGS = ("endpoint", "entity", "user", "group", "day", "hour", "minute")
KEYED_GROUPINGS = ("tag", "usage_context")


def workspace_id(key: bytes) -> str:
    """The number that clients see as the workspace's: the same for the same installation.  `key`: the store's."""
    return str(10**15 + int.from_bytes(hashlib.blake2b(b"workspace", key=key, digest_size=6).digest()))


def note_entities(work: Work, endpoint: Endpoint, key: bytes, deleted_at: int | None = None) -> None:
    """Tell the served entities of an endpoint's active version: they serve from now on, or, with a time, are gone."""
    version = endpoint.active
    if version is not None:
        number = workspace_id(key)
        work.usage.add_entities(
            [entity_row(endpoint, version, each, number, deleted_at) for each in version.configuration.entities]
        )


class Usages:
    """The use-cases.  `snapshot`: the one in force."""

    def __init__(self, store: Store, snapshot: Callable[[], Snapshot]) -> None:
        self._store = store
        self._snapshot = snapshot

    def add(self, calls: Sequence[CallUsage]) -> None:
        """Write rows of calls down; those that are there already stay.  Raises StoreUnreachable, InvalidParameter."""
        with self._store.write(publish=False) as work:
            work.usage.add(calls)

    def note_missing_entities(self) -> None:
        """Tell the served entities that serve and were never told: those from before there was this table.  Raises
        StoreUnreachable."""
        with self._store.read() as work:
            known = work.usage.known_entities()
            number = workspace_id(self._store.key)
            rows = [
                entity_row(endpoint, endpoint.active, entity, number)
                for endpoint in work.endpoints.all()
                if endpoint.active is not None
                for entity in endpoint.active.configuration.entities
            ]
        missing = [each for each in rows if each.served_entity_id not in known]
        if missing:
            with self._store.write(publish=False) as work:
                work.usage.add_entities(missing)

    def sums(self, principal: Principal, by: Sequence[str], wanted: UsageFilter) -> list[UsageSum]:
        """Calls added up by groups, of those that the caller may see.  InvalidParameter for a group that is none;
        StoreUnreachable."""
        snapshot = self._snapshot()
        groupings = [_grouping(each, snapshot) for each in by]
        if not principal.admin:
            wanted = replace(wanted, managed=managed_by(principal, snapshot), requester=principal.name)
        with self._store.read() as work:
            return work.usage.sums(groupings, wanted)

    def prune(self, before_ms: int) -> int:
        """Forget the calls before a time; how many there were.  Raises StoreUnreachable."""
        return _pruned(lambda: self._store.write(publish=False), before_ms)


def prune(settings: Settings, before_ms: int) -> int:
    """The same from the command line, while a server runs or not.  Raises StoreUnusable."""
    with changing(settings.home, settings.database_url) as begin:
        return _pruned(begin, before_ms)


def _pruned(begin: Callable[[], AbstractContextManager[Work]], before_ms: int) -> int:
    """Some in each transaction, until there are none."""
    pruned = 0
    while True:
        with begin() as work:
            some = work.usage.prune(before_ms)
        pruned += some
        if not some:
            return pruned


def _grouping(name: str, snapshot: Snapshot) -> Grouping:
    kind, colon, key = name.partition(":")
    if name in GROUPINGS:
        return Grouping(name)
    if kind not in KEYED_GROUPINGS or not colon or not key:
        told = ", ".join((*GROUPINGS, *(f"{each}:KEY" for each in KEYED_GROUPINGS)))
        raise InvalidParameter(f"group_by: {name!r} is none of {told}")
    if kind != "tag":
        return Grouping(kind, key)
    endpoints = [each.endpoint for each in snapshot.endpoints.values()]
    tags = {each.id: tag.value or "" for each in endpoints for tag in each.properties.tags if tag.key == key}
    return Grouping(kind, key, tags)
