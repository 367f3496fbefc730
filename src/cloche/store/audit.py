"""The audit log: rows are added and read, and the database refuses everything else."""

from __future__ import annotations

import msgspec
from sqlalchemy import Connection, Row, insert, select

from cloche.store.tables import audit


class AuditEntry(msgspec.Struct, frozen=True):
    """Who did what to what.  `before` and `after`: JSON text without secrets.  `id` grows; 0 before it is kept."""

    at: int
    principal_id: str
    principal: str
    address: str
    request_id: str
    action: str
    target: str
    before: str | None = None
    after: str | None = None
    id: int = 0


class AuditFilter(msgspec.Struct, frozen=True):
    """Which entries are wanted, the newest first; None: any.  `before_id`: for the next page."""

    principal: str | None = None
    action: str | None = None
    target: str | None = None
    since_ms: int | None = None
    until_ms: int | None = None
    before_id: int | None = None
    limit: int = 100


class AuditTable:
    """Rows of `audit`, within one transaction."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def add(self, entry: AuditEntry) -> None:
        """Add an entry at the end."""
        values = msgspec.structs.asdict(entry)
        del values["id"]
        self._connection.execute(insert(audit).values(**values))

    def find(self, wanted: AuditFilter) -> list[AuditEntry]:
        """The entries that fit."""
        query = select(audit).order_by(audit.c.id.desc()).limit(wanted.limit)
        for column, value in ((audit.c.principal, wanted.principal), (audit.c.action, wanted.action)):
            query = query if value is None else query.where(column == value)
        if wanted.target is not None:
            query = query.where(audit.c.target == wanted.target)
        if wanted.since_ms is not None:
            query = query.where(audit.c.at >= wanted.since_ms)
        if wanted.until_ms is not None:
            query = query.where(audit.c.at < wanted.until_ms)
        if wanted.before_id is not None:
            query = query.where(audit.c.id < wanted.before_id)
        return [_entry(row) for row in self._connection.execute(query)]


def _entry(row: Row[tuple[object, ...]]) -> AuditEntry:
    return AuditEntry(
        at=row.at,
        principal_id=row.principal_id,
        principal=row.principal,
        address=row.address,
        request_id=row.request_id,
        action=row.action,
        target=row.target,
        before=row.before,
        after=row.after,
        id=row.id,
    )
