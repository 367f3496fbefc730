"""Levels that were given on endpoints, by the ids of endpoint and subject."""

from __future__ import annotations

from collections.abc import Mapping

from sqlalchemy import ColumnElement, Connection, delete, insert, select, true

from cloche.domain.access import Level, Permission
from cloche.store.tables import permissions


class PermissionTable:
    """Rows of `permissions`, within one transaction."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def replace(self, endpoint_id: str, levels: Mapping[str, Level]) -> None:
        """Give exactly these levels, by subject id."""
        self._connection.execute(delete(permissions).where(permissions.c.endpoint_id == endpoint_id))
        for subject, level in levels.items():
            self._connection.execute(
                insert(permissions).values(endpoint_id=endpoint_id, subject_id=subject, level=level.value)
            )

    def of(self, endpoint_id: str) -> dict[str, Level]:
        """The levels on an endpoint, by subject id."""
        return {each.subject_id: each.level for each in self._where(permissions.c.endpoint_id == endpoint_id)}

    def all(self) -> list[Permission]:
        """Every level that was given, in a fixed order."""
        return self._where(true())

    def _where(self, wanted: ColumnElement[bool]) -> list[Permission]:
        rows = self._connection.execute(
            select(permissions).where(wanted).order_by(permissions.c.endpoint_id, permissions.c.subject_id)
        )
        return [Permission(row.endpoint_id, row.subject_id, Level(row.level)) for row in rows]

    def remove_of(self, subject_id: str) -> None:
        """Take every level from a subject."""
        self._connection.execute(delete(permissions).where(permissions.c.subject_id == subject_id))
