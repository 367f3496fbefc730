"""The database: opened, brought to the newest revision, and refused when it is not ours to touch.

Owns the order at start, and transactions: every change is one, and bears the revision that other processes follow.
Must not know what the tables are for, nor which database it is.  Two processes that start at once take turns under a
lock, because a migration is not a thing to race for.
"""

from __future__ import annotations

import base64
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

from sqlalchemy import Connection, Engine, inspect, select
from sqlalchemy.exc import DataError, DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from cloche.domain.errors import InvalidParameter
from cloche.domain.state import State
from cloche.store import fresh
from cloche.store.errors import StoreUnreachable, StoreUnusable
from cloche.store.key import legacy_token_key
from cloche.store.postgres import SCHEMES, PostgresDatabase
from cloche.store.sealing import KEY_SIZE, CannotOpen, Sealer, wrapped_with
from cloche.store.sqlite import SqliteFile
from cloche.store.watch import Changes
from cloche.store.work import Work

__all__ = [
    "FILE",
    "NEWEST",
    "TOKEN_KEY",
    "Store",
    "StoreUnreachable",
    "StoreUnusable",
    "changing",
    "is_sealed",
    "looking",
    "open_store",
    "revision",
]

FILE = "cloche.db"

NEWEST = "0008"
"""The last revision in migrations/versions: what this version of cloche brings a database to."""

TOKEN_KEY = "sealed_token_key"  # noqa: S105 (a name)
"""The row of `meta` with the key of token digests, and the place that it is sealed for."""

_RETRY_AFTER = 5

Database = SqliteFile | PostgresDatabase


class Store:
    """The open database.  `key`: the key of token digests.  `sealer`: for values that are kept encrypted."""

    def __init__(self, database: Database, sealer: Sealer, home: Path, key: bytes | None = None) -> None:
        """`key`: that of a database that does not answer now: it is opened when it does."""
        self._database = database
        self._home = home
        self._expected = key
        self._opened = threading.Event()
        self._opening = threading.Lock()
        self.sealer = sealer
        self.key = key or b""

    @classmethod
    def unreached(cls, home: Path, master_keys: Sequence[bytes], token_key: bytes, url: str | None = None) -> Store:
        """The store of a database that does not answer at start: it works as soon as the database does.

        `token_key`: sealed, as the snapshot file keeps it.  Raises StoreUnusable, CannotOpen.
        """
        sealer = Sealer(master_keys)
        return cls(database_at(home, url), sealer, home, sealer.open(token_key, TOKEN_KEY))

    @property
    def engine(self) -> Engine:
        """The connections that changes are made with."""
        return self._database.engine

    @property
    def sealed_token_key(self) -> bytes:
        """The key of token digests as it may be kept, sealed with the first master key."""
        return self.sealer.seal(self.key, TOKEN_KEY)

    def master_key_in_use(self) -> bytes:
        """The id of the master key that the database is sealed with.  Raises StoreUnreachable."""
        # Not by `read`: it may be asked while `open` opens the key of token digests.
        with self._told(), self._database.reading.connect() as connection, connection.begin():
            return wrapped_with(base64.b64decode(Work(connection).meta.get(TOKEN_KEY) or ""))

    def open(self) -> None:
        """Bring the database to the newest revision, under a lock.  Raises StoreUnusable, StoreUnreachable, CannotOpen.

        Until that has been done, `read` and `write` do it first.
        """
        with self._opening:
            if self._opened.is_set():
                return
            self._database.make()
            try:
                with self._told(), self._database.taking_turns():
                    _migrate(self._database)
                    with self.engine.begin() as connection:
                        key = self._token_key(connection)
            except DBAPIError as error:
                raise StoreUnusable(f"cannot open {self._database.name}: {error.orig}") from error
            if self._expected not in (None, key):
                raise StoreUnusable(f"{self._database.name} is another one than the one that was used before")
            self.key = key
            self._opened.set()

    @contextmanager
    def read(self) -> Iterator[Work]:
        """One consistent look.  Raises StoreUnreachable."""
        self._ensure_open()
        with self._told(), self._database.reading.connect() as connection, connection.begin():
            yield Work(connection)

    @contextmanager
    def write(self, *, publish: bool = True) -> Iterator[Work]:
        """One change, whole or not at all.  Raises StoreUnreachable.

        `publish`: it bears a new revision, which other processes see when it is committed; changes of that kind take
        turns, so what is read in one is still true when it commits.
        """
        self._ensure_open()
        with self._told(), self.engine.connect() as connection, connection.begin():
            work = Work(connection)
            if publish:
                work.advance()
                self._database.announce(connection)
            yield work

    def state(self) -> State:
        """Everything that is in force.  Raises StoreUnreachable."""
        with self.read() as work:
            return work.state()

    def changes(self) -> Changes:
        """What tells of changes, of this process and others; the caller closes it."""
        return Changes(self._database.signal)

    def close(self) -> None:
        """Give the connections back."""
        self.engine.dispose()

    def _ensure_open(self) -> None:
        if self._opened.is_set():
            return
        try:
            self.open()
        except (StoreUnusable, CannotOpen) as error:
            raise StoreUnreachable(_AWAY, retry_after=_RETRY_AFTER, summary=error.message) from error

    @contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except PoolTimeout as error:
            raise StoreUnreachable("the database is too busy to be asked now", retry_after=_RETRY_AFTER) from error
        except DataError as error:
            # PostgreSQL keeps no text with a NUL in it, and cannot look for one.
            raise InvalidParameter("a text or number in the request cannot be kept by the database") from error
        except DBAPIError as error:
            if self._database.is_away(error):
                summary = f"{self._database.name} does not answer: {error.orig}"
            elif self._opened.is_set() and self._database.is_spoilt(error):
                summary = f"{self._database.name} cannot be used as it is: {error.orig}"
            else:
                raise
            raise StoreUnreachable(_AWAY, retry_after=_RETRY_AFTER, summary=summary) from error

    def _token_key(self, connection: Connection) -> bytes:
        """The key of token digests: made once, kept sealed in the database, so that all its hosts share it.

        Raises CannotOpen where the master key is not the one that the database was made with.
        """
        meta = Work(connection).meta
        kept = meta.get(TOKEN_KEY)
        if kept is not None:
            return self.sealer.open(base64.b64decode(kept), TOKEN_KEY)
        key = legacy_token_key(self._home) or os.urandom(KEY_SIZE)
        meta.put(TOKEN_KEY, base64.b64encode(self.sealer.seal(key, TOKEN_KEY)).decode())
        return key


