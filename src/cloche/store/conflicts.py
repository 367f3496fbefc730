"""An INSERT that can say what becomes of a row that is there already, which each kind of database has a word of its own
for.

SQLAlchemy's words for PostgreSQL take 25 ms and 2 MB to be imported, and most servers have SQLite: so they are imported
where they are needed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import Connection, Table

if TYPE_CHECKING:
    from sqlalchemy.dialects import postgresql, sqlite


def adding(connection: Connection, table: Table) -> sqlite.Insert | postgresql.Insert:
    """What adds rows to a table, for the database behind the connection."""
    if connection.dialect.name == "sqlite":
        from sqlalchemy.dialects.sqlite import insert
    else:
        from sqlalchemy.dialects.postgresql import insert  # type: ignore[assignment]
    return insert(table)
