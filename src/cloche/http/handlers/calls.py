"""Calls one by one: each sees what they may."""

from __future__ import annotations

from cloche.http.answers import json
from cloche.http.context import Answer, Context, ControlRequest
from cloche.http.route import Needs, Row
from cloche.store.calls import CallFilter
from cloche.wire import calls as wire


def list_calls(context: Context, request: ControlRequest) -> Answer:
    """Calls to endpoints whose usage is tracked, the newest first.  Administrators see all, others those to endpoints
    that they manage, and their own."""
    asked = wire.read_query(request.query)
    wanted = CallFilter(
        since_ms=asked.since,
        until_ms=asked.until,
        endpoint=asked.endpoint,
        user=asked.user,
        status=asked.status,
        text=asked.text,
        before=asked.before,
        limit=asked.limit,
    )
    found = context.calls.find(request.principal, wanted)
    more = wire.page_token(found[-1]) if len(found) == asked.limit else None
    return json(wire.Calls([wire.call(each) for each in found], more))


def get_call(context: Context, request: ControlRequest) -> Answer:
    """One call; for whoever manages its endpoint with what was asked and answered, where an inference table has it."""
    found = context.calls.get(request.principal, request.path["request_id"])
    return json(wire.detail(found.call, found.payload, found.table, found.problem))


_AT = "/api/2.0/calls"

ROUTES = (
    Row("GET", _AT, Needs.TOKEN, list_calls, "cloche.calls.list", gives=wire.Calls, query=wire.QUERY),
    Row("GET", f"{_AT}/{{request_id}}", Needs.TOKEN, get_call, "cloche.calls.get", gives=wire.CallDetail),
)
