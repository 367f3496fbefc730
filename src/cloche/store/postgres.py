"""What PostgreSQL needs to be the database of several hosts: the only file that knows it is PostgreSQL.

Nothing here may hang: a server that is gone without a word or stands still, a lock that is never given back and a
statement that never ends are all failures after some seconds.  The password is in the URL, so the URL is in no text
that leaves this file.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, Engine, create_engine, text
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError

from cloche.store.errors import StoreUnusable
from cloche.store.watch import Lost

if TYPE_CHECKING:
    import psycopg

SCHEMES = ("postgresql://", "postgres://")

LOCK_SECONDS = 60
"""How long to wait while another process migrates."""

_LIMITS = {
    "connect_timeout": 5,
    "keepalives_idle": 15,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 15_000,
    "application_name": "cloche",
}
"""What libpq is told where the URL does not say otherwise, in seconds, and in milliseconds for the last time."""

_SESSION = "-c statement_timeout=8s -c lock_timeout=6s -c idle_in_transaction_session_timeout=60s"
ANSWER_SECONDS = 10.0
"""How long a server may take for one answer.  Its own limits end a statement before; a server that stands still keeps
no limit of its own, and its machine goes on acknowledging what is sent to it."""

_NOTICE_SECONDS = 5.0
"""The same for the one row that is looked at twice a second."""

_TURN_SECONDS = 0.1
_CHANNEL = "cloche_revision"
_TURNS = 0x636C6F636865
"""The advisory lock under which one process migrates: "cloche" in ASCII."""

_READ_ONLY = "25006"
"""SQLSTATE: the server takes no changes, as one that has been the primary until a moment ago."""

_SPOILT = ("42P01", "42703", "42501", "XX001", "XX002")
"""SQLSTATEs: a table or column is not there, as while a copy is restored; no permission; damaged data or index."""


class PostgresDatabase:
    """A database on a server.  `engine` begins transactions that write, `reading` those that see one moment."""

    def __init__(self, url: str) -> None:
        """Raises StoreUnusable for a URL that is none, and where the driver is not installed."""
        self._parameters = _parameters(url)
        self.name = _name(self._parameters)
        self.engine: Engine = create_engine(
            "postgresql+psycopg://",
            creator=lambda: _connect(self._parameters, ANSWER_SECONDS),
            pool_size=3,
            max_overflow=5,
            pool_timeout=10,
            pool_pre_ping=True,
        )
        # READ COMMITTED is right for changes, which begin with the revision: whoever waited for it sees what the one
        # before has done.  A reading needs more, to see one moment in several statements.
        self.reading: Engine = self.engine.execution_options(
            isolation_level="REPEATABLE READ", postgresql_readonly=True
        )

    def make(self) -> None:
        """Nothing: the database was made by whoever runs the server."""

    def exists(self) -> bool:
        """Whether there is a database to look at: the first question will tell."""
        return True

    @contextmanager
    def taking_turns(self) -> Iterator[None]:
        """Keep other processes from migrating meanwhile: the lock ends with its connection, however that ends.

        Raises StoreUnusable.
        """
        take = text(f"SELECT pg_try_advisory_lock({_TURNS})")
        deadline = time.monotonic() + LOCK_SECONDS
        with self.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            while not connection.execute(take).scalar_one():
                if time.monotonic() > deadline:
                    raise StoreUnusable(f"another process has migrated {self.name} for {LOCK_SECONDS} s")
                time.sleep(_TURN_SECONDS)
            try:
                yield
            finally:
                connection.invalidate()  # it is not to go back to the others with a lock

    def announce(self, connection: Connection) -> None:
        """Tell other processes that there will be a new revision: they hear it when the transaction commits."""
        connection.execute(text(f"NOTIFY {_CHANNEL}"))

    def is_away(self, error: DBAPIError) -> bool:
        """Whether an error means that the database cannot be used now, and may be again."""
        if getattr(error.orig, "sqlstate", None) == _READ_ONLY:
            return True
        return error.connection_invalidated or isinstance(error, OperationalError | InterfaceError)

    def is_spoilt(self, error: DBAPIError) -> bool:
        """Whether an error means that the database is not whole or not cloche's any more, until somebody mends it."""
        return getattr(error.orig, "sqlstate", None) in _SPOILT

    def signal(self) -> RevisionNotice:
        """What tells of other processes' changes.  Raises Lost."""
        import psycopg

        try:
            return RevisionNotice(_connect(self._parameters, _NOTICE_SECONDS))
        except psycopg.Error as error:
            raise Lost from error


class RevisionNotice:
    """A connection that listens.  The notice only says when to look: what counts is the revision itself, which is also
    looked at twice a second, for a pooler between here and the server may let no notice pass.  That costs the server
    about 0.1 ms a second."""

    interval = 0.5

    def __init__(self, connection: psycopg.Connection[Any]) -> None:
        self._connection = connection
        connection.autocommit = True
        connection.add_notify_handler(lambda _: None)  # else the driver would keep every notice
        connection.execute(f"LISTEN {_CHANNEL}".encode())

    @property
    def file(self) -> int | None:
        """The socket, which a notice makes readable."""
        return self._connection.fileno()

    def mark(self) -> int:
        """The revision.  Raises Lost."""
        import psycopg

        try:
            row = self._connection.execute("SELECT number FROM revision").fetchone()
        except psycopg.Error as error:
            raise Lost from error
        return 0 if row is None else int(row[0])

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()


def _connect(parameters: dict[str, Any], answer_seconds: float) -> psycopg.Connection[Any]:
    """A connection that is closed when the server leaves it without an answer for so long.  Raises psycopg.Error."""
    import psycopg

    class Impatient(psycopg.Connection[Any]):
        def wait(self, gen: Any, interval: float = 0.1, timeout: float | None = answer_seconds) -> Any:
            try:
                return super().wait(gen, interval, timeout)
            except psycopg.errors._WaitTimeout as error:
                self.pgconn.finish()
                raise psycopg.OperationalError(f"no answer within {answer_seconds:g} s") from error

    return Impatient.connect(**parameters)


def _parameters(url: str) -> dict[str, Any]:
    """What libpq is to be told.  Raises StoreUnusable, without the URL."""
    try:
        import psycopg  # late: 60 ms and 10 MB that SQLite does not need
        from psycopg.conninfo import conninfo_to_dict
    except ImportError as error:
        raise StoreUnusable(
            "the driver for PostgreSQL is not installed: install cloche with its extra 'postgres' "
            "(pip install '.[postgres]')"
        ) from error
    try:
        given = conninfo_to_dict(url)
        [int(port or 5432) for port in str(given.get("port", "")).split(",")]
    except (psycopg.Error, ValueError):
        raise StoreUnusable(
            "database_url is not what PostgreSQL takes: postgresql://USER:PASSWORD@HOST:PORT/DATABASE"
        ) from None
    options = f"{_SESSION} {given.pop('options', None) or ''}".strip()
    return {**_LIMITS, **given, "options": options}


def _name(parameters: dict[str, Any]) -> str:
    where = parameters.get("host") or parameters.get("hostaddr") or "this machine"
    port = f":{parameters['port']}" if "port" in parameters else ""
    database = parameters.get("dbname") or parameters.get("user") or "of the user's name"
    return f"the PostgreSQL database {database} on {where}{port}"
