"""The database: opened, brought to the newest revision, and refused when it is not ours to touch.

Owns the order at start, and transactions: every change is one, and bears the revision that other processes follow.
Must not know what the tables are for.  Two processes that start at once take turns under a lock, because a migration is
not a thing to race for.
"""

from __future__ import annotations

import base64
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout
from sqlalchemy import Engine, column, inspect, select, table
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from cloche.domain.errors import NotReady, OurFault
from cloche.domain.state import State
from cloche.store import sqlite
from cloche.store.key import legacy_token_key
from cloche.store.sealing import KEY_SIZE, CannotOpen, Sealer
from cloche.store.work import Work

FILE = "cloche.db"
LOCK_SECONDS = 60

NEWEST = "0002"
"""The last revision in migrations/versions: what this version of cloche brings a database to."""

_version = table("alembic_version", column("version_num"))

_TOKEN_KEY = "sealed_token_key"  # noqa: S105 (a name)


class StoreUnusable(OurFault):
    """The database cannot be used as it is; the message says why and what to do.  For the operator at the terminal."""


class StoreUnreachable(NotReady):
    """The database does not answer now."""


class Store:
    """The open database.  `key`: the key of token digests.  `sealer`: for values that are kept encrypted."""

    def __init__(self, engine: Engine, sealer: Sealer, key: bytes) -> None:
        self.engine = engine
        self.sealer = sealer
        self.key = key

    @contextmanager
    def read(self) -> Iterator[Work]:
        """One consistent look.  Raises StoreUnreachable."""
        with _told(), self.engine.connect() as connection, connection.begin():
            yield Work(connection)

    @contextmanager
    def write(self, *, publish: bool = True) -> Iterator[Work]:
        """One change, whole or not at all.  Raises StoreUnreachable.

        `publish`: it bears a new revision, which other processes see when it is committed; changes of that kind take
        turns, so what is read in one is still true when it commits.
        """
        with _told(), self.engine.connect() as connection, connection.begin():
            work = Work(connection)
            if publish:
                work.advance()
            yield work

    def state(self) -> State:
        """Everything that is in force.  Raises StoreUnreachable."""
        with self.read() as work:
            return work.state()

    def close(self) -> None:
        """Give the connections back."""
        self.engine.dispose()


@contextmanager
def _told() -> Iterator[None]:
    try:
        yield
    except PoolTimeout as error:
        raise StoreUnreachable("the database is too busy to be asked now", retry_after=5) from error
    except DBAPIError as error:
        if error.connection_invalidated or type(error).__name__ in ("OperationalError", "InterfaceError"):
            raise StoreUnreachable(
                "the database does not answer now: what is published goes on, changes are not possible", retry_after=5
            ) from error
        raise


def open_store(home: Path, master_keys: Sequence[bytes]) -> Store:
    """Open the database of a home, new or old, at the newest revision.  Raises StoreUnusable."""
    path = home / FILE
    engine: Engine | None = None
    try:
        with FileLock(str(path) + ".lock", timeout=LOCK_SECONDS, mode=0o600):
            engine = sqlite.open_file(path)
            _migrate(engine, path)
            sealer = Sealer(master_keys)
            return Store(engine, sealer, _token_key(engine, sealer, home))
    except Timeout as error:
        raise StoreUnusable(f"another process has held {path}.lock for {LOCK_SECONDS} s") from error
    except (DBAPIError, OSError) as error:
        _dispose(engine)
        raise StoreUnusable(f"cannot open {path}: {getattr(error, 'orig', None) or error}") from error
    except (StoreUnusable, CannotOpen):
        _dispose(engine)
        raise


def revision(home: Path) -> str | None:
    """The revision that a home's database is at; None where there is no database.  Raises StoreUnusable."""
    path = home / FILE
    if not path.exists():
        return None
    engine = sqlite.open_file(path)
    try:
        return _revision(engine)
    except DBAPIError as error:
        raise StoreUnusable(f"cannot read {path}: {error.orig}") from error
    finally:
        engine.dispose()


def _dispose(engine: Engine | None) -> None:
    if engine is not None:
        engine.dispose()


def _revision(engine: Engine) -> str | None:
    if not inspect(engine).has_table(_version.name):
        return None
    with engine.connect() as connection:
        return connection.execute(select(_version.c.version_num)).scalar_one_or_none()


def _migrate(engine: Engine, path: Path) -> None:
    at = _revision(engine)
    if at == NEWEST:
        return
    from cloche.store import migrate  # late: see there

    if at is not None and at not in migrate.history():
        raise StoreUnusable(
            f"{path} is at revision {at}, which this version of cloche does not know (it knows up to {NEWEST}): "
            "a newer cloche has used it. Run that version, or restore an older copy of the file."
        )
    migrate.upgrade(engine)


def _token_key(engine: Engine, sealer: Sealer, home: Path) -> bytes:
    """The key of token digests: made once, kept sealed in the database, so that all hosts of one database share it.

    Raises CannotOpen where the master key is not the one that the database was made with.
    """
    with engine.begin() as connection:
        meta = Work(connection).meta
        kept = meta.get(_TOKEN_KEY)
        if kept is not None:
            return sealer.open(base64.b64decode(kept), _TOKEN_KEY)
        key = legacy_token_key(home) or os.urandom(KEY_SIZE)
        meta.put(_TOKEN_KEY, base64.b64encode(sealer.seal(key, _TOKEN_KEY)).decode())
        return key