_AWAY = "the database does not answer now: what is published goes on, changes are not possible"


def open_store(home: Path, master_keys: Sequence[bytes], url: str | None = None) -> Store:
    """Open the database of a home, or at a URL, new or old, at the newest revision.

    Raises StoreUnusable where that will not get better by itself, StoreUnreachable where it may, CannotOpen.
    """
    store = Store(database_at(home, url), Sealer(master_keys), home)
    try:
        store.open()
    except BaseException:
        store.close()
        raise
    return store


def database_at(home: Path, url: str | None, *, read_only: bool = False) -> Database:
    """The database that the settings mean, untouched yet.  Raises StoreUnusable for a URL that is none of ours."""
    if url is None:
        return SqliteFile(home / FILE, read_only=read_only)
    if url.startswith(SCHEMES):
        return PostgresDatabase(url)
    raise StoreUnusable("database_url must begin with postgresql://; without one, the database is a file in the home")


def revision_of(database: Database) -> str | None:
    """The revision that a database is at; None where there is no database of cloche's."""
    if not inspect(database.reading).has_table(fresh.version.name):
        return None
    with database.reading.connect() as connection:
        return connection.execute(select(fresh.version.c.version_num)).scalar_one_or_none()


def revision(home: Path, url: str | None = None) -> str | None:
    """The same of the database that the settings mean, which is not touched.  Raises StoreUnusable."""
    with _looked_at(home, url) as database:
        return revision_of(database) if database.exists() else None


def is_sealed(home: Path, url: str | None = None) -> bool:
    """Whether a master key has sealed anything in that database, which is not touched.  Raises StoreUnusable."""
    with _looked_at(home, url) as database:
        if not database.exists() or revision_of(database) is None:
            return False
        with database.reading.connect() as connection, connection.begin():
            return Work(connection).meta.get(TOKEN_KEY) is not None


@contextmanager
def looking(home: Path, url: str | None = None) -> Iterator[Work]:
    """One look at a database at the newest revision, which is not touched.  Raises StoreUnusable."""
    with _looked_at(home, url) as database, database.reading.connect() as connection, connection.begin():
        yield Work(connection)


@contextmanager
def changing(home: Path, url: str | None = None) -> Iterator[Callable[[], AbstractContextManager[Work]]]:
    """What begins transactions on a database at the newest revision, whose keys are not needed.  Raises StoreUnusable.

    A server may use it meanwhile.
    """
    if revision(home, url) != NEWEST:
        raise StoreUnusable("there is no database at the revision of this cloche: `cloche serve` brings it to that")
    database = database_at(home, url)

    @contextmanager
    def begin() -> Iterator[Work]:
        with database.engine.connect() as connection, connection.begin():
            yield Work(connection)

    try:
        yield begin
    except DBAPIError as error:
        raise StoreUnusable(f"cannot write to {database.name}: {error.orig}") from error
    finally:
        database.engine.dispose()


@contextmanager
def _looked_at(home: Path, url: str | None) -> Iterator[Database]:
    database = database_at(home, url, read_only=True)
    try:
        yield database
    except DBAPIError as error:
        raise StoreUnusable(f"cannot read {database.name}: {error.orig}") from error
    finally:
        database.engine.dispose()


def _migrate(database: Database) -> None:
    at = revision_of(database)
    if at == NEWEST:
        return
    if at is None:
        with database.engine.begin() as connection:
            fresh.make(connection, NEWEST)
        return
    from cloche.store import migrate  # late: see there

    if at not in migrate.history():
        raise StoreUnusable(
            f"{database.name} is at revision {at}, which this version of cloche does not know (it knows up to "
            f"{NEWEST}): a newer cloche has used it. Run that version, or restore an older copy."
        )
    migrate.upgrade(database.engine)
