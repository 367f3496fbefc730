"""Calls one by one, as the usage tables have them: the newest first, page by page.

A page begins where the one before ended, by time and id, so that the thousandth costs what the first does and rows that
come meanwhile shift nothing.  Must not know who may see what.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, and_, not_, or_, select, tuple_

from cloche.domain.usage import CallUsage
from cloche.store.usage_tables import EPOCH, Among, among, endpoint_usage, failed, moment

_MILLISECOND = timedelta(milliseconds=1)


class CallFilter(Among, frozen=True):
    """Which calls; None: any.

    `status`: `ok`, `error`, `cancelled`, a class such as `4xx`, or a number.  `text`: the id of the call, or the one
    that its client gave it.  `before`: time and id of the call where the page before ended.
    """

    user: str | None = None
    status: str | None = None
    text: str | None = None
    before: tuple[int, str] | None = None
    limit: int = 100


class CallTable:
    """Rows of `endpoint_usage`, within one transaction."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def find(self, wanted: CallFilter) -> list[CallUsage]:
        """Calls, the newest first."""
        chosen = select(endpoint_usage).where(*_wanted(wanted))
        return [_call(row) for row in self._connection.execute(_newest(chosen, wanted.limit)).mappings()]

    def get(self, request_id: str) -> CallUsage | None:
        """One call."""
        found = self.some([request_id])
        return found[0] if found else None

    def newest_ids(self, limit: int) -> list[str]:
        """The ids of the newest calls, which takes a tenth of what the calls take."""
        chosen = select(endpoint_usage.c.databricks_request_id)
        return list(self._connection.execute(_newest(chosen, limit)).scalars())

    def some(self, request_ids: Sequence[str]) -> list[CallUsage]:
        """The calls of these ids, at most some thousand, the oldest first."""
        columns = endpoint_usage.c
        chosen = select(endpoint_usage).where(columns.databricks_request_id.in_(request_ids))
        in_order = chosen.order_by(columns.request_time, columns.databricks_request_id)
        return [_call(row) for row in self._connection.execute(in_order).mappings()]


def _newest(chosen: Select[Any], limit: int) -> Select[Any]:
    columns = endpoint_usage.c
    return chosen.order_by(columns.request_time.desc(), columns.databricks_request_id.desc()).limit(limit)


def _call(row: Any) -> CallUsage:
    return CallUsage(**dict(row) | {"request_time": (row["request_time"] - EPOCH) // _MILLISECOND})


def _wanted(wanted: CallFilter) -> list[ColumnElement[bool]]:
    columns = endpoint_usage.c
    found = among(wanted)
    if wanted.user is not None:
        found.append(columns.requester == wanted.user)
    if wanted.status is not None:
        found.append(_ended(wanted.status))
    if wanted.text is not None:
        found.append(or_(columns.databricks_request_id == wanted.text, columns.client_request_id == wanted.text))
    if wanted.before is not None:
        at, request_id = wanted.before
        place = tuple_(columns.request_time, columns.databricks_request_id)
        found.append(place < tuple_(moment(at), request_id))
    return found


def _ended(status: str) -> ColumnElement[bool]:
    columns = endpoint_usage.c
    cancelled = columns.outcome == "cancelled"
    if status == "error":
        return failed(columns)
    if status == "cancelled":
        return cancelled
    if status == "ok":
        return and_(not_(failed(columns)), not_(cancelled))
    if status.endswith("xx"):
        first = int(status[0]) * 100
        return columns.status_code.between(first, first + 99)
    return columns.status_code == int(status)
