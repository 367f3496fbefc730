"""Usage, added up for whoever asks: each sees what they may."""

from __future__ import annotations

from cloche.domain.money import dollars
from cloche.http.answers import json
from cloche.http.context import Answer, Context, ControlRequest
from cloche.http.route import Needs, Row
from cloche.store.usage_sums import UsageFilter, UsageSum
from cloche.wire import usage_report as wire


def sums(context: Context, request: ControlRequest) -> Answer:
    """Calls, errors, tokens, costs and latencies by endpoint, entity, user, group, time, tag or usage context.
    Administrators see all calls, others those to endpoints that they manage, and their own."""
    asked = wire.read_query(request.query, request.headers.get("accept", ""))
    wanted = UsageFilter(
        since_ms=asked.since, until_ms=asked.until, endpoint=asked.endpoint, offset=asked.offset, limit=asked.limit
    )
    found = [_sum(each, asked.group_by) for each in context.usages.sums(request.principal, asked.group_by, wanted)]
    more = str(asked.offset + len(found)) if len(found) == asked.limit else None
    if not asked.csv:
        return json(wire.Sums(found, more))
    headers = () if more is None else (("next_page_token", more),)
    return Answer(wire.write_csv(asked.group_by, found), headers=headers, media_type="text/csv")


def _sum(found: UsageSum, groups: tuple[str, ...]) -> wire.Sum:
    median, most, nearly_all = found.percentiles
    return wire.Sum(
        dict(zip(groups, found.group, strict=True)),
        found.calls,
        found.errors,
        found.cancelled,
        found.input_tokens,
        found.output_tokens,
        found.estimated_calls,
        median,
        most,
        nearly_all,
        None if found.cost_nano_usd is None else dollars(found.cost_nano_usd),
        found.unpriced_calls,
    )


ROUTES = (Row("GET", "/api/2.0/usage", Needs.TOKEN, sums, "cloche.usage", gives=wire.Sums, query=wire.QUERY),)
