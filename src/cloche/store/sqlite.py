"""What SQLite needs to be a database that is safe to share: the only file that knows it is SQLite.

WAL, so that readers never wait for a writer.  synchronous=FULL, although NORMAL is quicker: under WAL NORMAL may lose
the last commits when the power fails, and a token revoked just before would be accepted again.  Writes are rare here.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout
from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import DBAPIError, OperationalError
from sqlalchemy.pool import ConnectionPoolEntry, QueuePool

from cloche.store.errors import StoreUnusable
from cloche.store.watch import Lost

BUSY_SECONDS = 10
"""How long a writer waits for another one, of this process or any."""

LOCK_SECONDS = 60

_BEGIN = "begin_with"


class SqliteFile:
    """A database in a file.  `engine` begins transactions that write, `reading` those that only read."""

    def __init__(self, path: Path, *, read_only: bool = False) -> None:
        self.name = str(path)
        self.path = path
        self.engine: Engine = create_engine(
            "sqlite://",
            creator=lambda: look(path) if read_only else _connect(path, "mode=rw"),
            poolclass=QueuePool,
            pool_timeout=BUSY_SECONDS,
        )
        if not read_only:
            event.listen(self.engine, "connect", _make_durable)
        event.listen(self.engine, "begin", _begin)
        self.reading: Engine = self.engine.execution_options(**{_BEGIN: "BEGIN"})

    def make(self) -> None:
        """Make the file, with mode 0600, where there is none.  Raises StoreUnusable."""
        try:
            os.close(os.open(self.path, os.O_RDWR | os.O_CREAT, 0o600))
        except OSError as error:
            raise StoreUnusable(f"cannot open {self.name}: {error.strerror}") from error

    def exists(self) -> bool:
        """Whether there is a database to look at."""
        return self.path.exists()

    @contextmanager
    def taking_turns(self) -> Iterator[None]:
        """Keep other processes from migrating meanwhile.  Raises StoreUnusable."""
        try:
            with FileLock(f"{self.name}.lock", timeout=LOCK_SECONDS, mode=0o600):
                yield
        except Timeout as error:
            raise StoreUnusable(f"another process has held {self.name}.lock for {LOCK_SECONDS} s") from error

    def announce(self, connection: Connection) -> None:
        """Tell other processes that there will be a new revision: they see it in the file."""

    def is_away(self, error: DBAPIError) -> bool:
        """Whether an error means that the database cannot be used now, and may be again."""
        return isinstance(error, OperationalError)

    def is_spoilt(self, error: DBAPIError) -> bool:
        """Whether an error means that the database is not whole any more, until somebody mends it."""
        return getattr(error.orig, "sqlite_errorcode", 0) & 0xFF in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)

    def signal(self) -> DataVersion:
        """What tells of other processes' changes.  Raises Lost."""
        return DataVersion(self.path)


class DataVersion:
    """SQLite's own count of commits by others, which is in the file's shared memory: asking costs 3 µs and no reading
    of the disk, so ten times a second is nothing."""

    interval = 0.1
    file = None

    def __init__(self, path: Path) -> None:
        try:
            self._connection = _connect(path, "mode=rw")
        except sqlite3.Error as error:
            raise Lost from error

    def mark(self) -> int:
        """The count.  Raises Lost."""
        try:
            return int(self._connection.execute("PRAGMA data_version").fetchone()[0])
        except sqlite3.Error as error:
            raise Lost from error

    def close(self) -> None:
        """Close the file."""
        self._connection.close()


def look(path: Path) -> sqlite3.Connection:
    """A connection that leaves everything as it is.  Raises sqlite3.Error."""
    # Even to read, SQLite makes the files that processes share; where there are none, nobody uses the database now.
    in_use = Path(f"{path}-wal").exists()
    return _connect(path, "mode=ro" if in_use else "mode=ro&immutable=1")


def _connect(path: Path, how: str) -> sqlite3.Connection:
    """A connection to a file that is there: one that was taken away is not made again, empty, under a server."""
    # Without an isolation level, because the driver would open transactions late and none at all for tables.
    return sqlite3.connect(
        f"{path.absolute().as_uri()}?{how}",
        uri=True,
        timeout=BUSY_SECONDS,
        isolation_level=None,
        check_same_thread=False,
    )


def _make_durable(connection: DBAPIConnection, _: ConnectionPoolEntry) -> None:
    cursor = connection.cursor()
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _begin(connection: Connection) -> None:
    # A write after a read would fail at once, without waiting its turn, when another writer came between: so what may
    # write says so at its begin, and waits there.
    connection.exec_driver_sql(connection.get_execution_options().get(_BEGIN, "BEGIN IMMEDIATE"))
