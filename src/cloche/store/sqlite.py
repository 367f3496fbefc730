"""What SQLite needs to be a database that is safe to share: the only file that knows it is SQLite.

WAL, so that readers never wait for a writer.  synchronous=FULL, although NORMAL is quicker: under WAL NORMAL may lose
the last commits when the power fails, and a token revoked just before would be accepted again.  Writes are rare here.
"""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.engine import URL
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.pool import ConnectionPoolEntry

BUSY_SECONDS = 10


def open_file(path: Path) -> Engine:
    """An engine on a database file, which is made with mode 0600 where there is none."""
    os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
    engine = create_engine(URL.create("sqlite", database=str(path)), connect_args={"timeout": BUSY_SECONDS})
    event.listen(engine, "connect", _prepare)
    event.listen(engine, "begin", _begin)
    return engine


def _prepare(connection: DBAPIConnection, _: ConnectionPoolEntry) -> None:
    if not isinstance(connection, sqlite3.Connection):
        raise TypeError("not a connection of sqlite3")
    # The driver would open transactions late and none at all for tables; see _begin.
    connection.isolation_level = None
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON"):
        connection.execute(f"PRAGMA {pragma}").close()


def _begin(connection: Connection) -> None:
    # Deferred: a transaction whose first statement writes waits its turn, and one that reads locks nobody out.  A write
    # after a read would fail at once when another writer came between; so changes begin with the revision, which is
    # a write, and what they read after it stays true.
    connection.exec_driver_sql("BEGIN")
