"""The audit log's JSON: what may be asked for, and entries as they are told."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from cloche.wire import queries

DEFAULT_LIMIT = 100
MAX_LIMIT = 1000

QUERY = (
    ("user", "The name of a user, or the application id of a service principal."),
    ("action", "What was done, as in `endpoint.create`."),
    ("target", "What it was done to, as the entry names it."),
    ("since", "Entries of this time or later, in Unix milliseconds."),
    ("until", "Entries before this time, in Unix milliseconds."),
    ("limit", f"Entries in one answer, {DEFAULT_LIMIT} if not given, {MAX_LIMIT} at most."),
    ("page_token", "`next_page_token` of the answer before."),
)


class Asked(msgspec.Struct, frozen=True):
    """What is asked for; None: any.  Times are Unix milliseconds; `before_id`: entries older than that one."""

    user: str | None
    action: str | None
    target: str | None
    since: int | None
    until: int | None
    before_id: int | None
    limit: int


class Entry(msgspec.Struct, frozen=True):
    """Who did what to what, when and from where.  `before` and `after`: what was there, without secrets."""

    timestamp: int
    user: str
    user_id: str
    address: str
    request_id: str
    action: str
    target: str
    before: Any = None
    after: Any = None


class Entries(msgspec.Struct, frozen=True, omit_defaults=True):
    """The answer, the newest first.  `next_page_token`: there is more."""

    entries: list[Entry]
    next_page_token: str | None = None


def read_query(query: Mapping[str, str]) -> Asked:
    """What a query asks for.  Raises InvalidParameter."""
    return Asked(
        user=query.get("user"),
        action=query.get("action"),
        target=query.get("target"),
        since=queries.number(query, "since"),
        until=queries.number(query, "until"),
        before_id=queries.number(query, "page_token"),
        limit=queries.bounded(query, "limit", DEFAULT_LIMIT, MAX_LIMIT),
    )
