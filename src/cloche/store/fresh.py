"""A database from nothing: the tables as they are now, at once, without the history in migrations/.

Alembic costs a fifth of a second and ten megabytes that the server never gives back, and the first start is the one
that somebody watches.  A test holds what is made here against what the migrations make: tables, triggers and rows.
"""

from __future__ import annotations

import time

from sqlalchemy import Column, Connection, MetaData, PrimaryKeyConstraint, String, Table, insert

from cloche.domain.access import ADMIN, ADMIN_ID, ADMINS, ADMINS_ID, USERS, USERS_ID, Group, Identity, Kind
from cloche.store.people import GroupTable, IdentityTable
from cloche.store.tables import revision
from cloche.store.usage_tables import endpoint_usage

version = Table(
    "alembic_version",
    MetaData(),
    Column("version_num", String(32), nullable=False),
    PrimaryKeyConstraint("version_num", name="alembic_version_pkc"),
)
"""Alembic's own table, with one row: the revision that the database is at."""

_REFUSAL = "the audit log is append-only"

_APPEND_ONLY = {
    "sqlite": tuple(
        f"CREATE TRIGGER audit_no_{change.lower()} BEFORE {change} ON audit "
        f"BEGIN SELECT RAISE(ABORT, '{_REFUSAL}'); END"
        for change in ("UPDATE", "DELETE")
    ),
    "postgresql": (
        "CREATE FUNCTION audit_append_only() RETURNS trigger LANGUAGE plpgsql AS "
        f"$$ BEGIN RAISE EXCEPTION '{_REFUSAL}'; END $$",
        "CREATE TRIGGER audit_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON audit "
        "EXECUTE FUNCTION audit_append_only()",
    ),
}
"""The database itself keeps anybody from rewriting the log, by dialect."""


def make(connection: Connection, newest: str) -> None:
    """Make everything in an empty database, within one transaction.  `newest`: the revision that it is at then."""
    endpoint_usage.metadata.create_all(connection, checkfirst=False)
    for statement in _APPEND_ONLY[connection.dialect.name]:
        connection.exec_driver_sql(statement)
    version.create(connection, checkfirst=False)
    connection.execute(insert(version).values(version_num=newest))
    connection.execute(insert(revision).values(number=1))
    _people(connection, time.time_ns() // 1_000_000)


def _people(connection: Connection, now: int) -> None:
    """The user `admin`, and the two groups that always are."""
    IdentityTable(connection).put(Identity(ADMIN_ID, Kind.USER, ADMIN, ADMIN, created_at=now))
    groups = GroupTable(connection)
    groups.put(Group(ADMINS_ID, ADMINS, frozenset({ADMIN_ID}), created_at=now))
    groups.put(Group(USERS_ID, USERS, created_at=now))
