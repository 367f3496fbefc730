"""Calls of the usage table added up by groups: counts, tokens, costs, and percentiles of durations.

A hundred thousand calls take a fifth of a second of a core.  A percentile is a duration that was
measured, the first that no fewer than that share of the calls come up to.  PostgreSQL finds it; SQLite has no function
for it, so there the durations are put into the order of the groups, and those at the places that the counts tell are
picked, which takes half of what windows over each group do.  Must not know what a call is.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from sqlalchemy import (
    ARRAY,
    ColumnElement,
    Connection,
    Double,
    FromClause,
    Select,
    Subquery,
    Text,
    case,
    cast,
    func,
    literal,
    literal_column,
    select,
)

from cloche.store.tables import groups, identities, members
from cloche.store.usage_tables import Among, among, endpoint_usage, failed

PERCENTILES = (50, 95, 99)


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


def sums(connection: Connection, by: Sequence[Grouping], wanted: UsageFilter) -> list[UsageSum]:
    """Calls added up by groups, in the order of the groups' names.  Within one transaction, which sees no new calls."""
    calls = _each_call(by, wanted)
    keys = tuple(calls.columns)[: len(by)]
    if connection.dialect.name == "sqlite":
        # After each group, how many calls there were up to its end.
        ends = func.sum(func.count()).over(order_by=keys) if keys else func.count()
        found = connection.execute(_added_up(calls, keys, ends, wanted)).all()
        picked = _picked(connection, calls, keys, [(row[len(keys)], row[-1]) for row in found])
    else:
        shares = literal_column(f"ARRAY{[share / 100 for share in PERCENTILES]}", ARRAY(Double))
        found = connection.execute(
            _added_up(calls, keys, func.percentile_disc(shares).within_group(calls.c.duration_ms), wanted)
        ).all()
        picked = [tuple(row[-1]) for row in found]
    return [_sum(tuple(row)[:-1], len(keys), each) for row, each in zip(found, picked, strict=True)]


def _each_call(by: Sequence[Grouping], wanted: UsageFilter) -> Subquery:
    """What is added up of each call; the groups come first."""
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
    )
    if any(each.kind == "group" for each in by):
        each_call = each_call.select_from(_with_groups())
    return each_call.where(*among(wanted)).subquery()


def _added_up(
    calls: Subquery, keys: Sequence[ColumnElement[Any]], more: ColumnElement[Any], wanted: UsageFilter
) -> Select[Any]:
    """The groups and their sums, and `more` at the end."""
    return (
        select(
            *keys,
            func.count(),
            func.sum(case((failed(calls.c), 1), else_=0)),
            func.sum(case((calls.c.outcome == "cancelled", 1), else_=0)),
            func.sum(calls.c.input_token_count),
            func.sum(calls.c.output_token_count),
            func.sum(case((calls.c.estimated, 1), else_=0)),
            func.sum(calls.c.cost_nano_usd + func.coalesce(calls.c.hedge_cost_nano_usd, 0)),
            func.sum(case((calls.c.cost_nano_usd.is_(None), 1), else_=0)),
            more,
        )
        .group_by(*keys)
        .having(func.count() > 0)
        .order_by(*keys)
        .offset(wanted.offset)
        .limit(wanted.limit)
    )


def _picked(
    connection: Connection, calls: Subquery, keys: Sequence[ColumnElement[Any]], sizes: Sequence[tuple[int, int]]
) -> list[tuple[float, ...]]:
    """The percentiles of groups.  `sizes`: of each, how many calls it has, and how many there are up to its end."""
    places = [tuple(end - size + (size * share + 99) // 100 for share in PERCENTILES) for size, end in sizes]
    place = func.row_number().over(order_by=[*keys, calls.c.duration_ms]).label("place")
    in_order = select(place, calls.c.duration_ms).subquery()
    asked = in_order.c.place.in_({each for three in places for each in three})
    durations = dict(connection.execute(select(in_order.c.place, in_order.c.duration_ms).where(asked)).all())
    return [tuple(durations[each] for each in three) for three in places]


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


def _sum(row: tuple[Any, ...], keys: int, percentiles: Sequence[float]) -> UsageSum:
    calls, errors, cancelled, input_tokens, output_tokens, estimated, cost, unpriced = row[keys:]
    return UsageSum(
        group=tuple(None if each is None else str(each) for each in row[:keys]),
        calls=int(calls),
        errors=int(errors),
        cancelled=int(cancelled),
        input_tokens=int(input_tokens),
        output_tokens=int(output_tokens),
        estimated_calls=int(estimated),
        percentiles=tuple(map(float, percentiles)),
        cost_nano_usd=None if cost is None else int(cost),
        unpriced_calls=int(unpriced),
    )
