"""The usage tables: calls and served entities are added, each once, added up, and forgotten when they are old.

A row that is there already stays as it is, so that what is written twice, after a crash or an outage, counts once.
Must not know what a call is.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
from sqlalchemy import Connection, Table, delete, select

from cloche.domain.usage import CallUsage, EntityRow
from cloche.store.bulk import add_new
from cloche.store.conflicts import adding
from cloche.store.usage_sums import Grouping, UsageFilter, UsageSum, sums
from cloche.store.usage_tables import endpoint_usage, moment, served_entities

_PRUNED_AT_ONCE = 5000


class UsageTable:
    """Rows of `endpoint_usage` and `served_entities`, within one transaction."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def add(self, calls: Sequence[CallUsage]) -> None:
        """Add calls.  One that is there already stays as it is."""
        if self._connection.dialect.name == "sqlite":
            add_new(self._connection, endpoint_usage, [_values(each) for each in calls])
        else:
            self._add(endpoint_usage, [_call(each) for each in calls])

    def add_entities(self, entities: Sequence[EntityRow]) -> None:
        """Add served entities, in the same way."""
        self._add(served_entities, [_entity(each) for each in entities])

    def known_entities(self) -> set[str]:
        """The ids of all served entities."""
        return set(self._connection.execute(select(served_entities.c.served_entity_id).distinct()).scalars())

    def _add(self, table: Table, rows: list[dict[str, Any]]) -> None:
        if rows:
            self._connection.execute(adding(self._connection, table).on_conflict_do_nothing(), rows)

    def sums(self, by: Sequence[Grouping], wanted: UsageFilter) -> list[UsageSum]:
        """Calls added up by groups, in the order of the groups' names."""
        return sums(self._connection, by, wanted)

    def prune(self, before_ms: int) -> int:
        """Forget some of the calls before a time, at most a few thousand, so that nobody waits long; how many."""
        old = select(endpoint_usage.c.databricks_request_id).where(endpoint_usage.c.request_time < moment(before_ms))
        chosen = delete(endpoint_usage).where(
            endpoint_usage.c.databricks_request_id.in_(old.limit(_PRUNED_AT_ONCE).scalar_subquery())
        )
        return self._connection.execute(chosen).rowcount


def _call(call: CallUsage) -> dict[str, Any]:
    return msgspec.structs.asdict(call) | {"request_time": moment(call.request_time)}


assert CallUsage.__struct_fields__ == tuple(column.name for column in endpoint_usage.columns)
_AT_TIME = list(endpoint_usage.columns).index(endpoint_usage.c.request_time)


def _values(call: CallUsage) -> list[Any]:
    """In the order of the columns, which is that of the fields: reading them by name takes twenty times as long."""
    values = list(msgspec.structs.astuple(call))
    values[_AT_TIME] = moment(values[_AT_TIME])
    return values


def _entity(entity: EntityRow) -> dict[str, Any]:
    ended = entity.endpoint_delete_time
    return msgspec.structs.asdict(entity) | {
        "change_time": moment(entity.change_time),
        "endpoint_delete_time": None if ended is None else moment(ended),
    }
