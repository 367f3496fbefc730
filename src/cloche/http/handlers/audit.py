"""The audit log, for administrators."""

from __future__ import annotations

import msgspec

from cloche.http.answers import json
from cloche.http.context import Answer, Context, ControlRequest
from cloche.http.route import Needs, Row
from cloche.store.audit import AuditEntry, AuditFilter
from cloche.wire import audit as wire


def list_entries(context: Context, request: ControlRequest) -> Answer:
    """Who did what to what, the newest first."""
    asked = wire.read_query(request.query)
    wanted = AuditFilter(
        principal=asked.user,
        action=asked.action,
        target=asked.target,
        since_ms=asked.since,
        until_ms=asked.until,
        before_id=asked.before_id,
        limit=asked.limit,
    )
    found = context.audit.find(wanted)
    more = str(found[-1].id) if len(found) == asked.limit else None
    return json(wire.Entries([_entry(each) for each in found], more))


def _entry(entry: AuditEntry) -> wire.Entry:
    return wire.Entry(
        timestamp=entry.at,
        user=entry.principal,
        user_id=entry.principal_id,
        address=entry.address,
        request_id=entry.request_id,
        action=entry.action,
        target=entry.target,
        before=_told(entry.before),
        after=_told(entry.after),
    )


def _told(text: str | None) -> msgspec.Raw | None:
    return None if text is None else msgspec.Raw(text.encode())


ROUTES = (
    Row(
        "GET",
        "/api/2.0/cloche/audit",
        Needs.ADMIN,
        list_entries,
        "cloche.audit",
        gives=wire.Entries,
        query=wire.QUERY,
    ),
)
