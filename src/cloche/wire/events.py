"""Events as server-sent events: what is told to whoever watches, and what they may ask for.

Must not know who watches, nor where events come from.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from cloche.wire import queries

KEEP_ALIVE = b": keep-alive\n\n"

QUERY = (
    ("calls", "`true`: each call, too, once it is in the usage tables and if the caller may see it."),
    ("endpoint", "Calls to this endpoint alone."),
)


class Asked(msgspec.Struct, frozen=True):
    """What is asked for.  `endpoint` None: calls to any."""

    calls: bool
    endpoint: str | None


class RevisionEvent(msgspec.Struct, frozen=True):
    """`revision`: what is in force now, told first and whenever it changes."""

    revision: int


class EndpointState(msgspec.Struct, frozen=True):
    """As in the endpoint's document."""

    ready: str
    config_update: str


class EndpointEvent(msgspec.Struct, frozen=True):
    """`endpoint`: its state is another.  `state` null: it is gone."""

    name: str
    state: EndpointState | None


class LostEvent(msgspec.Struct, frozen=True):
    """`lost`: so many calls were not told, because they came faster than they were taken; null: nobody knows how
    many."""

    calls: int | None


_encode = msgspec.json.Encoder().encode


def read_query(query: Mapping[str, str]) -> Asked:
    """What a query asks for.  InvalidParameter."""
    return Asked(queries.flag(query, "calls"), query.get("endpoint") or None)


def event(name: str, told: Any) -> bytes:
    """One event.  JSON has no line breaks."""
    return b"event: %b\ndata: %b\n\n" % (name.encode(), _encode(told))
