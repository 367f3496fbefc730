"""The usage tables: calls and served entities are added, each once, added up, and forgotten when they are old.

A row that is there already stays as it is, so that what is written twice, after a crash or an outage, counts once.
Must not know what a call is.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from sqlalchemy import (
    ColumnElement,
    Connection,
    FromClause,
    Select,
    Table,
    Text,
    case,
    cast,
    delete,
    func,
    literal,
    select,
)

from cloche.domain.usage import CallUsage, EntityRow
from cloche.store.bulk import add_new
from cloche.store.conflicts import adding
from cloche.store.tables import groups, identities, members
from cloche.store.usage_tables import Among, among, endpoint_usage, failed, moment, served_entities

PERCENTILES = (50, 95, 99)

_PRUNED_AT_ONCE = 5000


class Grouping(msgspec.Struct, frozen=True):
    """What calls are added up by: a plain name, or `kind` with the key of a tag or of the usage context.

    `tags`: what the tag is, by endpoint id.
    """

    kind: str
    key: str = ""
    tags: Mapping[str, str] = {}


class UsageFilter(Among, frozen=True):
    """Which calls are added up, and which of the sums are told."""

    offset: int = 0
    limit: int = 100


class UsageSum(msgspec.Struct, frozen=True):
    """Calls of one group, added up.  `errors`: statuses from 400 on, and answers that broke off.

    `percentiles`: durations in milliseconds, in the order of PERCENTILES.  `cost_nano_usd`: of those whose cost is
    known; None: of none.  `unpriced_calls`: all others.
    """

    group: tuple[str | None, ...]
    calls: int
    errors: int
    cancelled: int
    input_tokens: int
    output_tokens: int
    estimated_calls: int
    percentiles: tuple[float, ...]
    cost_nano_usd: int | None
    unpriced_calls: int


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
        rows = self._connection.execute(_sums(by, wanted))
        return [_sum(tuple(row), len(by)) for row in rows]

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


# ---------------------------------------------------------------- adding up


def _sums(by: Sequence[Grouping], wanted: UsageFilter) -> Select[Any]:
    """The query.  Percentiles are the calls at a place in the order of durations, which both databases can find: SQLite
    has no function for them."""
    columns = endpoint_usage.c
    named = [_group(each).label(f"group_{number}") for number, each in enumerate(by)]
    each_call = select(
        *named,
        columns.status_code,
        columns.outcome,
        columns.input_token_count,
        columns.output_token_count,
        columns.estimated,
        columns.cost_nano_usd,
        columns.hedge_cost_nano_usd,
        columns.duration_ms,
        func.row_number().over(partition_by=named or None, order_by=columns.duration_ms).label("place"),
        func.count().over(partition_by=named or None).label("size"),
    )
    if any(each.kind == "group" for each in by):
        each_call = each_call.select_from(_with_groups())
    calls = each_call.where(*among(wanted)).subquery()
    keys = [calls.c[group.name] for group in named]
    return (
        select(
            *keys,
            func.count(),
            func.sum(case((failed(calls.c), 1), else_=0)),
            func.sum(case((calls.c.outcome == "cancelled", 1), else_=0)),
            func.sum(calls.c.input_token_count),
            func.sum(calls.c.output_token_count),
            func.sum(case((calls.c.estimated, 1), else_=0)),
            *(
                func.max(case((calls.c.place == _place(calls.c.size, share), calls.c.duration_ms)))
                for share in PERCENTILES
            ),
            func.sum(calls.c.cost_nano_usd + func.coalesce(calls.c.hedge_cost_nano_usd, 0)),
            func.sum(case((calls.c.cost_nano_usd.is_(None), 1), else_=0)),
        )
        .group_by(*keys)
        .having(func.count() > 0)
        .order_by(*keys)
        .offset(wanted.offset)
        .limit(wanted.limit)
    )


def _place(size: ColumnElement[int], share: int) -> ColumnElement[int]:
    """The place of a percentile among so many: the first that no fewer than that share come up to."""
    return (size * share + 99) // 100


def _group(by: Grouping) -> ColumnElement[Any]:
    columns = endpoint_usage.c
    if by.kind == "tag":
        if not by.tags:
            return literal(None)
        return case(*((columns.endpoint_id == each, value) for each, value in by.tags.items()))
    if by.kind == "usage_context":
        context: ColumnElement[Any] = columns.usage_context[by.key].as_string()
        return context
    if by.kind == "group":
        of_group: ColumnElement[Any] = groups.c.name
        return of_group
    # Both databases write a time alike, up to the second.
    time = func.replace(cast(columns.request_time, Text), " ", "T")
    plain: dict[str, ColumnElement[Any]] = {
        "endpoint": columns.endpoint_name,
        "entity": columns.served_entity_name,
        "user": columns.requester,
        "day": func.date(columns.request_time),
        "hour": func.substr(time, 1, 13) + ":00",
        "minute": func.substr(time, 1, 16),
    }
    return plain[by.kind]


def _with_groups() -> FromClause:
    """Calls, each as often as there are groups that its requester is in, directly or through others; once if none."""
    inside = select(members.c.group_id, members.c.member_id).cte("inside", recursive=True)
    deeper = select(inside.c.group_id, members.c.member_id).where(members.c.group_id == inside.c.member_id)
    inside = inside.union(deeper)
    return (
        endpoint_usage.outerjoin(identities, identities.c.name == endpoint_usage.c.requester)
        .outerjoin(inside, inside.c.member_id == identities.c.id)
        .outerjoin(groups, groups.c.id == inside.c.group_id)
    )


def _sum(row: tuple[Any, ...], keys: int) -> UsageSum:
    calls, errors, cancelled, input_tokens, output_tokens, estimated, *durations, cost, unpriced = row[keys:]
    return UsageSum(
        group=tuple(None if each is None else str(each) for each in row[:keys]),
        calls=int(calls),
        errors=int(errors),
        cancelled=int(cancelled),
        input_tokens=int(input_tokens),
        output_tokens=int(output_tokens),
        estimated_calls=int(estimated),
        percentiles=tuple(map(float, durations)),
        cost_nano_usd=None if cost is None else int(cost),
        unpriced_calls=int(unpriced),
    )
